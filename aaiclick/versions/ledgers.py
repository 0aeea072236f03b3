"""The tables in which other tools record what they applied: their columns, and how the newest version is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aaiclick.routine import Query, Routine, number, text


@dataclass(frozen=True, slots=True)
class Ledger:
    """How one tool keeps its books."""

    tool: str
    """What it is called, and what ``--from`` takes."""
    table: str
    """Name of its table, where nobody chose another."""
    columns: frozenset[str]
    """Columns that it has in each release."""
    newest: str
    """SELECT of the newest version that is applied and whether it failed half-way (0 or 1); ``{table}`` is the table.
    No row: nothing is applied."""
    repair: str = ""
    """How its own users mend a ledger that says a version failed half-way; '' where it never says so."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What a ledger says. ``version`` is the tool's own number or name; None: nothing is applied. ``dirty``: it failed
    half-way."""

    tool: str
    table: str
    version: str | None
    dirty: bool


LEDGERS = (
    Ledger(
        "golang-migrate",
        "schema_migrations",
        frozenset({"version", "dirty", "sequence"}),
        # -1 is what it writes where everything was undone.
        "SELECT toString(version), toUInt8(dirty) FROM (SELECT * FROM {table} ORDER BY sequence DESC, "
        # Rows that two processes wrote in one moment: what failed counts.
        "dirty DESC, version DESC LIMIT 1) WHERE "
        "version >= 0",
        "migrate force",
    ),
    Ledger(
        "dbmate",
        "schema_migrations",
        frozenset({"version", "ts", "applied"}),
        # What was undone is a later row of the same version.
        "SELECT toString(version), toUInt8(0) FROM {table} GROUP BY version HAVING argMax(applied, ts) ORDER BY "
        "version DESC LIMIT 1",
    ),
    Ledger(
        "goose",
        "goose_db_version",
        frozenset({"version_id", "is_applied", "tstamp"}),
        # Version 0 is its mark for the beginning; older releases undo by a later row, newer ones delete.
        "SELECT toString(version_id), toUInt8(0) FROM {table} WHERE version_id > 0 GROUP BY version_id "
        "HAVING argMax(is_applied, tstamp) ORDER BY version_id DESC LIMIT 1",
    ),
    Ledger(
        "clickhouse-migrations",
        "schema_versions",
        frozenset({"version", "md5", "script"}),
        "SELECT toString(version), toUInt8(0) FROM {table} ORDER BY version DESC LIMIT 1",
    ),
    Ledger(
        "clickhouse-migrations",
        "_migrations",
        frozenset({"version", "checksum", "migration_name"}),
        "SELECT toString(version), toUInt8(0) FROM {table} ORDER BY version DESC LIMIT 1",
    ),
)
TOOLS = tuple(dict.fromkeys(ledger.tool for ledger in LEDGERS))
"""What ``--from`` takes."""
_MOST_MORE = 2
"""Columns beside the known ones that a ledger may have: a release added a checksum, another one a date."""


def ledger_of(columns: Collection[str]) -> Ledger | None:
    """The tool whose ledger has these columns; None where the table is no ledger."""
    found = [ledger for ledger in LEDGERS if ledger.columns <= set(columns)]
    return next((each for each in found if len(set(columns) - each.columns) <= _MOST_MORE), None)


def read_ledger(ledger: Ledger, table: str, qualified_table: str) -> Routine[LedgerEntry]:
    """What the ledger says now."""
    rows = yield Query(ledger.newest.replace("{table}", qualified_table))
    if not rows:
        return LedgerEntry(ledger.tool, table, None, False)
    return LedgerEntry(ledger.tool, table, text(rows[0][0]), bool(number(rows[0][1])))
