"""Columns that go, and what still has them or reads them: on this host, on others, on one that does not answer."""

from __future__ import annotations

from typing import cast

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.clickhouse.shared.host_answers import HostAnswers, ask_hosts
from aaiclick.clickhouse.topology import PROOF, SINGLE, Topology
from aaiclick.errors import BlockedError, StatementError
from aaiclick.plan.dependents.buffer_distributed_columns import guard_fronts
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Rows
from tests.plan.test_paired_drops import catalog, drop
from tests.plan.test_sizes_on_hosts import PAIR, SHARDS, UNSAID


def test_a_buffer_table_loses_it_by_hand(aaiclick_client: Client) -> None:
    """No step of ours alters one, also where nobody declares the column any more."""

    def schema(version: int, *names: str) -> Schema:
        columns = [Column(name, "UInt64") for name in names]
        over = Engine("Buffer", "currentDatabase(), t, 1, 10, 100, 10, 100, 1000, 1000000")
        tables = [Table("t", columns, engine=MergeTree(order_by="a")), Table("b", columns, engine=over)]
        return Schema("s", version=version, objects=tables)

    ensure_schema(aaiclick_client, schema(1, "a", "x"))
    allowed = Policy.lossless().allow("drop-column t.x")
    with pytest.raises(BlockedError, match=r"the Buffer table b has .* run where it is: ALTER TABLE") as raised:
        ensure_schema(aaiclick_client, schema(2, "a"), policy=allowed)
    aaiclick_client.command("ALTER " + raised.value.blocks[0].rpartition("ALTER ")[2])
    assert [step.id for step in ensure_schema(aaiclick_client, schema(2, "a"), policy=allowed).steps] == [
        "t:drop-column:x"
    ]


def test_a_merge_table_shows_a_default_and_that_is_said(aaiclick_client: Client) -> None:
    """Its tables need not have all of its columns."""
    for name in ("t", "u"):
        aaiclick_client.command(f"CREATE TABLE {name} (a UInt64, x UInt64) ENGINE = MergeTree ORDER BY a")
        aaiclick_client.command(f"INSERT INTO {name} VALUES (1, 5)")
    aaiclick_client.command("CREATE TABLE m (a UInt64, x UInt64) ENGINE = Merge(currentDatabase(), '^[tu]$')")
    aaiclick_client.command("CREATE TABLE apart (a UInt64) ENGINE = Merge(currentDatabase(), '^[tu]$')")
    schema = Schema("s", objects=[Table("t", [Column("a", "UInt64")], engine=MergeTree(order_by="a"))])
    (step,) = plan_schema(aaiclick_client, schema).steps
    said = [hazard.message for hazard in step.hazards if "Merge" in hazard.message]
    assert said == ["the Merge table m has x too, and shows its default for the rows of t from then on"]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless().allow("drop-column t.x"))
    assert aaiclick_client.query("SELECT _table, x FROM m ORDER BY _table").result_rows == [("t", 0), ("u", 5)]


def guarded(topology: Topology, *elsewhere: tuple[str, str], away: bool = False) -> Step:
    """The drop of ``events.note`` where the second host alone has these, each an engine and a definition."""
    routine = guard_fronts((drop("events"),), catalog("id", "note"), {}, topology)
    effect = next(routine)
    try:
        while True:
            assert isinstance(effect, Query)
            rows: Rows = ()
            if away and effect.settings == PROOF:
                effect = routine.throw(StatementError("no connection", 279))
                continue
            if "serverUUID" in effect.sql:
                rows = ((1, "one", "26.9"),)
            elif "_shard_num), database, name, engine" in effect.sql:
                rows = tuple((2, "shop", "far", engine, definition) for engine, definition in elsewhere)
            effect = routine.send(rows)
    except StopIteration as stop:
        (step,) = cast("list[Step]", stop.value)
        return step


@pytest.mark.parametrize("topology", [PAIR, UNSAID], ids=["known", "nobody says which host answers"])
@pytest.mark.parametrize(
    ("engine", "definition", "said"),
    [
        ("View", "CREATE VIEW shop.far AS SELECT COLUMNS('no.*') FROM shop.events", "the view far"),
        ("View", "CREATE VIEW shop.far AS SELECT id FROM shop.events", ""),
        ("View", "not to be read '", "the view far"),
        (
            "Dictionary",
            "CREATE DICTIONARY shop.far (`id` UInt64) PRIMARY KEY id SOURCE(CLICKHOUSE(QUERY 'SELECT note FROM events'))",
            "the dictionary far",
        ),
    ],
)
def test_what_another_host_alone_has_and_may_read_it(
    topology: Topology, engine: str, definition: str, said: str
) -> None:
    blocked = guarded(topology, (engine, definition)).blocked
    assert (f"{said} may read or write note, and stands on host h2" in blocked) if said else not blocked


def test_a_host_that_goes_while_others_are_asked_has_not_answered() -> None:
    routine = ask_hosts(SHARDS, "SELECT 1", {})
    next(routine)
    routine.throw(StatementError("no connection", 279))
    routine.send(tuple((place, "uuid", "26.9") for place in (1, 3, 4)))
    routine.send(((1,),))
    with pytest.raises(StopIteration) as end:
        routine.send(tuple((place, "uuid", "26.9") for place in (1, 3)))
    assert end.value.value == HostAnswers(((1,),), frozenset({2, 4}))


def test_what_a_host_has_that_does_not_answer_is_told_as_not_known() -> None:
    assert "nobody knows" not in f"{guarded(PAIR)} {guarded(SINGLE)}"
    step = guarded(PAIR, away=True)
    assert not step.blocked
    assert step.hazards[-1].message.startswith("host h2 does not answer, and nobody knows whether a Distributed")
