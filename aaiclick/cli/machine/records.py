"""A transition as it is printed: for programs, and as a line of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aaiclick.cli.machine.documents import LedgerDocument, RecordDocument
from aaiclick.printable import seconds_text

if TYPE_CHECKING:
    from aaiclick.state.record import Record

HEADINGS = ("version", "from", "state", "when (UTC)", "who", "took", "aaiclick", "ClickHouse")
"""What the columns of ``record_row`` are."""


def record_json(record: Record) -> RecordDocument:
    """A transition without its forms and plan."""
    from aaiclick.state.record import is_forced, ledger_of_record

    return {
        "version": record.version,
        "from_version": record.from_version,
        "state": record.state,
        "forced": is_forced(record),
        "at": _when(record),
        "who": record.who,
        "seconds": record.seconds,
        "library": record.library,
        "server": record.server,
        "oldest_code": record.oldest_code,
        "ledger": _ledger(ledger_of_record(record)),
    }


def _ledger(said: Mapping[str, str]) -> LedgerDocument | None:
    if not said:
        return None
    return {"tool": said.get("tool", ""), "table": said.get("table", ""), "version": said.get("version", "")}


def record_row(record: Record) -> tuple[str, ...]:
    """A transition as a line of a table."""
    from aaiclick.state.record import is_forced, ledger_of_record

    state = f"{record.state} (forced)" if is_forced(record) else record.state
    if ledger := ledger_of_record(record):
        state += f" from {ledger.get('tool')} {ledger.get('version')}"
    before = "" if record.from_version is None else f"v{record.from_version}" if record.from_version else "empty"
    version = f"v{record.version}" if record.version is not None else "development"
    return (
        version,
        before,
        state,
        _when(record),
        record.who,
        seconds_text(record.seconds),
        record.library,
        record.server,
    )


def _when(record: Record) -> str:
    return datetime.fromtimestamp(record.at / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S") if record.at else ""
