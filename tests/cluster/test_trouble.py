"""Hosts that cannot carry out what is sent to all: named before anything is sent, or waited for."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table, ensure_schema
from aaiclick.errors import ApplyError, BlockedError, HazardNotAllowedError, SpecError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import label_of
from tests.cluster.rig.config import EMPTY

COLUMNS = "SELECT name FROM system.columns WHERE database = '{}' AND table = 'events' ORDER BY position"


def events(version: int, *columns: Column) -> Schema:
    table = Table("events", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"], replicated=""))
    return Schema("shop", version=version, objects=[table], cluster="{cluster}")


def test_a_host_that_is_away_is_named_and_follows_when_it_is_back(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    database = cluster.atomic_database()
    one, two = cluster.hosts
    url = one.database_url(database)
    ensure_schema(url, events(1), Policy.lossless())
    label = label_of(two)
    two.kill()
    second = events(2, Column("v", "UInt64"))
    with pytest.raises(HazardNotAllowedError, match=f"host {label} does not answer; nothing was changed") as raised:
        ensure_schema(url, second, Policy.lossless())
    assert raised.value.allow == (f"without-host {label}",)
    engine = MergeTree(order_by=["id"], partition_by="id % 2", replicated="")
    copied = Schema(
        "shop", version=2, objects=[Table("events", [Column("id", "UInt64")], engine=engine)], cluster="{cluster}"
    )
    said = rf"^shop cannot be migrated now: events: host {label} does not answer, and .* Run again when all answer$"
    with pytest.raises(BlockedError, match=said):
        ensure_schema(url, copied, Policy.lossless())
    assert one.q(COLUMNS.format(database)) == "id"
    assert ensure_schema(url, second, Policy.lossless().allow(f"without-host {label}")).steps
    assert one.q(COLUMNS.format(database)) == "id\nv"
    two.start()
    assert cluster.same(COLUMNS.format(database)) == [["id"], ["v"]]


def test_a_path_that_keeper_does_not_take_never_comes_into_the_queue(aaiclick_cluster: ClusterFactory) -> None:
    """Hosts try such an entry for ever, and carry out nothing that comes behind it."""
    cluster = aaiclick_cluster(1, 2)
    database = cluster.atomic_database()
    url = cluster.hosts[0].database_url(database)
    wrong = MergeTree(order_by=["id"], replicated="'/t//events', '{replica}'")
    table = Table("events", [Column("id", "UInt64")], engine=wrong)
    with pytest.raises(SpecError, match="table events: a part of the path '/t//events' in Keeper is empty"):
        ensure_schema(url, Schema("shop", version=1, objects=[table], cluster="{cluster}"))
    sql = "CREATE TABLE more (id UInt64) ENGINE = ReplicatedMergeTree('/t/./more', '{replica}') ORDER BY id"
    ensure_schema(url, events(1))
    script = Schema(
        "shop", version=2, objects=events(2).objects, cluster="{cluster}", migrations=[Migration(2, sql=[sql])]
    )
    with pytest.raises(ApplyError, match=r"more: the path '/t/\./more' in Keeper has a part '\.'. Nothing was sent"):
        ensure_schema(url, script, Policy.lossless())
    if cluster.can_be_broken:
        empty = table.model_copy(
            update={"engine": MergeTree(order_by=["id"], replicated=f"'/t/{{{EMPTY}}}/events', '{{replica}}'")}
        )
        with pytest.raises(SpecError, match=rf"table others: on host \S+ a part of .* is empty .*{EMPTY} = ''"):
            ensure_schema(
                url,
                Schema(
                    "shop",
                    version=2,
                    objects=[*events(1).objects, empty.model_copy(update={"name": "others"})],
                    cluster="{cluster}",
                ),
            )
    unfinished = "SELECT count() FROM system.distributed_ddl_queue WHERE status != 'Finished'"
    assert cluster.hosts[0].q(unfinished) == "0"


@pytest.mark.slow
def test_merges_that_somebody_has_stopped_are_named(
    aaiclick_cluster: ClusterFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was assigned before a copy would wait there for ever: the copy ends soon, with the table as it was."""
    monkeypatch.setattr("aaiclick.apply.replicated.stop_merges._STOPPED", 0.5)
    cluster = aaiclick_cluster(1, 2)
    database = cluster.atomic_database()
    one, two = cluster.hosts
    url, name = one.database_url(database), f"`{database}`.`events`"
    ensure_schema(url, events(1, Column("v", "UInt64")))
    shown = one.q(f"SHOW CREATE TABLE {name}")
    two.q(f"SYSTEM STOP MERGES {name}")
    for row in (1, 2):
        one.q(f"INSERT INTO {name} VALUES ({row}, {row})")
    one.q(f"OPTIMIZE TABLE {name} FINAL SETTINGS alter_sync = 0")
    keyed = MergeTree(order_by=["v", "id"], replicated="")
    columns = [Column("id", "UInt64"), Column("v", "UInt64")]
    wanted = Schema("shop", version=2, objects=[Table("events", columns, engine=keyed)], cluster="{cluster}")
    said = rf"events: merges are stopped on host {label_of(two)} \(SYSTEM STOP MERGES\), and one .* waits there"
    with pytest.raises(ApplyError, match=said):
        ensure_schema(url, wanted, Policy.lossless())
    assert one.q(f"SHOW CREATE TABLE {name}") == shown
    two.q(f"SYSTEM START MERGES {name}")
    assert ensure_schema(url, wanted, Policy.lossless()).steps
    cluster.sync(name)
    assert cluster.same(f"SELECT id, v FROM {name} ORDER BY id") == [[1, 1], [2, 2]]
