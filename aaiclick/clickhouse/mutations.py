"""Waits for mutations with progress, and reports one that is stuck with the engine's own reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from aaiclick.clickhouse.statements import ask, ddl, system_merges
from aaiclick.clickhouse.topology import LOOK, SINGLE, Topology
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clock import clock
from aaiclick.error_codes import ABORTED, LIMITS
from aaiclick.errors import ApplyError
from aaiclick.events import Note, Progress
from aaiclick.routine import Emit, Query, Routine, flag, number, text
from aaiclick.sql.ddl import kill_where, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_string

_POLL = 0.02
_LONGEST_POLL = 1.0
"""Pauses between two looks grow up to this, in seconds."""
RECALCULATE = "materialize_ttl_recalculate_only"
"""The setting of a table by which a new TTL works out expiry times, and deletes no row while it does."""
_RENAMES = re.compile(r"\(?\s*RENAME COLUMN\b", re.IGNORECASE)
_FILLS = re.compile(r"\(?\s*(MATERIALIZE (INDEX|PROJECTION|STATISTICS)|APPLY DELETED MASK)\b", re.IGNORECASE)
_RENAMED_IN = 600.0
"""Seconds that a RENAME COLUMN of somebody else may take: its parts get hard links."""
_RENAME_FAILS = 5.0
"""Seconds for which it may fail."""
_STILL = 10.0
"""Seconds without a part that was rewritten after which somebody should look."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutation, as ``system.mutations`` shows it."""

    id: str
    """Its ``mutation_id``."""
    command: str
    """The command, as the server formats it."""
    done: bool
    """It has ended."""
    parts_to_do: int
    """Parts that it has still to rewrite."""
    failure: str
    """Why it failed last, with the code in front; '' where it has not."""
    shard: int = 0
    """The shard that it belongs to, where there are several; 0: there is one."""

    @property
    def fails_on_data(self) -> bool:
        """True where the engine gave a reason that no retry will change."""
        match = re.match(r"Code: (\d+)", self.failure)
        return bool(self.failure) and (match is None or int(match.group(1)) not in LIMITS)

    @property
    def interrupted(self) -> bool:
        """True where its last failure is that merges were stopped: it goes on when they are started."""
        return self.failure.startswith(f"Code: {ABORTED}.")


def mutations(database: str, table: str, topology: Topology = SINGLE) -> Routine[tuple[Mutation, ...]]:
    """All mutations the table remembers, oldest first; on a cluster those of all hosts."""
    if not topology.single:
        return (yield from _of_all_hosts(database, table, topology))
    rows = yield from ask(
        "SELECT mutation_id, command, is_done, parts_to_do, latest_fail_reason FROM system.mutations"
        " WHERE database = unhex({db:String}) AND table = unhex({name:String}) ORDER BY create_time, mutation_id",
        {"db": hexed(database), "name": hexed(table)},
    )
    return tuple(
        Mutation(text(key), text(command), flag(done), number(todo), text(failure))
        for key, command, done, todo, failure in rows
    )


def _of_all_hosts(database: str, table: str, topology: Topology) -> Routine[tuple[Mutation, ...]]:
    """Each mutation once for each shard. It is done when every replica that answers says so: one that does not list it
    has not heard of it yet."""
    rows = yield Query(
        "SELECT toInt64(_shard_num), mutation_id, command, toInt64(is_done), toInt64(parts_to_do), latest_fail_reason "
        f"FROM {topology.everywhere('system.mutations')} WHERE database = unhex({{db:String}}) AND table = "
        f"unhex({{name:String}}) UNION ALL SELECT toInt64(_shard_num), '', '', toInt64(0), toInt64(0), '' FROM "
        f"{topology.everywhere('system.one')}",
        {"db": hexed(database), "name": hexed(table)},
        LOOK,
    )
    # Of system.one: how many hosts of each shard have answered at all.
    answered = [topology.at(number(row[0])).shard for row in rows if not text(row[1])]
    found: dict[tuple[int, str], list[Mutation]] = {}
    for place, key, command, done, todo, failure in rows:
        if text(key):
            one = Mutation(text(key), text(command), flag(done), number(todo), text(failure))
            found.setdefault((topology.at(number(place)).shard, one.id), []).append(one)
    several = topology.shards > 1
    return tuple(
        Mutation(
            f"{key} of shard {shard}" if several else key,
            listed[0].command,
            all(each.done for each in listed) and len(listed) >= answered.count(shard),
            # Each replica counts its own parts: the slowest tells how far it is.
            max(each.parts_to_do for each in listed),
            next((each.failure for each in listed if each.failure), ""),
            shard if several else 0,
        )
        for (shard, key), listed in sorted(found.items())
    )


def settle(
    database: str,
    table: str,
    *,
    stuck_seconds: float,
    limit: float = 0.0,
    phase: str = "mutation",
    topology: Topology = SINGLE,
) -> Routine[Mutation | None]:
    """Wait until every mutation that is there now has ended, with Progress in parts. Later ones are not waited for:
    with clients that delete all the time that would never end.

    Answers with the first mutation that is stuck: it has failed on the data, or for ``stuck_seconds`` on anything else.
    Raises ApplyError when ``limit`` seconds (0: none) have passed.
    """
    wait, failing, total = Wait(_POLL, _LONGEST_POLL), 0.0, 0
    still, before, told = 0.0, -1, False
    started = yield from clock()
    first: frozenset[str] | None = None
    while True:
        listed = [each for each in (yield from mutations(database, table, topology)) if not each.done]
        # Those of the first look are waited for, however many come after them.
        first = frozenset(each.id for each in listed) if first is None else first
        # A mutation that was killed by somebody is gone from the list, and counts as ended.
        pending = [each for each in listed if each.id in first]
        if not pending:
            return None
        # Mutations of one table are carried out in order, so the first that fails holds up the rest.
        failed = next((each for each in pending if each.failure and not each.interrupted), None)
        # Memory, a full disk and the like may pass: the server tries again by itself. Rows that do not fit never will.
        failing = failing + wait.pause if failed is not None else 0.0
        if failed is not None and (failed.fails_on_data or failing >= stuck_seconds):
            return failed
        todo = sum(each.parts_to_do for each in pending)
        total = max(total, todo)
        yield Emit(Progress(table, phase, total - todo, total, (yield from clock()) - started))
        still, before = (still + wait.pause if todo == before else 0.0), todo
        if still >= _STILL and not told and not (yield from _under_way(database, table)):
            # Said once, and not raised: a large part may be waiting for a thread of the pool, which is no failure.
            told = True
            started_again = system("START MERGES", qualified(database, table))
            hint = f"if somebody has stopped the merges of the table, mutations wait as well: {started_again}"
            yield Emit(
                Note(
                    f"{table}: mutation {pending[0].id} ({pending[0].command}) has not gone on for {still:.0f} s; "
                    f"{hint}",
                    "warning",
                )
            )
        if limit and wait.waited >= limit:
            raise ApplyError(
                f"{table}: mutation {pending[0].id} ({pending[0].command}) is still running after {wait.waited:.0f} "
                "s. Run again: it is waited for"
            )
        wait = yield from rest(wait, f"mutation {pending[0].id} of {table}" if phase == "waiting" else "")


def _under_way(database: str, table: str) -> Routine[bool]:
    """Whether a part is being rewritten at the moment."""
    rows = yield from ask(
        "SELECT count() FROM system.merges WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "is_mutation",
        {"db": hexed(database), "name": hexed(table)},
    )
    return number(rows[0][0]) > 0


def require_settled(
    database: str,
    table: str,
    *,
    stuck_seconds: float,
    limit: float,
    what: Callable[[Mutation], str] | None = None,
    topology: Topology = SINGLE,
) -> Routine[None]:
    """Wait until every mutation of now has ended; ApplyError with the engine's reason where one is stuck (it is left as
    it is)."""
    stuck = yield from settle(
        database, table, stuck_seconds=stuck_seconds, limit=limit, phase="waiting", topology=topology
    )
    if stuck is not None:
        raise ApplyError(what(stuck) if what is not None else stuck_sentence(database, table, stuck))


def let_renames_end(database: str, table: str) -> Routine[bool]:
    """To be called before an ALTER of a table whose merges we have stopped; whether merges were started for it.

    Where somebody has sent a RENAME COLUMN that is not done, the server lets any ALTER but one of settings or a comment
    wait for that, without a limit, and stopped merges keep it from ending. Merges that the settings of the table stop
    as well stay stopped. Raises ApplyError where it does not end.
    """
    listed = yield from mutations(database, table)
    if not any(_RENAMES.match(each.command) for each in listed if not each.done):
        return False
    yield from system_merges(database, table, "START MERGES")
    yield from require_settled(database, table, stuck_seconds=_RENAME_FAILS, limit=_RENAMED_IN)
    return True


def stuck_sentence(database: str, table: str, stuck: Mutation) -> str:
    """What an operator has to know about a mutation that cannot go on."""
    said = f"{table}: mutation {stuck.id} ({stuck.command}) cannot go on: {reason(stuck)}. Correct the data, or "
    if _FILLS.match(stuck.command):
        statement = kill_where("MUTATION", _exactly(database, table, stuck))
        return (
            f"{said}kill exactly this mutation ({statement}): it changes no value, and older rows stay without what it "
            "fills"
        )
    return (
        f"{said}put the column's old type back and then kill exactly this mutation; never kill one that renames or "
        "drops"
    )


def reason(mutation: Mutation) -> str:
    """The engine's reason on one line, without its version and stack."""
    return re.sub(r"\s+", " ", mutation.failure.partition("Stack trace")[0]).strip()[:600] or "no reason given"


def kill(database: str, table: str, mutation: Mutation) -> Routine[None]:
    """Kill exactly this mutation and wait until it is gone. What it renamed or dropped in the metadata is never put
    back by the engine, so this is only for a mutation that does neither."""
    yield from ddl(kill_where("MUTATION", _exactly(database, table, mutation)))
    # KILL MUTATION returns while the mutation may still be at work on a part.
    wait = Wait(_POLL, _LONGEST_POLL)
    while mutation.id in [each.id for each in (yield from mutations(database, table)) if not each.done]:
        wait = yield from rest(wait)


def _exactly(database: str, table: str, mutation: Mutation) -> str:
    # By its id and by its table: ids are given in each table anew, and KILL takes all that meet the condition.
    named = (("database", database), ("table", table), ("mutation_id", mutation.id))
    return " AND ".join(f"{column} = {quote_string(name)}" for column, name in named)


def reads_rows(command: str) -> bool:
    """True for a mutation that deletes or changes rows, as the engine shows its command; False for one of columns,
    indexes and the like. One that only writes down which rows are deleted already changes none."""
    return re.match(r"\(?\s*(DELETE|UPDATE|APPLY(?! DELETED MASK)|REWRITE)\b", command, re.IGNORECASE) is not None
