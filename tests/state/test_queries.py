"""How many statements each kind of start sends: exact, so that a question that is asked once more than needed is
seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, View
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.validate import validate
from aaiclick.routine import Command, Effect, Query
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

PAGE = Path(__file__).parents[2] / "docs" / "design.md"
POLICY = Policy.lossless(keep_old=timedelta(days=1))


def version(number: int, columns: dict[str, str], *order_by: str) -> Schema:
    return Schema(
        "app",
        version=number,
        objects=[Table("t", [Column(*each) for each in columns.items()], engine=MergeTree(order_by=list(order_by)))],
    )


ONE = version(1, {"a": "UInt64", "b": "String"}, "a")
ALTERED = version(2, {"a": "UInt64", "b": "String", "c": "UInt8"}, "a")
REBUILT = version(2, {"a": "UInt64", "b": "String"}, "b", "a")
BESIDE = version(3, {"a": "UInt64", "b": "String", "c": "UInt8"}, "b", "a")


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


def start(connection: Opened, database: str, schema: Schema) -> tuple[int, int, int]:
    """Statements, how many of them are queries, and how many of those look into ``system.tables``."""
    driver = Driver(connection)
    assert driver.run(ensuring(schema, database, POLICY)).in_sync
    sent = [effect for effect in driver.seen if isinstance(effect, Query | Command)]
    queries = [effect for effect in sent if isinstance(effect, Query)]
    return len(sent), len(queries), sum("FROM system.tables" in query.sql for query in queries)


def told(kind: str) -> tuple[int, ...]:
    """What the table of ``docs/design.md`` says of such a start."""
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {kind} | "))
    return tuple(map(int, row.split("|")[2:5]))


def with_rows(connection: Opened, database: str) -> None:
    connection.command(Command(f"INSERT INTO {database}.t (a, b) SELECT number, toString(number) FROM numbers(1000)"))


def test_a_first_start_and_one_with_nothing_to_do(connection: Opened, aaiclick_database: str) -> None:
    assert start(connection, aaiclick_database, ONE) == (21, 12, 7) == told("the first one")
    assert start(connection, aaiclick_database, ONE) == (1, 1, 1) == told("nothing to do")


def test_an_alter(connection: Opened, aaiclick_database: str) -> None:
    start(connection, aaiclick_database, ONE)
    with_rows(connection, aaiclick_database)
    assert start(connection, aaiclick_database, ALTERED) == (44, 25, 15) == told("an ALTER")


def test_a_rebuild_and_an_alter_beside_the_kept_table(connection: Opened, aaiclick_database: str) -> None:
    start(connection, aaiclick_database, ONE)
    with_rows(connection, aaiclick_database)
    assert start(connection, aaiclick_database, REBUILT) == (148, 91, 37) == told("a rebuild")
    assert start(connection, aaiclick_database, BESIDE) == (46, 27, 15) == told("an ALTER beside a kept table")


def test_a_start_that_finds_all_done_under_the_lease_tries_nothing(connection: Opened, aaiclick_database: str) -> None:
    """Another process was quicker between the last look of this one and its lock."""
    start(connection, aaiclick_database, ONE)
    with_rows(connection, aaiclick_database)
    others: list[bool] = []

    def another(effect: Effect) -> None:
        if isinstance(effect, Command) and "`_aaiclick_lock` (" in effect.sql and not others:
            others.append(Driver(connection).run(ensuring(ALTERED, aaiclick_database, POLICY)).in_sync)

    driver = Driver(connection, before=another)
    report = driver.run(ensuring(ALTERED, aaiclick_database, POLICY))
    assert (others, report.in_sync, report.steps) == ([True], True, ())
    place = next(
        place for place, effect in enumerate(driver.seen) if isinstance(effect, Command) and "_lock`" in effect.sql
    )
    behind = [effect.sql for effect in driver.seen[place:] if isinstance(effect, Command)]
    assert not any("_aaiclick_scratch_" in sql or "schema_version" in sql for sql in behind)


def test_rows_are_numbered_before_the_first_question_about_them(connection: Opened, aaiclick_database: str) -> None:
    """What is inserted later has a higher block number than that. Where no row is counted none is asked for."""
    start(connection, aaiclick_database, ONE)
    with_rows(connection, aaiclick_database)

    def asked(schema: Schema) -> list[str]:
        driver = Driver(connection)
        assert driver.run(ensuring(schema, aaiclick_database, POLICY)).in_sync
        sent = [effect.sql for effect in driver.seen if isinstance(effect, Query)]
        kinds = {"max(greatest(max_block_number": "number", "SELECT countIf(length(": "rows"}
        return [kind for sql in sent for words, kind in kinds.items() if words in sql]

    assert asked(ALTERED) == []
    assert asked(version(3, {"a": "UInt64", "b": "FixedString(8)", "c": "UInt8"}, "a")) == ["number", "rows"]


def many(number: int, count: int) -> Schema:
    """Every second table has a column in version 2 that version 1 does not know; each table has a view that shows
    it."""
    columns = [Column("id", "UInt64"), Column("v", "String")]
    more = [*columns, Column("n", "UInt8")]
    tables = [
        Table(f"t{place}", more if number > 1 and place % 2 else columns, engine=MergeTree(order_by=["id"]))
        for place in range(count)
    ]
    views = [View(f"v{place}", query=f"SELECT * FROM t{place}") for place in range(count)]
    return Schema("app", version=number, objects=[*tables, *views])


def made_for_a_look(connection: Opened, database: str, count: int) -> int:
    """How many tables are made in scratch where older code looks at a newer database."""
    for number in (1, 2):
        assert Driver(connection).run(ensuring(many(number, count), database, POLICY)).in_sync
    driver = Driver(connection)
    assert driver.run(validate(many(1, count), database)).state == "ahead"
    return sum(isinstance(effect, Command) and effect.sql.startswith("CREATE TABLE") for effect in driver.seen)


def test_a_look_from_older_code_makes_few_tables_for_each_that_differs(
    connection: Opened, aaiclick_database: str
) -> None:
    """It is what ``aaiclick status`` does in the middle of a rolling deployment."""
    count = 12
    left = Query("SELECT count() FROM system.dropped_tables WHERE startsWith(database, '_aaiclick_scratch_')")
    before = connection.query(left)
    assert made_for_a_look(connection, aaiclick_database, count) <= 6 * count
    assert connection.query(left) == before
