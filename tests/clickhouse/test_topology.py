from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from aaiclick.catalog.forms import Catalog, LiveObject, ServerFacts, UnsupportedForm
from aaiclick.clickhouse.topology import SINGLE, Host, Topology, may_be_cluster, named, read_topology
from aaiclick.errors import UsageError
from aaiclick.routine import Query, Rows

SERVER = ServerFacts((26, 9), "26.9", "shop", "default", "UTC")
PLAIN = Catalog("shop", "Atomic", SERVER, {})
TWO = (("h1", 9000, 1, 1, 1), ("h2", 9000, 1, 2, 0))
FOUR = (("h1", 9000, 1, 1, 1), ("h2", 9000, 1, 2, 0), ("h3", 9001, 2, 1, 0), ("h4", 9000, 2, 2, 0))


def live(engine: str, replicas: int) -> LiveObject:
    return LiveObject("shop", "t", UnsupportedForm("t", "", ""), "", engine, replicas=replicas)


def with_table(engine: str, replicas: int) -> Catalog:
    return dataclasses.replace(PLAIN, objects={"t": live(engine, replicas)})


def answered(catalog: Catalog, cluster: str = "", answers: Mapping[str, Rows] | None = None) -> tuple[Topology, int]:
    """The topology, and how many questions it took. ``answers``: rows by the beginning of the statement."""
    routine = read_topology(catalog, cluster)
    asked, rows = 0, None
    try:
        while True:
            effect = routine.send(rows) if rows is not None else next(routine)
            assert isinstance(effect, Query)
            asked += 1
            rows = next((found for start, found in (answers or {}).items() if effect.sql.startswith(start)), ())
    except StopIteration as stop:
        return stop.value, asked


def test_one_host_costs_no_question() -> None:
    assert answered(PLAIN) == (SINGLE, 0)
    assert answered(with_table("ReplicatedMergeTree", 1)) == (SINGLE, 0)
    assert not may_be_cluster(dataclasses.replace(PLAIN, database_engine="Replicated", replicas=1), "")


def test_a_replicated_database_is_a_cluster_of_its_own_name() -> None:
    catalog = dataclasses.replace(PLAIN, database_engine="Replicated", replicas=4)
    found, asked = answered(catalog, "", {"SELECT host_name": FOUR})
    assert (found.kind, found.cluster, found.shards, found.replicas, asked) == ("database", "shop", 2, 2, 1)
    assert found.words == "Replicated database shop: 2 shards x 2 replicas"
    nobody, _ = answered(dataclasses.replace(catalog, replicas=-1))
    assert (nobody.kind, nobody.hosts) == ("database", ())


def test_a_named_cluster() -> None:
    found, _ = answered(PLAIN, "c", {"SELECT host_name": TWO})
    assert (found.kind, found.cluster, found.shards, found.replicas) == ("queue", "c", 1, 2)
    assert found.hosts[1] == Host("h2", 9000, 1, 2, False)
    assert found.words == "cluster c: 1 shard x 2 replicas"
    assert answered(PLAIN, "c", {"SELECT host_name": TWO[:1]})[0].single


def test_macros_are_those_of_the_server() -> None:
    answers = {"SELECT macro": (("cluster", "c"), ("shard", "1")), "SELECT host_name": TWO}
    assert answered(PLAIN, "{cluster}", answers)[0].cluster == "c"
    assert answered(PLAIN, "{cluster}", {"SELECT host_name": TWO})[0] == SINGLE, "a server that is in no cluster"


def test_a_cluster_that_the_server_does_not_know() -> None:
    with pytest.raises(UsageError, match=r"knows no cluster c \(it knows: a, b\)\. Nothing was changed"):
        answered(PLAIN, "c", {"SELECT DISTINCT cluster": (("a",), ("b",))})


def test_replicas_tell_their_cluster() -> None:
    catalog = with_table("ReplicatedMergeTree", 2)
    assert answered(catalog, "", {"SELECT cluster": (("c",),), "SELECT host_name": TWO})[0].cluster == "c"
    several = {"SELECT cluster": (("c",), ("d",)), "SELECT host_name": TWO}
    assert answered(catalog, "", several)[0].kind == "apart"
    assert answered(catalog, "", {**several, "SELECT macro": (("cluster", "d"),)})[0].cluster == "d"
    assert answered(catalog)[0].kind == "apart"


def test_shared_tables_are_a_service() -> None:
    assert answered(with_table("SharedMergeTree", 2))[0].kind == "shared"


def test_hosts_in_sentences() -> None:
    topology = Topology("queue", "it's", tuple(Host(str(row[0]), int(row[1]), 1, 1) for row in FOUR))
    assert named(topology, {3, 1}) == "h1, h3:9001"
    assert topology.everywhere("system.tables") == "clusterAllReplicas('it\\'s', system.tables)"
