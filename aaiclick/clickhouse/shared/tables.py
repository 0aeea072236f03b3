"""Making the shared tables of this library on all hosts of a cluster: one UUID everywhere, so one path in Keeper.

``CREATE ... IF NOT EXISTS ON CLUSTER`` by several contenders at once has one winner, because every host takes the
entries of the queue in the same order. What was made is looked at on every host all the same: two tables under one name
would be two truths, and are an error that names the hosts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clickhouse.shared.cut_off import ask_uncut, cutting, require_uncut
from aaiclick.clickhouse.shared.owner_database import homes
from aaiclick.clickhouse.statements import CREATE, merged
from aaiclick.clickhouse.topology import GLANCE
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import ApplyError, StatementError, UsageError
from aaiclick.routine import Command, Routine, number, text
from aaiclick.sql.ddl import comment_clause, create, create_table, with_cluster
from aaiclick.sql.hex_text import hexed, hexed_list
from aaiclick.sql.quoting import qualified, quote_name, quote_string

QUEUE: Mapping[str, str | int] = {
    "distributed_ddl_task_timeout": 1,
    "distributed_ddl_output_mode": "null_status_on_timeout",
}
"""What the queue answers proves nothing: it is waited for briefly, and then every host is looked at."""
PROVED_IN = 30.0
"""Seconds until a table that was made has to be there on every host that answers."""
KEEPER_PATH = "/clickhouse/aaiclick"
# One path for all hosts. A replica is called by the UUID of its server, which needs no macro in the configuration.
_PATH = f"ReplicatedMergeTree('{KEEPER_PATH}/{{uuid}}', '{{server_uuid}}')"


@dataclass(frozen=True, slots=True)
class SharedTable:
    """One of our tables as a CREATE has it."""

    name: str
    """Name of the table."""
    columns: str
    """Its columns, as they stand between the parentheses."""
    tail: str
    """From ORDER BY on."""
    comment: str = ""
    """Its comment; '' for none."""
    names: tuple[str, ...] = ()
    """Of its columns, where its rows may have to be brought from a table of one host."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table of that name on one host."""

    host: str
    uuid: str
    engine: str
    rows: int

    @property
    def shared(self) -> bool:
        """True where it is a replica of a shared one."""
        return self.engine.startswith("Replicated")


def shared_engine(tail: str) -> str:
    """ENGINE of a shared table."""
    return f"ENGINE = {_PATH} {tail}"


def find_on_hosts(books: Bookkeeping, database: str, names: Collection[str]) -> Routine[Mapping[str, list[Found]]]:
    """Which hosts have which of these tables, of those that answer; every name is a key, and '' holds all hosts that
    answered.

    Raises PlanError where the profile of the user cuts off what one of them answers.
    """
    wanted = hexed_list(names)
    cluster = quote_string(books.cluster)
    tables = (
        "SELECT toUInt64(_shard_num), name, toString(uuid), engine, "
        f"toUInt64(coalesce(total_rows, 0)) FROM clusterAllReplicas({cluster}, system.tables) WHERE database = "
        "unhex({db:String}) AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name)"
    )
    # A host that has none of the tables answers here all the same, and so differs from one that is away.
    hosts = f"SELECT toUInt64(_shard_num), '', '', '', toUInt64(0) FROM clusterAllReplicas({cluster}, system.one)"
    # Of a host that cuts its answer off a table would seem to be missing, and would be made. Whoever changes something
    # comes by here first of all.
    cut = f"SELECT toUInt64(_shard_num), '', server, '', toUInt64(0) FROM {cutting(books.cluster)}"
    asked = "SELECT toUInt64(0), '', toString(serverUUID()), '', toUInt64(0)"
    sql = f"{tables} UNION ALL {hosts} UNION ALL {cut} UNION ALL {asked}"
    rows = yield from ask_uncut(sql, {"db": hexed(database), "names": wanted}, GLANCE)
    here = next((text(row[2]) for row in rows if not number(row[0])), "")
    # Rows of these two have no name of a table, and those of a server have its UUID.
    told = [row for row in rows if not text(row[1]) and text(row[2])]
    require_uncut(books.hosts, ((number(row[0]), text(row[2])) for row in told if number(row[0])), here)
    found: dict[str, list[Found]] = {name: [] for name in ("", *names)}
    for place, name, uuid, engine, count in (row for row in rows if text(row[1]) or not text(row[2])):
        found[text(name)].append(Found(books.host(number(place)), text(uuid), text(engine), number(count)))
    return found


def make_home(books: Bookkeeping) -> Routine[None]:
    """The Atomic database beside a Replicated one, on the hosts that lack it. Raises UsageError, with the statement,
    where this user may not."""
    if not books.beside:
        return
    found = yield from homes(books)
    # Who may not create databases goes on where an administrator has made it: the server refuses IF NOT EXISTS, too.
    if not found.lacking:
        return
    home = with_cluster(quote_name(books.home), books.cluster)
    sql = create("DATABASE", home, "ENGINE = Atomic", if_not_exists=True)
    whose = comment_clause(found.comment)
    try:
        yield Command(create("DATABASE", home, "ENGINE = Atomic", whose, if_not_exists=True), settings=QUEUE)
    except StatementError as error:
        if error.code != ACCESS_DENIED:
            raise
        raise UsageError(
            f"database {books.database} is Replicated: records and lease need an Atomic database beside it, on every "
            f"host, and this user may not create it (missing on {', '.join(found.lacking)}). Nothing was changed; an "
            f"administrator runs: {sql}"
        ) from error


def make_everywhere(
    books: Bookkeeping, tables: Collection[SharedTable], found: Mapping[str, list[Found]] | None = None
) -> Routine[bool]:
    """See to it that these tables are there on every host that answers, and that each is one and the same. True where
    one was made.

    Raises ApplyError where two hosts have two, or where one is not there in ``PROVED_IN`` seconds.
    """
    names = [table.name for table in tables]
    found = found if found is not None else (yield from find_on_hosts(books, books.home, names))
    lacking = [table for table in tables if _missing(found, table.name)]
    # Before anything is made: a third table beside two different ones would settle nothing.
    _one_truth(books, found, names)
    if not lacking:
        return False
    # A host that lacks the table may lack the database that it belongs to as well: to one that joined a Replicated
    # database its log brought what is in that one, and nothing of what is beside it.
    yield from make_home(books)
    for table in lacking:
        # A host that joined later is given the UUID of the others: another one would be another path in Keeper.
        known = next((each.uuid for each in found[table.name] if each.shared), "")
        name = qualified(books.home, table.name) + (f" UUID {quote_string(known)}" if known else "")
        sql = create_table(
            with_cluster(name, books.cluster),
            table.columns,
            shared_engine(table.tail),
            table.comment,
            if_not_exists=True,
        )
        yield Command(sql, settings=merged(CREATE, QUEUE))
    # The reply of the queue says little: every host is looked at.
    yield from _proved(books, names)
    return True


def _proved(books: Bookkeeping, names: Collection[str]) -> Routine[None]:
    wait = Wait(0.02, 1.0)
    while True:
        found = yield from find_on_hosts(books, books.home, names)
        missing = {name: hosts for name in names if (hosts := _missing(found, name))}
        if not missing:
            _one_truth(books, found, names)
            return
        if wait.waited > PROVED_IN:
            name, hosts = next(iter(missing.items()))
            raise ApplyError(
                f"{books.home}.{name} was made on cluster {books.cluster}, and {', '.join(hosts)} does not have it "
                f"after {PROVED_IN:.0f} s: its queue of statements does not go on (SELECT * FROM "
                "system.distributed_ddl_queue WHERE status != 'Finished'). Nothing else was changed; run again when it "
                "does"
            )
        wait = yield from rest(wait)


def _missing(found: Mapping[str, list[Found]], name: str) -> list[str]:
    there = {each.host for each in found[name]}
    return sorted(each.host for each in found[""] if each.host not in there)


def _one_truth(books: Bookkeeping, found: Mapping[str, list[Found]], names: Collection[str]) -> None:
    for name in names:
        by_uuid: dict[str, list[str]] = {}
        for each in found[name]:
            by_uuid.setdefault(each.uuid if each.shared else f"{each.engine} {each.host}", []).append(each.host)
        if len(by_uuid) > 1:
            which = "; ".join(f"{', '.join(sorted(hosts))}: {uuid}" for uuid, hosts in sorted(by_uuid.items()))
            raise ApplyError(
                f"hosts of cluster {books.cluster} have different tables {books.home}.{name} ({which}), and nobody can "
                "tell which is true. Nothing was changed; rename the wrong one on its host, and run again"
            )
