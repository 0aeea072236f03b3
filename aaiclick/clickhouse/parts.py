"""Active parts of a table, and patch parts. They are read by name *and* UUID in one query: the name may hold another
table by now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.statements import READ, ask, ask_permissively, merged
from aaiclick.clickhouse.tables import Physical
from aaiclick.routine import Query, Routine, Row, flag, number, text
from aaiclick.sql.hex_text import hexed

PATCH = "patch-"
"""Partition ids of patch parts (lightweight updates) begin with it."""

EVERY_ROW: Mapping[str, str | int] = {"apply_deleted_mask": 0, "optimize_use_projections": 0, "final": 0}
"""For a count of all rows that parts hold: those that a lightweight delete has hidden are in no projection."""


@dataclass(frozen=True, slots=True)
class Part:
    """An active part."""

    partition: str
    """Id of its partition."""
    first: int
    """Lowest block number in it."""
    last: int
    """Highest block number in it."""
    level: int
    """How many merges deep it is."""
    version: int
    """Its data version: the number of the last mutation that it has."""
    rows: int
    """Its rows, with those that a lightweight delete has hidden."""
    bytes: int
    """Its size on disk."""
    name: str
    """Its name; a mutation gives it another one."""
    masked: bool = False
    """Some of its rows may be hidden (lightweight delete) or changed by patch parts."""
    content: str = ""
    """Digest of its files and the patch parts over them: a mutation of other parts only leaves it as it is."""

    @property
    def key(self) -> tuple[str, int, int]:
        """Partition and block range: what stays when a mutation gives the part another name."""
        return self.partition, self.first, self.last

    @property
    def patch(self) -> bool:
        """True for a part that only changes rows of others."""
        return self.partition.startswith(PATCH)

    @property
    def changes(self) -> str:
        """Of a patch part: id of the partition whose rows it changes."""
        return _changes(self.partition)


def unapplied(present: Sequence[Part]) -> tuple[Part, ...]:
    """The patch parts whose updates are not written into all parts that they may be for. A merge or a mutation that
    writes them raises the data version of the part to theirs."""
    least: dict[str, int] = {}
    for part in present:
        if not part.patch:
            least[part.partition] = min(part.version, least.get(part.partition, part.version))
    # A part that came after an update has a higher version from the start.
    return tuple(part for part in present if part.patch and least.get(part.changes, part.version) < part.version)


def parts(table: Physical) -> Routine[tuple[Part, ...]]:
    """The active parts of this storage under its name, by block number; nothing where the name holds another table.

    Parts without rows are left out: the engine leaves some behind where rows were moved or dropped.
    """
    rows = yield from ask(
        "SELECT partition_id, min_block_number, max_block_number, level, data_version, rows, bytes_on_disk, name, "
        "has_lightweight_delete,"
        " hash_of_all_files"
        " FROM system.parts WHERE active AND rows > 0 AND database = unhex({db:String}) AND table = "
        "unhex({name:String}) AND position(path, {uuid:String}) > 0"
        " ORDER BY min_block_number, partition_id",
        {"db": hexed(table.database), "name": hexed(table.name), "uuid": table.uuid},
    )
    patches: dict[str, list[tuple[int, str]]] = {}
    for partition, _, last, *_, name, _, content in rows:
        if text(partition).startswith(PATCH):
            patches.setdefault(_changes(text(partition)), []).append((number(last), f"{text(name)} {text(content)}"))
    return tuple(_part(row, patches.get(text(row[0]), ())) for row in rows)


def rows_in_reach(source: str, condition: str, query_size: int) -> Routine[int]:
    """How many rows of some parts this user can read, those included that a lightweight delete has hidden.

    ``source``: the quoted name of the table, ``condition`` selects the parts. Fewer than the parts hold: a row policy
    or a setting hides the others, and what is read from the table is not all of it.
    """
    settings = merged(READ, EVERY_ROW, {"max_query_size": query_size})
    rows = yield from ask_permissively(
        Query(f"SELECT count() FROM {source} WHERE {condition}", {}, settings, long=True)
    )
    return number(rows[0][0])


SET_ASIDE = "database = unhex({db:String}) AND table = unhex({name:String}) AND reason IN ('', 'attaching')"
"""Selects the parts of a table that somebody detached, also while one of them is being attached: it is still in the
directory with the others. What the server detached itself has another reason."""


def detached_parts(database: str, name: str) -> Routine[tuple[int, str]]:
    """How many parts of a table somebody has detached, and the name of one. They are in its directory, and are dropped
    with it; those that the server detached itself have a reason, and do not count."""
    rows = yield from rows_or_refusal(
        Query(
            "SELECT count(), min(name) FROM system.detached_parts WHERE database = {database:String} AND table = "
            "{table:String} AND reason = ''",
            {"database": database, "table": name},
        )
    )
    return (number(rows[0][0]), text(rows[0][1])) if rows else (0, "")


def names_of_detached(table: Physical) -> Routine[tuple[str, ...]]:
    """The parts of this storage that somebody detached, by their names (without a UUID: of the table that has the
    name); nothing where the name holds another table, or where this user may not ask."""
    rows = yield from rows_or_refusal(
        Query(
            "SELECT name FROM system.detached_parts WHERE "
            f"{SET_ASIDE} AND position(path, {{uuid:String}}) > 0 ORDER BY name",
            {"db": hexed(table.database), "name": hexed(table.name), "uuid": table.uuid},
        )
    )
    return tuple(text(row[0]) for row in rows or ())


def _changes(partition: str) -> str:
    # patch-<hash of the columns>-<partition>
    return partition.split("-", 2)[2]


def _part(row: Row, patches: Sequence[tuple[int, str]]) -> Part:
    """``patches``: last block and content of the patch parts (``patch-<hash>-<partition>``) of its partition. Later
    ones count as its content: which parts they change is not known."""
    partition, first, last, level, version, rows, size, name, mask, content = row
    # A patch part changes rows that were there before it: one with a lower block number has nothing to do with this
    # part.
    later = sorted(changed for block, changed in patches if block > number(first)) if patches else ()
    digest = text(content)
    if not text(partition).startswith(PATCH):
        digest = hashlib.blake2s("\n".join([digest, *later]).encode(), digest_size=8).hexdigest()
    return Part(
        text(partition),
        number(first),
        number(last),
        number(level),
        number(version),
        number(rows),
        number(size),
        text(name),
        flag(mask) or bool(later),
        digest,
    )
