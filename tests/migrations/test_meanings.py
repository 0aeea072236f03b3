"""A column whose type changes in several versions: a jump gives its values the meaning that they get version by version."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Plan, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import BlockedError
from aaiclick.routine import Command
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.jumps.meanings import another_meaning
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows, schema, table
from tests.migrations.projects import empty_package
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ONE, TWO, THREE = "Enum8('a' = 1, 'b' = 2)", "Enum8('b' = 1, 'a' = 2)", "Enum16('z' = 1, 'b' = 2)"

ANOTHER = [
    ("Int8", ONE, TWO),
    (ONE, TWO, "Int8"),
    (ONE, THREE, "String"),
    ("Int8", ONE, "String"),
    ("String", ONE, "Int8"),
    (ONE, "String", "Int8"),
    (ONE, "Int8", TWO),
    (ONE, THREE, "Enum8('a' = 1, 'b' = 2, 'z' = 3)"),
    ("Int8", ONE, TWO, "Int8"),
    ("UInt8", "Bool", "String"),
    ("UInt32", "DateTime", "String"),
    ("UInt32", "DateTime('UTC')", "Date"),
    ("Date", "DateTime", "UInt32"),
    ("UInt32", "IPv4", "String"),
    ("DateTime('UTC')", "String", "DateTime('Asia/Tokyo')"),
    ("DateTime('UTC')", "DateTime('Asia/Tokyo')", "String"),
    ("Tuple(a UInt8, b UInt8)", "Tuple(UInt8, UInt8)", "Tuple(b UInt8, a UInt8)"),
    ("Array(Int8)", "String", "Array(UInt8)"),
]
SAME = [
    ("Int8", ONE, "Int16"),
    (ONE, "Enum8('a' = 1, 'b' = 2, 'c' = 3)", TWO),
    (ONE, TWO, "String"),
    (ONE, TWO, ONE),
    (ONE, "Enum16('a' = 1, 'b' = 2)", "Int8"),
    (ONE, "Enum8('a' = 1)", TWO),
    ("Int8", ONE, "Int8"),
    ("String", ONE, TWO),
    ("DateTime", "Date", "DateTime"),
    ("DateTime64(3)", "DateTime", "DateTime64(6)"),
    ("String", "UInt32", "String"),
    ("UInt8", "Bool", "UInt16"),
    ("Int8", "String", "Int16"),
    ("Float64", "Int64", "String"),
    ("Date", "DateTime", "Date32"),
    ("UInt8", "UInt16", "UInt32"),
]


@pytest.mark.parametrize(
    "wrapped", ["{}", "Nullable({})", "Array({})", "Map(String, Array({}))", "Tuple(x {}, y Int8)"]
)
def test_which_types_between_give_another_meaning(wrapped: str) -> None:
    def at(types: tuple[str, ...]) -> list[str]:
        return [wrapped.format(each) for each in types]

    plain = [types for types in ANOTHER if not (wrapped == "Nullable({})" and "(" in types[0].replace("Enum8(", ""))]
    assert [types for types in plain if not another_meaning(at(types))] == []
    assert [types for types in SAME if another_meaning(at(types))] == []


DEEP = [tuple(f"Map(String, Tuple(l Array(Nullable({each}))))" for each in types) for types in ANOTHER[:3]]
WAYS = [
    (ANOTHER[0], "2"),
    (ANOTHER[1], "'a'"),
    (ANOTHER[2], "'a'"),
    (ANOTHER[3], "1"),
    (ANOTHER[4], "'b'"),
    (("Enum8('7' = 1)", "String", "Int8"), "'7'"),
    (ANOTHER[6], "'a'"),
    (ANOTHER[7], "'a'"),
    ((ONE, TWO, ONE), "'a'"),
    (ANOTHER[9], "1"),
    (ANOTHER[11], "86400"),
    (ANOTHER[15], "'2020-01-01 00:00:00'"),
    (ANOTHER[16], "(1, 2)"),
    (ANOTHER[17], "[1, 2]"),
    (DEEP[0], "map('k', tuple([1, 2, NULL]))"),
    (DEEP[1], "map('k', tuple(['a', 'b', NULL]))"),
    (tuple(f"Array({each})" for each in (ONE, THREE, "LowCardinality(String)")), "['a', 'b']"),
    ((ANOTHER[0][0], *(f"LowCardinality(Nullable({each}))" for each in ("String", "String")), "Int8"), "1"),
]
"""Types, and a value of the first one."""


def keys(plan: Plan) -> set[str]:
    return {hazard.allow for step in plan.required for hazard in step.hazards if hazard.allow}


class Chain:
    """Versions of a table, and the way to each."""

    def __init__(self, client: Client, engine: EmbeddedEngine, folder: Path, tables: list[Table]) -> None:
        self.client, self.folder, self.tables = client, folder, tables
        self.locked = [LockedVersion(number, locked_forms(engine, [one])) for number, one in enumerate(tables, 1)]

    def begin(self, values: str) -> None:
        ensure_schema(self.client, schema(1, self.tables[0]))
        self.client.command(f"INSERT INTO t VALUES (1, {values})")

    def declared(self, version: int) -> Schema:
        (self.folder / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(self.locked[:version]))), encoding="utf-8")
        return schema(version, self.tables[version - 1], migrations="meaning_migrations")

    def to(self, version: int) -> set[str]:
        declared = self.declared(version)
        asked = keys(plan_schema(self.client, declared))
        ensure_schema(self.client, declared, policy=Policy.lossless().allow(*asked))
        assert ensure_schema(self.client, declared).steps == ()
        return asked

    def drop(self) -> None:
        listed = self.client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
        for (name,) in listed:
            self.client.command(f"DROP TABLE IF EXISTS `{name}`")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_package(tmp_path, "meaning_migrations", monkeypatch)


def test_a_jump_means_what_the_chain_does(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    last = max(len(types) for types, _ in WAYS)

    def at(version: int) -> Table:
        return table(
            *(Column(f"x{place}", types[min(version, len(types)) - 1]) for place, (types, _) in enumerate(WAYS))
        )

    chain = Chain(aaiclick_client, aaiclick_engine, folder, [at(version) for version in range(1, last + 1)])
    found: list[list[object]] = []
    asked: list[set[str]] = []
    for versions in (range(2, last + 1), [last]):
        chain.begin(", ".join(value for _, value in WAYS))
        asked.append(set[str]().union(*(chain.to(version) for version in versions)))
        columns = ", ".join(f"toString(x{place})" for place in range(len(WAYS)))
        found.append(list(rows(aaiclick_client, "t", columns)[0]))
        chain.drop()
    assert dict(zip(WAYS, found[1], strict=True)) == dict(zip(WAYS, found[0], strict=True))
    assert asked[1] == asked[0]


def test_there_and_back_in_a_jump_that_another_run_goes_on_with(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, aaiclick_database: str, folder: Path
) -> None:
    """Behind the exchange the column has the type that it began with: the journal says that it is converted."""
    chain = Chain(aaiclick_client, aaiclick_engine, folder, [table(Column("x", each)) for each in ANOTHER[8]])
    declared, connection = chain.declared(4), open_url(aaiclick_engine.url)
    stop: int | None = None
    for killed in (False, True):
        chain.begin("1")
        driver = Driver(connection)
        with pytest.raises(KilledError) if killed else nullcontext():
            driver.run(ensuring(declared, aaiclick_database, Policy.lossless(), DEAD), stop)
        assert rows(aaiclick_client, "t", "x") == [(2,)]
        commands = [each.sql for each in driver.seen if isinstance(each, Command)]
        # Behind the statement that puts the new table in place.
        stop = 1 + next(place for place, sql in enumerate(commands) if "EXCHANGE TABLES" in sql or "RENAME" in sql)
        assert Driver(connection, later=LATER).run(ensuring(declared, aaiclick_database, Policy.lossless())).in_sync
        assert rows(aaiclick_client, "t", "x") == [(2,)]
        chain.drop()
    connection.close()


def test_what_the_chain_would_stop_at_blocks_the_jump(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    chain = Chain(aaiclick_client, aaiclick_engine, folder, [table(Column("x", each)) for each in ANOTHER[0]])
    chain.begin("7")
    with pytest.raises(BlockedError, match="x"):
        chain.to(3)
    assert rows(aaiclick_client, "t", "x") == [(7,)]


def test_an_expression_is_converted_by_its_labels(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    """What version 2 fills keeps its labels in version 3, also inside an array."""
    types = ["Array(Int8)", f"Array({ONE})", f"Array({TWO})"]
    chain = Chain(aaiclick_client, aaiclick_engine, folder, [table(Column("x", each)) for each in types])
    chain.begin("[1, 2]")
    quoted = ONE.replace("'", "\\'")
    (folder / "0002_fill.sql").write_text(
        f"-- strategy: rebuild t\n--   x = arrayMap(i -> CAST(3 - i, '{quoted}'), x)\n", encoding="utf-8"
    )
    chain.to(3)
    assert rows(aaiclick_client, "t", "x") == [(["b", "a"],)]
