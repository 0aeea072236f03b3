"""Versions 1 to 5 of two tables with everything a migration can say, for runs that are killed on the way: a rename, a
rebuild with expressions, statements, a function, a filter with another sort key."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from aaiclick import Column, MergeTree, Migration, Rebuild, Schema, Table
from aaiclick.specs.moves import MoveContext
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms

ROWS = 8
FILL = f"INSERT INTO {{t}} SELECT number, toString(number), concat('s', toString(number)) FROM numbers({ROWS})"
COPY, MARK = (
    "INSERT INTO log SELECT id, concat('v3 ', label, twice) FROM t WHERE id < 2",
    "ALTER TABLE t UPDATE label = concat(label, '!') WHERE id = 3",
)

calls: list[tuple[int, object]] = []
"""Attempt and bookmark of each call of the function."""
ended: list[int] = []
"""The attempts that came to the function's last line."""


def slices(context: MoveContext) -> None:
    """Four rows of ``log`` at a time, a bookmark behind each. What a killed call left behind its last bookmark is
    looked for."""
    calls.append((context.attempt, context.bookmark))
    log, source = context.table("log"), context.table("t")
    first = cast("int", context.bookmark or 0)
    for start in range(first, ROWS, 4):
        again = context.attempt > 1 and start == first
        missing = f" AND id + 100 NOT IN (SELECT id FROM {log})" if again else ""
        context.client.command(
            f"INSERT INTO {log} SELECT id + 100, concat('v4 ', label) FROM {source} WHERE id >= {start} AND id < "
            f"{start + 4}{missing}"
        )
        context.set_bookmark(start + 4)
    ended.append(context.attempt)


V1 = Table(
    "t", [Column("id", "UInt64"), Column("n", "String"), Column("s", "String")], engine=MergeTree(order_by=["id"])
)
V5 = Table(
    "w",
    [
        Column("id", "UInt64"),
        Column("n", "String"),
        Column("label", "String"),
        Column("twice", "String"),
        Column("size", "UInt8"),
    ],
    engine=MergeTree(order_by=["label", "id"]),
)
LOG = Table("log", [Column("id", "UInt64"), Column("what", "String")], engine=MergeTree(order_by=["id"]))
LATER = Table("later", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))

MIGRATIONS = [
    Migration(2, renames={"t.s": "label"}, rebuild={"t": Rebuild(columns={"twice": "concat(n, n)"})}),
    Migration(3, sql=[COPY, MARK]),
    Migration(4, move=slices),
    Migration(5, renames={"t": "w"}, rebuild={"w": Rebuild(columns={"size": "length(label)"}, where="id != 7")}),
    Migration(6, sql=["INSERT INTO later SELECT id FROM log WHERE id < 2"]),
]

END_T = [(i, str(i), f"s{i}!" if i == 3 else f"s{i}", str(i) * 2, 3 if i == 3 else 2) for i in range(ROWS - 1)]
END_LOG = [(i, f"v3 s{i}{i}{i}") for i in range(2)] + [
    (i + 100, f"v4 s{i}!" if i == 3 else f"v4 s{i}") for i in range(ROWS)
]


V2 = Table(
    "t",
    [Column("id", "UInt64"), Column("n", "String"), Column("label", "String"), Column("twice", "String")],
    engine=MergeTree(order_by=["id"]),
)
RELEASED: dict[int, list[Table]] = {1: [V1], 2: [V2], 3: [V2, LOG], 4: [V2, LOG], 5: [V5, LOG], 6: [V5, LOG, LATER]}


def story(version: int, package: str | None = None) -> Schema:
    """One of the versions."""
    return Schema("story", version=version, objects=list(RELEASED[version]), migrations=package)


def write_package(engine: EmbeddedEngine, folder: Path, name: str, last: int) -> str:
    """The migrations up to ``last`` as modules, with their lock file; importable where ``folder`` is on the path."""
    home = folder / name
    home.mkdir()
    for migration in MIGRATIONS[: last - 1]:
        text = f"from tests.migrations.story import MIGRATIONS\nmigration = MIGRATIONS[{migration.version - 2}]\n"
        (home / f"{migration.version:04d}_change.py").write_text(text, encoding="utf-8")
    versions = tuple(LockedVersion(version, locked_forms(engine, RELEASED[version])) for version in range(1, last + 1))
    (home / LOCK_FILE).write_text(dump_lock(Lock("story", versions)), encoding="utf-8")
    return name
