"""A rollback puts back tables whose columns have other names or types: what reads or feeds them is looked at as by a
plan. It gets the form back that goes with them, or stands in the way by name, and then nothing is changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Rebuild,
    Schema,
    Table,
    View,
    ensure_schema,
    rollback_schema,
)
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import BlockedError, HazardNotAllowedError, SchemaError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect
from aaiclick.specs.engines import Engine
from aaiclick.specs.schema import SchemaObject
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

KEPT = Policy.lossless().allow("replace-view mv", "replace-table buf")
BUFFER = (
    "CREATE TABLE buf AS t ENGINE = Buffer(currentDatabase(), t, 1, 600, 600, 1000000, 1000000, 100000000, 100000000)"
)
SEEN = "CREATE TABLE seen (id UInt64, x String) ENGINE = MergeTree ORDER BY id"
MADE = {
    "mv: it would fail": ("CREATE MATERIALIZED VIEW mv TO seen AS SELECT id, s2 AS x FROM t", "DROP VIEW mv"),
    "feeding: values would be changed": (
        "CREATE MATERIALIZED VIEW feeding TO t AS SELECT id, x AS s2 FROM seen",
        "DROP VIEW feeding",
    ),
    "v: it would fail": ("CREATE VIEW v AS SELECT id, s2 FROM t", "DROP VIEW v"),
    "buf: its table will have no column s2": (BUFFER, "DROP TABLE buf SYNC"),
    "front: its table will have no column s2": (
        BUFFER.replace("TABLE buf", "TABLE front").replace("(), t,", "(), al,"),
        "DROP TABLE front SYNC",
    ),
    "mg: its table will have no column s2": (
        "CREATE TABLE mg AS t ENGINE = Merge(currentDatabase(), '^t$')",
        "DROP TABLE mg",
    ),
    "dc: it could not be loaded": (
        (
            "CREATE DICTIONARY dc (id UInt64, s2 String) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT()) "
            "LIFETIME(0)"
        ),
        "DROP DICTIONARY dc",
    ),
}


def renamed(version: int, *more: SchemaObject) -> Schema:
    """The column ``s`` is called ``s2`` from version 2 on, where the table is copied. Version 3 adds a column."""
    text = Column("s" if version == 1 else "s2", "String")
    columns = [Column("id", "UInt64"), text, *([Column("n", "UInt8")] if version == 3 else [])]
    order = [["id"], ["s2", "id"], ["id"]][version - 1]
    return Schema(
        "case",
        version=version,
        objects=[Table("t", columns, engine=MergeTree(order_by=order)), *more],
        migrations=[Migration(2, renames={"t.s": "s2"})] if version > 1 else [],
    )


def say(client: Client, *statements: str) -> None:
    for sql in statements:
        client.command(sql)


def one(client: Client, sql: str) -> str:
    return str(client.query(sql).result_rows)


@pytest.fixture
def client(aaiclick_client: Client, aaiclick_database: str) -> Client:
    ensure_schema(aaiclick_client, renamed(1))
    say(
        aaiclick_client,
        "INSERT INTO t SELECT number, 'v' FROM numbers(50)",
        SEEN,
        "CREATE TABLE al ENGINE = Alias('t')",
    )
    ensure_schema(aaiclick_client, renamed(2), policy=KEPT)
    return aaiclick_client


@pytest.mark.parametrize("said", MADE)
def test_what_would_break_stands_in_the_way_by_name(client: Client, said: str) -> None:
    made, gone = MADE[said]
    say(client, made)
    if "TABLE buf" in made:
        say(client, "INSERT INTO buf VALUES (7000, 'keep')")
    before = one(client, "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 't'")
    looked = rollback_schema(client, renamed(2), dry_run=True)
    assert any(said in f"{step.object}: {why}" for step, why in zip(looked.pending, looked.reasons, strict=True))
    with pytest.raises(
        SchemaError, match=f"cannot roll back to v1 yet: {said}.*Nothing was changed.*aaiclick rollback"
    ):
        rollback_schema(client, renamed(2))
    assert one(client, "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 't'") == before
    say(client, gone)
    rollback_schema(client, renamed(2))
    # What a Buffer table had acknowledged is in the table that came back, under the older name.
    rows = 51 if "TABLE buf" in made else 50
    assert one(client, "SELECT count(), countIf(s != '') FROM t") == f"[({rows}, {rows})]"
    say(client, "INSERT INTO t VALUES (8000, 'x')")


def test_over_several_versions_at_once(client: Client) -> None:
    ensure_schema(client, renamed(3), policy=KEPT)
    say(client, "CREATE VIEW v AS SELECT n, s2 FROM t", "CREATE VIEW w AS SELECT id FROM t")
    with pytest.raises(SchemaError, match=r"v: it would fail .*\bn\b") as refused:
        rollback_schema(client, renamed(3), to=2)
    assert "w:" not in str(refused.value)
    with pytest.raises(SchemaError, match="v: it would fail"):
        rollback_schema(client, renamed(3), to=1)
    say(client, "DROP VIEW v")
    rollback_schema(client, renamed(3), to=1)
    assert one(client, "SELECT count() FROM w") == "[(50,)]"


def test_what_reads_columns_of_both_versions_stands_in_no_way(client: Client) -> None:
    say(
        client,
        "CREATE MATERIALIZED VIEW mv TO seen AS SELECT id, 'x' AS x FROM t",
        "CREATE TABLE source AS seen",
        "CREATE MATERIALIZED VIEW feeding TO t AS SELECT id FROM source",
        "CREATE VIEW v AS SELECT id FROM t",
        "CREATE VIEW everything AS SELECT * FROM t",
        "CREATE TABLE mg (id UInt64) ENGINE = Merge(currentDatabase(), '^t$')",
        "CREATE DICTIONARY dc (id UInt64, x UInt64) PRIMARY KEY id SOURCE(CLICKHOUSE(QUERY 'SELECT id, id AS x FROM "
        f"{client.database}.t')) LAYOUT(FLAT()) LIFETIME(0)",
    )
    report = rollback_schema(client, renamed(2))
    # It stores the columns of its query: it follows the table, as on the way forward.
    assert {step.object for step in report.steps} == {"everything", "t"}
    say(client, "INSERT INTO t VALUES (8000, 'x')")
    assert one(client, "SELECT s FROM everything WHERE id = 8000") == "[('x',)]"
    assert one(client, "SELECT count() FROM seen") == "[(1,)]"


def test_an_attached_table_has_the_same_columns(aaiclick_client: Client, aaiclick_database: str) -> None:
    one_, two = (
        Schema(
            "case",
            version=version,
            objects=[
                Table(
                    "t",
                    [Column("id", "UInt64"), Column("s", "String")],
                    engine=MergeTree(order_by="id", settings={"index_granularity": size}),
                )
            ],
        )
        for version, size in ((1, 4096), (2, 8192))
    )
    ensure_schema(aaiclick_client, one_)
    say(aaiclick_client, "INSERT INTO t VALUES (1, 'v')")
    assert [step.strategy for step in ensure_schema(aaiclick_client, two, policy=KEPT).steps] == ["attach"]
    say(aaiclick_client, BUFFER, "INSERT INTO buf VALUES (2, 'keep')", "CREATE VIEW v AS SELECT * FROM t")
    assert [step.object for step in rollback_schema(aaiclick_client, two).steps] == ["t"]
    say(aaiclick_client, "OPTIMIZE TABLE buf")
    assert one(aaiclick_client, "SELECT count() FROM v WHERE s != ''") == "[(2,)]"


def declared(version: int, database: str) -> Schema:
    """A view, a dictionary, a Buffer table, and views from and into the table, all over the renamed column."""
    name = "s" if version == 1 else "s2"
    text = [Column("id", "UInt64"), Column("x", "String")]
    own = [Column("id", "UInt64"), Column(name, "String")]
    engine = Engine("Buffer", f"{database}, t, 1, 600, 600, 1000000, 1000000, 100000000, 100000000")
    more: list[SchemaObject] = [
        Table("seen", text, engine=MergeTree(order_by="id")),
        View("v", query=f"SELECT id, {name} FROM t"),
        MaterializedView("mv", to="seen", query=f"SELECT id, {name} AS x FROM t"),
        Dictionary(
            "dc", columns=own, primary_key=["id"], source="CLICKHOUSE(TABLE 't')", layout="FLAT()", lifetime="0"
        ),
        Table("buf", own, engine=engine),
    ]
    schema = renamed(version, *more)
    return (
        schema.model_copy(update={"migrations": [Migration(2, renames={"t.s": "s2", "buf.s": "s2"})]})
        if (version > 1)
        else schema
    )


FORMS = (
    "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() AND name IN ('v', 'mv', "
    "'dc', 'buf') ORDER BY name"
)
ALLOWED = ("replace-view mv", "replace-table buf")


def migrated(client: Client, database: str) -> str:
    ensure_schema(client, declared(1, database))
    before = one(client, FORMS)
    say(client, "INSERT INTO t SELECT number, 'v' FROM numbers(50)")
    ensure_schema(client, declared(2, database), policy=KEPT)
    say(client, "INSERT INTO buf VALUES (7000, 'keep')")
    return before


def in_order(client: Client, database: str, before: str) -> None:
    assert one(client, FORMS) == before
    say(client, "INSERT INTO t VALUES (8000, 'x')", "SYSTEM RELOAD DICTIONARY dc")
    assert one(client, "SELECT count(), countIf(s != '') FROM v") == "[(52, 52)]"
    assert one(client, "SELECT x FROM seen WHERE id = 8000") == "[('x',)]"
    assert ensure_schema(client, declared(1, database)).steps == ()


def test_what_is_declared_comes_back_in_its_older_form(aaiclick_client: Client, aaiclick_database: str) -> None:
    before = migrated(aaiclick_client, aaiclick_database)
    with pytest.raises(HazardNotAllowedError) as refused:
        rollback_schema(aaiclick_client, declared(2, aaiclick_database))
    # As on the way forward: what INSERTs of a moment miss, and what a Buffer table may lose.
    assert sorted(set(refused.value.allow)) == sorted(ALLOWED)
    rollback_schema(aaiclick_client, declared(2, aaiclick_database), allow=ALLOWED)
    in_order(aaiclick_client, aaiclick_database, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "by"),
    [
        ("EXCHANGE TABLES", "the same command"),
        ("CREATE OR REPLACE VIEW", "the same command"),
        ("CREATE OR REPLACE VIEW", "a start"),
        ("CREATE MATERIALIZED VIEW", "a start"),
        ("`schema_version`", "the same command"),
        ("`schema_version`", "a start"),
    ],
)
def test_killed_on_the_way(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, aaiclick_database: str, moment: str, by: str
) -> None:
    """Before the tables are back, and behind that, where nothing but the journal tells what is left to do."""
    before = migrated(aaiclick_client, aaiclick_database)
    asked = Rollback(
        declared(2, aaiclick_database), aaiclick_database, None, frozenset(ALLOWED), False, DEAD, True, 3600
    )
    begun = False

    def kill(effect: Effect) -> None:
        nonlocal begun
        sql = effect.sql if isinstance(effect, Command) else ""
        begun = begun or "EXCHANGE TABLES" in sql
        if begun and moment in sql and "aaiclick_scratch" not in sql and "COMMENT" not in sql:
            raise KilledError

    with closing(open_url(aaiclick_engine.url)) as connection:
        with pytest.raises(KilledError):
            Driver(connection, before=kill).run(rollback(asked))
        older = declared(1, aaiclick_database)
        going_on = rollback(replace(asked, owner=this_process()))
        report = Driver(connection, later=LATER).run(
            going_on if by == "the same command" else ensuring(older, aaiclick_database, KEPT)
        )
        assert report.to_version == 1
    in_order(aaiclick_client, aaiclick_database, before)


def test_a_buffer_is_flushed_before_its_rows_are_converted(aaiclick_client: Client, aaiclick_database: str) -> None:
    def priced(version: int) -> Schema:
        table = Table(
            "t",
            [Column("id", "UInt64"), Column("p", "UInt32")],
            engine=MergeTree(order_by="id" if version == 1 else ["p", "id"]),
        )
        cents = [Migration(2, rebuild={"t": Rebuild(columns={"p": "p * 100"})})]
        return Schema("case", version=version, objects=[table], migrations=cents if version == 2 else [])

    ensure_schema(aaiclick_client, priced(1))
    say(aaiclick_client, "INSERT INTO t VALUES (1, 1)")
    ensure_schema(aaiclick_client, priced(2), policy=KEPT)
    say(aaiclick_client, BUFFER, "INSERT INTO buf VALUES (2, 500)")
    rollback_schema(aaiclick_client, priced(2))
    say(aaiclick_client, "OPTIMIZE TABLE buf")
    assert one(aaiclick_client, "SELECT p FROM t ORDER BY id") == "[(1,), (5,)]"


@pytest.mark.parametrize("back", [True, False])
def test_a_buffer_that_takes_wider_values_than_its_table_stands_in_the_way(
    aaiclick_client: Client, aaiclick_database: str, back: bool
) -> None:
    """The server would write 232 for 1000."""

    def typed(version: int) -> Schema:
        kind = "UInt8" if (version == 1) == back else "UInt32"
        key = "id" if version == 1 else ["p", "id"]
        table = Table("t", [Column("id", "UInt64"), Column("p", kind)], engine=MergeTree(order_by=key))
        return Schema("case", version=version, objects=[table])

    ensure_schema(aaiclick_client, typed(1))
    say(aaiclick_client, "INSERT INTO t VALUES (1, 1)")
    said = "buf: the Buffer table would write other values than it has taken: p is UInt32 in it"
    if back:
        ensure_schema(aaiclick_client, typed(2), policy=KEPT)
        say(aaiclick_client, BUFFER, "INSERT INTO buf VALUES (2, 1000)")
        with pytest.raises(SchemaError, match=said):
            rollback_schema(aaiclick_client, typed(2))
    else:
        say(aaiclick_client, BUFFER)
        with pytest.raises(BlockedError, match=said):
            ensure_schema(aaiclick_client, typed(2), policy=KEPT.allow("retype t.p"))
