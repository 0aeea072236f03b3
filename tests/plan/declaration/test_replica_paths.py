"""Macros of hosts of which Keeper takes no path: answers of hosts that are made up."""

from __future__ import annotations

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Schema, Table
from aaiclick.catalog.forms import Catalog, ServerFacts
from aaiclick.clickhouse.topology import SINGLE, Host, Topology
from aaiclick.errors import SpecError
from aaiclick.plan.declaration.replica_paths import require_paths
from aaiclick.routine import Rows
from aaiclick.specs.engines import Engine

HOSTS = (Host("a", 9000, 1, 1), Host("b", 9000, 1, 2))
DEFAULTS = (("default_replica_path", "/clickhouse/tables/{uuid}/{shard}"), ("default_replica_name", "{replica}"))
PATH = "'/clickhouse/{x}/{table}', '{replica}'"
WRITTEN = MergeTree(order_by=["id"], replicated=PATH)
NONE = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "d", "u", "UTC"), {})


def ask(engine: MergeTree | Engine, rows: Rows, topology: Topology) -> bool:
    """Whether the hosts were asked."""
    schema = Schema(
        "app",
        objects=[
            Table("t", [Column("id", "UInt64")], engine=engine),
            MaterializedView("m", query="SELECT id FROM t", to="t"),
        ],
    )
    routine = require_paths(schema, NONE, {}, topology)
    try:
        next(routine)
    except StopIteration:
        return False
    with pytest.raises(StopIteration):
        routine.send(rows)
    return True


def macros(place: int, **values: str) -> Rows:
    found = {f"{{{name}}}": value for name, value in values.items()}
    return tuple((place, name, value) for name, value in (*found.items(), *DEFAULTS))


@pytest.mark.parametrize(
    ("engine", "values", "kind", "said"),
    [
        (WRITTEN, {"x": "", "replica": "b"}, "queue", "on host b a part of the path '/clickhouse//{table}' in Keeper"),
        (WRITTEN, {"x": "..", "replica": "b"}, "queue", "has a part '..' (its macros: x = '..', replica = 'b')"),
        (WRITTEN, {"x": "x", "replica": ""}, "queue", "the replica is called ''"),
        (Engine("ReplicatedMergeTree", PATH, order_by=["id"]), {"x": ""}, "queue", "a part of the path"),
        (MergeTree(order_by=["id"], replicated=""), {"replica": "", "shard": "1"}, "queue", "the replica is called ''"),
        (WRITTEN, {"x": "", "replica": "b"}, "database", "a part of the path"),
    ],
)
def test_a_host_would_make_a_path_that_keeper_does_not_take(
    engine: MergeTree | Engine, values: dict[str, str], kind: str, said: str
) -> None:
    with pytest.raises(SpecError) as raised:
        ask(engine, (*macros(1, x="x", replica="a"), *macros(2, **values)), Topology(kind, "c", HOSTS, "d"))  # type: ignore[arg-type]
    assert str(raised.value).startswith("table t: on host b ")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("engine", "rows", "topology", "asked"),
    [
        (WRITTEN, macros(1, x="a/b", replica="a"), Topology("queue", "c", HOSTS, "d"), True),
        (WRITTEN, (), Topology("queue", "c", HOSTS, "d"), True),  # no host shows its macros
        (MergeTree(order_by=["id"], replicated=""), macros(1, replica=""), Topology("database", "d", HOSTS, "d"), True),
        (MergeTree(order_by=["id"]), (), Topology("queue", "c", HOSTS, "d"), False),
        (WRITTEN, (), SINGLE, False),
    ],
)
def test_what_is_fine_or_cannot_be_told(
    engine: MergeTree | Engine, rows: Rows, topology: Topology, asked: bool
) -> None:
    assert ask(engine, rows, topology) is asked
