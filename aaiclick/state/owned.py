"""Reads what this library has made in a database with one query: every table of ours with what its comment says, and
the scratch databases.

On a cluster it is what the host that is asked has, with what all of them have in common (``notes``).

Most runs find nothing but their own lease. A run looks once when it begins, and once more under the lease, where nobody
else of ours makes anything; what it sees is handed down. Only where the run itself has made or dropped such a table
since is it looked again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.scratch import PREFIX as SCRATCH_PREFIX
from aaiclick.catalog.scratch import ScratchPlaces
from aaiclick.clickhouse.names import JOURNAL, NOTES, PREFIX, RECORDS, label, parse_name
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, home_beside, read_bookkeeping
from aaiclick.lease.names import is_tombstone, of_the_lease
from aaiclick.lease.tombstones import LeaseRow
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed, hexed_list
from aaiclick.state.backfill_mark import MARK_PREFIX as BACKFILL_MARK_PREFIX
from aaiclick.state.backfill_mark import BackfillMark, is_stage_of, parse_backfill_mark
from aaiclick.state.cache import CacheEntry, parse_cache
from aaiclick.state.kept_tables import KEPT_PREFIX, KeptRow, parse_kept
from aaiclick.state.notes import read_notes
from aaiclick.state.rebuild_mark import MARK_PREFIX, Mark, parse_mark
from aaiclick.state.replicated.backfill_mark import ReplicatedBackfillMark, parse_replicated_backfill
from aaiclick.state.replicated.mark import ReplicatedMark, parse_replicated_mark
from aaiclick.state.staged_chunks import STAGE_PREFIX, StagedChunk, filled_from, parse_staged_chunk

# Each branch yields: kind, name, engine, comment, UUID, rows, bytes, the server's clock, its uptime.
_NOTHING = "toUInt64(0), toUInt64(0), toInt64(0), toUInt64(0)"
_SERVER = (
    "SELECT 'server', '', '', '', '', toUInt64(0), toUInt64(0), toUnixTimestamp64Milli(now64(3)), toUInt64(uptime())"
)
_TABLES = (
    "SELECT 'table', name, engine, comment, toString(uuid), toUInt64(coalesce(total_rows, 0)), "
    "toUInt64(coalesce(total_bytes, 0)), toInt64(0), toUInt64(0)"
    " FROM system.tables WHERE database = unhex({db:String}) AND (startsWith(name, {prefix:String}) OR name = "
    "{records:String})"
)
_BESIDE = (
    "SELECT 'beside', name, engine, '', toString(uuid), toUInt64(0), toUInt64(0), toInt64(0), toUInt64(0) FROM "
    "system.tables WHERE database = unhex({home:String}) AND (startsWith(name, {prefix:String}) OR name = "
    "{records:String})"
)
_SCRATCH = (
    f"SELECT 'scratch', name, '', '', '', {_NOTHING} FROM system.databases WHERE startsWith(name, {{scratch:String}})"
)
# In the same statement as the rest: a first start learns by one query that nothing of its own is there, and what of
# ours is.
_ASKED = (
    f"SELECT 'asked', name, '', '', '', {_NOTHING} FROM system.tables"
    " WHERE database = unhex({db:String}) AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name)"
)


@dataclass(frozen=True, slots=True)
class OwnedTable:
    """One table of ours as the catalogue shows it."""

    name: str
    """What it is called."""
    engine: str
    """Name of its engine; '' for a note of all hosts, which is no table."""
    comment: str
    """What it says of itself; '' for nothing."""
    uuid: str
    """As shown: nil in chdb's database ``default``."""
    rows: int
    """Its rows."""
    bytes: int
    """Its size on disk."""


@dataclass(frozen=True, slots=True)
class Owned:
    """What this library has in a database at one moment. Under the lease it stays true, except for what the run itself
    makes and drops."""

    database: str
    """Name of the database."""
    tables: tuple[OwnedTable, ...]
    """By name: the bookkeeping, the lease, marks, staging tables, kept tables, scratch tables."""
    scratch_databases: tuple[str, ...]
    """Of the whole server: they belong to no database."""
    at: int
    """When this was looked at, by the server's clock; Unix milliseconds."""
    uptime: int
    """Seconds since the server's start, then."""
    known: bool = False
    """Whether something is there that was asked for by name."""
    beside: tuple[OwnedTable, ...] = ()
    """What is in the database beside it, where it is a Replicated one."""

    def of_all_hosts(self, home: str, name: str) -> bool:
        """Whether a table that all hosts share is there, of the database ``home``."""
        tables = self.tables if home == self.database else self.beside
        return any(table.name == name and table.engine.startswith("Replicated") for table in tables)

    @property
    def recorded(self) -> bool:
        """Whether the table of the records is there."""
        return any(table.name == RECORDS for table in self.tables)

    @property
    def journal(self) -> bool:
        """Whether the journal is there."""
        return any(table.name == JOURNAL for table in self.tables)

    @property
    def remains(self) -> bool:
        """Whether there is anything beside the bookkeeping and the lease: most runs need not go any of the ways to look
        for remains."""
        return bool(self.scratch_databases) or any(
            # Whatever else has a name of ours is a remain, also where a newer release has made it.
            table.name not in (RECORDS, JOURNAL, NOTES) and not of_the_lease(table.name)
            for table in self.tables
        )

    @property
    def unfinished(self) -> bool:
        """Whether a rebuild or a backfill is under way, or was killed."""
        return any(table.name.startswith((MARK_PREFIX, BACKFILL_MARK_PREFIX)) for table in self.tables)

    @property
    def tombstones(self) -> tuple[LeaseRow, ...]:
        """Former locks: only the lease knows how to read them."""
        return tuple((table.name, table.comment, table.uuid) for table in self.tables if is_tombstone(table.name))

    @property
    def scratch(self) -> ScratchPlaces:
        """Scratch databases of the server, and scratch tables of this database."""
        tables = tuple((table.name, table.engine) for table in self._named(SCRATCH_PREFIX))
        return ScratchPlaces(self.scratch_databases, tables, self.at / 1000, self.uptime)

    def cache(self) -> Mapping[str, CacheEntry]:
        """What the comment of ``schema_version`` holds for the warm start, by schema."""
        return parse_cache(next((table.comment for table in self.tables if table.name == RECORDS), ""))

    def marks(self) -> tuple[Mark | str, ...]:
        """Every mark of a rebuild on one host; the name alone where it cannot be read (a newer version of this library
        wrote it)."""
        return tuple(
            parse_mark(table.name, table.comment)
            for table in self._named(MARK_PREFIX)
            # Those are read apart: for ``parse_mark`` they are of a newer release.
            if parse_replicated_mark(table.comment) is None
        )

    def replicated_marks(self) -> tuple[ReplicatedMark, ...]:
        """Every mark of a copy on replicas."""
        found = (parse_replicated_mark(table.comment) for table in self._named(MARK_PREFIX))
        return tuple(mark for mark in found if mark is not None)

    def backfill_marks(self) -> tuple[BackfillMark | str, ...]:
        """Every mark of a view that is being put in place on one host; the name alone where it cannot be read."""
        return tuple(
            parse_backfill_mark(table.name, table.comment)
            for table in self._named(BACKFILL_MARK_PREFIX)
            if parse_replicated_backfill(table.comment) is None
        )

    def replicated_backfills(self) -> tuple[ReplicatedBackfillMark, ...]:
        """Every mark of a view that is being put in place on all hosts."""
        found = (parse_replicated_backfill(table.comment) for table in self._named(BACKFILL_MARK_PREFIX))
        return tuple(mark for mark in found if mark is not None)

    def backfill_stages(self, mark: BackfillMark) -> tuple[str, ...]:
        """The staging tables of a view's fill: its runs name them all by the nonce of the mark."""
        return tuple(table.name for table in self.tables if is_stage_of(table.name, mark.nonce, mark.work.view))

    def kept(self) -> tuple[KeptRow, ...]:
        """Every kept table whose comment can be read."""
        listed = ((table, parse_kept(table.comment)) for table in self._named(KEPT_PREFIX))
        return tuple(KeptRow(table.name, kept, table.rows, table.bytes) for table, kept in listed if kept is not None)

    def kept_on_replicas(self) -> tuple[KeptRow, ...]:
        """Those that all hosts of a cluster keep; what one host has kept for itself is none of them."""
        ours = {table.name for table in self.tables if table.engine.startswith("Replicated") or not table.engine}
        return tuple(row for row in self.kept() if row.name in ours or row.kept.replicated)

    def staged(self, table: str, source: str, nonces: Collection[str]) -> tuple[tuple[str, StagedChunk | None], ...]:
        """The staging tables of copies of a table of the user, and what those hold that were filled and hold as many
        rows as they did then.

        A name alone makes no table ours, because what is listed here is dropped. ``source``: UUID of the storage that
        is copied, which a staging table says in its comment. ``nonces``: of the marks of the copy; earlier releases
        made staging tables without a word in them.
        """
        found: list[tuple[str, StagedChunk | None]] = []
        for each in self._named(STAGE_PREFIX):
            ours = parse_name(each.name)
            if ours is None or ours.label != label(table):
                continue
            # Of the copy of another storage, which has the same label, rows would be mixed in.
            if ours.nonce in nonces or (source and filled_from(each.comment) == source):
                filled = parse_staged_chunk(each.name, each.comment)
                # With another number of rows it is not what was compared.
                found.append((each.name, filled if filled is not None and filled.rows == each.rows else None))
        return tuple(found)

    def without(self, names: Collection[str]) -> Owned:
        """After these tables were dropped."""
        return replace(self, tables=tuple(table for table in self.tables if table.name not in names))

    def _named(self, prefix: str) -> tuple[OwnedTable, ...]:
        return tuple(table for table in self.tables if table.name.startswith(prefix))


def read_owned(database: str, asked: Collection[str] = ()) -> Routine[Owned]:
    """Read what is ours. ``asked``: names of the user's; ``known`` then says whether one of them is there."""
    owned = yield from read_owned_here(database, asked)
    return (yield from with_notes(owned, (yield from read_bookkeeping(database))))


def with_notes(owned: Owned, books: Bookkeeping) -> Routine[Owned]:
    """What the host that is asked has, with what all hosts have in common: the bookkeeping, and notes in place of
    comments. On one host it is as it is."""
    if not books.shared:
        return owned
    shared = (RECORDS, JOURNAL, NOTES)
    # Those of this host alone are of starts that took the cluster for one node: they say nothing about all hosts.
    here = [table for table in owned.tables if table.name not in shared]
    common = [
        table
        for table in (owned.beside if books.beside else owned.tables)
        if table.name in shared and table.engine.startswith("Replicated")
    ]
    notes: Mapping[str, str] = {}
    if any(table.name == NOTES for table in common):
        notes = yield from read_notes(books)
    listed = {table.name: replace(table, comment=notes.get(table.name, table.comment)) for table in (*here, *common)}
    # A note that no table here belongs to: a mark, or a table that only other hosts have.
    marks = {name: OwnedTable(name, "", body, "", 0, 0) for name, body in notes.items() if name not in listed}
    found = sorted((listed | marks).values(), key=lambda table: table.name)
    return replace(owned, tables=tuple(found))


def read_owned_here(database: str, asked: Collection[str] = ()) -> Routine[Owned]:
    """What the host that is asked has."""
    bound: dict[str, str | int] = {
        "db": hexed(database),
        "prefix": PREFIX,
        "records": RECORDS,
        "scratch": SCRATCH_PREFIX,
        "home": hexed(home_beside(database)),
    }
    branches = [_SERVER, _TABLES, _BESIDE, _SCRATCH]
    if asked:
        branches.append(_ASKED)
        bound["names"] = hexed_list(asked)
    # One statement for all: two would show two moments, and a table that is renamed in between in both or in neither.
    rows = yield Query(" UNION ALL ".join(branches), bound)
    tables: list[OwnedTable] = []
    beside: list[OwnedTable] = []
    scratch: list[str] = []
    at = uptime = 0
    known = False
    for kind, name, engine, comment, uuid, count, size, now, up in rows:
        match kind:
            case "server":
                at, uptime = number(now), number(up)
            case "table" | "beside":
                (tables if kind == "table" else beside).append(
                    OwnedTable(text(name), text(engine), text(comment), text(uuid), number(count), number(size))
                )
            case "scratch":
                scratch.append(text(name))
            case _:
                known = True
    return Owned(
        database,
        tuple(sorted(tables, key=lambda table: table.name)),
        tuple(sorted(scratch)),
        at,
        uptime,
        known,
        tuple(sorted(beside, key=lambda table: table.name)),
    )


def staging_tables(database: str, mark: Mark, table: str = "") -> Routine[tuple[str, ...]]:
    """The staging tables of a mark's copy that are there now. ``table``: what the table was called when they were made;
    '' for the name in the mark."""
    staged = (yield from read_owned(database)).staged(table or mark.table, mark.source, {mark.nonce})
    return tuple(name for name, _ in staged)
