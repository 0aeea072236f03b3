"""Columns that versions rename, fill and drop, of every kind: each is the one that it was, so none stays beside its new
name, and the table ends as one that is created directly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import BlockedError
from aaiclick.routine import Command, Effect
from aaiclick.specs.ddl import create_table_sql
from aaiclick.sql.quoting import qualified
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows, schema, table
from tests.migrations.projects import empty_package
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring


def plain(name: str) -> Column:
    return Column(name, "UInt8", default=None)


def alias(name: str) -> Column:
    return Column(name, "UInt8", alias="id + 3")


def given(name: str) -> Column:
    return Column(name, "UInt8", ephemeral="7")


class Versions:
    """A table in several versions, with the migrations that lead to them and a lock file."""

    def __init__(self, folder: Path, engine: EmbeddedEngine, tables: list[Table], migrations: dict[int, str]) -> None:
        self.folder, self.tables, self.migrations = folder, tables, migrations
        self.locked = [LockedVersion(number, locked_forms(engine, [each])) for number, each in enumerate(tables, 1)]

    def schema(self, version: int) -> Schema:
        for path in self.folder.glob("*.sql"):
            path.unlink()
        for number, text in self.migrations.items():
            if number <= version:
                (self.folder / f"{number:04d}_step.sql").write_text(text, encoding="utf-8")
        (self.folder / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(self.locked[:version]))), encoding="utf-8")
        return schema(version, self.tables[version - 1], migrations="followed_names")

    def played(self, client: Client, insert: str, steps: Iterable[int]) -> tuple[list[tuple[object, ...]], ...]:
        """The columns and rows behind these versions in turn, from a fresh table of version 1 on."""
        held = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
        for (name,) in held:
            client.command(f"DROP TABLE `{name}`")
        ensure_schema(client, self.schema(1))
        client.command(f"INSERT INTO t {insert}")
        for version in steps:
            declared = self.schema(version)
            keys = {each.allow for step in plan_schema(client, declared).required for each in step.hazards}
            ensure_schema(client, declared, policy=Policy.lossless().allow(*(keys - {""})))
        return columns_of(client), rows(client)

    def created(self, client: Client) -> list[tuple[object, ...]]:
        """The columns of the newest version as a CREATE makes them."""
        client.command("DROP TABLE t SYNC")
        client.command(create_table_sql(self.tables[-1], str(client.database)))
        return columns_of(client)


def columns_of(client: Client) -> list[tuple[object, ...]]:
    looked = (
        "SELECT name, type, default_kind, default_expression FROM system.columns WHERE database = currentDatabase()"
    )
    return [tuple(row) for row in client.query(f"{looked} AND table = 't' ORDER BY position").result_rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_package(tmp_path, "followed_names", monkeypatch)


MOVED = (
    [
        # Two columns of each fate: what version 2 does, and version 3 behind it.
        table(*map(plain, ("a", "b", "c", "d")), given("e"), given("f"), alias("g"), Column("l.m", "UInt8")),
        table(*map(plain, ("a2", "b", "c2", "d2")), given("e2"), given("f2"), alias("g2"), Column("l.n", "UInt8")),
        table(*map(plain, ("a2", "b2", "c3")), given("e3"), Column("f2", "UInt8", default="c3 + 1"), plain("l.k")),
    ],
    {
        2: "-- strategy: rebuild t\n--   b = b + 10\n--   d2 = d + 20\n-- rename: t.a -> a2\n-- rename: t.c -> c2\n"
        "-- rename: t.d -> d2\n-- rename: t.e -> e2\n-- rename: t.f -> f2\n-- rename: t.g -> g2\n"
        "-- rename: t.`l.m` -> `l.n`\n",
        3: "-- strategy: rebuild t\n--   a2 = a2 + 30\n--   c3 = d2 + g2\n-- rename: t.b -> b2\n-- rename: t.c2 -> c3\n"
        "-- rename: t.e2 -> e3\n-- rename: t.`l.n` -> `l.k`\n-- allow: drop-column t.d2\n-- allow: drop-column t.g2\n",
    },
    "(id, a, b, c, d, `l.m`) VALUES (1, 2, 3, 4, 5, 6)",
)
# One column gets the name of another one, which is filled anew under a third name.
PASSED_ON = (
    [table(plain("a"), plain("b")), table(plain("a"), plain("y")), table(plain("b"), plain("c"))],
    {
        2: "-- strategy: derived\n-- rename: t.b -> y\n",
        3: "-- strategy: rebuild t\n--   c = y + 40\n-- rename: t.a -> b\n-- rename: t.y -> c\n",
    },
    "VALUES (1, 2, 3)",
)


@pytest.mark.parametrize(("case", "expected"), [(MOVED, (1, 32, 13, 29, 30, 6)), (PASSED_ON, (1, 2, 43))])
def test_a_chain_and_a_jump_end_as_a_table_that_is_created(
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    folder: Path,
    case: tuple[list[Table], dict[int, str], str],
    expected: tuple[object, ...],
) -> None:
    tables, migrations, insert = case
    versions = Versions(folder, aaiclick_engine, tables, migrations)
    chain = versions.played(aaiclick_client, insert, range(2, len(tables) + 1))
    jump = versions.played(aaiclick_client, insert, [len(tables)])
    created = versions.created(aaiclick_client)
    assert chain == jump == (created, [expected])


def test_columns_that_swap_names_on_the_way_and_are_both_filled_are_no_swap(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    first = table(plain("a"), plain("b"))
    tables = [first, table(plain("x"), plain("b")), table(plain("x"), plain("a")), first]
    migrations = {
        2: "-- strategy: derived\n-- rename: t.a -> x\n",
        3: "-- strategy: rebuild t\n--   a = b + 10\n-- rename: t.b -> a\n",
        4: "-- strategy: rebuild t\n--   b = x + 20\n-- rename: t.x -> b\n",
    }
    versions = Versions(folder, aaiclick_engine, tables, migrations)
    columns, held = versions.played(aaiclick_client, "VALUES (1, 2, 3)", [4])
    assert (columns, held) == (versions.created(aaiclick_client), [(1, 13, 22)])


def test_a_rename_of_columns_that_hold_nothing_is_no_copy(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    renamed = "-- strategy: alter t\n-- rename: t.e -> e2\n-- rename: t.g -> g2\n"
    tables = [table(plain("a"), given("e"), alias("g")), table(plain("a"), given("e2"), alias("g2"))]
    versions = Versions(folder, aaiclick_engine, tables, {2: renamed})
    columns, held = versions.played(aaiclick_client, "(id, a) VALUES (1, 2)", [2])
    assert (columns, held) == (versions.created(aaiclick_client), [(1, 2)])


@pytest.mark.parametrize("said", ["-- rename: t.a -> b\n", ""])
def test_what_a_renamed_column_holds_is_told_where_it_is_filled_anew(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path, said: str
) -> None:
    """Whether the migration or the declaration says that it is renamed."""
    after = plain("b") if said else Column("b", "UInt8", renamed_from="a")
    filled = f"-- strategy: rebuild t\n--   b = a + 1\n{said}"
    versions = Versions(folder, aaiclick_engine, [table(plain("a")), table(after)], {2: filled})
    ensure_schema(aaiclick_client, versions.schema(1))
    (step,) = plan_schema(aaiclick_client, versions.schema(2)).required
    assert "b of t becomes what 0002_step.sql says" in [hazard.message for hazard in step.hazards]


def test_the_name_of_a_dropped_column_that_holds_nothing_is_not_guessed_at(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    tables = [table(given("e"), plain("a")), table(plain("a")), table(plain("e"))]
    migrations = {
        2: "-- strategy: derived\n-- allow: drop-column t.e\n",
        3: "-- strategy: derived\n-- rename: t.a -> e\n",
    }
    versions = Versions(folder, aaiclick_engine, tables, migrations)
    with pytest.raises(BlockedError, match=r"0002_step\.sql drops column e, whose name another column gets later"):
        versions.played(aaiclick_client, "(id, a) VALUES (1, 2)", [3])
    assert rows(aaiclick_client, "t", "id, a") == [(1, 2)]


def test_a_run_that_is_killed_before_a_drop_drops_it_when_it_goes_on(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    """Also where another column has by then the name under which the migration allows it."""
    tables = [
        table(plain("a"), plain("c")),
        table(plain("b"), plain("c")),
        table(plain("c")),
        table(plain("b"), order="b"),
    ]
    migrations = {
        2: "-- strategy: derived\n-- rename: t.a -> b\n",
        3: "-- strategy: derived\n-- allow: drop-column t.b\n",
        4: "-- strategy: derived\n-- rename: t.c -> b\n",
    }
    versions = Versions(folder, aaiclick_engine, tables, migrations)
    ensure_schema(aaiclick_client, versions.schema(1))
    aaiclick_client.command("INSERT INTO t VALUES (1, 2, 3)")

    def dies(effect: Effect) -> None:
        if isinstance(effect, Command) and f"{qualified(database, 't')} DROP COLUMN" in effect.sql:
            raise KilledError

    connection, database = open_url(aaiclick_engine.url), str(aaiclick_client.database)
    declared, policy = versions.schema(4), Policy.lossless(keep_old=timedelta(0))
    with pytest.raises(KilledError):
        Driver(connection, before=dies).run(ensuring(declared, database, policy, DEAD))
    assert rows(aaiclick_client, "t", "a, b") == [(2, 3)]
    assert Driver(connection, later=LATER).run(ensuring(declared, database, policy)).in_sync
    connection.close()
    assert (columns_of(aaiclick_client), rows(aaiclick_client)) == (versions.created(aaiclick_client), [(1, 3)])
