"""Sending the statements of a step to every host of a cluster, each of them proved before the next one.

A step's routine is carried out as it always is: it sends what it would send to one host. Here each statement that
changes a definition goes ON CLUSTER, or by the log of a Replicated database, and its routine goes on when every host
shows it. Statements about scratch, and those that are no definitions, pass as they are.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from aaiclick.catalog.normalize import replica_literals
from aaiclick.catalog.read import NIL_UUID
from aaiclick.catalog.scratch import PREFIX as SCRATCH
from aaiclick.clickhouse.every_host import SERVER_LISTS, Reach, Shown, Subject, busy, has_reached, until_shown
from aaiclick.clickhouse.shared.ask_all import servers
from aaiclick.clickhouse.statements import merged
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import CANNOT_ASSIGN_ALTER, TABLE_ALREADY_EXISTS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Query, Routine, Rows, text
from aaiclick.sql.cluster import Head, by_group, head_of, on_cluster, with_uuid
from aaiclick.sql.quoting import refused_by_keeper
from aaiclick.sql.tokens import Tokens

T = TypeVar("T")

QUEUE: dict[str, str | int] = {
    "distributed_ddl_task_timeout": 5,
    "distributed_ddl_output_mode": "null_status_on_timeout",
}
"""The reply is short and never in pieces; what it does not say yet is asked of the hosts."""
AT_ONCE: dict[str, str | int] = {**QUEUE, "distributed_ddl_task_timeout": 0}
"""The server only enters the statement in the queue. Else it waits 50 ms at least before it looks whether that was
carried out, which takes a fifth of that."""
_SOON = 0.5
"""Seconds of pauses between looks until a statement that was sent so is sent once more, for its error."""
_DEFINES = frozenset({"CREATE", "ALTER", "DROP", "RENAME", "ATTACH"})
_LOCAL_SYSTEM = ("SYNC ", "FLUSH ")
_AGAIN = 5
"""How often one ALTER is sent again that a replica refused because it was behind (517)."""
_SERVER = "SELECT toString(serverUUID()), hostName()"


def everywhere(work: Routine[T], reach: Reach | None, *, repeatable: bool = False) -> Routine[T]:
    """Carry out the routine of a step on all hosts; on one host (None) as it stands. ``repeatable``: its statements do
    the same when they are carried out twice; a CREATE, which nobody else sends, is refused then.

    Raises ApplyError where a host does not show a statement in time, or where another server answers than before.
    """
    if reach is None:
        return (yield from work)

    def carry(effect: Effect) -> Routine[Rows]:
        if isinstance(effect, Command) and (head := _ours(effect)) is not None:
            yield from _spread(effect, head, reach, repeatable=repeatable)
            return ()
        return (yield effect)

    return (yield from relayed(work, carry))


def shortly(work: Routine[T]) -> Routine[T]:
    """Carry out a routine whose statements other hosts follow by a log: their answers are short and not waited for.
    Whether hosts have followed is asked of them."""

    def carry(effect: Effect) -> Routine[Rows]:
        if isinstance(effect, Command):
            # By its defaults the server waits three minutes for hosts that are away, and then answers with an error.
            effect = replace(effect, settings=merged(effect.settings, QUEUE))
        return (yield effect)

    return (yield from relayed(work, carry))


def pin(reach: Reach) -> Routine[Reach]:
    """The reach with the server that answers. Raises ApplyError where two questions are answered by two servers."""
    server, host = yield from _server()
    # The hosts of a Replicated database need not say which of them is the local one.
    same = [place for place, (uuid, _) in (yield from servers(reach.topology)).items() if uuid == server]
    local = [place for place in same if reach.topology.at(place).is_local] or same
    pinned = replace(reach, pinned=server, here=min(local, default=0))
    yield from require_pinned(pinned, host)
    return pinned


def require_pinned(reach: Reach, first: str = "") -> Routine[None]:
    """Raises ApplyError where another server answers than the one that answered first. ``first``: its name."""
    _require_same(reach, *(yield from _server()), first)


def _require_same(reach: Reach, server: str, host: str, first: str = "") -> None:
    if reach.pinned and server != reach.pinned:
        before = f" ({first})" if first else ""
        raise ApplyError(
            f"this connection leads to more than one server: {host} answers, and another one{before} did before. "
            "Nothing was sent to it. Give the address of one host in place of the load balancer's"
        )


def _server() -> Routine[tuple[str, str]]:
    rows = yield Query(_SERVER)
    return text(rows[0][0]), text(rows[0][1])


def _ours(command: Command) -> Head | None:
    """The head of a statement that every host has to carry out; None for any other."""
    head = head_of(command.sql)
    if head is None:
        return None
    scratch = any(part.startswith(SCRATCH) for name in head.names for part in name) or (
        command.database or ""
    ).startswith(SCRATCH)
    # Databases that are made or dropped are scratch, or this library's own.
    if scratch or (head.kind == "DATABASE" and head.verb != "ALTER"):
        return None
    if head.verb == "SYSTEM":
        return None if head.kind.startswith(_LOCAL_SYSTEM) else head
    # A KILL reaches the other replicas by the table's own log.
    return head if head.verb in _DEFINES else None


def _spread(command: Command, head: Head, reach: Reach, *, repeatable: bool) -> Routine[None]:
    if head.verb == "SYSTEM":
        yield from require_pinned(reach)
        yield replace(
            command, sql=on_cluster(command.sql, reach.topology.cluster), settings=merged(command.settings, QUEUE)
        )
        return
    subject = _subject(command, head)
    if head.verb in ("CREATE", "ATTACH") and (problem := never_made(command.sql)):
        raise ApplyError(f"{subject.words}: {problem}. Nothing was sent: hosts would try it again and again, for ever")
    # Each part is shown by all hosts before the next is sent: a kill in between leaves a definition that every host has
    # in common, and the next plan asks for the rest.
    for part in by_group(command.sql):
        yield from _send(replace(command, sql=part), subject, reach, repeatable=repeatable)


def never_made(sql: str) -> str:
    """Why Keeper takes no table of that definition: its own error is tried again by the DDL queue, behind which
    everything else waits."""
    tokens = Tokens(sql)
    engines = (
        place + 1
        for place in range(len(tokens) - 1)
        if tokens.items[place].text.startswith("Replicated") and tokens.is_op(place + 1, "(")
    )
    found = (replica_literals(tokens.slice(place + 1, tokens.match[place]))[0] for place in engines)
    return next((problem for each in found if len(each) > 1 and (problem := refused_by_keeper(*each))), "")


def _subject(command: Command, head: Head) -> Subject:
    if head.kind in SERVER_LISTS:
        return Subject("", tuple(name[-1] for name in head.names), head.kind)
    first = head.names[0]
    database = first[0] if len(first) > 1 else command.database or ""
    if not database:
        raise ApplyError(f"nothing says in which database {'.'.join(first)} is: {command.sql[:80]}")
    return Subject(database, tuple(name[-1] for name in head.names))


def _send(command: Command, subject: Subject, reach: Reach, *, repeatable: bool = False) -> Routine[None]:
    """Send one statement, and wait until every host shows it. ``repeatable``: as ``everywhere``."""
    topology = reach.topology
    # What is no object of a database goes ON CLUSTER in any case.
    clause = topology.kind == "queue" or not subject.database
    # Without it nobody could tell "carried out" from "was like this before" when the answer is lost.
    before = yield from subject.look(topology, whole=not reach.without)
    # A load balancer may lead each statement to another host, and what one has done the next need not show yet.
    _require_same(reach, *before.server)
    sql = _with_known_uuid(command.sql, subject, before) if clause else command.sql
    sql = on_cluster(sql, topology.cluster) if clause else sql
    sent = replace(command, sql=sql, settings=merged(command.settings, QUEUE))
    # In a Replicated database the answer comes as soon as this host has carried it out.
    if repeatable and topology.kind == "queue" and (yield from _soon_shown(sent, subject, before, reach)):
        return
    unknown: OutcomeUnknownError | None = None
    for attempt in range(_AGAIN):
        try:
            yield sent
        except OutcomeUnknownError as error:
            unknown = error  # whether it was carried out is asked of the hosts
        except StatementError as error:
            # The server refuses with 517 before it does anything, so the ALTER may be sent again.
            if error.code == CANNOT_ASSIGN_ALTER and attempt + 1 < _AGAIN:
                yield from _caught_up(reach, subject)
                continue
            # The first one made it, wherever a host has come to the second: the others are waited for.
            if repeatable and error.code == TABLE_ALREADY_EXISTS:
                break
            # An entry that is carried out a second time is an error although all is as it should be.
            if not has_reached(reach, subject, before, (yield from subject.look(topology))):
                raise
            return
        break
    changed = yield from until_shown(reach, subject, before)
    if unknown is not None and not changed:
        # Nobody acknowledged it, and no host shows anything new or has anything left to do.
        raise unknown


def _soon_shown(sent: Command, subject: Subject, before: Shown, reach: Reach) -> Routine[bool]:
    """Send a statement without waiting for what the queue says of it; whether all hosts show it soon. Where they do
    not, nobody knows why."""
    # Refused here and now, it will be so once more.
    with suppress(StatementError):
        yield replace(sent, settings=merged(sent.settings, AT_ONCE))
        wait = Wait(0.01, 0.1)
        while wait.waited < _SOON:
            now = yield from subject.look(reach.topology, whole=not reach.without)
            if has_reached(reach, subject, before, now):
                return True
            if not reach.places <= now.hosts.keys():
                break
            wait = yield from rest(wait)
    return False


def _with_known_uuid(sql: str, subject: Subject, before: Shown) -> str:
    """A CREATE of what only some hosts have: a table of another UUID would be no replica of theirs."""
    head = head_of(sql)
    known = {shown[0] for host in before.hosts.values() for name in subject.names if (shown := host.get(name))}
    known.discard(NIL_UUID)
    if head is None or head.verb != "CREATE" or not subject.database or not known or " OR REPLACE " in sql[:20]:
        return sql
    if all(subject.names[0] in host for host in before.hosts.values()):
        return sql
    inner = head.kind == "MATERIALIZED VIEW" and not sql[head.end :].lstrip().startswith("TO ")
    if inner or (len(known) > 1 and head.kind == "TABLE"):
        raise ApplyError(
            f"{subject.words} is there on some hosts and lacks on others, and a table that is made now would be no "
            "replica of theirs. Make it there by hand"
        )
    return with_uuid(sql, known.pop()) if len(known) == 1 else sql


def _caught_up(reach: Reach, subject: Subject) -> Routine[None]:
    """Wait until the replicas have the same version of the table's metadata."""
    wait = Wait(0.1, 2.0)
    while (yield from busy(reach, subject)) and wait.waited < 60:
        wait = yield from rest(wait, f"replicas of {subject.words} to catch up")
