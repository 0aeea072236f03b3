"""A plan that was approved is carried out as it is, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aaiclick import Column, MergeTree, Plan, Policy, Schema, Table, ensure_schema, ensure_schema_async, plan_schema
from aaiclick.clients.opening import Opened
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import SchemaVersionError, StalePlanError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.plan.operations import AlterWork
from aaiclick.routine import Command, Effect, Query
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.version import VERSION
from tests.reliability.driving import DEAD, LATER, Driver, KilledError

A, B, C = Column("a", "UInt64"), Column("b", "String"), Column("c", "UInt8")


def app(number: int, *columns: Column, order_by: str = "a", others: tuple[str, ...] = ()) -> Schema:
    tables = [Table("t", list(columns), engine=MergeTree(order_by=[order_by]))]
    return Schema(
        "app", version=number, objects=[*tables, *(Table(n, [A], engine=MergeTree(order_by=["a"])) for n in others)]
    )


ONE = app(1, A, B)
TWO = app(2, A, B, C, order_by="b", others=("u", "v"))


@pytest.fixture
def database(aaiclick_engine: EmbeddedEngine, connection: Opened, aaiclick_database: str) -> str:
    ensure_schema(aaiclick_engine.url, ONE, database=aaiclick_database)
    insert(connection, aaiclick_database, 100)
    return aaiclick_database


def insert(connection: Opened, database: str, rows: int) -> None:
    connection.command(Command(f"INSERT INTO `{database}`.t SELECT number, toString(number) FROM numbers({rows})"))


def columns(connection: Opened, database: str) -> list[str]:
    sql = f"SELECT name FROM system.columns WHERE database = '{database}' AND table = 't' ORDER BY position"
    return [str(row[0]) for row in connection.query(Query(sql))]


def saved(plan: Plan) -> Plan:
    """As it comes back from a file."""
    return Plan.from_json(plan.to_json())


def test_what_was_approved_is_carried_out(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    plan = saved(plan_schema(aaiclick_engine.url, TWO, database=database))
    insert(connection, database, 50)
    report = ensure_schema(aaiclick_engine.url, TWO, Policy.lossless(), database=database, plan=plan)
    assert [step.id for step in report.steps] == [step.id for step in plan.steps]
    assert columns(connection, database) == ["a", "b", "c"]
    # The other replicas of the application start with the same plan, and so does this one tomorrow.
    again = asyncio.run(ensure_schema_async(aaiclick_engine.url, TWO, Policy.lossless(), database=database, plan=plan))
    assert (again.in_sync, again.steps) == (True, ())


def test_a_ttl_that_would_delete_more_by_now_is_another_plan(
    aaiclick_engine: EmbeddedEngine, connection: Opened, aaiclick_database: str
) -> None:
    def keeps(number: int, *ttl: str) -> Schema:
        engine = MergeTree(order_by=["a"], ttl=ttl[0]) if ttl else MergeTree(order_by=["a"])
        return Schema("app", version=number, objects=[Table("t", [A, Column("at", "DateTime")], engine=engine)])

    def come(at: str) -> None:
        connection.command(Command(f"INSERT INTO `{aaiclick_database}`.t SELECT number, {at} FROM numbers(100)"))

    two, policy = keeps(2, "at + INTERVAL 30 DAY"), Policy.lossless().allow("change-ttl t")
    ensure_schema(aaiclick_engine.url, keeps(1), database=aaiclick_database)
    come("now()")
    plan = plan_schema(aaiclick_engine.url, two, database=aaiclick_database)
    come("toDateTime('2020-01-01 00:00:00')")
    for approved, said in (
        (plan, "100 rows are past the new TTL, approved were 0"),
        (replace(plan, steps=(replace(plan.steps[0], expiring=None),)), "does not say how many"),
    ):
        with pytest.raises(StalePlanError, match=said):
            ensure_schema(aaiclick_engine.url, two, policy, database=aaiclick_database, plan=saved(approved))
    assert connection.query(Query(f"SELECT count() FROM `{aaiclick_database}`.t"))[0][0] in (200, "200")
    now = saved(plan_schema(aaiclick_engine.url, two, database=aaiclick_database))
    assert ensure_schema(aaiclick_engine.url, two, policy, database=aaiclick_database, plan=now).in_sync


def test_a_stale_plan_is_stale_whatever_the_policy(
    aaiclick_engine: EmbeddedEngine, connection: Opened, database: str
) -> None:
    plan = saved(plan_schema(aaiclick_engine.url, TWO, database=database))
    with pytest.raises(SchemaVersionError, match="Run: aaiclick migrate"):
        ensure_schema(aaiclick_engine.url, TWO, Policy.check(), database=database, plan=plan)
    connection.command(Command(f"ALTER TABLE `{database}`.t ADD COLUMN surplus String"))
    with pytest.raises(StalePlanError, match="t: other SQL is sent"):
        ensure_schema(aaiclick_engine.url, TWO, Policy.check(), database=database, plan=plan)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE t ADD COLUMN c UInt8", "t: other SQL is sent"),
        ("CREATE TABLE u (a UInt64) ENGINE = MergeTree ORDER BY a", "u: table is missing (create) is no longer needed"),
        ("ALTER TABLE t ADD COLUMN surplus String", "t: other SQL is sent"),
        (
            "INSERT INTO t SELECT number, toString(number) FROM numbers(20000)",
            "all 20,100 rows of t are copied; approved was: all 100 rows of t are copied",
        ),
    ],
)
def test_a_change_in_between_is_told_and_nothing_is_done(
    aaiclick_engine: EmbeddedEngine, connection: Opened, database: str, statement: str, said: str
) -> None:
    plan = saved(plan_schema(aaiclick_engine.url, TWO, database=database))
    connection.command(
        Command(statement.replace(" TABLE ", f" TABLE `{database}`.").replace("INTO t", f"INTO `{database}`.t"))
    )
    before = columns(connection, database)
    with pytest.raises(StalePlanError) as raised:
        ensure_schema(aaiclick_engine.url, TWO, Policy.lossless(), database=database, plan=plan)
    assert any(said in change for change in raised.value.changes), raised.value.changes
    assert "Nothing of it was carried out." in str(raised.value)
    assert columns(connection, database) == before


def test_a_plan_for_something_else(aaiclick_engine: EmbeddedEngine, database: str) -> None:
    plan = plan_schema(aaiclick_engine.url, TWO, database=database)

    def start(schema: Schema, given: object) -> None:
        ensure_schema(aaiclick_engine.url, schema, Policy.lossless(), database=database, plan=given)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="is for the schema other, and this is app"):
        start(TWO, replace(plan, schema="other"))
    with pytest.raises(UsageError, match=f"was made for the database elsewhere, and this is {database}"):
        start(TWO, replace(plan, database="elsewhere"))
    with pytest.raises(UsageError, match="has format 2, and this release reads format 1"):
        start(TWO, replace(plan, format=2))
    with pytest.raises(UsageError, match="type str as the plan"):
        start(TWO, plan.to_json())
    with pytest.raises(StalePlanError, match="the code declares v3, the approved plan leads to v2"):
        start(app(3, A, B, C, order_by="b", others=("u", "v")), plan)


def test_no_sql_of_a_plan_is_ever_sent(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    """The statements that people read are untouched, those that a run would send are not."""
    plan = plan_schema(aaiclick_engine.url, app(2, A, B, C), database=database)
    (step,) = plan.steps
    assert isinstance(step.work, AlterWork)
    drop = replace(step.work.alters[0], sql=f"ALTER TABLE `{database}`.t DROP COLUMN b")
    edited = replace(plan, steps=(replace(step, work=replace(step.work, alters=(drop,))),))
    with pytest.raises(StalePlanError, match="it is carried out in another way than was approved"):
        ensure_schema(aaiclick_engine.url, app(2, A, B, C), database=database, plan=saved(edited))
    assert columns(connection, database) == ["a", "b"]


def test_a_plan_allows_nothing(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    plan = plan_schema(aaiclick_engine.url, TWO, database=database)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_engine.url, TWO, Policy.safe(), database=database, plan=plan)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_engine.url, TWO, Policy.check(), database=database, plan=plan)
    dropped = app(2, A)
    plan = plan_schema(aaiclick_engine.url, dropped, database=database)
    report = ensure_schema(aaiclick_engine.url, dropped, Policy.lossless(), database=database, plan=plan)
    assert ([step.optional for step in report.pending], columns(connection, database)) == ([True], ["a", "b"])


def test_what_was_begun_is_gone_on_with(connection: Opened, aaiclick_engine: EmbeddedEngine, database: str) -> None:
    """Killed behind the second of two new tables: what is left is the same plan, and nobody has to approve it again."""
    plan = saved(plan_schema(aaiclick_engine.url, TWO, database=database))
    seen: list[str] = []

    def kill(effect: Effect) -> None:
        if isinstance(effect, Command):
            if any(f"CREATE TABLE `{database}`.`v`" in sql for sql in seen):
                raise KilledError
            seen.append(effect.sql)

    start = Run(TWO, database, Policy.lossless(), DEAD, True, VERSION, plan)
    with pytest.raises(KilledError):
        Driver(connection, before=kill).run(ensure(start))
    again = replace(start, owner=this_process())
    stale = replace(again, approved=replace(plan, steps=plan.steps[:-1], basis="another one"))
    with pytest.raises(StalePlanError, match="is no longer needed"):
        Driver(connection, later=LATER).run(ensure(stale))
    report = Driver(connection, later=LATER).run(ensure(again))
    assert [step.id for step in report.steps] == ["t:rebuild"]
    assert columns(connection, database) == ["a", "b", "c"]
