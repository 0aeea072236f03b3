"""Where what is recorded of a database is read: on one host as it always was; on a cluster in the tables that all hosts
share, unless a run has to make or fill them first."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, bookkeeping_of, home_beside
from aaiclick.clickhouse.shared.tables import find_on_hosts
from aaiclick.clickhouse.topology import Topology
from aaiclick.errors import UsageError
from aaiclick.printable import rows_text
from aaiclick.routine import Routine
from aaiclick.state import journal, notes, records
from aaiclick.state.owned import Owned

TABLES = (records.TABLE, journal.TABLE, notes.TABLE)
"""What all hosts of a cluster share, beside the lease."""


@dataclass(frozen=True, slots=True)
class WhereRecorded:
    """Where what is recorded of a database is read."""

    books: Bookkeeping
    """The tables that are read."""
    unopened: str = ""
    """Why a run has to make or fill the shared tables before anything else, in words; '' where it has not."""
    readable: bool = True
    """Whether the tables are there to be read all the same."""


def shared_already(owned: Owned) -> bool:
    """Whether all hosts of some cluster share the records of this database."""
    return any(owned.of_all_hosts(home, RECORDS) for home in (owned.database, home_beside(owned.database)))


def recorded_here(owned: Owned) -> Bookkeeping:
    """For reading only: the tables of this database that the host that is asked has, whoever shares them with it."""
    if not shared_already(owned):
        return Bookkeeping(owned.database, owned.database)
    home = owned.database if owned.of_all_hosts(owned.database, RECORDS) else home_beside(owned.database)
    # Rows are read on this host alone, so which cluster shares them need not be known.
    return Bookkeeping(owned.database, home, "others", ("this host",))


def where_recorded(owned: Owned, topology: Topology) -> Routine[WhereRecorded]:
    """Nothing is asked on one host, nor where the shared tables are there. Raises UsageError where they are, and
    nothing names the cluster."""
    books = bookkeeping_of(topology, owned.database)
    if not books.shared:
        return WhereRecorded(_without_others(owned, topology) if shared_already(owned) else books)
    from aaiclick.clickhouse.shared.opening import interim_names, kept_by_single_hosts

    names = [table.name for table in TABLES]
    here = all(owned.of_all_hosts(books.home, name) for name in names)
    alone = {table.name for table in owned.tables if table.name in names and not table.engine.startswith("Replicated")}
    set_aside = {table.name for table in owned.tables} & interim_names(names)
    if here and not alone and not set_aside:
        return WhereRecorded(books)
    # Asked of all hosts before anything is read: one of them may have records that the others lack.
    rows = yield from kept_by_single_hosts(books, TABLES)
    if rows:
        # Only what this very host has, and no other one, can be read as it stands: of two hosts nobody knows whose
        # records are true.
        mine = not set_aside and len(rows) == 1 and any(table.rows for table in owned.tables if table.name in alone)
        words = _alone(books, rows)
        return WhereRecorded(Bookkeeping(owned.database, owned.database) if mine else books, words, mine)
    # Nothing here may mean a first start, or a host that lacks what the others have: only they can tell.
    found = yield from find_on_hosts(books, books.home, names)
    others = sorted({each.host for name in names for each in found[name] if each.shared})
    if others and not here:
        words = f"this host lacks tables of {books.home} that {', '.join(others)} share: aaiclick migrate makes them"
        return WhereRecorded(books, words, readable=False)
    return WhereRecorded(books)


def _without_others(owned: Owned, topology: Topology) -> Bookkeeping:
    """Of a cluster of which one host is left, or of which this host does not know the others now."""
    if not topology.cluster:
        raise UsageError(
            f"records of database {owned.database} are in tables that all hosts of a cluster share, and nothing says "
            "which cluster that is: Schema(cluster=...), or AAICLICK_CLUSTER. Nothing was changed"
        )
    home = owned.database if owned.of_all_hosts(owned.database, RECORDS) else home_beside(owned.database)
    hosts = tuple(host.label for host in topology.hosts) or ("this host",)
    return Bookkeeping(owned.database, home, topology.cluster, hosts)


def _alone(books: Bookkeeping, rows: dict[str, int]) -> str:
    listed = ", ".join(f"{host} ({rows_text(count)})" for host, count in sorted(rows.items()))
    return (
        f"what is recorded of database {books.database} is kept by host {listed} alone, from starts that took the "
        "cluster for one node. A start that has something to do brings it to all hosts; until then look through that "
        "host"
    )
