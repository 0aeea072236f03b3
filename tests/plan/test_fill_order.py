"""Views that one plan fills together with others that read or write the same tables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Schema, Table, ensure_schema, plan_schema
from aaiclick.aggregates import Aggregate, rollup
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.errors import BlockedError
from aaiclick.plan.backfill.fill_order import filling_first, targets_filled, with_filled
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork, Fill
from aaiclick.specs.schema import SchemaObject
from aaiclick.specs.tables import Table as TableSpec
from tests.plan.test_copies_on_clusters import hosts

K = [Column("k", "UInt64")]
ROWS = 30


def table(name: str) -> TableSpec:
    return Table(name, K, engine=MergeTree(order_by=["k"]))


def view(name: str, source: str, target: str, *, filled: bool = True) -> MaterializedView:
    return MaterializedView(name, query=f"SELECT k FROM {source}", to=target, backfill=filled)


def schema(version: int, *items: SchemaObject) -> Schema:
    return Schema("together", version=version, objects=list(items))


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, schema(1, table("a")))
    aaiclick_client.command(f"INSERT INTO a SELECT number FROM numbers({ROWS})")
    return aaiclick_client


def counts(client: Client, *names: str) -> list[int]:
    return [int(client.query(f"SELECT count() FROM {name}").result_rows[0][0]) for name in names]


def test_a_view_below_another_is_filled_behind_it(client: Client) -> None:
    """In whatever order they are declared, and though its source is made by the same plan."""
    total = Aggregate("total", by=[], measures={"n": "count()"})
    views = [view("to_c", "b", "c"), view("to_b", "a", "b")]
    wanted = schema(2, table("a"), *rollup(table("b"), total), table("c"), *views)
    plan = plan_schema(client, wanted)
    filled = [step.object for step in plan.steps if step.strategy == "backfill"]
    assert filled == ["to_b", "total_mv", "to_c"]
    ensure_schema(client, wanted)
    assert plan_schema(client, wanted).steps == ()
    assert counts(client, "b", "c") == [ROWS, ROWS]
    client.command("INSERT INTO a VALUES (100)")
    assert counts(client, "b", "c") == [ROWS + 1, ROWS + 1]
    assert client.query("SELECT countMerge(n) FROM total").first_row == (ROWS + 1,)


def test_what_is_not_brought_in_is_said(client: Client) -> None:
    wanted = schema(2, *map(table, "abc"), view("to_c", "b", "c", filled=False), view("to_b", "a", "b"))
    plan = plan_schema(client, wanted)
    assert [step.object for step in plan.steps] == ["b", "c", "to_b", "to_c"]
    (gap,) = plan.steps[-1].hazards
    assert gap.kind == "readers-see-gap"
    assert gap.message.startswith("the rows that to_b is filled with in b in the same run are not in it: backfill=True")
    ensure_schema(client, wanted)
    assert counts(client, "b", "c") == [ROWS, 0]


def test_two_views_are_not_filled_into_one_table(client: Client) -> None:
    wanted = schema(2, table("a"), table("b"), view("to_b", "a", "b"), view("again", "a", "b"))
    said = "again: to_b fills b in the same run, .* only one view can be filled into a table. Give again a table"
    with pytest.raises(BlockedError, match=said):
        ensure_schema(client, wanted)
    assert client.query("SHOW TABLES LIKE 'b'").result_rows == []
    # The way out: the one that only sees what comes in is made behind the fill, which needs an empty table.
    wanted = schema(2, table("a"), table("b"), view("again", "a", "b", filled=False), view("to_b", "a", "b"))
    assert [step.object for step in plan_schema(client, wanted).steps] == ["b", "to_b", "again"]


def step(item: MaterializedView, source: str, target: str, rows: int = 1) -> Step:
    work = BackfillWork(item.name, (), (source,), Fill(source, target, (), ()))
    return Step(f"{item.name}:create", item.name, "is missing", "backfill", [], work, rows=rows)


TO_B, TO_C = view("to_b", "a", "b"), view("to_c", "b", "c")


@pytest.mark.parametrize(
    ("item", "mine", "others", "topology", "said"),
    [
        (TO_C, step(TO_C, "b", "c"), [TO_B], SINGLE, ""),
        (TO_C, step(TO_C, "b", "c"), [TO_B], hosts("queue"), "to_c is to be filled from b, which to_b writes into"),
        # Also where that one is there already.
        (
            TO_C,
            step(TO_C, "b", "c"),
            [view("live", "a", "b", filled=False)],
            hosts("database"),
            "which live writes into",
        ),
        (TO_C, step(TO_C, "b", "c"), [view("live", "a", "other")], hosts("queue"), ""),
        (
            view("to_b2", "a", "b"),
            step(view("to_b2", "a", "b"), "a", "b"),
            [TO_B],
            hosts("queue"),
            "Give to_b2 a table",
        ),
    ],
)
def test_what_cannot_be_filled_together_is_blocked(
    item: MaterializedView, mine: Step, others: Sequence[MaterializedView], topology: Topology, said: str
) -> None:
    shown = with_filled(item, mine, targets_filled([step(TO_B, "a", "b")]), [*others, item], topology)
    assert said in shown.blocked
    assert bool(shown.blocked) is bool(said)


def test_a_table_without_rows_leaves_nothing_out() -> None:
    create = Step("to_c:create", "to_c", "is missing", "create", [], CreateWork(""))
    for rows, hazards in ((0, 0), (1, 1)):
        filled = targets_filled([step(TO_B, "a", "b", rows)])
        assert len(with_filled(TO_C, create, filled, [TO_B, TO_C], hosts("queue")).hazards) == hazards


def test_circles_keep_their_order() -> None:
    back = view("to_a", "b", "a")
    creates = [step(TO_B, "a", "b"), step(back, "b", "a")]
    assert {each.object for each in filling_first(creates, [TO_B, back])} == {"to_b", "to_a"}
