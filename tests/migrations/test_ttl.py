"""Rows that are alive when a run begins are there when it ends: a TTL that goes or lengthens is changed before anything
else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.api.adopt import adopt_schema
from aaiclick.clients.opening import open_url
from aaiclick.errors import SchemaAheadError
from aaiclick.lease.names import LOCK
from aaiclick.routine import Command, Effect, Rows
from aaiclick.specs.moves import MoveContext
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.migrations.building import schema
from tests.migrations.test_killed import Stopper
from tests.reliability.driving import DEAD, LATER, KilledError, ensuring

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

QUIET: dict[str, str | int | float | bool | None] = {
    "max_number_of_merges_with_ttl_in_pool": 0,
    "merge_with_ttl_timeout": 1000000,
}
"""Merges take expired rows only where the test asks for one."""


def timed(
    ttl: str | None,
    *,
    order: str = "id",
    column_ttl: str | None = None,
    name: str = "t",
    at: str = "at",
    kind: str = "DateTime('UTC')",
) -> Table:
    columns = [Column("id", "UInt64"), Column(at, kind), Column("secret", "String", ttl=column_ttl)]
    return Table(name, columns, engine=MergeTree(order_by=[order], ttl=ttl, settings=QUIET))


def old_rows(client: Client, name: str = "t", days: int = 2) -> None:
    client.command(f"INSERT INTO {name} SELECT number, now('UTC') - INTERVAL {days} DAY, 'x' FROM numbers(3)")


def alive(client: Client, name: str = "t") -> tuple[int, int]:
    """Rows, and those whose secret is still there."""
    ((rows, secrets),) = client.query(f"SELECT count(), countIf(secret = 'x') FROM {name}").result_rows
    return rows, secrets


def merge(context: MoveContext) -> None:
    """What a merge in the background may do while a function runs."""
    context.client.command(f"OPTIMIZE TABLE {context.table('t')} FINAL")


MOVE = Migration(2, move=merge)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (timed("at + INTERVAL 1 DAY"), timed(None)),
        (timed("at + INTERVAL 1 DAY"), timed(None, order="secret")),
        (timed("at + INTERVAL 1 DAY"), timed("at + INTERVAL 30 DAY")),
        (timed("at + INTERVAL 1 DAY"), timed("at + INTERVAL 30 DAY", order="secret")),
        (timed(None, column_ttl="at + INTERVAL 1 DAY"), timed(None, column_ttl="at + INTERVAL 30 DAY")),
        (timed("at + INTERVAL 1 DAY", column_ttl="at + INTERVAL 1 DAY"), timed(None, column_ttl=None, order="at")),
    ],
    ids=["goes", "goes in a rebuild", "lengthens", "lengthens in a rebuild", "of a column", "of both"],
)
def test_a_merge_during_the_function_takes_nothing_that_the_end_would_keep(
    aaiclick_client: Client, before: Table, after: Table
) -> None:
    ensure_schema(aaiclick_client, schema(1, before))
    old_rows(aaiclick_client)
    declared = schema(2, after, migrations=[MOVE])
    plan = plan_schema(aaiclick_client, declared)
    assert plan.steps[0].id == "t:ttl"
    assert "before anything else" in plan.steps[0].change
    report = ensure_schema(aaiclick_client, declared)
    assert report.steps[0].id == "t:ttl"
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert alive(aaiclick_client) == (3, 3)
    assert ensure_schema(aaiclick_client, declared).steps == ()


def test_a_ttl_that_stays_or_shortens_is_no_business_of_the_first_step(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, timed("at + INTERVAL 30 DAY")))
    for ttl in ("at + INTERVAL 30 DAY", "at + INTERVAL 1 DAY"):
        assert "t:ttl" not in [
            step.id for step in plan_schema(aaiclick_client, schema(2, timed(ttl), migrations=[MOVE])).steps
        ]


def test_a_statement_that_is_not_rehearsed_is_no_way_around_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, timed("at + INTERVAL 1 DAY")))
    old_rows(aaiclick_client)
    statement = f"OPTIMIZE TABLE {aaiclick_client.database}.t FINAL"
    ensure_schema(aaiclick_client, schema(2, timed(None), migrations=[Migration(2, sql=[statement])]))
    assert alive(aaiclick_client) == (3, 3)


def test_without_explicit_parts_it_does_not_wait_for_the_copy_of_another_table(aaiclick_client: Client) -> None:
    first = [timed(None, name="a"), timed("at + INTERVAL 1 DAY", name="b")]
    then = [timed(None, name="a", order="secret"), timed("at + INTERVAL 9 DAY", name="b")]
    ensure_schema(aaiclick_client, schema(1, *first))
    old_rows(aaiclick_client, "b")
    plan = plan_schema(aaiclick_client, schema(2, *then))
    assert [step.id for step in plan.steps] == ["b:ttl", "a:rebuild"]
    ensure_schema(aaiclick_client, schema(2, *then))
    aaiclick_client.command("OPTIMIZE TABLE b FINAL")
    assert alive(aaiclick_client, "b") == (3, 3)


@pytest.mark.parametrize("column", [False, True], ids=["rows", "values"])
def test_a_longer_ttl_is_not_judged_by_what_parts_noted_of_the_shorter_one(
    aaiclick_client: Client, column: bool
) -> None:
    """The engine drops a part whose rows are all past their TTL as noted when it was written, whatever the TTL is by
    now."""

    def at(days: int) -> Table:
        text = f"at + INTERVAL {days} DAY"
        return timed(None, column_ttl=text) if column else timed(text)

    ensure_schema(aaiclick_client, schema(1, at(1)))
    old_rows(aaiclick_client)
    assert [step.id for step in ensure_schema(aaiclick_client, schema(2, at(30))).steps] == ["t:alter"]
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert alive(aaiclick_client) == (3, 3)
    ensure_schema(aaiclick_client, schema(3, timed(None)))
    declared = schema(4, at(40))
    ensure_schema(aaiclick_client, declared, policy=Policy.lossless().allow("change-ttl t", "change-ttl t.secret"))
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert alive(aaiclick_client) == (3, 3)
    assert "recalculate" not in str(aaiclick_client.command("SHOW CREATE TABLE t"))
    assert ensure_schema(aaiclick_client, declared).steps == ()


def test_alone_it_is_a_step_like_any_other(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, timed("at + INTERVAL 1 DAY")))
    assert [step.id for step in plan_schema(aaiclick_client, schema(2, timed(None))).steps] == ["t:alter"]


def test_a_table_that_is_renamed_later_and_a_column_of_another_type(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, timed("at + INTERVAL 1 DAY", column_ttl="at + INTERVAL 1 DAY")))
    old_rows(aaiclick_client)
    last = timed(
        "at + INTERVAL 20 DAY", column_ttl="at + INTERVAL 10 DAY", name="w", kind="DateTime64(3, 'UTC')", order="at"
    )

    def move(context: MoveContext) -> None:
        found = context.client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN ('t', 'w')"
        ).result_rows
        context.client.command(f"OPTIMIZE TABLE {context.table(str(found[0][0]))} FINAL")

    declared = schema(2, last, migrations=[Migration(2, renames={"t": "w"}, move=move)])
    assert plan_schema(aaiclick_client, declared).steps[0].id == "t:ttl"
    ensure_schema(aaiclick_client, declared)
    aaiclick_client.command("OPTIMIZE TABLE w FINAL")
    assert alive(aaiclick_client, "w") == (3, 3)


@pytest.fixture
def place(aaiclick_engine: EmbeddedEngine) -> Iterator[str]:
    name = fresh_name("ttl")
    yield name
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(name)} SYNC")


def test_killed_around_it_the_next_run_goes_on_and_lifts_what_was_held(
    aaiclick_engine: EmbeddedEngine, place: str
) -> None:
    connection = open_url(aaiclick_engine.url)
    policy = Policy.lossless(keep_old=timedelta(0))
    code = {1: schema(1, timed("at + INTERVAL 1 DAY")), 2: schema(2, timed("at + INTERVAL 30 DAY"), migrations=[MOVE])}

    def again() -> None:
        aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(place)} SYNC")
        aaiclick_engine.command(f"CREATE DATABASE {quote_name(place)}")
        Stopper(connection).run(ensuring(code[1], place, policy))
        aaiclick_engine.command(
            f"INSERT INTO {quote_name(place)}.t SELECT number, now('UTC') - INTERVAL 2 DAY, 'x' FROM numbers(3)"
        )

    def count() -> str:
        aaiclick_engine.command(f"OPTIMIZE TABLE {quote_name(place)}.t FINAL")
        return aaiclick_engine.command(f"SELECT count() FROM {quote_name(place)}.t").strip()

    again()
    undisturbed = Stopper(connection)
    undisturbed.run(ensuring(code[2], place, policy, DEAD))
    sent = [effect for effect in undisturbed.seen if isinstance(effect, Command)]
    first = next(
        number for number, effect in enumerate(sent) if "MODIFY SETTING materialize_ttl_recalculate_only" in effect.sql
    )
    said = [
        "STOP TTL MERGES",
        "STOP TTL MERGES",
        "MODIFY TTL",
        "START TTL MERGES",
        "RESET SETTING materialize_ttl_recalculate_only",
        "START TTL MERGES",
    ]
    assert [
        word in effect.sql for word, effect in zip(said, [sent[first - 1], *sent[first + 1 : first + 6]], strict=True)
    ] == [True] * 6
    for stop in range(first - 1, first + 6):
        again()
        with pytest.raises(KilledError):
            Stopper(connection, stop).run(ensuring(code[2], place, policy, DEAD))
        assert Stopper(connection, later=LATER).run(ensuring(code[2], place, policy)).in_sync
        assert count() == "3", stop
        aaiclick_engine.command(f"INSERT INTO {quote_name(place)}.t SELECT 9, now('UTC') - INTERVAL 40 DAY, 'x'")
        assert count() == "3", f"killed before command {stop}: TTL merges are still stopped"
        assert (
            aaiclick_engine.command(
                f"SELECT position(engine_full, 'recalculate') FROM system.tables WHERE database = '{place}' AND name "
                "= 't'"
            ).strip()
            == "0"
        )
        assert (
            aaiclick_engine.command(
                f"SELECT count() FROM system.tables WHERE database = '{place}' AND name = '{LOCK}'"
            ).strip()
            == "0"
        )
    connection.close()


@pytest.mark.parametrize("given_up_by", ["rollback", "adopt"])
def test_merges_that_a_killed_run_stopped_for_a_copy_go_on_where_only_older_code_comes(
    aaiclick_engine: EmbeddedEngine, place: str, given_up_by: str
) -> None:
    """Nothing on the server shows that they are stopped, and nothing else was done yet."""
    connection = open_url(aaiclick_engine.url)
    before, after = timed("at + INTERVAL 1 DAY"), timed("at + INTERVAL 30 DAY", order="secret")
    code = {1: schema(1, before), 2: schema(2, after)}
    policy = Policy.lossless(keep_old=timedelta(0))
    aaiclick_engine.command(f"CREATE DATABASE {quote_name(place)}")
    Stopper(connection).run(ensuring(code[1], place, policy))

    class BehindStop(Stopper):
        def _answer(self, effect: Effect) -> Rows:
            if self.stopped and isinstance(effect, Command):
                raise KilledError
            answer = super()._answer(effect)
            self.stopped |= isinstance(effect, Command) and "STOP TTL MERGES" in effect.sql
            return answer

    with pytest.raises(KilledError):
        BehindStop(connection).run(ensuring(code[2], place, policy, DEAD))
    # Its one query finds the migration that is under way.
    with pytest.raises(SchemaAheadError):
        Stopper(connection, later=LATER).run(ensuring(code[1], place, policy))
    if given_up_by == "rollback":
        rollback_schema(aaiclick_engine.client(), code[1], database=place)
    else:
        adopt_schema(aaiclick_engine.client(), code[1], version=1, database=place, force=True)
    aaiclick_engine.command(f"INSERT INTO {quote_name(place)}.t SELECT 9, now('UTC') - INTERVAL 2 DAY, 'x'")
    aaiclick_engine.command(f"OPTIMIZE TABLE {quote_name(place)}.t FINAL")
    assert aaiclick_engine.command(f"SELECT count() FROM {quote_name(place)}.t").strip() == "0"
    connection.close()


def test_a_shorter_ttl_of_a_version_between_is_never_in_force(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client
) -> None:
    del aaiclick_engine
    steps = [timed("at + INTERVAL 10 DAY"), timed("at + INTERVAL 1 DAY"), timed("at + INTERVAL 20 DAY")]
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[steps[0]]))
    old_rows(aaiclick_client)
    ensure_schema(aaiclick_client, schema(3, steps[2], migrations=[MOVE, Migration(3, sql=["OPTIMIZE TABLE t FINAL"])]))
    assert alive(aaiclick_client) == (3, 3)
