"""The shared tables at the beginning of a run: made where they are missing, with the rows of a table that one host has
for itself.

Such a table is of an earlier release, or of a start that was allowed to take the cluster for one node. Where one host
has rows they are brought over, whatever host is asked. Where two have, or where the shared table has other rows
already, nobody can tell which are true: nothing is changed, and the hosts are named.

The order can be begun again at any point: the table is set aside under a name of its own before the shared one gets
its name; it is copied by one INSERT into an empty table, compared row by row, and only then dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.names import PREFIX
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, catch_up, send_once
from aaiclick.clickhouse.shared.tables import QUEUE, Found, SharedTable, find_on_hosts, make_everywhere
from aaiclick.clickhouse.statements import CREATE, merged
from aaiclick.clickhouse.topology import GLANCE
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Command, Emit, Query, Routine, number
from aaiclick.sql.ddl import create_table, drop, rename_table, with_cluster
from aaiclick.sql.quoting import qualified, quote_string

_ASIDE = f"{PREFIX}local_"
# One thread and one block: all rows are there or none, and one token counts for all of them.
_ONE_BLOCK: Mapping[str, str | int] = {
    "max_insert_threads": 1,
    "max_threads": 1,
    "min_insert_block_size_rows": 1 << 40,
    "min_insert_block_size_bytes": 1 << 40,
    "max_insert_block_size": 1 << 40,
}


@dataclass(frozen=True, slots=True)
class _Former:
    """A table of one host alone, under the name that it has by now."""

    table: SharedTable
    """The shared table that its rows belong into."""
    database: str
    """Its database."""
    name: str
    """What it is called by now."""
    host: str
    """The host that has rows in it."""
    rows: int
    """How many rows that host has."""


def interim_name(name: str) -> str:
    """What a table of one host is called while its rows are brought over."""
    return f"{_ASIDE}{name.removeprefix(PREFIX)}"


def interim_names(names: Collection[str]) -> frozenset[str]:
    """The same for several."""
    return frozenset(interim_name(name) for name in names)


def kept_by_single_hosts(books: Bookkeeping, tables: Sequence[SharedTable]) -> Routine[dict[str, int]]:
    """The hosts that have rows of such tables for themselves, with their number."""
    names = [table.name for table in tables]
    found = yield from find_on_hosts(books, books.database, [*names, *map(interim_name, names)])
    rows: dict[str, int] = {}
    for name, listed in found.items():
        for each in listed:
            if name and not each.shared and each.rows:
                rows[each.host] = rows.get(each.host, 0) + each.rows
    return rows


def open_tables(books: Bookkeeping, tables: Sequence[SharedTable]) -> Routine[None]:
    """Make these tables on every host that answers. Only under the lease.

    Raises ApplyError where hosts have rows of their own of which nobody can tell whether they are true.
    """
    names = [table.name for table in tables]
    found = yield from find_on_hosts(books, books.home, [*names, *map(interim_name, names)])
    beside = (yield from find_on_hosts(books, books.database, names)) if books.beside else found
    former: list[_Former] = []
    moved = False
    for table in tables:
        mine = _former_of(books, table, found, beside)
        # The shared table takes its name. Beside a Replicated database it has another database, and the name is free.
        if mine is not None and mine.name == table.name and not books.beside:
            # A kill behind this leaves the rows under a name of ours on every host: the next start finds them there,
            # and goes on.
            mine = yield from _give_way(books, mine)
            moved = True
        former += [mine] if mine is not None else []
    # All names are free by now. After a kill before this the next start finds the tables that were set aside.
    yield from make_everywhere(books, tables, None if moved else found)
    for each in former:
        yield from _bring_over(books, each)


def _former_of(
    books: Bookkeeping, table: SharedTable, found: Mapping[str, list[Found]], beside: Mapping[str, list[Found]]
) -> _Former | None:
    """The table of one host that has to be brought over; None where there is none. Raises ApplyError."""
    aside = interim_name(table.name)
    here = [(table.name, each) for each in beside[table.name] if not each.shared]
    listed = [*here, *([] if books.beside else [(aside, each) for each in found[aside]])]
    holding = sorted({each.host for _, each in listed if each.rows})
    shared = [each for each in found[table.name] if each.shared]
    # Two hosts with records of their own have seen two different pasts.
    if len(holding) > 1 or (here and shared and not books.beside):
        hosts = holding or sorted({each.host for _, each in here})
        raise ApplyError(_undecided(books, table.name, hosts, bool(shared)))
    if not listed:
        return None
    name, each = next(((name, each) for name, each in listed if each.rows), listed[0])
    return _Former(table, books.database, name, each.host, each.rows)


def _undecided(books: Bookkeeping, name: str, hosts: Sequence[str], shared: bool) -> str:
    has = "has" if len(hosts) == 1 else "have"
    beside = " beside the one that all hosts share" if shared else ""
    return (
        f"host {', '.join(hosts)} {has} a table {books.database}.{name} of its own{beside}, from starts that took the "
        "cluster for one node, and nobody can tell which is true. Nothing was changed. Rename the wrong one on its "
        f"host (RENAME TABLE {qualified(books.database, name)} TO ...), and run again"
    )


def _give_way(books: Bookkeeping, former: _Former) -> Routine[_Former]:
    """Set a table of one host aside. A statement that is carried out twice finds the new name taken."""
    aside = interim_name(former.name)
    old, new = qualified(former.database, former.name), qualified(former.database, aside)
    # IF EXISTS: most hosts have none of that name.
    yield Command(rename_table(old, with_cluster(new, books.cluster), if_exists=True), settings=QUEUE)
    yield from _until_aside(books, former.name)
    return _Former(former.table, former.database, aside, former.host, former.rows)


def _until_aside(books: Bookkeeping, name: str) -> Routine[None]:
    found = yield from find_on_hosts(books, books.database, [name])
    left = sorted(each.host for each in found[name] if not each.shared)
    if left:
        raise ApplyError(
            f"host {', '.join(left)} has not renamed its table {books.database}.{name} yet: its queue of statements "
            "does not go on (SELECT * FROM system.distributed_ddl_queue WHERE status != 'Finished'). Run again when it "
            "does"
        )


def _bring_over(books: Bookkeeping, former: _Former) -> Routine[None]:
    table, name = former.table, qualified(former.database, former.name)
    if not books.beside:
        # A question to all hosts takes the columns from the one that is asked.
        sql = create_table(
            with_cluster(name, books.cluster), table.columns, f"ENGINE = MergeTree {table.tail}", if_not_exists=True
        )
        yield Command(sql, settings=merged(CREATE, QUEUE))
    columns = ", ".join(table.names)
    there = (
        f"clusterAllReplicas({quote_string(books.cluster)}, {quote_string(former.database)}, "
        f"{quote_string(former.name)})"
    )
    target = qualified(books.home, table.name)
    # The next question decides whether rows are sent: this host has to have all that are there.
    yield from catch_up(books, table.name)
    if former.rows and not number((yield Query(f"SELECT count() FROM {target}"))[0][0]):
        sql = f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {there} GROUP BY {columns}"
        # The same in every run, so that Keeper takes these rows once, whoever sends them again.
        token = f"{former.name}-{former.host}-{former.rows}"
        yield from send_once(Command(sql, settings={**GLANCE, **_ONE_BLOCK}), token, len(books.hosts))
    # Row by row, and not by their number: the shared table may have others by now.
    lacking_rows = f"SELECT {columns} FROM {there} EXCEPT SELECT {columns} FROM {target}"
    rows = yield Query(f"SELECT (SELECT count() FROM {there}), (SELECT count() FROM ({lacking_rows}))", {}, GLANCE)
    read, lacking = number(rows[0][0]), number(rows[0][1])
    # A host that went away in between would show none: nothing is dropped then.
    if read != former.rows:
        raise ApplyError(
            f"{rows_text(former.rows)} of {former.database}.{former.name} on host {former.host} "
            f"{verb_for(former.rows, 'have')} to be brought to all "
            f"hosts, and {read} could be read. Nothing of them was changed; run again"
        )
    if lacking:
        raise ApplyError(_other_rows(books, former, lacking))
    if former.rows:
        lines = "1 row" if former.rows == 1 else f"{former.rows} rows"
        words = f"{lines} of {table.name} that host {former.host} had for itself: all hosts share them now"
        yield Emit(Note(f"database {books.database}: {words}"))
    dropped = drop("TABLE", name if books.beside else with_cluster(name, books.cluster), if_exists=True)
    # Behind the comparison: until the rows are proved to be in the shared table they are in both.
    yield Command(dropped, settings={} if books.beside else QUEUE)


def _other_rows(books: Bookkeeping, former: _Former, lacking: int) -> str:
    return (
        f"host {former.host} has {rows_text(lacking)} in {former.database}.{former.name} that the shared table "
        f"{books.home}.{former.table.name} does not have, and nobody can tell which are true. Nothing of them was "
        f"changed. Look at both, then rename or drop {former.database}.{former.name}, and run again"
    )
