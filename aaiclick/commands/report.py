"""The reports that the public functions return."""

from __future__ import annotations

from dataclasses import dataclass, field

from aaiclick.peers import Peer
from aaiclick.plan.gate import GateDecision
from aaiclick.plan.model import Plan, Step  # loaded for who reads the types of a report at run time


@dataclass(frozen=True, slots=True)
class Report:
    """What ``ensure_schema`` or ``rollback_schema`` did."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    from_version: int | None
    """Version before; 0: none of the objects was there, None: nothing was recorded or recognised."""
    to_version: int | None
    """Version after; None for a declaration without one."""
    steps: tuple[Step, ...]
    """Steps that were carried out."""
    pending: tuple[Step, ...]
    """Steps that were not: optional clean-ups that nobody asked for, or what a dry run would do."""
    reasons: tuple[str, ...]
    """Why not, one for each pending step, in the same order."""
    notes: tuple[str, ...]
    """Differences that need no work, and what else an operator should know."""
    in_sync: bool
    """The database is as declared."""
    duration: float
    """How long it took, in seconds."""


@dataclass(frozen=True, slots=True)
class KeptTable:
    """An old table that is kept after a rebuild, for a rollback."""

    name: str
    """What it is called now."""
    table: str
    """The table that it was."""
    rows: int
    """Its rows."""
    bytes: int
    """Its size on disk."""
    expires: str
    """When it is dropped, an ISO time in UTC; '': it stays until somebody decides."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host of a cluster."""

    host: str
    """Its name."""
    shard: int
    """The shard that it belongs to, from 1."""
    replica: int
    """Its place in the shard, from 1."""
    trouble: str
    """Why it cannot carry out now what is sent to all; '' for nothing."""
    differs: tuple[str, ...]
    """What it lacks, or has otherwise than most hosts."""
    fewer: tuple[str, ...]
    """Where it has fewer rows than others of its shard: it has not fetched them yet, or the table is not replicated."""
    peer: Peer | None = field(default=None, compare=False)
    """Where a run through it has to go that puts right what differs there; None: where no run does."""


@dataclass(frozen=True, slots=True)
class Status:
    """What ``validate_schema`` found."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    server: str
    """Version of the server."""
    live_version: int | None
    """Version of the database; 0: it is empty, None: nothing is recorded or recognised."""
    code_version: int | None
    """Version of the declaration; None for one without."""
    state: str
    """'in sync', 'behind', 'ahead', 'drift', 'changed', 'empty', 'unrecognised' or 'foreign' (another schema's)."""
    in_sync: bool
    """The state is 'in sync'."""
    differences: tuple[str, ...]
    """What has to be migrated."""
    notes: tuple[str, ...]
    """Harmless differences, such as undeclared columns."""
    kept_tables: tuple[KeptTable, ...]
    """Old tables that are kept for a rollback."""
    unfinished: str = ""
    """What a killed run left for the next one to finish; '' for nothing."""
    hosts: tuple[HostStatus, ...] = ()
    """The hosts of a cluster; empty on one host."""
    fenced: tuple[str, ...] = ()
    """Tables that refuse writers (``table_readonly``) without being declared so: a run keeps them out, or left them."""


def report_of(plan: Plan, verdict: GateDecision, seconds: float) -> Report:
    """What was done, and what was left because nobody asked for it."""
    return Report(
        schema=plan.schema,
        database=plan.database,
        from_version=plan.from_version,
        to_version=plan.to_version,
        steps=verdict.run,
        pending=tuple(refusal.step for refusal in verdict.pending),
        reasons=tuple(refusal.reason for refusal in verdict.pending),
        notes=tuple(note for note in plan.notes if not _is_pending(note, verdict)),
        in_sync=True,
        duration=seconds,
    )


def _is_pending(note: str, verdict: GateDecision) -> bool:
    """An undeclared column is a pending step (or was just dropped), and need not be said twice."""
    said = [refusal.step for refusal in verdict.pending] + list(verdict.run)
    return any(note == f"{step.object}: {step.change} (left alone)" for step in said)
