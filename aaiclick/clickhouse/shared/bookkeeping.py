"""Where what this library writes down of a database is kept: in the database itself by one host, or on every host of a
cluster, in Replicated tables that all of them share whatever their shard.

A run on a cluster is carried out by ``with_bookkeeping``, which answers ``WhereKept``. Nobody else answers it, and then
everything is as on one host.

All hosts are replicas of one path in Keeper, ``/clickhouse/aaiclick/{uuid}``: a statement ON CLUSTER gives the table
the same UUID everywhere. A host that joined later is given that UUID by name. A Replicated database refuses a path that
names no shard (80), so there an Atomic database beside it holds the tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from aaiclick.clickhouse.names import PREFIX, label
from aaiclick.clickhouse.topology import Topology, host_joined
from aaiclick.error_codes import (
    ABORTED,
    FUNCTION_THROW_IF_VALUE_IS_NON_ZERO,
    KEEPER_EXCEPTION,
    NETWORK_ERROR,
    NO_ZOOKEEPER,
    SOCKET_TIMEOUT,
    TABLE_IS_READ_ONLY,
    TIMEOUT_EXCEEDED,
    TOO_FEW_LIVE_REPLICAS,
    UNKNOWN_SETTING,
    UNKNOWN_STATUS_OF_INSERT,
    UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE,
)
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Nonce, Routine, Rows, Sleep, WhereKept, text
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified

T = TypeVar("T")

HOME_PREFIX = f"{PREFIX}books_"
SYNC_SECONDS = 10
"""How long a host may take to show what others have written."""
WITHOUT_KEEPER = frozenset({KEEPER_EXCEPTION, NO_ZOOKEEPER, TABLE_IS_READ_ONLY, UNKNOWN_STATUS_OF_INSERT})
"""What a host answers that has no session with Keeper, or has lost it while it worked: the statement may have been
carried out."""
KEEPER_ADVICE = (
    "Keeper did not answer this host, or answered too late. What was begun is written down for all hosts: run again, "
    "through any of them, when SELECT * FROM system.replicas WHERE is_readonly shows nothing there. That undoes it or "
    "brings it to its end; until then writers may be refused"
)
NOT_NOW = WITHOUT_KEEPER | frozenset(
    {
        ABORTED,
        NETWORK_ERROR,
        SOCKET_TIMEOUT,
        TIMEOUT_EXCEEDED,
        TOO_FEW_LIVE_REPLICAS,
        UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE,
    }
)
"""What a host answers that has no session with Keeper, or does not fetch what others wrote. It is no answer to what
was asked; and an INSERT that ended so may have been carried out."""
_ATTEMPTS = 6
"""How often a row is sent of which nobody knows whether it arrived: its token makes it count once."""
_PAUSE = 0.2
"""Seconds before the second of these; each further pause is twice as long."""
_NEW_NAMES = ("deduplicate_insert", "deduplicate_insert_select")


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Where the tables of this library for one database are."""

    database: str
    """The database that is migrated."""
    home: str
    """The database that holds them; the same but beside a Replicated one."""
    cluster: str = ""
    """The cluster whose hosts share them; '' where one host has them for itself."""
    hosts: tuple[str, ...] = ()
    """What those hosts are called in sentences, in the order of the cluster."""

    @property
    def shared(self) -> bool:
        """True where several hosts have them."""
        return bool(self.cluster)

    def host(self, place: int) -> str:
        """What the host of that ``_shard_num`` is called. Raises ApplyError where there were fewer when they were
        listed."""
        if place > len(self.hosts):
            raise host_joined(", ".join(self.hosts))
        return self.hosts[place - 1]

    @property
    def beside(self) -> bool:
        """True where they are in a database of their own."""
        return self.home != self.database


def home_beside(database: str) -> str:
    """The name of the Atomic database beside a Replicated one."""
    return f"{HOME_PREFIX}{label(database)}"


def bookkeeping_of(topology: Topology, database: str) -> Bookkeeping:
    """Where they are on these hosts."""
    hosts = tuple(host.label for host in topology.hosts)
    if not hosts:
        return Bookkeeping(database, database)
    match topology.kind:
        case "queue":
            return Bookkeeping(database, database, topology.cluster, hosts)
        case "database":
            return Bookkeeping(database, home_beside(database), topology.cluster, hosts)
        case _:
            return Bookkeeping(database, database)


def read_bookkeeping(database: str) -> Routine[Bookkeeping]:
    """Where they are, as whoever carries the routine out says."""
    # Nobody answers it on one host.
    rows = yield WhereKept(database)
    if not rows:
        return Bookkeeping(database, database)
    home, cluster, hosts = rows[0]
    return Bookkeeping(database, text(home), text(cluster), tuple(text(hosts).split(",")))


def with_bookkeeping(routine: Routine[T], books: Bookkeeping) -> Routine[T]:
    """Carry a routine out with the tables of this library where ``books`` says."""

    def carry(effect: Effect) -> Routine[Rows]:
        if isinstance(effect, WhereKept) and effect.database == books.database:
            return ((books.home, books.cluster, ",".join(books.hosts)),)
        return (yield effect)

    return (yield from relayed(routine, carry))


def catch_up(books: Bookkeeping, name: str) -> Routine[None]:
    """Wait until the host that is asked shows every row of a shared table that was acknowledged before; nothing is done
    where one host has it for itself.

    Raises StatementError with a code of ``NOT_NOW`` where it does not fetch them: then nothing is known, and an older
    row must not be taken for the newest.
    """
    if books.shared:
        # LIGHTWEIGHT: until the rows are here. Merges of the table, which may stand in its queue as well, are not
        # waited for.
        table = qualified(books.home, name)
        yield Command(system("SYNC REPLICA", f"{table} LIGHTWEIGHT"), settings={"receive_timeout": SYNC_SECONDS})


def read_ready(books: Bookkeeping, name: str) -> Routine[None]:
    """``catch_up`` for whoever reads records: raises ApplyError, with a sentence, where the host is behind."""
    try:
        yield from catch_up(books, name)
    except StatementError as error:
        if error.code not in NOT_NOW:
            raise
        raise ApplyError(
            f"the host that answers does not show what other hosts have written to {books.home}.{name}, so nobody can "
            f"tell what is recorded of database {books.database} ({error.message.partition('. ')[0]}). Nothing was "
            "changed; run again when its replication works (SELECT * FROM system.replicas), or connect to another host"
        ) from error


def insert_settings(token: str, hosts: int, *, older: bool = False) -> dict[str, str | int]:
    """Settings of an INSERT into a shared table that counts once, however often it is sent. ``older``: for releases
    that do not know the settings which newer ones obey."""
    # A profile may turn asynchronous inserts on: their answer may come before the row is anywhere.
    settings: dict[str, str | int] = {"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": token}
    if not older:
        settings |= {"deduplicate_insert": "enable", "deduplicate_insert_select": "enable_even_for_bad_queries"}
    if hosts >= 3:
        # Not lost with one host. With two hosts a majority would be both of them.
        settings["insert_quorum"] = "auto"
    return settings


def send_once(command: Command, token: str, hosts: int) -> Routine[None]:
    """One INSERT into a shared table; a setting that the server does not know is left out (it refuses the statement
    before anything is done)."""
    try:
        yield _with(command, insert_settings(token, hosts))
    except StatementError as error:
        if error.code != UNKNOWN_SETTING or not any(name in error.message for name in _NEW_NAMES):
            raise
        yield _with(command, insert_settings(token, hosts, older=True))


def write_line(books: Bookkeeping, command: Command, name: str) -> Routine[None]:
    """Write a row of the bookkeeping. On a cluster it is sent again where nobody knows whether it arrived: the server
    takes the same token once. Rows are counted by the host that is asked, so it has to show all of them first."""
    if not books.shared:
        yield command
        return
    # One for all attempts at this line. Two lines that say the same are two, so no text of the line would do.
    rows = yield Nonce()
    token = f"{name}-{text(rows[0][0])}"
    for attempt in range(_ATTEMPTS):
        try:
            # The INSERT counts rows (``max(seq) + 1``), so the host has to have all of them.
            yield from catch_up(books, name)
            # With the same token in each attempt: an INSERT that was carried out and not answered counts once.
            yield from send_once(command, token, len(books.hosts))
        except StatementError as error:
            # A guarded line is refused where the host cannot show that it has every generation (``lease/guard.py``).
            again = error.code in NOT_NOW or error.code == FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
            if not (again or isinstance(error, OutcomeUnknownError)) or attempt + 1 == _ATTEMPTS:
                raise
            yield Sleep(_PAUSE * (1 << attempt))
        else:
            return


def _with(command: Command, settings: dict[str, str | int]) -> Command:
    return replace(command, settings={**command.settings, **settings})
