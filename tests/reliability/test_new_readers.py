"""An operator makes a view, or a Buffer table, between the plan and an ALTER that takes a column of its table away: the
ALTER is not sent. What comes in its very moment is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table, View, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.report import Report
from aaiclick.errors import ApplyError, BlockedError
from aaiclick.routine import Command, Effect, Query
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

ID, PRICE, OTHER = Column("id", "UInt64"), Column("price", "UInt32"), Column("other", "UInt8")
CHANGES = {
    "renamed": [ID, Column("cost", "UInt32", renamed_from="price"), OTHER],
    "retyped": [ID, Column("price", "UInt8"), OTHER],
    "dropped": [ID, OTHER],
}
POLICY = Policy.lossless().allow("drop-column t.price", "retype t.price")
BUFFER = "ENGINE = Buffer({db}, t, 1, 600, 600, 1000000, 1000000, 100000000, 100000000)"
MADE = {
    "Buffer table buf": (
        f"CREATE TABLE {{db}}.buf AS {{db}}.t {BUFFER}",
        "INSERT INTO {db}.buf (id, price) VALUES (777, 7)",
    ),
    "Buffer table {db}_else.buf": (f"CREATE TABLE {{db}}_else.buf AS {{db}}.t {BUFFER}",),
    "materialized view mv": ("CREATE MATERIALIZED VIEW {db}.mv TO {db}.seen AS SELECT id, price AS p FROM {db}.t",),
    "view {db}_else.v": ("CREATE VIEW {db}_else.v AS SELECT price FROM {db}_else.through",),
    "Buffer table front": (f"CREATE TABLE {{db}}.front AS {{db}}.t {BUFFER.replace('{db}, t', '{db}_else, al')}",),
    "materialized view feeding": (
        "CREATE MATERIALIZED VIEW {db}.feeding TO {db}.t AS SELECT id, toUInt32(p) AS price FROM {db}.seen",
    ),
}
OVER = ("CREATE VIEW {db}.over AS SELECT id FROM {db}.v",)


def schema(columns: list[Column], version: int) -> Schema:
    return Schema("s", version=version, objects=[Table("t", columns, engine=MergeTree(order_by="id"))])


def say(client: Client, database: str, statements: tuple[str, ...]) -> None:
    for sql in statements:
        client.command(sql.replace("{db}", database))


@pytest.fixture
def ground(aaiclick_client: Client, aaiclick_database: str) -> Iterator[str]:
    ensure_schema(aaiclick_client, schema([ID, PRICE, OTHER], 1), database=aaiclick_database)
    say(
        aaiclick_client,
        aaiclick_database,
        (
            "INSERT INTO {db}.t SELECT number, number, 1 FROM numbers(50)",
            "CREATE TABLE {db}.seen (id UInt64, p UInt64) ENGINE = MergeTree ORDER BY id",
            "CREATE DATABASE {db}_else",
            # It shows whatever the table has, and stands in the way of nothing.
            "CREATE VIEW {db}_else.through AS SELECT * FROM {db}.t",
            "CREATE TABLE {db}_else.al ENGINE = Alias('{db}', 't')",
        ),
    )
    yield aaiclick_database
    aaiclick_client.command(f"DROP DATABASE {aaiclick_database}_else SYNC")


def carried_out(engine: EmbeddedEngine, client: Client, database: str, change: str, made: str, late: bool) -> Report:
    """``late``: made right before the ALTER, behind every look; else when the step is entered in the journal."""
    return started(engine, client, database, schema(CHANGES[change], 2), made, late)


def started(engine: EmbeddedEngine, client: Client, database: str, wanted: Schema, made: str, late: bool) -> Report:
    done = False

    def operate(effect: Effect) -> None:
        nonlocal done
        sql = effect.sql if isinstance(effect, Command) else ""
        altered = (f"ALTER TABLE `{database}`.`t`" in sql and " COLUMN " in sql) or (
            f"RENAME TABLE `{database}`.`t`" in sql
        )
        if not done and (altered if late else "INSERT INTO" in sql and "_aaiclick_journal" in sql):
            done = True
            say(client, database, MADE.get(made, OVER))

    with closing(open_url(engine.url)) as connection:
        driver = Driver(connection, before=operate)
        try:
            report: Report = driver.run(ensuring(wanted, database, POLICY))
            return report
        finally:
            assert done


@pytest.mark.parametrize(
    ("change", "made"),
    [*(("renamed", made) for made in MADE), ("retyped", "Buffer table buf"), ("dropped", "materialized view mv")],
)
def test_the_alter_is_not_sent(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str, change: str, made: str
) -> None:
    with pytest.raises(ApplyError) as raised:
        carried_out(aaiclick_engine, aaiclick_client, ground, change, made, late=False)
    words = made.replace("{db}", ground)
    assert f"t: {words} reads or feeds it, and was not there when the plan was made." in str(raised.value)
    assert "PRICE" in str(aaiclick_client.command(f"SHOW CREATE {ground}.t")).upper()


def test_the_next_start_says_what_stands_in_the_way(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str
) -> None:
    with pytest.raises(ApplyError, match="Run again"):
        carried_out(aaiclick_engine, aaiclick_client, ground, "renamed", "Buffer table buf", late=False)
    with pytest.raises(BlockedError, match="buf: its table will have no column price"):
        ensure_schema(aaiclick_client, schema(CHANGES["renamed"], 2), database=ground, policy=POLICY)
    # What it has acknowledged is in the table before that changes.
    aaiclick_client.command(f"DROP TABLE {ground}.buf SYNC")
    ensure_schema(aaiclick_client, schema(CHANGES["renamed"], 2), database=ground, policy=POLICY)
    assert str(aaiclick_client.command(f"SELECT cost FROM {ground}.t WHERE id = 777")) == "7"


def test_one_that_is_made_in_the_very_moment_is_told(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str
) -> None:
    report = carried_out(aaiclick_engine, aaiclick_client, ground, "renamed", "materialized view mv", late=True)
    assert [note for note in report.notes if note.startswith("materialized view mv was made in the moment of ALTER")]


def renamed() -> Schema:
    table = Table("u", [ID, PRICE, OTHER], engine=MergeTree(order_by="id"), renamed_from="t")
    return Schema("s", version=2, objects=[table])


@pytest.mark.parametrize("made", ["Buffer table buf", "materialized view mv"])
def test_a_table_is_not_renamed_either(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str, made: str
) -> None:
    # They would fail, which the plan knows.
    for kind, name in (("VIEW", "through"), ("TABLE", "al")):
        aaiclick_client.command(f"DROP {kind} {ground}_else.{name} SYNC")
    with pytest.raises(ApplyError, match=f"t: {made} reads or feeds it, and was not there when the plan was made"):
        started(aaiclick_engine, aaiclick_client, ground, renamed(), made, late=False)
    assert str(aaiclick_client.command(f"SELECT count() FROM {ground}.t")) == "50"


def test_one_that_is_made_while_a_table_is_renamed_is_told(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str
) -> None:
    for kind, name in (("VIEW", "through"), ("TABLE", "al")):
        aaiclick_client.command(f"DROP {kind} {ground}_else.{name} SYNC")
    report = started(aaiclick_engine, aaiclick_client, ground, renamed(), "materialized view mv", late=True)
    told = "materialized view mv was made in the moment of RENAME TABLE"
    assert [note for note in report.notes if note.startswith(told)]


def test_a_view_is_not_renamed_either(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    def viewed(version: int, name: str) -> Schema:
        table = Table("t", [ID], engine=MergeTree(order_by="id"))
        moves = [Migration(version=2, title="a better name", renames={"v": "w"})] if version == 2 else []
        view = View(name, query="SELECT id FROM t")
        return Schema("s", version=version, objects=[table, view], migrations=moves)

    ensure_schema(aaiclick_client, viewed(1, "v"), database=aaiclick_database)
    with pytest.raises(ApplyError, match="v: view over reads or feeds it, and was not there when the plan was made"):
        started(aaiclick_engine, aaiclick_client, aaiclick_database, viewed(2, "w"), "view over", late=False)


def test_other_alters_ask_no_more(aaiclick_engine: EmbeddedEngine, ground: str) -> None:
    with closing(open_url(aaiclick_engine.url)) as connection:
        driver = Driver(connection)
        driver.run(ensuring(schema([ID, PRICE, OTHER, Column("more", "UInt8")], 2), ground, POLICY))
    sent = [each.sql for each in driver.seen if isinstance(each, Query | Command)]
    altered = max(place for place, sql in enumerate(sent) if f"ALTER TABLE `{ground}`.`t` ADD COLUMN" in sql)
    around = sent[altered - 3 : altered + 3]
    assert not [sql for sql in around if "as_select" in sql], around
