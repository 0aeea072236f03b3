"""An operator renames, drops, exchanges or makes the table anew before any statement of a rebuild: nothing stays held,
nobody's rows go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import AaiclickError
from aaiclick.routine import Command, Effect
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.reliability.counts import every, note
from tests.reliability.driving import Driver, ensuring

ACTIONS = {
    "rename": ("RENAME TABLE {db}.t TO {db}.t_saved",),
    "drop": ("DROP TABLE {db}.t SYNC",),
    "exchange": (
        "CREATE TABLE {db}.t_other AS {db}.t",
        "INSERT INTO {db}.t_other VALUES (7, 'other')",
        "EXCHANGE TABLES {db}.t AND {db}.t_other",
    ),
    "make anew": (
        "RENAME TABLE {db}.t TO {db}.t_saved",
        "CREATE TABLE {db}.t (id UInt64, v String) ENGINE = MergeTree ORDER BY id",
    ),
}
ROWS = 50


def versions(granularity: bool) -> tuple[Schema, Schema]:
    """By copy, or by taking over the parts."""
    columns = [Column("id", "UInt64"), Column("v", "String")]
    old = MergeTree(order_by=["id"])
    new = (
        MergeTree(order_by=["id"], settings={"index_granularity": 1024})
        if granularity
        else MergeTree(order_by=["v", "id"])
    )
    return tuple(
        Schema("s", version=n, objects=[Table("t", columns, engine=engine)]) for n, engine in ((1, old), (2, new))
    )  # type: ignore[return-value]


class Ground:
    """A database with the table, and a view that reads it, so that writers are kept out in the end."""

    def __init__(self, client: Client, old: Schema) -> None:
        self.client, self.old, self.database = client, old, fresh_name()

    def again(self) -> None:
        self.client.command(f"DROP DATABASE IF EXISTS {self.database} SYNC")
        self.client.command(f"CREATE DATABASE {self.database}")
        ensure_schema(self.client, self.old, database=self.database)
        self.client.command(f"INSERT INTO {self.database}.t SELECT number, 'a' FROM numbers({ROWS})")
        self.client.command(f"CREATE TABLE {self.database}.seen (id UInt64) ENGINE = MergeTree ORDER BY id")
        self.client.command(
            f"CREATE MATERIALIZED VIEW {self.database}.mv TO {self.database}.seen AS SELECT id FROM {self.database}.t"
        )

    def operate(self, action: str) -> None:
        """Where the operator is refused (a fence, a name that is taken), what was done by then stays."""
        with suppress(DatabaseError):
            for sql in ACTIONS[action]:
                self.client.command(sql.replace("{db}", self.database))

    def wrong(self, action: str) -> str:
        """What is held, left or gone; '' where all is well."""
        names = "|".join([FENCE, *(name for name, _ in MERGES_STOPPED)])
        # Where the new table is dropped before it is complete, the old one is kept, and nothing merges it.
        held = self.rows(
            "SELECT name FROM system.tables WHERE database = '{db}'"
            " AND match(create_table_query, if(startsWith(name, '_aaiclick_old_'), '_aaiclick_guard', "
            f"'{names}|_aaiclick_guard'))"
        )
        left = self.rows(
            "SELECT name FROM system.tables WHERE database = '{db}' AND match(name, '^_aaiclick_(mark|new|stage)')"
        )
        if held or left:
            return f"held: {held}, left: {left}"
        kept = self.rows(
            "SELECT name FROM system.tables WHERE database = '{db}' AND (name IN ('t', 't_saved', 't_other') OR "
            "startsWith(name, '_aaiclick_old_'))"
        )
        counted = [int(str(self.rows(f"SELECT count() FROM {{db}}.`{name}` WHERE v = 'a'")[0][0])) for (name,) in kept]
        return "" if ROWS in counted or action == "drop" else f"rows are gone: {dict(zip(kept, counted, strict=True))}"

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.client.query(sql.replace("{db}", self.database)).result_rows]


@pytest.fixture(params=[False, True], ids=["copy", "parts"])
def scene(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine) -> Iterator[tuple[Ground, Schema, Opened]]:
    client = aaiclick_engine.client()
    old, new = versions(request.param)
    ground = Ground(client, old)
    with closing(open_url(aaiclick_engine.url)) as connection:
        try:
            yield ground, new, connection
        finally:
            client.command(f"DROP DATABASE IF EXISTS {ground.database} SYNC")
            client.close()


def undisturbed(scene: tuple[Ground, Schema, Opened]) -> list[str]:
    """The commands of a run."""
    ground, new, connection = scene
    ground.again()
    driver = Driver(connection)
    driver.run(ensuring(new, ground.database, Policy.lossless(keep_old=timedelta(0))))
    return [effect.sql for effect in driver.seen if isinstance(effect, Command)]


def disturbed(scene: tuple[Ground, Schema, Opened], action: str, place: int) -> str:
    """The run with the operator before its command number ``place``, then two more starts; what is wrong afterwards."""
    ground, new, connection = scene
    ground.again()
    commands = 0

    def operate(effect: Effect) -> None:
        nonlocal commands
        if isinstance(effect, Command):
            if commands == place:
                ground.operate(action)
            commands += 1

    policy = Policy.lossless(keep_old=timedelta(0))
    with suppress(AaiclickError):
        Driver(connection, before=operate).run(ensuring(new, ground.database, policy))
    for _ in range(2):
        try:
            Driver(connection, later=7200.0).run(ensuring(new, ground.database, policy))
        except AaiclickError as error:
            return f"a later start fails: {error}"
    again = ensure_schema(ground.client, new, database=ground.database, policy=policy)
    return f"a third start still has work: {again.steps}" if again.steps else ground.wrong(action)


@pytest.mark.parametrize("action", ACTIONS)
def test_operators_in_between(scene: tuple[Ground, Schema, Opened], action: str) -> None:
    """A cut through the run: other commands for each of them, and the one behind the exchange."""
    commands = undisturbed(scene)
    (exchange,) = (place for place, sql in enumerate(commands) if "EXCHANGE TABLES" in sql)
    places = (len(commands) * (2 + list(ACTIONS).index(action)) // 7, exchange + 1)
    wrong = {place: found for place in places if (found := disturbed(scene, action, place))}
    assert not wrong


@pytest.mark.proof
@pytest.mark.parametrize("action", ACTIONS)
def test_operators_before_every_statement(scene: tuple[Ground, Schema, Opened], action: str) -> None:
    total = len(undisturbed(scene))
    places = range(len(action) % every(), total, every())
    wrong = {place: found for place in places if (found := disturbed(scene, action, place))}
    note(
        "an operator before every statement: rename, drop, exchange, make anew",
        sweeps=1,
        points=len(places),
        rows=len(places) * ROWS,
    )
    assert not wrong
