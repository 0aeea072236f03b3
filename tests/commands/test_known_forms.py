"""What the record holds of a declaration is used where the live table equals it, and never else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.plan.model import Plan
from aaiclick.routine import Command, Routine
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring


def declared(version: int = 1, *more: Column) -> Schema:
    tables = [
        Table(
            f"t{number}",
            [Column("id", "UInt64"), Column(f"c{number}", "String", default="lower('A')"), *more],
            engine=MergeTree(order_by=["(id)"]),
        )
        for number in range(3)
    ]
    return Schema("known", version=version, objects=list(tables))


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    Driver(opened).run(ensuring(declared(), aaiclick_database, Policy.lossless()))
    yield opened
    opened.close()


def planning(schema: Schema, database: str) -> Routine[Plan]:
    return (yield from make_plan((yield from inspect_database(schema, database)))).plan


def made(connection: Opened, database: str, schema: Schema | None = None) -> tuple[list[str], tuple[str, ...]]:
    """The tables that planning makes in scratch, and what it finds."""
    driver = Driver(connection)
    plan = driver.run(planning(schema or declared(), database))
    commands = [effect.sql for effect in driver.seen if isinstance(effect, Command)]
    names = [f"t{number}" for number in range(3)]
    return [
        sql.split("(")[0] for sql in commands if sql.startswith("CREATE TABLE") and "_live" not in sql
    ], plan.differences(names)


def test_nothing_is_made_where_everything_is_as_recorded(connection: Opened, aaiclick_database: str) -> None:
    assert made(connection, aaiclick_database) == ([], ())


def test_what_differs_is_made_anew_and_the_rest_is_not(connection: Opened, aaiclick_database: str) -> None:
    connection.command(Command(f"ALTER TABLE {aaiclick_database}.t1 MODIFY COLUMN c1 String DEFAULT 'x'"))
    tables, differences = made(connection, aaiclick_database)
    assert [
        name
        for name in ("t0", "t1", "t2")
        if any(f".{name} " in f"{table} " or f".`{name}" in table for table in tables)
    ] == ["t1"]
    assert differences == ("t1: column c1: DEFAULT 'x' -> DEFAULT lower('A')",)


def test_another_declaration_is_made_anew(connection: Opened, aaiclick_database: str) -> None:
    tables, differences = made(connection, aaiclick_database, declared(2, Column("more", "UInt8")))
    assert len(tables) >= 3
    assert len(differences) == 3


@pytest.mark.parametrize("column", ["server", "library", "spec"])
def test_another_release_makes_everything_anew(connection: Opened, aaiclick_database: str, column: str) -> None:
    connection.command(
        Command(
            f"ALTER TABLE {aaiclick_database}.schema_version UPDATE {column} = 'another' WHERE 1",
            settings={"mutations_sync": 1},
        )
    )
    tables, differences = made(connection, aaiclick_database)
    assert len(tables) == 3
    assert differences == ()


def test_what_was_written_down_wrongly_changes_nothing(connection: Opened, aaiclick_database: str) -> None:
    connection.command(
        Command(
            f"ALTER TABLE {aaiclick_database}.schema_version UPDATE forms = replaceAll(forms, 'String', 'UInt8') "
            "WHERE 1",
            settings={"mutations_sync": 1},
        )
    )
    tables, differences = made(connection, aaiclick_database)
    assert len(tables) == 3
    assert differences == ()
