"""Finds and reads the ledger of another tool, from which a database is taken over. The ledger is not changed."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.names import RECORDS
from aaiclick.errors import UsageError
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.versions.ledgers import LEDGERS, TOOLS, Ledger, LedgerEntry, ledger_of, read_ledger

_COLUMNS = (
    "SELECT table, name FROM system.columns WHERE database = unhex({database:String}) AND table != "
    f"'{RECORDS}' ORDER BY table, position"
)


def read_foreign(database: str, tool: str, table: str | None) -> Routine[LedgerEntry]:
    """What the ledger of ``tool`` says; ``table`` is its name where that is not the usual one.

    Raises ``UsageError`` where there is none, where it is another tool's, where it says that nothing is applied, and
    where it says that a version failed half-way.
    """
    if tool not in TOOLS:
        raise UsageError(f"{tool!r} is no tool whose ledger can be read: there are {', '.join(TOOLS)}")
    columns = yield from _columns(database)
    found = _ledgers(columns)
    usual = " or ".join(each.table for each in LEDGERS if each.tool == tool)
    # By the columns, not by the name: two tools call their tables alike, and a table may have been given any name.
    own = [name for name, ledger in found.items() if ledger.tool == tool]
    if table is not None and table not in columns:
        raise UsageError(f"there is no table {table} in database {database}")
    if table is not None and table not in own:
        other = found.get(table)
        what = f"it is one of {other.tool}" if other is not None else "its columns are others"
        raise UsageError(f"{table} is no ledger of {tool}: {what}")
    if table is None and not own:
        others = "".join(f"; {name} is the ledger of {ledger.tool}" for name, ledger in sorted(found.items()))
        raise UsageError(
            f"database {database} has no ledger of {tool} (usually {usual}){others}. Is it in another database: "
            "--database"
        )
    if table is None and len(own) > 1:
        raise UsageError(
            f"database {database} has several ledgers of {tool}: say which with --ledger {' or '.join(own)}"
        )
    name = table if table is not None else own[0]
    entry = yield from read_ledger(found[name], name, qualified(database, name))
    if entry.version is None:
        raise UsageError(f"{name} says that {tool} has applied nothing: there is nothing to take over from it")
    if entry.dirty:
        raise UsageError(
            f"{name} says that version {entry.version} failed half-way (dirty): nothing was recorded. Finish it or "
            f"undo it with {tool} first ({found[name].repair}), then adopt"
        )
    return entry


def require_clean(database: str) -> Routine[None]:
    """Raises ``UsageError`` where any tool's ledger in the database says that a version failed half-way."""
    for name, ledger in sorted(_ledgers((yield from _columns(database))).items()):
        # Such a ledger never says that a version failed.
        if not ledger.repair:
            continue
        entry = yield from read_ledger(ledger, name, qualified(database, name))
        if entry.dirty:
            raise UsageError(
                f"{name} says that version {entry.version} of {ledger.tool} failed half-way (dirty): nothing was "
                f"recorded. Finish it or undo it with {ledger.tool} first ({ledger.repair}), then adopt; --force "
                "records the version all the same"
            )


def _columns(database: str) -> Routine[dict[str, list[str]]]:
    columns: dict[str, list[str]] = {}
    for row in (yield Query(_COLUMNS, {"database": hexed(database)})):
        columns.setdefault(text(row[0]), []).append(text(row[1]))
    return columns


def _ledgers(columns: Mapping[str, list[str]]) -> dict[str, Ledger]:
    return {name: ledger for name, held in columns.items() if (ledger := ledger_of(held)) is not None}
