"""A rollback of a table whose merges make one row of several: what came since may stand in rows that were there
before, and then it is asked for by name."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

import aaiclick.routine
from aaiclick import (
    AggregatingMergeTree,
    CoalescingMergeTree,
    CollapsingMergeTree,
    Column,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    VersionedCollapsingMergeTree,
    ensure_schema,
    rollback_schema,
)
from aaiclick.errors import ApplyError, HazardNotAllowedError
from aaiclick.routine import Command, Effect
from aaiclick.specs.engines import MergeTree

ROWS = "SELECT id, sum(n) FROM t FINAL GROUP BY id HAVING sum(n) != 0 ORDER BY id"


def engine(kind: str, key: list[str]) -> tuple[MergeTree, str]:
    match kind:
        case "summing":
            return SummingMergeTree(order_by=key, columns=["n"]), "Int64"
        case "aggregating":
            return AggregatingMergeTree(order_by=key), "SimpleAggregateFunction(sum, Int64)"
        case "coalescing":
            return CoalescingMergeTree(order_by=key), "Nullable(Int64)"
        case "collapsing":
            return CollapsingMergeTree(order_by=key, sign="n"), "Int8"
        case "versioned":
            return VersionedCollapsingMergeTree(order_by=key, sign="n", version="v"), "Int8"
        case _:
            return ReplacingMergeTree(order_by=key), "Int64"


def schema(kind: str, version: int) -> Schema:
    made, of = engine(kind, ["id", "k"] if version == 1 else ["k", "id"])
    v = "SimpleAggregateFunction(max, UInt8)" if kind == "aggregating" else "UInt8"
    columns = [Column("id", "UInt64"), Column("k", "UInt32"), Column("n", of), Column("v", v)]
    return Schema("shop", version=version, objects=[Table("t", columns, engine=made)])


def replaced(client: Client, kind: str) -> None:
    """A table of version 2, with a row that came since to a key that was there, and one to another key."""
    ensure_schema(client, schema(kind, 1))
    client.command("INSERT INTO t VALUES (1, 1, 1, 1), (2, 2, 1, 1)")
    ensure_schema(client, schema(kind, 2))
    again = -1 if kind in ("collapsing", "versioned") else 5
    client.command(f"INSERT INTO t VALUES (1, 1, {again}, 1), (3, 3, 1, 1)")


COMBINING = ("summing", "aggregating", "coalescing", "collapsing", "versioned")


@pytest.mark.parametrize("kind", COMBINING)
def test_what_merges_have_put_together_is_asked_for(aaiclick_client: Client, kind: str) -> None:
    replaced(aaiclick_client, kind)
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    with pytest.raises(HazardNotAllowedError, match="what the later one brought would be lost") as refused:
        rollback_schema(aaiclick_client, schema(kind, 2), to=1)
    assert refused.value.allow == ("deletes t",)
    rollback_schema(aaiclick_client, schema(kind, 2), to=1, allow=["deletes t"])


@pytest.mark.parametrize("kind", COMBINING)
def test_what_stands_in_parts_of_its_own_comes_along_unasked(aaiclick_client: Client, kind: str) -> None:
    replaced(aaiclick_client, kind)
    before = aaiclick_client.query(ROWS).result_rows
    rollback_schema(aaiclick_client, schema(kind, 2), to=1)
    assert aaiclick_client.query(ROWS).result_rows == before


def test_a_later_row_that_replaces_another_one_is_a_row_of_its_own(aaiclick_client: Client) -> None:
    replaced(aaiclick_client, "replacing")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    before = aaiclick_client.query(ROWS).result_rows
    rollback_schema(aaiclick_client, schema("replacing", 2), to=1)
    assert aaiclick_client.query(ROWS).result_rows == before


@pytest.fixture
def merged_meanwhile(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Merges are through right before the mark of a rollback is made."""
    real = aaiclick.routine._carry_out  # pyright: ignore[reportPrivateUsage]
    done: list[str] = []

    def carry_out(effect: Effect, *others: object) -> object:
        if isinstance(effect, Command) and "`_aaiclick_mark_" in effect.sql and not done:
            done.append(effect.sql)
            aaiclick_client.command("OPTIMIZE TABLE t FINAL")
        return real(effect, *others)  # type: ignore[arg-type]

    replaced(aaiclick_client, "summing")
    monkeypatch.setattr(aaiclick.routine, "_carry_out", carry_out)
    return done


def test_it_is_looked_at_again_when_merges_are_stopped(aaiclick_client: Client, merged_meanwhile: list[str]) -> None:
    with pytest.raises(ApplyError, match="since this was planned merges have put rows"):
        rollback_schema(aaiclick_client, schema("summing", 2), to=1)
    assert merged_meanwhile
    assert aaiclick_client.query(ROWS).result_rows == [(1, 6), (2, 1), (3, 1)]
    with pytest.raises(HazardNotAllowedError, match="deletes t"):
        rollback_schema(aaiclick_client, schema("summing", 2), to=1)
