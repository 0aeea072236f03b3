"""Types that the engine's own CAST refuses: what is offered works."""

from __future__ import annotations

import ast

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import AggregatingMergeTree, Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema
from aaiclick.errors import BlockedError
from tests.plan.migrating import rows

OLD, NEW = "Enum8('a' = 1, 'b' = 2)", "Enum8('b' = 1, 'a' = 2)"


def version(number: int, type_text: str, engine: MergeTree, **columns: str) -> Schema:
    table = Table("t", [Column("k", "UInt64"), Column("s", type_text)], engine=engine)
    migrations = [Migration(number, rebuild={"t": Rebuild(columns=columns)})] if columns else []
    return Schema("states", version=number, objects=[table], migrations=migrations)


STATES = AggregatingMergeTree(order_by=["k"])


@pytest.mark.parametrize(
    ("old", "new", "filled", "read"),
    [
        ("sum, UInt32", "sum, UInt64", "sumState(toUInt32(number))", 10),
        ("sum, UInt64", "sum, Nullable(UInt64)", "sumState(number)", 10),
        ("max, Int32", "max, Int64", "maxState(toInt32(number - 9))", -5),
        ("anyLast, String", "anyLast, Nullable(String)", "anyLastState(toString(1))", "1"),
        (
            f"groupUniqArray, {OLD}",
            f"groupUniqArray, {NEW}",
            f"groupUniqArrayState(CAST(if(number = 0, 'a', 'b'), $${OLD}$$))",
            ["a", "b"],
        ),
        (f"max, {OLD}", f"max, {NEW}", f"maxState(CAST('b', $${OLD}$$))", "b"),
        ("groupArray(3), UInt8", "groupArray(3), UInt16", "groupArrayState(3)(toUInt8(number))", ["0", "1", "2"]),
    ],
)
def test_a_state_that_can_be_made_anew_of_its_result(
    aaiclick_client: Client, old: str, new: str, filled: str, read: object
) -> None:
    before, after = f"AggregateFunction({old})", f"AggregateFunction({new})"
    ensure_schema(aaiclick_client, version(1, before, STATES))
    aaiclick_client.command(f"INSERT INTO t SELECT 1, {filled} FROM numbers(5)")
    # Keys of which no row was added up keep no value at all, not the type's default.
    aaiclick_client.command(f"INSERT INTO t SELECT 1, {filled} FROM numbers(0)")
    with pytest.raises(BlockedError, match="A migration can say how") as told:
        ensure_schema(aaiclick_client, version(2, after, STATES), policy=Policy.lossless())
    offered = str(told.value).partition("can say how: Rebuild(columns=")[2].rpartition("})")[0] + "}"
    columns: dict[str, str] = ast.literal_eval(offered)
    ensure_schema(aaiclick_client, version(2, after, STATES, **columns), policy=Policy.lossless())
    asked = "arraySort(arrayMap(y -> toString(y), x))" if isinstance(read, list) else "x"
    state = old.partition(",")[0]
    name, bracket, parameters = state.partition("(")
    merged = f"SELECT {asked} FROM (SELECT {name}Merge{bracket}{parameters}(s) AS x FROM t)"
    assert rows(aaiclick_client, merged) == [(read,)]


@pytest.mark.parametrize(
    ("old", "new", "expression"),
    [
        ("AggregateFunction(sum, UInt32)", "UInt64", "finalizeAggregation(`s`)"),
        ("UInt64", "AggregateFunction(sum, UInt64)", "initializeAggregation('sumState', `s`)"),
    ],
)
def test_a_state_and_a_value(aaiclick_client: Client, old: str, new: str, expression: str) -> None:
    engine = MergeTree(order_by=["k"])
    ensure_schema(aaiclick_client, version(1, old, engine))
    aaiclick_client.command(f"INSERT INTO t SELECT 1, {'sumState(toUInt32(7))' if 'sum' in old else 7}")
    with pytest.raises(BlockedError, match="A migration can say how") as told:
        ensure_schema(aaiclick_client, version(2, new, engine), policy=Policy.lossless())
    assert expression in str(told.value)
    ensure_schema(aaiclick_client, version(2, new, engine, s=expression), policy=Policy.lossless())
    assert rows(aaiclick_client, f"SELECT {'sumMerge(s)' if 'sum' in new else 's'} FROM t") == [(7,)]


def test_a_state_that_nothing_converts_asks_for_nothing(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, version(1, "AggregateFunction(uniq, UInt32)", STATES))
    aaiclick_client.command("INSERT INTO t SELECT 1, uniqState(toUInt32(number)) FROM numbers(5)")
    wanted = version(2, "AggregateFunction(uniqExact, UInt32)", STATES)
    for policy in (Policy.lossless(), Policy.lossless().allow("retype t.s")):
        with pytest.raises(BlockedError, match=r"No expression makes the one of the other \(s\): add a column"):
            ensure_schema(aaiclick_client, wanted, policy=policy)
