"""What an operator alters of a table while it is copied is not lost: the copy ends and says so, or the old table is
kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import ApplyError
from aaiclick.routine import Command, Effect, Query, scalar_rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

ALTERS = {
    "plain column": "ADD COLUMN extra String DEFAULT 'e'",
    "ALIAS column": "ADD COLUMN extra UInt64 ALIAS id + 1",
    "default": "MODIFY COLUMN v String DEFAULT 'extra'",
    "codec": "MODIFY COLUMN v String CODEC(ZSTD(9))",
    "index": "ADD INDEX extra v TYPE minmax",
    "projection": "ADD PROJECTION extra (SELECT v, count() GROUP BY v)",
    "constraint": "ADD CONSTRAINT extra CHECK id < 1000000",
    "setting": "MODIFY SETTING min_bytes_for_wide_part = 77",
    "TTL": "MODIFY TTL d + INTERVAL 30 DAY",
    "comment": "MODIFY COMMENT 'extra'",
}
SHOWN = ("extra", "ZSTD(9)", "= 77", "TTL d")
COPY = {
    "mark": r"CREATE TABLE \S+_aaiclick_mark_",
    "new table": r"CREATE TABLE \S+_aaiclick_new_",
    "chunk": r"INSERT INTO \S+_aaiclick_stage_",
}
ATTACH = {"mark": COPY["mark"], "new table": COPY["new table"]}


def schema(number: int, engine: MergeTree) -> Schema:
    columns = [Column("id", "UInt64"), Column("v", "String"), Column("d", "DateTime")]
    return Schema("s", version=number, objects=[Table("t", columns, engine=engine)])


ONE = schema(1, MergeTree(order_by=["id"]))
BY_COPY = schema(2, MergeTree(order_by=["id", "v"]))
BY_PARTS = schema(2, MergeTree(order_by=["id"], settings={"index_granularity": 4096}))


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


class Operator:
    """Alters the table in front of the statement that fits ``marker``, and writes a row that fills a new column."""

    def __init__(self, connection: Opened, database: str, alter: str, marker: str) -> None:
        self.connection, self.database, self.alter = connection, database, alter
        self.marker = marker
        self.done = False

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, Command) and re.search(self.marker, effect.sql) and not self.done:
            self.send(f"ALTER TABLE t {self.alter}")
            self.done = True
            if "ADD COLUMN extra String" in self.alter:
                self.send("INSERT INTO t (id, v, d, extra) VALUES (777, 'w', now(), 'acknowledged')")

    def send(self, sql: str) -> None:
        # Otherwise MODIFY TTL would wait for a mutation, and that for the copy.
        settings: dict[str, str | int] = {"materialize_ttl_after_modify": 0} if "TTL" in sql else {}
        self.connection.command(Command(sql, settings=settings, database=self.database))

    def shown(self, like: str) -> list[str]:
        """The definitions of tables of such names that show what was altered."""
        sql = f"SELECT create_table_query FROM system.tables WHERE database = '{self.database}' AND name LIKE '{like}'"
        listed = [str(row[0]) for row in scalar_rows(self.connection.query(Query(sql)))]
        return [text for text in listed if any(each in text for each in SHOWN)]

    def value(self, table: str) -> object:
        sql = f"SELECT extra FROM `{self.database}`.`{table}` WHERE id = 777"
        return scalar_rows(self.connection.query(Query(sql)))[0][0]


def start(connection: Opened, database: str, wanted: Schema, operator: Operator | None, keep: int) -> tuple[str, ...]:
    driver = Driver(connection, before=operator)
    report = driver.run(ensuring(wanted, database, Policy.lossless(keep_old=timedelta(days=keep))))
    assert report.in_sync
    return (report.steps[0].strategy, *report.notes) if report.steps else ()


def made(connection: Opened, database: str) -> None:
    start(connection, database, ONE, None, 0)
    connection.command(Command("INSERT INTO t SELECT number, 'a', now() FROM numbers(100)", database=database))


def scratch(operator: Operator) -> object:
    where = f"database = '{operator.database}' AND match(name, '^_aaiclick_(stage|new|mark|taken)_')"
    return scalar_rows(operator.connection.query(Query(f"SELECT count() FROM system.tables WHERE {where}")))[0][0]


@pytest.mark.parametrize("alter", ALTERS)
@pytest.mark.parametrize(
    ("wanted", "strategy", "moment"),
    [*((BY_COPY, "rebuild", each) for each in COPY), *((BY_PARTS, "attach", each) for each in ATTACH)],
    ids=[*(f"copy-{each}" for each in COPY), *(f"attach-{each}" for each in ATTACH)],
)
def test_an_alter_during_a_copy_ends_it(
    connection: Opened, aaiclick_database: str, wanted: Schema, strategy: str, moment: str, alter: str
) -> None:
    made(connection, aaiclick_database)
    operator = Operator(connection, aaiclick_database, ALTERS[alter], COPY[moment])
    with pytest.raises(ApplyError, match=r"altered by somebody else.*Run again: the next start plans anew"):
        start(connection, aaiclick_database, wanted, operator, 0)
    assert operator.done
    assert len(operator.shown("t")) == 1
    assert scratch(operator) == 0
    assert start(connection, aaiclick_database, wanted, None, 0)[0] == strategy
    assert len(operator.shown("t")) == 1
    if alter == "plain column":
        assert operator.value("t") == "acknowledged"


@pytest.mark.parametrize("alter", ALTERS)
@pytest.mark.parametrize("keep", [0, 1])
def test_an_alter_in_the_moment_of_the_exchange_keeps_the_old_table(
    connection: Opened, aaiclick_database: str, keep: int, alter: str
) -> None:
    made(connection, aaiclick_database)
    operator = Operator(connection, aaiclick_database, ALTERS[alter], "EXCHANGE TABLES")
    _, *notes = start(connection, aaiclick_database, BY_COPY, operator, keep)
    assert operator.done
    assert any("altered on the old table in the moment of the exchange" in note for note in notes)
    (kept,) = scalar_rows(
        connection.query(
            Query(
                f"SELECT name FROM system.tables WHERE database = '{aaiclick_database}' AND name LIKE "
                "'\\_aaiclick\\_old\\_%'"
            )
        )
    )
    if alter != "comment":  # a kept table has a comment of ours, which quotes it
        assert len(operator.shown(str(kept[0]))) == 1
    if alter == "plain column":
        assert operator.value(str(kept[0])) == "acknowledged"


def test_what_is_altered_between_plan_and_copy_ends_it_before_anything_is_made(
    connection: Opened, aaiclick_database: str
) -> None:
    made(connection, aaiclick_database)
    operator = Operator(connection, aaiclick_database, ALTERS["plain column"], "`_aaiclick_journal`")
    with pytest.raises(ApplyError, match="altered by somebody else since this was planned"):
        start(connection, aaiclick_database, BY_COPY, operator, 0)
    assert start(connection, aaiclick_database, BY_COPY, None, 0)[0] == "rebuild"
    assert operator.value("t") == "acknowledged"


OURS = "MODIFY SETTING parts_to_throw_insert = 777"
"""A setting that a copy sets itself, so that writers are not refused."""


@pytest.mark.parametrize("moment", ["new table", "chunk"])
def test_a_setting_that_the_copy_has_set_ends_it_too(connection: Opened, aaiclick_database: str, moment: str) -> None:
    made(connection, aaiclick_database)
    operator = Operator(connection, aaiclick_database, OURS, COPY[moment])
    with pytest.raises(ApplyError, match="settings were altered by somebody else"):
        start(connection, aaiclick_database, BY_COPY, operator, 0)
    assert scratch(operator) == 0
    assert len(operator.shown("t")) == 1
    assert start(connection, aaiclick_database, BY_COPY, None, 0)[0] == "rebuild"
    assert len(operator.shown("t")) == 1


def test_a_setting_that_the_copy_has_set_is_said_in_the_moment_of_the_exchange(
    connection: Opened, aaiclick_database: str
) -> None:
    made(connection, aaiclick_database)
    operator = Operator(connection, aaiclick_database, OURS, "EXCHANGE TABLES")
    _, note = start(connection, aaiclick_database, BY_COPY, operator, 0)
    assert "settings were altered on the old table in the moment of the exchange" in note
    assert len(operator.shown("\\_aaiclick\\_old\\_%")) == 1
