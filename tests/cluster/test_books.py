"""What is written down on a cluster is the same for every host: records, journal, and notes in place of comments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from aaiclick.clickhouse.names import JOURNAL, RECORDS
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, home_beside, with_bookkeeping
from aaiclick.clickhouse.shared.opening import interim_name, open_tables
from aaiclick.errors import ApplyError, LeaseLostError
from aaiclick.lease.acquire import guarded
from aaiclick.routine import Routine, run
from aaiclick.sql.quoting import qualified
from aaiclick.state import journal, notes, records
from aaiclick.state.cache import CacheEntry, update_cache
from aaiclick.state.comments import create_commented, drop_commented, replace_comment
from aaiclick.state.journal import Action, intent, last_entries, outcome
from aaiclick.state.owned import read_owned
from aaiclick.state.record import Record
from aaiclick.state.records import all_records, append, ensure_tables, read_latest
from tests.cluster.conftest import ClusterFactory
from tests.cluster.leasing import BERT, Disturbed, nothing, take
from tests.cluster.rig.pool import AnyCluster

T = TypeVar("T")
TABLES = (records.TABLE, journal.TABLE, notes.TABLE)
RECORD = Record("shop", 1, "applied", "f", "d", "{}", "", "anne", 0.5, "0.1")
ACTION = Action("generation 0", "shop", "", "2:sql:0", 0)
KINDS = pytest.mark.parametrize("kind", ["queue", "database"])


def placed(cluster: AnyCluster, kind: str) -> Bookkeeping:
    hosts = tuple(f"h{number}" for number in range(1, len(cluster.hosts) + 1))
    if kind == "queue":
        database = cluster.atomic_database()
        return Bookkeeping(database, database, cluster.name, hosts)
    database = cluster.replicated_database()
    return Bookkeeping(database, home_beside(database), database, hosts)


class At:
    """A host, where routines keep what they write down with the others."""

    def __init__(self, cluster: AnyCluster, host: int, books: Bookkeeping) -> None:
        self.connection = Disturbed(cluster.hosts[host], books.database)
        self.books = books

    def __call__(self, routine: Routine[T]) -> T:
        return run(with_bookkeeping(routine, self.books), self.connection)

    def alone(self, routine: Routine[T]) -> T:
        """As a start does that takes the cluster for one node."""
        return run(routine, self.connection)


def entries(database: str) -> Routine[tuple[journal.Entry, ...]]:
    return last_entries(database, "1", {})


@KINDS
def test_every_host_reads_what_another_one_has_written(aaiclick_cluster: ClusterFactory, kind: str) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = placed(cluster, kind)
    one, two = (At(cluster, host, books) for host in (0, 1))
    database = books.database
    one(open_tables(books, TABLES))
    one(append(database, RECORD, 0))
    two(append(database, replace(RECORD, version=2), 1))
    one(append(database, replace(RECORD, version=3), 1))  # another one is there by now: nothing is written
    two(intent(database, ACTION, {"a": 1}))
    one(outcome(database, ACTION, "done"))
    assert [(record.seq, record.version) for record in two(all_records(database))] == [(1, 1), (2, 2)]
    latest = one(read_latest(database, "shop"))
    assert latest is not None
    assert latest.version == 2
    assert [(entry.seq, entry.state) for entry in two(entries(database))] == [(2, "done")]

    one(create_commented(database, "_aaiclick_mark_0123456789ab_t", "said"))
    two(replace_comment(database, "_aaiclick_mark_0123456789ab_t", "said 'otherwise'\n"))
    one(update_cache(database, "shop", CacheEntry(2, "f", "d")))
    two(update_cache(database, "other", CacheEntry(1, "g", "e")))
    owned = one(read_owned(database))
    assert [table.comment for table in owned.tables if "mark" in table.name] == ["said 'otherwise'\n"]
    assert {name: entry.version for name, entry in owned.cache().items()} == {"shop": 2, "other": 1}
    assert (owned.recorded, owned.journal, owned.unfinished) == (True, True, True)
    two(drop_commented(database, "_aaiclick_mark_0123456789ab_t"))
    owned = one(read_owned(database))
    assert (owned.remains, owned.unfinished) == (False, False)
    assert cluster.same(f"SELECT name, uuid FROM system.tables WHERE database = '{books.home}' ORDER BY name")


def test_lines_of_a_former_holder_are_refused(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = placed(cluster, "database")
    one, two = (At(cluster, host, books) for host in (0, 1))
    lease = take(one.connection, books, seconds=3)  # a busy machine opens the tables in that
    one(guarded(open_tables(books, TABLES), lease))
    one(guarded(append(books.database, RECORD, 0), lease))
    take(two.connection, books, BERT)
    late: list[Callable[[], Routine[None]]] = [
        lambda: append(books.database, RECORD),
        lambda: intent(books.database, ACTION),
        lambda: replace_comment(books.database, "t", "late"),
    ]
    for line in late:
        with pytest.raises(LeaseLostError):
            one(guarded(line(), lease))
    assert [record.seq for record in two(all_records(books.database))] == [1]
    assert two(entries(books.database)) == ()


@KINDS
def test_what_one_host_had_for_itself_is_brought_to_all_of_them(aaiclick_cluster: ClusterFactory, kind: str) -> None:
    """By a run through the other one, also after it was killed at any point of it."""
    cluster = aaiclick_cluster(1, 2)
    books = placed(cluster, kind)
    one, two = (At(cluster, host, books) for host in (0, 1))
    database = books.database
    for routine in (ensure_tables(database), append(database, RECORD), append(database, replace(RECORD, version=None))):
        one.alone(routine)
    one.alone(journal.ensure_journal(database))
    one.alone(intent(database, ACTION, {"a": 1}))
    before = one.alone(all_records(database))
    _opened_in_pieces(two, books)
    assert one(all_records(database)) == two(all_records(database)) == before
    assert [entry.details for entry in one(entries(database))] == [{"a": 1}]
    gone = {interim_name(RECORDS), interim_name(JOURNAL)} | ({RECORDS, JOURNAL} if books.beside else set())
    shown = cluster.same(f"SELECT name FROM system.tables WHERE database = '{database}'")
    assert gone.isdisjoint(row[0] for row in shown)


class _KilledError(Exception):
    """The run ends here."""


def _opened_in_pieces(at: At, books: Bookkeeping) -> None:
    """Each attempt is killed behind one effect more than the one before."""
    for effects in range(100):
        left = effects

        def kill(sql: str) -> None:
            nonlocal left
            if left == 0:
                raise _KilledError
            left -= 1

        at.connection.after = kill
        try:
            at(open_tables(books, TABLES))
        except _KilledError:
            continue
        finally:
            at.connection.after = nothing
        assert effects > 5
        return
    raise AssertionError("it never ended")


@KINDS
def test_two_hosts_with_records_of_their_own_are_named(aaiclick_cluster: ClusterFactory, kind: str) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = placed(cluster, kind)
    one, two = (At(cluster, host, books) for host in (0, 1))
    for at in (one, two):
        at.alone(ensure_tables(books.database))
        at.alone(append(books.database, RECORD))
    with pytest.raises(ApplyError, match=rf"host h1, h2 have a table {books.database}.schema_version of its own, from"):
        one(open_tables(books, TABLES))
    table = qualified(books.database, RECORDS)
    assert cluster.everywhere(f"SELECT count() FROM {table}") == ["1", "1"]


def test_records_that_come_back_with_a_host_are_never_passed_over(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    books = placed(cluster, "queue")
    one, two = (At(cluster, host, books) for host in (0, 1))
    two.alone(ensure_tables(books.database))
    two.alone(append(books.database, RECORD))
    if cluster.can_be_broken:
        cluster.hosts[1].kill()
        one(open_tables(books, TABLES))
        one(append(books.database, replace(RECORD, version=7)))
        cluster.hosts[1].start()
        with pytest.raises(ApplyError, match=r"host h2 has a table .* of its own beside the one that"):
            one(open_tables(books, TABLES))
