"""Runs a routine under the lease: each statement is tagged, and the lease is renewed or checked before it.

Losing the lease stops the run between two statements: the inner routine is closed, not told. Cleaning up would be
done without the lease, beside a successor that resumes from the journal.

Between the proof that the lease is held and the moment a statement reaches the server a process can still be paused.
That is why scratch names carry the nonce: a successor never uses them, and once it has renamed or dropped them, a
belated MOVE, EXCHANGE or RENAME fails on a missing table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from aaiclick.catalog.room import FREE, no_room
from aaiclick.clickhouse.names import GUARD, JOURNAL, NOTES, PREFIX, RECORDS
from aaiclick.clickhouse.storages import drop_guards
from aaiclick.clock import clock
from aaiclick.error_codes import FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
from aaiclick.errors import AaiclickError, LeaseLostError, OutcomeUnknownError, StatementError
from aaiclick.lease.late_cache import WITHOUT_CONSTRAINTS, is_refused, only_of
from aaiclick.lease.lock import tagged, while_held
from aaiclick.lease.renew import RENEWALS, Lease, check, ended_by_successor, renew, renew_loop_step
from aaiclick.relay import relayed
from aaiclick.routine import (
    Beside,
    Command,
    Effect,
    Interruption,
    Nonce,
    Peer,
    Query,
    Routine,
    Rows,
    Sleep,
    number,
    text,
)
from aaiclick.sql.clauses import drop_constraint, modify_comment
from aaiclick.sql.ddl import alter_table, drop, is_alter, is_create_or_alter, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

T = TypeVar("T")

# Scratch goes with its run, and its definitions are looked at when they are read (``catalog/scratch_objects.py``).
_IN_SCRATCH = re.compile(r"\S+ [A-Z ]*`?_aaiclick_scratch_")
_STOPPED = re.compile(r"SYSTEM STOP ((?:TTL )?MERGES) (.+)", re.DOTALL)
_MADE = re.compile(rf"CREATE (TABLE|DATABASE) ((?:(?:`(?:[^`\\]|\\.)+`|\w+)\.)?`?{PREFIX}\w+`?)(?= )")
_GUARDED = re.compile(
    rf"ALTER TABLE ((?:`(?:[^`\\]|\\.)+`\.)?`(?:[^`\\]|\\.)+`|\S+) \(?ADD CONSTRAINT {GUARD}", re.DOTALL
)
_GUARDS = re.compile(rf"ADD CONSTRAINT ({GUARD}[0-9a-z]+) ")
PROOFS = 30
"""A proof (renewal or check) is good for this fraction of the lease time: 1 s of the default 30 s."""


def guarded(routine: Routine[T], lease: Lease) -> Routine[T]:
    """Carry a routine out under a lease that was just acquired or renewed.

    Every statement is tagged with the nonce; a renewal comes before a statement when a third of the lease time has
    passed, a check before a ``Command`` when the last proof is older than a thirtieth; long sleeps are cut.
    Long statements are sent with ``renew_loop_step`` beside them.
    Raises LeaseLostError, and whatever the routine raises.
    """
    return (yield from relayed(routine, _Guard(lease).carry, (LeaseLostError,)))


class _Guard:
    """The lease as it is known now, and what was sent since it was last proved."""

    def __init__(self, lease: Lease) -> None:
        self._held = lease
        self._proven = lease.clock
        self._sent: list[Command] = []

    def carry(self, effect: Effect) -> Routine[Rows]:
        """One effect under the lease. Raises LeaseLostError where that turns out to be lost."""
        while isinstance(effect, Sleep) and effect.seconds > self._held.seconds / RENEWALS:
            piece = Sleep(self._held.seconds / RENEWALS)
            yield from self._carry(piece)
            # The rest is another effect, before which the lease is renewed.
            effect = Sleep(effect.seconds - piece.seconds)
        return (yield from self._carry(effect))

    def _carry(self, asked: Effect) -> Routine[Rows]:
        yield from self._prove(asked)
        held = self._held
        if (
            isinstance(asked, Command)
            # Where the engine is embedded, the connection asks the file system before each CREATE.
            and (is_alter(asked.sql) if held.embedded else is_create_or_alter(asked.sql))
            and not _IN_SCRATCH.match(asked.sql)
            and (full := (yield from _no_room(held, asked.at))) is not None
        ):
            raise full
        effect = _tagged(asked, held) if isinstance(asked, Query | Command) else asked
        try:
            rows = yield from _sent(effect, asked, held)
        except Exception as error:
            yield from _look_whether_lost(held, effect, error, self._sent)
            raise
        except Interruption:
            # It may still reach the server.
            self._remember(effect)
            raise
        self._remember(effect)
        # So a table that was renamed by a run which lost its lease says whose it is.
        if isinstance(asked, Nonce) and asked.signed:
            rows = ((text(rows[0][0]) + held.nonce,),)
        return rows

    def _prove(self, effect: Effect) -> Routine[None]:
        before = self._proven
        try:
            self._held, self._proven = yield from _renew_or_check(self._held, before, effect)
        except LeaseLostError:
            yield from _undo_last(self._sent, self._held.nonce)
            raise
        if self._proven != before:
            # The lease was proved after these were sent, so none of them came late.
            self._sent.clear()

    def _remember(self, effect: Effect) -> None:
        # Until the next proof this one may have reached the server too late.
        if isinstance(effect, Command):
            self._sent.append(effect)


def _sent(effect: Effect, asked: Effect, held: Lease) -> Routine[Rows]:
    """Send it. A Replicated database takes no ALTER of two kinds, and some users may write comments and no constraints:
    there the cache is written without the constraint of the run, and a run that finds out that it has lost its lease
    empties it (``forget_cache``)."""
    try:
        return (yield effect)
    except StatementError as error:
        if error.code not in WITHOUT_CONSTRAINTS or not isinstance(effect, Command) or not isinstance(asked, Command):
            raise
        plain = tagged(held.nonce, asked.sql)
        if plain == effect.sql or _is_line(asked, held):
            raise
    return (yield replace(effect, sql=plain))


def forget_cache(held: Lease) -> Routine[None]:
    """Empty the cache of the warm start, after a run whose lease turned out to be lost when all was done: what it wrote
    last may have come behind its successor, and say nothing of what that one is about, or has left. Without a cache
    each start looks at everything, and the next that has the lease writes it anew."""
    with suppress(AaiclickError):
        if (yield from _no_room(held, None)) is None:
            emptied = alter_table(qualified(held.database, RECORDS), modify_comment(""))
            yield Command(tagged(held.nonce, emptied))


def _look_whether_lost(held: Lease, effect: Effect, error: Exception, sent: Sequence[Command]) -> Routine[None]:
    """Raise LeaseLostError where a statement failed because the lease is another's, or has no answer and may have come
    late. ``sent``: those before it since the lease was last proved.

    A successor kills this run's statements and renames its scratch tables. To the routine that would look like an error
    of its own, and it would clean up beside the successor: so the lock is asked first.
    """
    last = effect if isinstance(effect, Command) and _undoing(effect.sql, held.nonce) else None
    late = [*sent, last] if last is not None else sent
    if (yield from ended_by_successor(held, error)):
        yield from _undo_last(late, held.nonce)
        raise LeaseLostError((yield from _how_ended(held))) from error
    if isinstance(effect, Command) and is_refused(effect.sql, held.nonce, error):
        yield from _undo_last(late, held.nonce)
        raise LeaseLostError(f"another run has taken over the migration of database {held.database}") from error
    if (
        isinstance(error, StatementError)
        and error.code == FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        and _is_line(effect, held)
        and not (yield from _still_held(held))
    ):
        yield from _undo_last(late, held.nonce)
        raise LeaseLostError(f"this run no longer holds the migration lease on database {held.database}") from error
    if isinstance(error, OutcomeUnknownError) and last is not None:
        # Its run ends here, and looks at the lease no more.
        try:
            yield from check(held)
        except LeaseLostError:
            yield from _undo_last(late, held.nonce)
            raise
        except AaiclickError:
            return  # the connection is still in trouble


def _how_ended(held: Lease) -> Routine[str]:
    rows: Rows = ()
    with suppress(AaiclickError):
        rows = yield Query(
            "SELECT count() FROM system.databases WHERE name = unhex({db:String})", {"db": hexed(held.database)}
        )
    if rows and not number(rows[0][0]):
        return (
            f"database {held.database} was renamed, detached or dropped by somebody else during this run. Once it is "
            "there again run again: what was begun is undone, or brought to its end"
        )
    return f"this run's statement was ended by the one that took over the migration of database {held.database}"


def _still_held(held: Lease) -> Routine[bool]:
    """Whether a line may be written all the same. On a cluster it is also refused where the host could not show in that
    moment that it has every generation; whoever wrote it tries again."""
    if held.shared is None:
        return False
    try:
        yield from check(held)
    except LeaseLostError:
        return False
    except AaiclickError:
        return True
    return True


def _no_room(held: Lease, at: Peer | None) -> Routine[StatementError | None]:
    """The error to raise instead of writing a definition, where the disk with the definitions is full; None: it is not.

    The engine answers such a CREATE or ALTER with success but leaves an empty file, and does not start again with it.
    """
    # On the host that gets the statement. Who may not read system.disks sends it without this look.
    return (yield from no_room(Query(tagged(held.nonce, FREE), at=at)))


def _undo_last(sent: Sequence[Command], nonce: str) -> Routine[None]:
    """Undo the last statements that were sent before the lease turned out to be lost, as far back as they can be
    undone. They may have reached the server after a successor had ended, which then knows nothing of them. What is
    before one that cannot be undone stays: a mark says what there is to put right.

    ``SYSTEM STOP MERGES`` names a table, not a storage, and nothing shows that it was sent. Merges may be started again
    and a new scratch object dropped at any time: a successor that is still at work stops merges by settings too, and
    has renamed or read the scratch objects that it uses.
    """
    for command in reversed(sent):
        undone = _undoing(command.sql, nonce)
        if not undone:
            return
        with suppress(AaiclickError):
            if command.at is None and (guards := _GUARDS.findall(command.sql)):
                # Somebody may have exchanged the table away before that ALTER: they go wherever they are.
                yield from drop_guards(guards)
            else:
                # On the host that got the statement: the others know nothing of it.
                yield Command(undone, at=command.at)


def _undoing(sent: str, nonce: str) -> str:
    """What undoes it; '' for what is not undone."""
    if (stopped := _STOPPED.search(sent)) is not None:
        return system(f"START {stopped[1]}", stopped[2])
    # Only what has this run's nonce in its name: that of a successor is called differently, so no DROP can meet it.
    if (made := _MADE.search(sent)) is not None and nonce in made[2]:
        return drop(made[1], made[2], if_exists=True)
    if (guard := _GUARDED.search(sent)) is not None:
        dropped = (f"({drop_constraint(name, if_exists=True)})" for name in _GUARDS.findall(sent))
        return alter_table(guard[1], *dropped)
    return ""


def _tagged(effect: Query | Command, held: Lease) -> Query | Command:
    """The statement as it is sent: with the nonce, and with renewals beside it where it is long.

    The last line of the journal or the records counts. If a paused process could add one after its successor, an
    expression could be applied to its rows a second time. So the server takes it only while the lock is this run's.
    """
    own = only_of(effect.sql, held.database, held.nonce) if held.shared is None else effect.sql
    sql = tagged(held.nonce, own)
    if _is_line(effect, held):
        # Such a line is written by INSERT ... SELECT max(seq) + 1 ...: an aggregate over no rows is still a row, so a
        # WHERE would not keep it from being written. A HAVING does.
        lines, _, condition = sql.partition(" HAVING ")
        only = held.shared.while_held(held.nonce) if held.shared is not None else while_held(held.database, held.nonce)
        sql = f"{lines} HAVING {only}{f' AND {condition}' if condition else ''}"
    beside = Beside(held.seconds / RENEWALS, partial(renew_loop_step, held)) if effect.long else effect.beside
    # As ``replace`` makes it, which is slow, and this is done for each statement of a run.
    if isinstance(effect, Query):
        here = effect.database
        return Query(sql, effect.parameters, effect.settings, effect.long, beside, effect.bare, effect.at, here)
    return Command(sql, effect.parameters, effect.settings, effect.database, effect.long, beside, effect.at)


def _is_line(effect: Effect, held: Lease) -> bool:
    sql = effect.sql if isinstance(effect, Command) else ""
    if "INSERT INTO " not in sql:
        return False
    home = held.database if held.shared is None else held.shared.home
    return any(f"INSERT INTO {qualified(home, name)} " in sql for name in (JOURNAL, RECORDS, NOTES))


def _renew_or_check(held: Lease, proven: float, effect: Effect) -> Routine[tuple[Lease, float]]:
    """Renew or check where it is due before this effect; the lease as it is then, and when it was last proved."""
    # The others do not reach the server.
    if not isinstance(effect, Query | Command | Sleep):
        return held, proven
    now = yield from clock()
    # A clock that was set back proves nothing: negative ages count as due.
    if not 0 <= now - held.clock < held.seconds / RENEWALS:
        try:
            return (yield from renew(held)), now
        except StatementError as error:
            # Within the lease time nothing is lost yet; the next statement tries again.
            if not 0 <= now - held.clock < held.seconds:
                raise LeaseLostError(
                    f"the migration lease on database {held.database} could not be renewed in time: "
                    f"{str(error).rstrip('.')}. Run again: what was begun is undone, or brought to its end"
                ) from error
    if isinstance(effect, Command) and not 0 <= now - proven < held.seconds / PROOFS:
        yield from check(held)
        proven = now
    return held, proven
