"""A start plans before the lease and under it. What it tried the first time is not tried again; what somebody changed in
between is seen."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from aaiclick import AggregatingMergeTree, Column, MergeTree, Migration, Policy, Rebuild, Schema, Table
from aaiclick.catalog.forms import ServerFacts
from aaiclick.clients.opening import Opened
from aaiclick.commands.adopt import adopt
from aaiclick.errors import ApplyError, BlockedError, SpecError
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.routine import Command, Effect, Query
from tests.reliability.driving import Driver, ensuring

POLICY = Policy.lossless(keep_old=timedelta(days=1))
LOCK = "CREATE TABLE `{database}`.`_aaiclick_lock`"


def version(number: int, *columns: Column) -> Schema:
    return Schema("app", version=number, objects=[Table("t", list(columns), engine=MergeTree(order_by=["a"]))])


A, B = Column("a", "UInt64"), Column("b", "String")
ONE = version(1, A, B)
WIDER = version(2, A, B, Column("c", "UInt8"))


def begin(connection: Opened, database: str) -> None:
    Driver(connection).run(ensuring(ONE, database, POLICY))
    connection.command(Command(f"INSERT INTO {database}.t SELECT number, toString(number) FROM numbers(100)"))


def meanwhile(
    connection: Opened, database: str, schema: Schema, *statements: str, policy: Policy = POLICY
) -> list[str]:
    """Start, with statements of somebody else right before the lease; what was sent under the lease."""
    lock = LOCK.format(database=database)

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and lock in effect.sql:
            for statement in statements:
                connection.command(Command(statement))

    driver = Driver(connection, before=before)
    try:
        assert driver.run(ensuring(schema, database, policy)).in_sync
    finally:
        sent = [effect.sql for effect in driver.seen if isinstance(effect, Query | Command)]
        place = next(place for place, sql in enumerate(sent) if lock in sql)
        under_lease = sent[place:]
    return under_lease


def tried(under_lease: list[str], strategy: str = "alter") -> int:
    return sum("CREATE TABLE" in sql and f"t~{strategy}`" in sql for sql in under_lease)


def asked(connection: Opened, sql: str) -> str:
    return "\n".join("\t".join(str(value) for value in row) for row in connection.query(Query(sql)))


def test_what_was_tried_before_the_lease_is_not_tried_again(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    under_lease = meanwhile(connection, aaiclick_database, WIDER)
    assert tried(under_lease) == 0
    assert any("t~alter-parts`" in sql for sql in under_lease)


def test_a_row_that_does_not_convert(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    with pytest.raises(BlockedError, match="b"):
        meanwhile(
            connection,
            aaiclick_database,
            version(2, A, Column("b", "UInt64")),
            f"INSERT INTO {aaiclick_database}.t VALUES (1000, 'many')",
        )
    assert asked(connection, f"SELECT b FROM {aaiclick_database}.t WHERE a = 1000") == "many"


def test_a_column_that_somebody_adds(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    under_lease = meanwhile(
        connection, aaiclick_database, WIDER, f"ALTER TABLE {aaiclick_database}.t ADD COLUMN c UInt16 DEFAULT 7"
    )
    assert tried(under_lease) == 1
    assert asked(connection, f"SELECT DISTINCT toTypeName(c), c FROM {aaiclick_database}.t") == "UInt8\t7"


def test_what_only_the_look_at_rows_tells(connection: Opened, aaiclick_database: str) -> None:
    """The first plan reads no row. The second one finds rows that read the old default, which is written down first."""
    begin(connection, aaiclick_database)
    connection.command(Command(f"ALTER TABLE {aaiclick_database}.t ADD COLUMN c UInt8 DEFAULT 1"))
    meanwhile(connection, aaiclick_database, version(2, A, B, Column("c", "UInt8", default="2")))
    assert asked(connection, f"SELECT DISTINCT c FROM {aaiclick_database}.t") == "1"


def test_another_table_under_the_name(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    meanwhile(
        connection,
        aaiclick_database,
        WIDER,
        f"DROP TABLE {aaiclick_database}.t SYNC",
        f"CREATE TABLE {aaiclick_database}.t (a UInt64, b String) ENGINE = MergeTree ORDER BY b",
        f"INSERT INTO {aaiclick_database}.t VALUES (5, 'five')",
    )
    assert asked(connection, f"SELECT a, b, c FROM {aaiclick_database}.t") == "5\tfive\t0"
    key = f"SELECT sorting_key FROM system.tables WHERE database = '{aaiclick_database}' AND name = 't'"
    assert asked(connection, key) == "a"


def test_a_plan_that_reads_no_rows_is_compared_with_the_tables_too(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    added = f"ALTER TABLE {aaiclick_database}.t ADD COLUMN c UInt8"
    under_lease = meanwhile(connection, aaiclick_database, WIDER, added, policy=Policy.safe())
    assert not any("ADD COLUMN" in sql and "_aaiclick_scratch_" not in sql for sql in under_lease)


def test_the_same_table_in_other_words(connection: Opened, aaiclick_database: str) -> None:
    begin(connection, aaiclick_database)
    under_lease = meanwhile(
        connection,
        aaiclick_database,
        WIDER,
        f"DROP TABLE {aaiclick_database}.t SYNC",
        f"CREATE TABLE {aaiclick_database}.t (a UInt64, b String) ENGINE = MergeTree ORDER BY (a)",
    )
    assert tried(under_lease) == 1


def test_a_view_that_somebody_makes(connection: Opened, aaiclick_database: str) -> None:
    """Its table is then exchanged behind a fence."""
    begin(connection, aaiclick_database)
    other_key = Schema("app", version=2, objects=[Table("t", [A, B], engine=MergeTree(order_by=["b", "a"]))])
    view = f"CREATE MATERIALIZED VIEW {aaiclick_database}.v ENGINE = Memory AS SELECT a FROM {aaiclick_database}.t"
    under_lease = meanwhile(connection, aaiclick_database, other_key, view)
    assert tried(under_lease, "rebuild") == 1
    assert any("table_readonly" in sql and "MODIFY SETTING" in sql for sql in under_lease)


def test_a_declaration_that_rests_on_the_live_table(connection: Opened, aaiclick_database: str) -> None:
    """A server that would not create it loads it beside a live table of that kind alone."""
    columns = [A, Column("s", "SimpleAggregateFunction(sum, UInt64)"), B]
    listed = "(a UInt64, s SimpleAggregateFunction(sum, UInt64), b String) ENGINE = AggregatingMergeTree ORDER BY a"
    connection.command(Command(f"ATTACH TABLE {aaiclick_database}.t UUID '{uuid.uuid4()}' {listed}"))
    more = [*columns, Column("m", "SimpleAggregateFunction(max, UInt8)")]
    schema = Schema("app", objects=[Table("t", more, engine=AggregatingMergeTree(order_by=["a"]))])
    new = "ENGINE = AggregatingMergeTree ORDER BY (a, b)"
    with pytest.raises(SpecError):
        meanwhile(
            connection,
            aaiclick_database,
            schema,
            f"DROP TABLE {aaiclick_database}.t SYNC",
            f"CREATE TABLE {aaiclick_database}.t (a UInt64, s SimpleAggregateFunction(sum, UInt64), b String) {new}",
        )


def test_what_another_server_said_does_not_count() -> None:
    servers = [ServerFacts((26, 9, last), f"26.9.{last}", "d", "u", "UTC") for last in (1, 2)]
    first = Rehearsed(servers[0], permissive={"allow_suspicious_codecs": 1})
    assert first.of(servers[0]) is first
    assert first.of(servers[1]) == Rehearsed()


@pytest.fixture
def function(connection: Opened, aaiclick_database: str) -> Iterator[Callable[[str], str]]:
    name = f"f_{aaiclick_database}"
    yield lambda body: f"CREATE OR REPLACE FUNCTION {name} AS x -> {body}"
    connection.command(Command(f"DROP FUNCTION IF EXISTS {name}"))


def test_a_function_that_somebody_replaces(
    connection: Opened, aaiclick_database: str, function: Callable[[str], str]
) -> None:
    begin(connection, aaiclick_database)
    connection.command(Command(function("x + 1")))
    computed = version(2, A, B, Column("c", "UInt64", default=f"f_{aaiclick_database}(a)"))
    under_lease = meanwhile(connection, aaiclick_database, computed, function("x + 2"))
    assert tried(under_lease) == 1
    assert asked(connection, f"SELECT DISTINCT c - a FROM {aaiclick_database}.t") == "2"


def test_an_adoption_that_waited_for_a_migration_is_not_recorded_over_it(
    connection: Opened, aaiclick_database: str
) -> None:
    """It would open a new generation at the version before, and the next start would double what is doubled."""
    begin(connection, aaiclick_database)
    doubled = Migration(2, rebuild={"t": Rebuild(columns={"a": "a * 2"})})
    two = Schema("app", version=2, objects=ONE.objects, migrations=[doubled])

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and LOCK.format(database=aaiclick_database) in effect.sql:
            assert Driver(connection).run(ensuring(two, aaiclick_database, POLICY)).to_version == 2

    with pytest.raises(ApplyError, match=r"app is at v2 now\): nothing was recorded"):
        Driver(connection, before=before).run(adopt(two, 1, True, aaiclick_database, True))
    assert Driver(connection).run(ensuring(two, aaiclick_database, POLICY)).steps == ()
    assert asked(connection, f"SELECT max(a) FROM {aaiclick_database}.t") == "198"
