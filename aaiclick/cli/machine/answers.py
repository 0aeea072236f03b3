"""What the commands answer with ``--json``, made of what the library returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aaiclick.cli.machine.documents import (
        HazardDocument,
        ReportDocument,
        RoomDocument,
        StatusDocument,
        StepDocument,
    )
    from aaiclick.commands.report import Report, Status
    from aaiclick.plan.model import Step

HELPLESS = frozenset({"ahead", "changed", "unrecognised", "foreign"})
"""States that ``aaiclick migrate`` can only refuse."""


def step_json(step: Step) -> StepDocument:
    """A step without its internals."""
    hazards: list[HazardDocument] = [
        {"kind": hazard.kind, "message": hazard.message, "allow": hazard.allow} for hazard in step.hazards
    ]
    return {
        "id": step.id,
        "object": step.object,
        "change": step.change,
        "strategy": step.strategy,
        "sql": list(step.sql),
        "hazards": hazards,
        "rows": step.rows,
        "bytes": step.bytes,
        "seconds": step.seconds,
        "seconds_range": list(step.seconds_range) if step.seconds_range is not None else None,
        "seconds_from": step.seconds_from,
        "room": _room(step),
        "expiring": step.expiring,
        "uncounted": step.uncounted,
        "diff": list(step.diff),
        "optional": step.optional,
        "blocked": step.blocked,
        "reads": step.reads,
        "read_bytes": step.read_bytes,
        "unlooked": list(step.unlooked),
        "behind": step.behind,
    }


def _room(step: Step) -> RoomDocument | None:
    room = step.room
    if room is None:
        return None
    return {
        "disk": room.disk,
        "bytes": room.bytes,
        "free": room.free,
        "kept_bytes": room.kept_bytes,
        "kept_seconds": room.kept_seconds,
    }


def report_json(report: Report) -> ReportDocument:
    """What ``migrate --json`` prints."""
    return {
        "schema": report.schema,
        "database": report.database,
        "from_version": report.from_version,
        "to_version": report.to_version,
        "in_sync": report.in_sync,
        "steps": [step_json(step) for step in report.steps],
        "pending": [
            {**step_json(step), "reason": reason} for step, reason in zip(report.pending, report.reasons, strict=True)
        ],
        "notes": list(report.notes),
        "duration": report.duration,
    }


def status_json(found: Status, place: str, following: str | None) -> StatusDocument:
    """What ``status --json`` prints."""
    return {
        "schema": found.schema,
        "database": found.database,
        "place": place,
        "server": found.server,
        "live_version": found.live_version,
        "code_version": found.code_version,
        "state": found.state,
        "in_sync": found.in_sync,
        "differences": list(found.differences),
        "notes": list(found.notes),
        "kept_tables": [
            {"name": kept.name, "table": kept.table, "rows": kept.rows, "bytes": kept.bytes, "expires": kept.expires}
            for kept in found.kept_tables
        ],
        "unfinished": found.unfinished,
        "hosts": [
            {
                "host": host.host,
                "shard": host.shard,
                "replica": host.replica,
                "trouble": host.trouble,
                "differs": list(host.differs),
                "fewer": list(host.fewer),
            }
            for host in found.hosts
        ],
        "fenced": list(found.fenced),
        "next": following,
    }
