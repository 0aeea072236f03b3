"""What a release decides, and what is done although another step is refused."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Migration, Plan, Policy, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.clients.opening import Opened
from aaiclick.errors import EditedMigrationError, MigrationError, SchemaVersionError
from aaiclick.routine import Command, Query
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.scripts import checksum_of

A, B, C = Column("a", "UInt64"), Column("b", "String"), Column("c", "UInt8")
DROP = "drop-column t.b"


def table(name: str, *columns: Column, order_by: str = "a") -> Table:
    return Table(name, list(columns), engine=MergeTree(order_by=[order_by]))


def app(number: int, *objects: Table | View, migrations: list[Migration] | None = None) -> Schema:
    return Schema("app", version=number, objects=list(objects), migrations=migrations or [])


def decided(*keys: str) -> list[Migration]:
    return [Migration(2, allow=list(keys))]


@pytest.fixture
def database(aaiclick_engine: EmbeddedEngine, connection: Opened, aaiclick_database: str) -> str:
    ensure_schema(aaiclick_engine.url, app(1, table("t", A, B), table("old", A)), database=aaiclick_database)
    connection.command(Command(f"INSERT INTO `{aaiclick_database}`.t SELECT number, toString(number) FROM numbers(9)"))
    return aaiclick_database


def columns(connection: Opened, database: str, name: str = "t") -> list[str]:
    sql = f"SELECT name FROM system.columns WHERE database = '{database}' AND table = '{name}' ORDER BY position"
    return [str(row[0]) for row in connection.query(Query(sql))]


def test_a_release_drops_what_it_decided(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    two = app(2, table("t", A), migrations=decided(DROP, "drop-table old"))
    plan = plan_schema(aaiclick_engine.url, two, database=database)
    assert [(step.optional, step.allowed) for step in plan.steps] == [(False, (DROP,)), (False, ("drop-table old",))]
    assert str(plan).count("[allowed by the migration]") == 2
    assert plan.notes == ()  # nothing is left alone
    assert Plan.from_json(plan.to_json()) == plan
    # It permits the hazard, and a policy that rewrites nothing still stops: nothing is recorded as done then.
    for policy in (Policy.check(), Policy.safe()):
        with pytest.raises(SchemaVersionError):
            ensure_schema(aaiclick_engine.url, two, policy, database=database)
    assert columns(connection, database) == ["a", "b"]
    report = ensure_schema(aaiclick_engine.url, two, Policy.lossless(), database=database)
    assert (len(report.steps), report.pending) == (2, ())
    assert columns(connection, database) == ["a"]
    assert columns(connection, database, "old") == []


def test_what_is_allowed_by_name_is_not_noted_as_left_alone(aaiclick_engine: EmbeddedEngine, database: str) -> None:
    two = app(2, table("t", A), table("old", A))
    assert plan_schema(aaiclick_engine.url, two, database=database).notes == (
        "t: column b is no longer declared (left alone)",
    )
    assert plan_schema(aaiclick_engine.url, two, database=database, allow=[DROP]).notes == ()
    report = ensure_schema(aaiclick_engine.url, two, Policy.lossless().allow(DROP), database=database)
    assert (report.notes, report.pending) == ((), ())


def test_it_holds_for_that_transition_alone(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    two = app(2, table("t", A), migrations=decided(DROP, "drop-table old"))
    ensure_schema(aaiclick_engine.url, two, Policy.lossless(), database=database)
    connection.command(Command(f"ALTER TABLE `{database}`.t ADD COLUMN b String"))
    ensure_schema(aaiclick_engine.url, two, Policy.lossless(), database=database)
    three = app(3, table("t", A, C), migrations=[*decided(DROP, "drop-table old"), Migration(3)])
    report = ensure_schema(aaiclick_engine.url, three, Policy.lossless(), database=database)
    assert columns(connection, database) == ["a", "b", "c"]
    assert all(step.optional for step in report.pending)


@pytest.mark.parametrize("key", [DROP, "drop-column u.b"])
def test_a_decision_follows_a_rename(aaiclick_engine: EmbeddedEngine, database: str, key: str) -> None:
    moved = Migration(2, renames={"t": "u"}, allow=[key])
    two = app(2, table("u", A), table("old", A), migrations=[moved])
    plan = plan_schema(aaiclick_engine.url, two, database=database)
    assert [(step.optional, step.allowed) for step in plan.steps] == [(False, ()), (False, ("drop-column u.b",))]


def test_it_never_permits_the_cost(aaiclick_engine: EmbeddedEngine, connection: Opened, database: str) -> None:
    two = app(2, table("t", A, Column("b", "UInt8"), order_by="b"), table("old", A), migrations=decided("retype t.b"))
    with pytest.raises(SchemaVersionError, match="bytes, and 1 are allowed"):
        ensure_schema(aaiclick_engine.url, two, Policy.lossless(max_bytes=1), database=database)
    assert columns(connection, database) == ["a", "b"]


def test_a_decision_is_a_part_of_the_migration(aaiclick_engine: EmbeddedEngine, database: str) -> None:
    # Released migrations without one keep the checksum that they were released with.
    assert checksum_of(Migration(2)) == "5cbc1ca719cd4eaa5cf9cbb7ec147b94"
    assert checksum_of(Migration(2, allow=[DROP])) != checksum_of(Migration(2))
    ensure_schema(aaiclick_engine.url, app(2, table("t", A, B), migrations=decided(DROP)), database=database)
    with pytest.raises(EditedMigrationError):
        plan_schema(aaiclick_engine.url, app(2, table("t", A, B), migrations=decided()), database=database)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("drop t.b", "names no hazard"),
        ("drop-column", "names no hazard"),
        ("one-node", "is for whoever runs it to say"),
        ("writers-stopped t", "is for whoever runs it to say"),
        ("skip 0002:1", "is for whoever runs it to say"),
    ],
)
def test_what_a_migration_cannot_allow(aaiclick_engine: EmbeddedEngine, key: str, said: str) -> None:
    with pytest.raises(MigrationError, match=said):
        plan_schema(aaiclick_engine.url, app(2, table("t", A), migrations=decided(key)))


def test_what_stands_alone_is_done_although_something_is_refused(
    aaiclick_engine: EmbeddedEngine, connection: Opened, database: str
) -> None:
    """A new table and a new column of another table; not the view over the table that waits."""
    view = View("v", query="SELECT b FROM t")
    two = app(2, table("t", A, B, C, order_by="b"), table("old", A, C), table("new", A), view)
    with pytest.raises(SchemaVersionError) as raised:
        ensure_schema(aaiclick_engine.url, two, Policy.safe(), database=database)
    assert sorted(raised.value.done) == ["new:create", "old:alter"]
    assert "Done before, and not done again: " in str(raised.value)
    assert (columns(connection, database, "new"), columns(connection, database, "old")) == (["a"], ["a", "c"])
    assert (columns(connection, database), columns(connection, database, "v")) == (["a", "b"], [])
    # No version is recorded, the next start has nothing left to do alone, and the one that may do it comes to the end.
    with pytest.raises(SchemaVersionError) as again:
        ensure_schema(aaiclick_engine.url, two, Policy.safe(), database=database)
    assert (again.value.live, again.value.done) == ("v1", ())
    report = ensure_schema(aaiclick_engine.url, two, Policy.lossless(), database=database)
    assert (report.from_version, report.to_version) == (1, 2)


def test_nothing_is_done_alone_under_check_or_with_a_plan(
    aaiclick_engine: EmbeddedEngine, connection: Opened, database: str
) -> None:
    two = app(2, table("t", A, B, order_by="b"), table("old", A), table("new", A))
    plan = plan_schema(aaiclick_engine.url, two, database=database)
    for policy, approved in ((Policy.check(), None), (Policy.safe(), plan)):
        with pytest.raises(SchemaVersionError) as raised:
            ensure_schema(aaiclick_engine.url, two, policy, database=database, plan=approved)
        assert (raised.value.done, columns(connection, database, "new")) == ((), [])
