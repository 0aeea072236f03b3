"""``aaiclick history``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aaiclick.cli.command import Frame
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.machine.documents import LedgerDocument, RecordDocument
from aaiclick.cli.options import Database, Debug, Env, Json, Reference, Url
from aaiclick.printable import seconds_text

if TYPE_CHECKING:
    from aaiclick.state.record import Record


def history(
    *,
    json: Json = False,
    url: Url = None,
    database: Database = None,
    schema: Reference = None,
    env: Env = None,
    debug: Debug = False,
) -> None:
    """Tell what was applied when, by whom, and how long.

    Reads the table schema_version. Changes nothing.

    Exit code 0, also where nothing was recorded yet, or 2 on an error.
    """
    frame = Frame("history", json, debug, url, database, schema, env)
    frame.run(lambda: _history(frame))


def _history(frame: Frame) -> ExitCode:
    from aaiclick.api.history import schema_history

    declared, target = frame.declared(), frame.target()
    # Opening the embedded engine would make the directory: what nobody has is known without.
    records = () if target.missing else schema_history(target.url, declared, frame.database)
    if frame.as_json:
        frame.output.result({"schema": declared.name, "records": [record_json(record) for record in records]})
    elif not records:
        frame.output.say(f"{declared.name} has no history at {target.place}")
    else:
        rows = [_row(record) for record in records]
        frame.output.table(("version", "from", "state", "when (UTC)", "who", "took", "aaiclick", "ClickHouse"), rows)
    return ExitCode.DONE


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


def _row(record: Record) -> tuple[str, ...]:
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
