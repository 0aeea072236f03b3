"""Tables that are made at run time: what the family says is brought about everywhere, what it does not mention is not
its business."""

from __future__ import annotations

import re

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    ReplacingMergeTree,
    Schema,
    Table,
    TableFamily,
    ensure_schema,
    plan_schema,
)
from aaiclick.clients.opening import open_url
from aaiclick.events import Event, PlanReady, StepDone
from aaiclick.plan.families import family_stamp, pattern_regex
from aaiclick.routine import run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

FAMILY = TableFamily(
    "p_*",
    columns=[Column("id", "UInt64"), Column("run", "UInt64", comment="which run")],
    engine=MergeTree(settings={"ttl_only_drop_parts": 1}),
    comment="made at run time",
)


def family(*others: Table) -> Schema:
    return Schema("runs", objects=[FAMILY, *others])


def _text(client: Client, table: str) -> str:
    return str(
        client.query(
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
            {"name": table},
        ).result_rows[0][0]
    )


def test_what_a_family_does_not_mention_is_not_its_business(aaiclick_client: Client, aaiclick_database: str) -> None:
    for sql in (
        (
            "CREATE TABLE p_1 (id UInt64, `a b` String CODEC(ZSTD(3)) COMMENT 'mine', INDEX i id TYPE minmax) ENGINE "
            "= MergeTree PARTITION BY id % 2 ORDER BY id TTL toDate(id) + 99999 COMMENT 'x'"
        ),
        (
            "CREATE TABLE p_2 (id UInt64, v UInt64, run UInt64 DEFAULT 7) ENGINE = ReplacingMergeTree(v) PRIMARY KEY "
            "id ORDER BY (id, v) SETTINGS index_granularity = 100"
        ),
        "CREATE TABLE p_3 (x UInt8) ENGINE = Memory",
        "CREATE TABLE q_1 (id UInt64) ENGINE = MergeTree ORDER BY id",
        "CREATE TABLE p_4 (id UInt64) ENGINE = MergeTree ORDER BY id",
        "CREATE VIEW p_5 AS SELECT 1 AS one",
    ):
        aaiclick_client.command(sql)
    aaiclick_client.command("INSERT INTO p_1 (id, `a b`) SELECT number, 'x' FROM numbers(10)")
    others = {name: _text(aaiclick_client, name) for name in ("p_3", "q_1", "p_5")}
    own = Table("p_4", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    report = ensure_schema(aaiclick_client, family(own), policy=Policy.safe())
    assert {step.object for step in report.steps} == {"p_1", "p_2"}
    assert any("p_3 (of p_*) is a table of engine Memory" in note for note in report.notes)
    assert {name: _text(aaiclick_client, name) for name in others} == others
    assert "made at run time" not in _text(aaiclick_client, "p_4")
    assert _text(aaiclick_client, "p_1") == (
        f"CREATE TABLE {aaiclick_database}.p_1 (`id` UInt64, `a b` String COMMENT 'mine' CODEC(ZSTD(3)), `run` "
        "UInt64 COMMENT 'which run', INDEX i id TYPE minmax GRANULARITY 1)"
        " ENGINE = MergeTree PARTITION BY id % 2 ORDER BY id TTL toDate(id) + 99999 SETTINGS index_granularity = "
        "8192, ttl_only_drop_parts = 1 COMMENT 'made at run time'"
    )
    assert _text(aaiclick_client, "p_2") == (
        f"CREATE TABLE {aaiclick_database}.p_2 (`id` UInt64, `v` UInt64, `run` UInt64 DEFAULT 7 COMMENT 'which run') "
        "ENGINE = ReplacingMergeTree(v)"
        " PRIMARY KEY id ORDER BY (id, v) SETTINGS index_granularity = 100, ttl_only_drop_parts = 1 COMMENT 'made at "
        "run time'"
    )
    assert plan_schema(aaiclick_client, family(own)).steps == ()


def test_an_engine_that_a_family_names_is_meant(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE p_1 (id UInt64, v UInt64) ENGINE = MergeTree ORDER BY id")
    schema = Schema("runs", objects=[TableFamily("p_?", engine=ReplacingMergeTree(version="v"))])
    plan = plan_schema(aaiclick_client, schema)
    assert [step.change for step in plan.steps] == ["engine MergeTree -> ReplacingMergeTree(v)"]


def test_tables_that_come_later_are_seen_by_the_next_start(aaiclick_client: Client) -> None:
    schema = Schema("runs", version=1, objects=[FAMILY])
    aaiclick_client.command("CREATE TABLE p_1 (id UInt64) ENGINE = MergeTree ORDER BY id")
    assert len(ensure_schema(aaiclick_client, schema, policy=Policy.safe()).steps) == 1
    assert ensure_schema(aaiclick_client, schema, policy=Policy.safe()).steps == ()
    aaiclick_client.command("CREATE TABLE p_2 (id UInt64) ENGINE = MergeTree ORDER BY id")
    assert [step.object for step in ensure_schema(aaiclick_client, schema, policy=Policy.safe()).steps] == ["p_2"]
    aaiclick_client.command("ALTER TABLE p_1 MODIFY COMMENT 'changed by hand'")
    assert [step.object for step in ensure_schema(aaiclick_client, schema, policy=Policy.safe()).steps] == ["p_1"]


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("p_*", ["p_", "p_1", "p_a b\nc"], ["P_1", "xp_1"]),
        ("t?", ["ta", "t."], ["t", "tab"]),
        ("a.b[c]", ["a.b[c]"], ["axb[c]", "a.bc"]),
        ("ü*", ["üb"], ["ub"]),
    ],
)
def test_patterns_mean_the_same_here_and_on_the_server(
    aaiclick_client: Client, pattern: str, names: list[str], others: list[str]
) -> None:
    expression = pattern_regex(pattern)
    for name in (*names, *others):
        rows = aaiclick_client.query(
            "SELECT match(unhex({n:String}), unhex({p:String}))",
            {"n": name.encode().hex(), "p": expression.encode().hex()},
        ).result_rows
        assert (re.match(expression, name) is not None) == bool(rows[0][0]) == (name in names)


def test_a_change_is_seen_where_the_database_shows_no_uuids(aaiclick_engine: EmbeddedEngine) -> None:
    """chdb's ``default``: neither UUID nor time of change tells anything there."""
    connection, name = open_url(aaiclick_engine.url), f"p_{fresh_name()}"

    def stamp() -> str:
        return run(family_stamp([TableFamily(f"{name}*")], "default"), connection)

    assert stamp() == "0.0"
    aaiclick_engine.command(f"CREATE TABLE default.{name} (id UInt64) ENGINE = MergeTree ORDER BY id")
    seen = [stamp()]
    for change in ("MODIFY COMMENT 'x'", "ADD COLUMN b UInt8", "DROP COLUMN b"):
        aaiclick_engine.command(f"ALTER TABLE default.{name} {change}")
        seen.append(stamp())
    assert stamp() == seen[3] == seen[1]
    assert len(set(seen)) == 3
    aaiclick_engine.command(f"DROP TABLE default.{name} SYNC")
    assert run(family_stamp([], "default"), connection) == ""
    connection.close()


class Stop(Exception):  # noqa: N818 - not an error of ours
    """Ends a run from outside."""


@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=pytest.mark.proof)])
def test_many_tables_with_one_progress_and_a_way_to_go_on(
    count: int, aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str
) -> None:
    """Stopped in the middle, the next run does only what is left; steps are counted through from one to the last."""
    for number in range(count):
        aaiclick_engine.command(
            f"CREATE TABLE {aaiclick_database}.p_{number} (id UInt64, v{number % 3} String) ENGINE = MergeTree ORDER "
            "BY id"
        )
    done: list[StepDone] = []

    def stop_half_way(event: Event) -> None:
        if isinstance(event, StepDone):
            done.append(event)
            if len(done) == count // 2:
                raise Stop

    with pytest.raises(Stop):
        ensure_schema(aaiclick_client, family(), policy=Policy.safe(), on_event=stop_half_way)
    events: list[Event] = []
    report = ensure_schema(aaiclick_client, family(), policy=Policy.safe(), on_event=events.append)
    assert len(report.steps) == count - count // 2
    assert {event.object for event in done}.isdisjoint(step.object for step in report.steps)
    ready = next(event for event in events if isinstance(event, PlanReady))
    finished = [event for event in events if isinstance(event, StepDone)]
    assert [event.index for event in finished] == list(range(1, ready.steps + 1))
    assert {event.total for event in finished} == {ready.steps}
    said = aaiclick_client.query(
        "SELECT count(), countIf(position(create_table_query, '`run` UInt64 COMMENT') > 0 AND comment = 'made at run "
        "time') FROM system.tables WHERE database = currentDatabase() AND name LIKE 'p\\\\_%'"
    )
    assert said.result_rows == [(count, count)]
    assert plan_schema(aaiclick_client, family()).steps == ()
