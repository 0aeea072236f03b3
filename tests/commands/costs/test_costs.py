"""What the steps of a plan cost, asked of the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Plan, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.apply.rebuild.checksum import sums
from aaiclick.commands.costs import costs, measure, rates
from aaiclick.commands.costs.expiring import past_ttl
from aaiclick.plan.model import Room, Step, cost_lines
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Command, Routine

KEEP = timedelta(hours=2)


def schema(version: int, key: str = "id", ttl: str | None = None, kind: str = "String", more: bool = False) -> Schema:
    columns = [Column("id", "UInt64"), Column("d", "DateTime"), Column("v", kind)]
    engine = MergeTree(order_by=[key], ttl=ttl) if ttl is not None else MergeTree(order_by=[key])
    tables = [Table("t", columns=columns, engine=engine)]
    if more:
        tables.append(Table("more", columns=[Column("id", "UInt64")], engine=MergeTree(order_by=["id"])))
    return Schema("app", version=version, objects=tables)


def filled(client: Client, declared: Schema, rows: int = 1000) -> None:
    ensure_schema(client, declared)
    client.command(f"INSERT INTO t SELECT number, now() - number * 3600, toString(number) FROM numbers({rows})")


def only(plan: Plan, name: str = "t") -> Step:
    (step,) = (step for step in plan.steps if step.object == name)
    return step


def test_a_copy_says_how_long_it_takes_and_the_room_it_needs(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    plan = plan_schema(aaiclick_client, schema(2, key="d", more=True), keep_old=KEEP)
    step, made = only(plan), only(plan, "more")
    assert step.seconds is not None
    assert step.seconds_range is not None
    assert step.seconds_range[0] <= step.seconds <= step.seconds_range[1] < 3
    assert step.seconds_from == "assumed"  # so few rows are not measured
    assert step.room is not None
    assert step.room.free is not None
    assert step.room == Room("default", int(step.bytes * 1.1), step.room.free, step.bytes, 7200.0)
    assert (made.seconds_from, made.room, made.expiring) == ("statements", None, None)
    assert step.expiring is None
    assert Plan.from_json(plan.to_json()) == plan


def test_a_table_that_is_dropped_at_once_keeps_no_room(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    room = only(plan_schema(aaiclick_client, schema(2, key="d"), keep_old=timedelta(0))).room
    assert room is not None
    assert (room.kept_bytes, room.kept_seconds) == (0, 0.0)


def test_a_table_under_its_former_name_has_the_same_costs(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    renamed = schema(2, key="d").tables[0].model_copy(update={"name": "u", "renamed_from": "t"})
    plan = plan_schema(aaiclick_client, Schema("app", version=2, objects=[renamed]))
    rebuild = next(step for step in plan.steps if step.strategy == "rebuild")
    assert rebuild.room is not None
    assert rebuild.room.disk == "default"


@pytest.mark.parametrize(("kind", "least"), [("wide", "0"), ("compact", "10000000000")])
def test_a_dropped_column_needs_what_the_server_reserves_and_writes_little(
    aaiclick_client: Client, kind: str, least: str
) -> None:
    settings = {"min_bytes_for_wide_part": least}
    columns = [Column("id", "UInt64"), Column("v", "String")]

    def holds(version: int, *columns: Column) -> Schema:
        engine = MergeTree(order_by=["id"], settings=settings)
        return Schema("app", version=version, objects=[Table("t", list(columns), engine=engine)])

    ensure_schema(aaiclick_client, holds(1, *columns))
    for _ in range(2):
        aaiclick_client.command("INSERT INTO t SELECT number, randomPrintableASCII(40) FROM numbers(20000)")
    step = only(plan_schema(aaiclick_client, holds(2, columns[0]), allow=["drop-column t.v"]))
    assert step.room is not None
    total, largest = aaiclick_client.query(
        "SELECT sum(bytes_on_disk), max(bytes_on_disk) FROM system.parts WHERE database = currentDatabase()"
        " AND table = 't' AND active"
    ).result_rows[0]
    if kind == "wide":
        assert (step.room.bytes, step.room.kept_bytes) == (int(largest * 1.1), 0)
        assert step.seconds == 0.1  # hard links
    else:
        assert (step.room.bytes, step.room.kept_bytes) == (total, total)


def test_large_tables_are_measured_on_a_sample_unless_no_row_may_be_read(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(aaiclick_client, schema(1))
    monkeypatch.setattr(costs, "WORTH_MEASURING", 1)
    before = aaiclick_client.query("SELECT name FROM system.databases ORDER BY name").result_rows

    # All rows but the first are past the TTL: the sample keeps them, whatever is merged meanwhile.
    def after_a_merge(
        table: str, where: str, columns: Sequence[str], settings: dict[str, str | int]
    ) -> Routine[object]:
        yield Command(f"OPTIMIZE TABLE {table} FINAL")
        return (yield from sums(table, where, columns, settings))

    monkeypatch.setattr(measure, "sums", after_a_merge)
    wanted = schema(2, key="v", kind="LowCardinality(String)", ttl="d + INTERVAL 1 HOUR")
    seen: list[float] = []

    def measured(size: float, seconds: float) -> rates.Rate:
        seen.append(size)
        return rates.measured(size, seconds)

    monkeypatch.setattr(measure, "measured", measured)
    step = only(plan_schema(aaiclick_client, wanted))
    assert (step.seconds_from, seen) == ("measured", [step.bytes])
    assert aaiclick_client.query("SELECT name FROM system.databases ORDER BY name").result_rows == before
    assert only(plan_schema(aaiclick_client, wanted, quick=True)).seconds_from == "assumed"


def test_what_earlier_steps_took_is_recorded_and_remembered(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(aaiclick_client, schema(1))
    ensure_schema(aaiclick_client, schema(2, key="d"))
    recorded = json.loads(
        aaiclick_client.query("SELECT plan FROM schema_version ORDER BY seq DESC LIMIT 1").result_rows[0][0]
    )
    assert [step["took"] > 0 for step in recorded["steps"]] == [True]
    for module in (costs, rates):
        monkeypatch.setattr(module, "WORTH_REMEMBERING", 1)
    monkeypatch.setattr(costs, "WORTH_MEASURING", 1)
    step = only(plan_schema(aaiclick_client, schema(3)))
    assert (step.seconds_from, step.took) == ("remembered", None)


def test_rows_that_a_new_ttl_deletes_are_counted(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1, ttl="d + INTERVAL 30 DAY"))
    wanted = schema(1, ttl="d + INTERVAL 10 DAY").model_copy(update={"version": 2})
    step = only(plan_schema(aaiclick_client, wanted))
    left = 10 * 24
    # The old TTL deletes those of more than 30 days, whatever comes.
    assert step.expiring == 720 - left
    assert only(plan_schema(aaiclick_client, wanted, quick=True)).expiring is None
    ensure_schema(aaiclick_client, wanted, policy=Policy.everything())
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert int(str(aaiclick_client.command("SELECT count() FROM t"))) in (left, left + 1)


def test_rows_past_a_ttl_over_a_column_of_the_same_version_are_counted(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    more = [Column("a", "UInt8", default="1"), Column("gone", "DateTime", default="d + toIntervalDay(a)")]
    for key in ("id", "d"):  # by an ALTER, and by a copy
        columns = [*schema(1).tables[0].columns, *more]
        table = Table("t", columns, engine=MergeTree(order_by=[key], ttl="gone"))
        step = only(plan_schema(aaiclick_client, Schema("app", version=2, objects=[table])))
        assert step.strategy == ("alter" if key == "id" else "rebuild")
        assert step.expiring == 1000 - 24


def test_rows_past_a_ttl_over_a_renamed_column_are_counted(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1, ttl="d + INTERVAL 30 DAY"))
    columns = [Column("id", "UInt64"), Column("day", "DateTime", renamed_from="d"), Column("v", "String")]
    table = Table("t", columns, engine=MergeTree(order_by=["id"], ttl="day + INTERVAL 10 DAY"))
    assert only(plan_schema(aaiclick_client, Schema("app", version=2, objects=[table]))).expiring == 480


def test_values_that_the_ttl_of_a_column_clears_are_counted(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    columns = [Column("id", "UInt64"), Column("d", "DateTime"), Column("v", "String", ttl="d + INTERVAL 10 DAY")]
    table = Table("t", columns, engine=MergeTree(order_by=["id"]))
    step = only(plan_schema(aaiclick_client, Schema("app", version=2, objects=[table])))
    assert step.expiring == 1000 - 240
    assert "760 rows are past the new TTL already: this step or the next merge makes their v the default" in cost_lines(
        step
    )


def test_what_is_not_counted_says_why(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1))
    grouped = only(plan_schema(aaiclick_client, schema(2, ttl="d + INTERVAL 1 DAY GROUP BY id SET v = max(v)")))
    assert (grouped.expiring, grouped.uncounted) == (
        None,
        "how many rows its GROUP BY leaves is known when a merge has combined them",
    )
    assert f"rows that are past the new TTL already are not counted: {grouped.uncounted}" in "\n".join(
        cost_lines(grouped)
    )
    quick = only(plan_schema(aaiclick_client, schema(2, ttl="d + INTERVAL 1 DAY"), quick=True))
    assert (quick.expiring, quick.uncounted) == (None, "no row was read")


def test_a_longer_ttl_and_one_of_a_new_column_count_nothing(aaiclick_client: Client) -> None:
    filled(aaiclick_client, schema(1, ttl="d + INTERVAL 30 DAY"))
    assert only(plan_schema(aaiclick_client, schema(2, ttl="d + INTERVAL 40 DAY"))).expiring is None


@pytest.mark.parametrize(
    ("ttl", "condition"),
    [
        ("d + toIntervalDay(1) TO VOLUME 'cold'", ""),
        ("d + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(3))", ""),
        ("d + toIntervalDay(1) GROUP BY id SET v = max(v)", ""),
        (
            "d + toIntervalDay(1) DELETE WHERE id > 5",
            (
                "(ifNull(toInt64(toDateTime64(d + toIntervalDay(1), 0)) > 0 AND toInt64(toDateTime64(d + toIntervalDay(1), "
                "0)) <= toInt64(now()), 0) AND ifNull((id > 5) != 0, 0))"
            ),
        ),
    ],
)
def test_only_elements_that_delete_count(ttl: str, condition: str) -> None:
    assert past_ttl(ttl) == condition


def test_a_plan_of_an_earlier_release_is_read_and_reads_this_one(aaiclick_client: Client) -> None:
    plan = plan_schema(aaiclick_client, schema(1))
    fields = json.loads(plan.to_json())
    del fields["seal"]
    for step in fields["steps"]:
        for new in ("seconds_range", "seconds_from", "room", "expiring", "took"):
            del step[new]
    assert only(Plan.from_json(json.dumps(fields))).seconds_range is None
    fields["steps"][0]["of a later release"] = {"x": 1}
    assert only(Plan.from_json(json.dumps(fields))).object == "t"


def test_costs_in_words() -> None:
    step = Step("t:rebuild", "t", "x", "rebuild", [], ReplaceWork(()), rows=1, bytes=1 << 30)
    assert cost_lines(step) == []
    room = Room("hot, cold", 3 << 30, 1 << 30, 2 << 30, 86400.0)
    priced = Step(
        "t:rebuild",
        "t",
        "x",
        "rebuild",
        [],
        ReplaceWork(()),
        rows=1,
        bytes=1 << 30,
        seconds_range=(60.0, 600.0),
        seconds_from="remembered",
        room=room,
        expiring=1,
    )
    assert cost_lines(priced) == [
        "takes 60 s to 10 minutes (as earlier runs here took)",
        (
            "needs 3.0 GiB free on disks hot, cold (1.0 GiB IS ALL THAT IS free now); 2.0 GiB stay taken for 1 day, while the "
            "old table is kept"
        ),
        "1 row is past the new TTL already: this step or the next merge deletes it",
    ]
