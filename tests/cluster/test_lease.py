"""The lease of a cluster on real hosts: one holder at a time, one winner for each generation, and no host that is behind
takes a living holder for dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from aaiclick.clickhouse.names import JOURNAL
from aaiclick.clickhouse.shared import bookkeeping
from aaiclick.clickhouse.shared.tables import SharedTable, make_everywhere
from aaiclick.errors import LeaseLostError, LockHeldError, OutcomeUnknownError, StatementError
from aaiclick.events import Event
from aaiclick.lease.acquire import acquire, check, guarded, release, renew
from aaiclick.lease.names import BEATS, GENERATIONS, HEARTBEATS, LOCK
from aaiclick.routine import Command, Routine, run
from tests.cluster.conftest import ClusterFactory
from tests.cluster.leasing import ANNE, BERT, Disturbed, Stampede, books_in, nothing, take
from tests.cluster.rig.errors import AwayError, RefusedError
from tests.cluster.rig.local import LocalCluster
from tests.cluster.rig.waiting import wait_until


def raising(error: Exception, part: str, times: int = 1) -> Callable[[str], None]:
    left = [times]

    def check(sql: str) -> None:
        if part in sql and left[0]:
            left[0] -= 1
            raise error

    return check


def line(table: str, number: int) -> Routine[None]:
    yield Command(f"INSERT INTO {table} (a) SELECT max(a) * 0 + {number} FROM {table}")


def unknown() -> OutcomeUnknownError:
    return OutcomeUnknownError("the connection was lost", 0, "", "")


def test_it_is_won_checked_renewed_and_given_back(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    lease = take(one, books)
    assert lease.generation == 1
    lease = run(renew(lease), one)
    run(check(lease), one)
    run(release(lease), one)
    second = take(two, books, BERT)
    assert second.generation == 2
    run(release(second), two)
    assert cluster.same(f"SELECT generation, kind FROM {books.home}.{GENERATIONS} ORDER BY ALL") == [
        [1, "ended"],
        [1, "held"],
        [2, "ended"],
        [2, "held"],
    ]


def test_a_dead_holder_is_taken_over_after_its_time_and_finds_out(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    lease = take(one, books, seconds=1.5)
    begun = time.time()
    second = take(two, books, BERT, seconds=1.5)
    assert time.time() - begun >= 1.5
    assert second.generation == lease.generation + 1
    for routine in (check(lease), renew(lease)):
        with pytest.raises(LeaseLostError, match="bert@host-b pid 2 took over"):
            run(routine, one)
    run(release(lease), one)  # said, and nothing ends
    run(check(second), two)


def test_a_host_that_is_behind_never_takes_a_living_holder_for_dead(
    aaiclick_cluster: ClusterFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats that do not arrive at a host are no heartbeats that were not sent."""
    monkeypatch.setattr(bookkeeping, "SYNC_SECONDS", 1)
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    lease = take(one, books, seconds=1.0)
    for stop, start in (("STOP FETCHES", "START FETCHES"), ("STOP REPLICATION QUEUES", "START REPLICATION QUEUES")):
        cluster.hosts[1].q(f"SYSTEM {stop} {books.home}.{HEARTBEATS}")
        lease = run(renew(lease), one)
        contender = acquire(books.database, BERT, lease_seconds=1.0, books=books, max_wait=2)
        with pytest.raises(LockHeldError, match="does not know who migrates"):
            run(contender, two)
        cluster.hosts[1].q(f"SYSTEM {start} {books.home}.{HEARTBEATS}")
    lease = run(renew(lease), one)
    assert lease.generation >= 1


def test_a_heartbeat_without_an_answer_grants_no_time(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one = Disturbed(cluster.hosts[0], books.database)
    lease = take(one, books, seconds=1.0)
    for moment in ("before", "after"):
        setattr(one, moment, raising(unknown(), f"INSERT INTO `{books.home}`.`{HEARTBEATS}`"))
        with pytest.raises(OutcomeUnknownError):
            run(renew(lease), one)
    time.sleep(1.1)
    # Nobody came, so it may go on: as the winner of the next generation.
    later = run(renew(lease), one)
    assert later.generation == lease.generation + 1
    run(check(later), one)


def test_an_answer_that_is_lost_decides_nothing(aaiclick_cluster: ClusterFactory) -> None:
    """The INSERT of a generation arrived, or did not: the look afterwards tells."""
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one = Disturbed(cluster.hosts[0], books.database)
    for moment in ("before", "after"):
        setattr(one, moment, raising(unknown(), f"INSERT INTO `{books.home}`.`{GENERATIONS}`"))
        lease = take(one, books)
        run(release(lease), one)
    rows = cluster.same(f"SELECT generation, count() FROM {books.home}.{GENERATIONS} GROUP BY generation ORDER BY 1")
    assert rows == [[1, 2], [2, 2]]


def test_a_host_without_keeper_ends_no_run(aaiclick_cluster: ClusterFactory) -> None:
    """Whoever contends looks again; whoever gives the lease back sends that again, and where it is in vain the lease runs
    out by itself."""
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one = Disturbed(cluster.hosts[0], books.database)
    lost = StatementError("Table is in readonly mode", 242, "TABLE_IS_READ_ONLY")
    run(release(take(one, books)), one)
    looks = list[str]()

    def after_the_insert(sql: str) -> None:
        looks.extend([sql] if f"INSERT INTO `{books.home}`.`{GENERATIONS}`" in sql or looks else [])
        if len(looks) == 2:
            raise lost

    one.before = after_the_insert
    lease = take(one, books)
    assert lease.generation == 3  # the second was won, and nobody knew
    one.before = raising(lost, GENERATIONS, 3)
    run(release(lease), one)
    assert cluster.same(f"SELECT kind FROM {books.home}.{GENERATIONS} WHERE generation = 3 ORDER BY 1") == [
        ["ended"],
        ["held"],
    ]
    one.before = nothing
    lease = take(one, books, seconds=1.0)
    one.before = raising(lost, GENERATIONS, 100)
    said = list[Event]()
    run(release(lease), one, said.append)
    assert ["could not be given back" in str(event) for event in said] == [True]


def test_a_generation_that_is_there_twice_is_nobodys(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    lease = take(one, books, seconds=1.0)
    table = f"{books.home}.{GENERATIONS}"
    cluster.hosts[1].q(f"SYSTEM SYNC REPLICA {table}")  # else the line may not be there yet that is written twice
    cluster.hosts[1].q(f"INSERT INTO {table} SELECT * REPLACE ('x' AS nonce) FROM {table} WHERE generation = 1")
    cluster.hosts[0].q(f"SYSTEM SYNC REPLICA {table}")
    assert cluster.hosts[0].one(f"SELECT count() FROM {table} WHERE generation = 1") == 2
    with pytest.raises(LeaseLostError):
        run(check(lease), one)
    assert take(two, books, BERT, seconds=1.0).generation == 2


def test_a_line_of_a_former_holder_is_refused_by_a_host_that_knows_nothing_of_its_successor(
    aaiclick_cluster: ClusterFactory,
) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    run(make_everywhere(books, [SharedTable(JOURNAL, "`a` UInt64", "ORDER BY a")]), one)
    table = f"`{books.home}`.`{JOURNAL}`"
    lease = take(one, books, seconds=2.0)
    run(guarded(line(table, 1), lease), one)
    cluster.hosts[0].q(f"SYSTEM STOP FETCHES {books.home}.{GENERATIONS}")
    take(two, books, BERT, seconds=30)
    assert cluster.hosts[0].one(f"SELECT max(generation) FROM {books.home}.{GENERATIONS}") == 1
    assert lease.shared is not None
    with pytest.raises(StatementError) as caught:
        run(
            _send(
                f"INSERT INTO {table} (a) SELECT max(a) + 1 FROM {table} HAVING {lease.shared.while_held(lease.nonce)}"
            ),
            one,
        )
    assert caught.value.code == 395
    cluster.hosts[0].q(f"SYSTEM START FETCHES {books.home}.{GENERATIONS}")
    with pytest.raises(LeaseLostError):
        run(guarded(line(table, 2), lease), one)
    assert cluster.same(f"SELECT a FROM {table}") == [[1]]


def _send(sql: str) -> Routine[None]:
    yield Command(sql)


def test_statements_of_a_dead_holder_are_ended_on_every_host(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    lease = take(one, books, seconds=0.5)
    sql = f"/* aaiclick:{lease.nonce} */ SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1"

    def statement() -> None:
        with suppress(RefusedError, AwayError):
            cluster.hosts[0].q(sql)

    def running() -> bool:
        asked = f"SELECT count() FROM system.processes WHERE startsWith(query, '/* aaiclick:{lease.nonce}')"
        return bool(cluster.hosts[0].one(asked))

    thread = threading.Thread(target=statement)
    thread.start()
    wait_until(running)
    take(two, books, BERT, seconds=30)
    assert not running()
    thread.join(30)


def test_a_start_that_takes_the_cluster_for_one_node_is_waited_for(aaiclick_cluster: ClusterFactory) -> None:
    """It has a lock on its own host, and lives as long as its heartbeats come."""
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    one, two = (Disturbed(host, books.database) for host in cluster.hosts)
    older = run(acquire(books.database, ANNE, lease_seconds=1.0), one)
    assert older is not None
    done: list[Any] = []

    def beating(sql: str) -> None:
        if "system.tables" in sql and "clusterAllReplicas" in sql and len(done) < 6:
            done.append(run(renew(older), one))

    two.before = beating
    with pytest.raises(LockHeldError, match="anne@host-a pid 1 migrates it on host h1 alone"):
        take(two, books, BERT, seconds=1.0, max_wait=0.1)
    two.before = nothing
    assert take(two, books, BERT, seconds=1.0).generation == 1
    assert {LOCK, BEATS} <= set(cluster.hosts[0].q(f"SHOW TABLES FROM {books.database}").splitlines())


@pytest.mark.parametrize(
    ("contenders", "rounds", "broken"),
    [
        pytest.param(4, 5, False, id="4"),
        pytest.param(5, 8, True, id="5", marks=pytest.mark.long),
        pytest.param(10, 14, True, id="10", marks=pytest.mark.proof),
    ],
)
def test_a_stampede_over_different_hosts(
    aaiclick_cluster: ClusterFactory, contenders: int, rounds: int, broken: bool
) -> None:
    """Holders that die without a word or are paused beyond their time; in the long run a host killed, one paused beyond
    its session, and ZooKeeper restarted meanwhile."""
    cluster = aaiclick_cluster(1, 2)
    books = books_in(cluster, cluster.atomic_database())
    stampede = Stampede(books, cluster.hosts, 1.0, rounds, seed=1)

    def disturbing() -> None:
        assert isinstance(cluster, LocalCluster)
        for fraction, disturb in ((0.2, 1), (0.4, 2), (0.7, 3)):
            while len(stampede.held) < stampede.rounds * fraction:
                time.sleep(0.1)
            if disturb == 1:
                cluster.hosts[1].pause()
                time.sleep(8)
                cluster.hosts[1].resume()
            elif disturb == 2:
                cluster.hosts[0].kill()
                time.sleep(1)
                cluster.hosts[0].start()
            else:
                cluster.zookeeper.kill()
                time.sleep(2)
                cluster.zookeeper.start()

    stampede.run(contenders, disturbing if broken and cluster.can_be_broken else lambda: None)
    assert stampede.wrong == []
    cluster.heal()
    table = f"{books.home}.{GENERATIONS}"
    rows = cluster.same(
        f"SELECT generation, groupUniqArray(nonce), countIf(kind = 'held') FROM {table} GROUP BY 1 ORDER BY 1",
        seconds=60,
    )
    assert all(len(nonces) == 1 and held == 1 for _, nonces, held in rows)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert len({generation for generation, _ in stampede.held}) == len(stampede.held)
