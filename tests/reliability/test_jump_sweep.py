"""A jump over several versions that is killed anywhere, and between its steps meets a writer: what the versions say of the rows is said once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def _b(*columns: Column, name: str = "b", order: tuple[str, ...] = ("id",)) -> Table:
    return Table(name, [Column("id", "UInt64"), Column("x", "UInt8"), *columns], engine=MergeTree(order_by=order))


def _u8(
    name: str,
    *,
    default: str | None = None,
    alias: str | None = None,
    materialized: str | None = None,
    ephemeral: str | None = None,
) -> Column:
    return Column(name, "UInt8", default=default, alias=alias, materialized=materialized, ephemeral=ephemeral)


OTHER = Table("c", [Column("id", "UInt64"), _u8("v")], engine=MergeTree(order_by=["id"]))
OTHER_LAST = Table("c", [Column("id", "UInt64"), _u8("v")], engine=MergeTree(order_by=["id", "v"]))


@dataclass(frozen=True)
class Jump:
    """The versions of table ``b``, and the migrations between them (SQL) by version."""

    versions: tuple[Table, ...]
    migrations: Mapping[int, str] = field(default_factory=dict[int, str])
    name: str = "b"
    """Its last name."""
    own: str = "y"
    """The column of which the writer gives a value of its own."""


STORED, GIVEN = _u8("y"), _u8("y", ephemeral="4")
MOVED = "-- title: v3\n-- strategy: derived\n-- rename: b -> b2\n"
JUMPS = {
    "stored, EPHEMERAL, stored": Jump((_b(STORED), _b(GIVEN), _b(STORED))),
    "the same in a table that is renamed": Jump((_b(STORED), _b(GIVEN), _b(STORED, name="b2")), {3: MOVED}, name="b2"),
    "an ALIAS, another ALIAS, stored": Jump((_b(_u8("y", alias="x + 1")), _b(_u8("y", alias="x + 2")), _b(STORED))),
    "the same in a table that is renamed, with a default": Jump(
        (
            _b(_u8("y", alias="x + 1")),
            _b(_u8("y", alias="x + 2")),
            _b(_u8("y", default="9"), name="b2"),
        ),
        {3: MOVED},
        name="b2",
    ),
    "stored, an ALIAS, stored": Jump((_b(STORED), _b(_u8("y", alias="x + 2")), _b(STORED))),
    "MATERIALIZED, an ALIAS, a DEFAULT": Jump(
        (_b(_u8("y", materialized="x * 2")), _b(_u8("y", alias="x * 3")), _b(_u8("y", default="x * 4")))
    ),
    "new, over an EPHEMERAL one that goes": Jump(
        (_b(), _b(_u8("p", ephemeral="4"), _u8("y", default="p + x")), _b(STORED))
    ),
    "new and EPHEMERAL, stored": Jump((_b(), _b(GIVEN), _b(STORED))),
    "new and EPHEMERAL, stored, in a copy": Jump((_b(), _b(GIVEN), _b(STORED, order=("id", "x")))),
    "new, an ALIAS, stored": Jump((_b(), _b(STORED), _b(_u8("y", alias="x")), _b(STORED))),
    "an expression in between": Jump(
        (_b(STORED), _b(STORED), _b(GIVEN), _b(STORED)), {2: "-- title: v2\n-- strategy: rebuild b\n--   x = x + 10\n"}
    ),
    "renamed, EPHEMERAL, stored": Jump(
        (_b(STORED), _b(_u8("w", ephemeral="4")), _b(_u8("w"))),
        {2: "-- title: v2\n-- strategy: derived\n-- rename: b.y -> w\n"},
        own="w",
    ),
    "renamed, and filled under another name": Jump(
        (_b(STORED), _b(_u8("w")), _b(_u8("v"))),
        {
            2: "-- title: v2\n-- strategy: derived\n-- rename: b.y -> w\n",
            3: "-- title: v3\n-- strategy: rebuild b\n--   v = w + x + 10\n-- rename: b.w -> v\n",
        },
        own="v",
    ),
    "EPHEMERAL, renamed, stored": Jump(
        (_b(GIVEN), _b(_u8("w", ephemeral="4")), _b(_u8("w", default="x + 5"))),
        {2: "-- title: v2\n-- strategy: derived\n-- rename: b.y -> w\n"},
        own="w",
    ),
}

QUICK = (
    "the same in a table that is renamed",
    "the same in a table that is renamed, with a default",
    "new and EPHEMERAL, stored",
)
"""The jumps of the normal suite: two whose steps are copies, and one that is an ALTER."""
APART = 2
"""How many commands lie between two kills of the proof."""


class _Scene:
    """One jump, over databases that are made for each kill."""

    def __init__(self, name: str, client: Client, engine: EmbeddedEngine, path: Path) -> None:
        self.jump, self.client = JUMPS[name], client
        self.package = f"jump_{path.name}"
        locked: list[LockedVersion] = []
        for number, table in enumerate(self.jump.versions, 1):
            package = path / f"{self.package}_{number}"
            package.mkdir()
            (package / "__init__.py").write_text("", encoding="utf-8")
            for version, text in self.jump.migrations.items():
                if version <= number:
                    (package / f"{version:04d}_step.sql").write_text(text, encoding="utf-8")
            locked.append(LockedVersion(number, locked_forms(engine, [table, self._other(number)])))
            (package / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(locked))), encoding="utf-8")
        self.policy = Policy.lossless()

    def _other(self, version: int) -> Table:
        return OTHER_LAST if version == len(self.jump.versions) else OTHER

    def schema(self, version: int) -> Schema:
        objects = [self.jump.versions[version - 1], self._other(version)]
        return Schema("s", version=version, objects=objects, migrations=f"{self.package}_{version}")

    @property
    def last(self) -> Schema:
        return self.schema(len(self.jump.versions))

    def fresh(self) -> None:
        """Version 1, with rows."""
        for name in ("b", "b2", "c"):
            self.client.command(f"DROP TABLE IF EXISTS {name}")
        found = self.client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
        for (name,) in found:
            self.client.command(f"DROP TABLE IF EXISTS `{name}`")
        ensure_schema(self.client, self.schema(1))
        self.client.command("INSERT INTO b (id, x) SELECT number, number FROM numbers(3)")
        self.client.command("INSERT INTO c (id) VALUES (1)")

    def chain(self) -> list[tuple[object, ...]]:
        """The rows after each version in turn; whatever that has to be asked for is allowed from then on."""
        self.fresh()
        for version in range(2, len(self.jump.versions) + 1):
            self._allow(self.schema(version))
            ensure_schema(self.client, self.schema(version), policy=self.policy)
        found = rows(self.client, self.jump.name, self.columns)
        self.fresh()
        self._allow(self.last)
        return found

    def _allow(self, schema: Schema) -> None:
        plan = plan_schema(self.client, schema)
        keys = {each.allow for step in plan.required for each in step.hazards if each.allow}
        self.policy = self.policy.allow(*sorted(keys))

    @property
    def columns(self) -> str:
        return f"id, x, {self.jump.own}"

    def write(self) -> bool:
        """A row with a value of its own, into the table as it is in the end; whether it took it."""
        there = self.client.query(
            "SELECT count() FROM system.columns WHERE database = currentDatabase() AND "
            f"table = '{self.jump.name}' AND name = '{self.jump.own}' AND default_kind IN ('', 'DEFAULT')"
        ).result_rows[0][0]
        if there:
            with suppress(DatabaseError):  # where writers are refused
                self.client.command(f"INSERT INTO {self.jump.name} ({self.columns}) VALUES (100, 1, 77)")
                return True
        return False


def _live(client: Client, name: str) -> tuple[object, ...]:
    """The storage under the name, and its columns: the jump is behind the table where they are other ones."""
    found = client.query(
        f"SELECT toString(uuid), create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '{name}'"
    ).result_rows
    return tuple(found[0]) if found else ()


def _swept(scene: _Scene, database: str, engine: EmbeddedEngine, apart: int, first: int = 0) -> None:
    """Kill the jump at every ``apart``-th command behind the first ones."""
    expected, connection, written, stop = scene.chain(), open_url(engine.url), 0, first
    jump = scene.jump
    killed = True
    while killed:
        stop += apart
        scene.fresh()
        before = _live(scene.client, "b")
        killed = False
        try:
            Driver(connection).run(ensuring(scene.last, database, scene.policy, DEAD), stop)
        except KilledError:
            killed = True
        after = _live(scene.client, jump.name)
        # As long as the first table is there, what is written goes the way of all rows.
        moved = after[:1] != before[:1] or jump.versions[0].column(jump.own) is None
        came = moved and "_aaiclick" not in str(after[1:]) and scene.write()
        written += came
        for _ in range(2):
            assert Driver(connection, later=LATER).run(ensuring(scene.last, database, scene.policy)).in_sync
            own = [(100, 1, 77)] if came else []
            assert rows(scene.client, jump.name, scene.columns) == sorted([*expected, *own]), stop
        assert plan_schema(scene.client, scene.last).in_sync
    connection.close()
    assert written


@pytest.fixture
def scene(
    name: str,
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> _Scene:
    """The jump of that name, which the test is given."""
    monkeypatch.syspath_prepend(tmp_path)
    return _Scene(name, aaiclick_client, aaiclick_engine, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_a_jump_says_once_what_its_versions_say(
    scene: _Scene, aaiclick_database: str, aaiclick_engine: EmbeddedEngine
) -> None:
    _swept(scene, aaiclick_database, aaiclick_engine, 25, 37)


@pytest.mark.proof
@pytest.mark.parametrize("name", JUMPS)
def test_a_jump_says_once_what_its_versions_say_wherever_it_is_killed(
    scene: _Scene, aaiclick_database: str, aaiclick_engine: EmbeddedEngine
) -> None:
    _swept(scene, aaiclick_database, aaiclick_engine, APART)
