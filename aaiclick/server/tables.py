"""Physical tables and their parts.

After an exchange the scratch name holds the user's old rows, so a table is known by its UUID only. chdb's ``default`` database shows a
nil UUID; there the data path carries the real one (``.../store/cce/cce91b0a-.../``). Parts are read by name *and* UUID in one query.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.errors import ApplyError
from aaiclick.routine import Routine, flag, number, text
from aaiclick.server.statements import ask
from aaiclick.sql.hex_text import hexed

_NIL = "00000000-0000-0000-0000-000000000000"
_STORE = re.compile(r"/store/[0-9a-f]{3}/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/")
PATCH = "patch-"
"""Partition ids of patch parts (lightweight updates) begin with it."""

EXCHANGING = frozenset({"Atomic", "Overlay"})
"""Engines of databases in which two tables change places in one step."""


@dataclass(frozen=True, slots=True)
class Physical:
    """A table as storage. ``definition`` is the engine clause with its settings."""

    database: str
    name: str
    uuid: str
    engine: str
    definition: str = ""
    comment: str = ""

    @property
    def merge_tree(self) -> bool:
        """True for the MergeTree family."""
        return self.engine.endswith("MergeTree")


@dataclass(frozen=True, slots=True)
class Part:
    """An active part. ``masked``: it may hold rows that a lightweight delete has hidden, so ``rows`` counts too many.

    ``content`` is a digest of what its rows are read from: its files, and the patch parts that may change them. A mutation that touches
    other parts only gives it another name (hard links), but not another content.
    """

    partition: str
    first: int
    last: int
    level: int
    version: int
    rows: int
    bytes: int
    name: str
    masked: bool = False
    content: str = ""

    @property
    def key(self) -> tuple[str, int, int]:
        """Partition and block range: what stays when a mutation gives the part another name."""
        return self.partition, self.first, self.last

    @property
    def patch(self) -> bool:
        """True for a part that only changes rows of others."""
        return self.partition.startswith(PATCH)


def physicals(database: str, names: Sequence[str]) -> Routine[dict[str, Physical]]:
    """The tables of these names that are there."""
    if not names:
        return {}
    wanted = {f"n{index}": hexed(name) for index, name in enumerate(names)}
    listed = ", ".join(f"unhex({{{key}:String}})" for key in wanted)
    rows = yield from ask(
        "SELECT name, toString(uuid), arrayStringConcat(data_paths, ' '), engine, engine_full, comment FROM system.tables"
        f" WHERE database = unhex({{db:String}}) AND name IN ({listed})",
        {"db": hexed(database), **wanted},
    )
    found: dict[str, Physical] = {}
    for name, uuid, paths, engine, definition, comment in rows:
        found[text(name)] = Physical(database, text(name), real_uuid(text(uuid), text(paths)), text(engine), text(definition), text(comment))
    return found


def physical(database: str, name: str) -> Routine[Physical | None]:
    """The table of that name; None where there is none."""
    found = yield from physicals(database, (name,))
    return found.get(name)


def need(database: str, name: str, uuid: str = "") -> Routine[Physical]:
    """The table of that name. Raises ApplyError where it is missing or is not the one with ``uuid``."""
    table = yield from physical(database, name)
    if table is None:
        raise ApplyError(f"{database}.{name} is gone: somebody else dropped or renamed it")
    if uuid and table.uuid != uuid:
        raise ApplyError(f"{database}.{name} is another table now (UUID {table.uuid or 'none'} instead of {uuid}): somebody else replaced it")
    return table


def real_uuid(uuid: str, paths: str) -> str:
    """The UUID of the storage; '' where it has none."""
    if uuid and uuid != _NIL:
        return uuid
    match = _STORE.search(paths)
    return match.group(1) if match else ""


def parts(table: Physical) -> Routine[tuple[Part, ...]]:
    """The active parts of this storage under its name, by block number; nothing where the name holds another table.

    Parts without rows are left out: the engine leaves some behind where rows were moved or dropped.
    """
    rows = yield from ask(
        "SELECT partition_id, min_block_number, max_block_number, level, data_version, rows, bytes_on_disk, name, has_lightweight_delete,"
        " hash_of_all_files"
        " FROM system.parts WHERE active AND rows > 0 AND database = unhex({db:String}) AND table = unhex({name:String}) AND position(path, {uuid:String}) > 0"
        " ORDER BY min_block_number, partition_id",
        {"db": hexed(table.database), "name": hexed(table.name), "uuid": table.uuid},
    )
    found = [
        Part(text(part), number(first), number(last), number(level), number(version), number(count), number(size), text(name), flag(mask), text(content))
        for part, first, last, level, version, count, size, name, mask, content in rows
    ]
    return _patched(found)


def _patched(found: Sequence[Part]) -> tuple[Part, ...]:
    """With the patch parts (``patch-<hash>-<partition>``) that came after a part counted as its content. Which rows they change is not
    known: all parts of the partition are taken to be changed."""
    patches: dict[str, list[Part]] = {}
    for part in found:
        if part.patch:
            patches.setdefault(part.partition.split("-", 2)[2], []).append(part)
    return tuple(part if part.patch else _with_patches(part, patches.get(part.partition, ())) for part in found)


def _with_patches(part: Part, patches: Sequence[Part]) -> Part:
    later = sorted(f"{patch.name} {patch.content}" for patch in patches if patch.last > part.first)
    content = hashlib.blake2s("\n".join([part.content, *later]).encode(), digest_size=8).hexdigest()
    return replace(part, content=content, masked=part.masked or bool(later))
