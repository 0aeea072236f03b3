"""Sends ALTERs one by one, and watches the mutations of each to their end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.guarded_alter import unwatch, watch
from aaiclick.apply.run import ApplyOptions, Done, require_known_readers, told_of_readers
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.mutations import RECALCULATE, Mutation, kill, mutations, reason, settle, stuck_sentence
from aaiclick.clickhouse.parts import names_of_detached
from aaiclick.clickhouse.statements import DDL, MUTATION, ddl, merged, send_permissively, system_merges
from aaiclick.clickhouse.storages import dropping_guards, raise_refused
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.printable import count_that
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.clauses import modify_setting, reset_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified

# KILL MUTATION does not take the definition back. After a killed RENAME or DROP the parts have the old columns under
# the new definition: values read as defaults, and come up again under a column that gets their name later.
_NEVER_KILLED = re.compile(r"\b(RENAME|DROP|CLEAR)\b", re.IGNORECASE)
_TAKES_AWAY = re.compile(r"\b(RENAME|DROP) COLUMN\b", re.IGNORECASE)
# What is inserted into such a column is refused, or left out.
_COMPUTES = re.compile(r"\bMODIFY COLUMN\b[^;]*\b(MATERIALIZED|ALIAS|EPHEMERAL)\b", re.IGNORECASE)
_RETYPES = re.compile(r"\bMODIFY COLUMN\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Altered:
    """A table that ALTERs are sent to."""

    database: str
    """Name of the database."""
    table: str
    """Name of the table."""
    settings: Settings
    """Settings that are sent with each ALTER."""
    options: ApplyOptions
    """How long mutations may take, among others."""
    seen: int = 0
    """Block number up to which rows were counted for the guards; 0: rows of all parts are counted again."""
    rereads: bool = False
    """Detached parts are read otherwise behind the ALTERs."""


def apply_alter(work: AlterWork, database: str, options: ApplyOptions) -> Routine[Done]:
    """Carry out an ``AlterWork``. Raises ApplyError where a mutation cannot go on, saying whether it was undone."""
    on = Altered(database, work.table, work.settings, options, work.seen, work.rereads)
    return Done(notes=(yield from apply_alters(on, work.alters)))


def apply_alters(on: Altered, alters: Sequence[Alter]) -> Routine[tuple[str, ...]]:
    """Send each ALTER after the mutations of the one before have ended; those of an earlier run are waited for first.
    Notes on what was made beside them.

    Raises ApplyError where a mutation cannot go on, or a row meets a guard.
    """
    if not alters:
        return ()
    # Mutations of a table end in the order in which they were sent, and behind a stuck one none does: so nothing is
    # sent behind it.
    stuck = yield from _settled(on, "waiting")
    if stuck is not None:
        yield from _give_up(on, stuck, _alter_of(stuck, alters))
    # Added all together, so that INSERTs are waited for, and newer rows counted, once and not for each ALTER.
    guards = [guard for alter in alters for guard in alter.guards]
    if not guards:
        return (yield from _one_by_one(on, alters, None, ()))
    table = yield from require_table(on.database, on.table)
    # Killed from here on, the constraints stay. They refuse only rows that the ALTER could not convert, until the next
    # run that has the lease drops them (``drop_left_guards``).
    names = yield from watch(table, guards, on.seen, on.options)
    try:
        return (yield from _one_by_one(on, alters, table, names))
    # Whether the ALTER happened is not known. The constraints stay: it may still be under way, and it takes them with
    # it.
    except OutcomeUnknownError:
        raise
    except Exception:
        yield from unwatch(names)
        raise


def _one_by_one(
    on: Altered, alters: Sequence[Alter], table: Physical | None, names: Sequence[str]
) -> Routine[tuple[str, ...]]:
    """``names``: the guards, in the order of the ALTERs that rely on them."""
    left, notes = list(names), list[str]()
    detached = yield from _require_none_detached(on)
    for alter in alters:
        # A statement that starts a mutation returns at once; the mutation is watched below.
        base = MUTATION if alter.mutates else DDL
        # The guards of all these ALTERs were added together; each ALTER drops its own, in the same statement.
        own, left = left[: len(alter.guards)], left[len(alter.guards) :]
        sent = replace(alter, sql=dropping_guards(alter.sql, table, own)) if table is not None else alter
        looked = on.options.new_readers is not None and _needs_known_readers(alter)
        if looked:
            yield from require_known_readers(on.options, on.table, alter.sql)
        try:
            if alter.retimes:
                yield from set_ttl(on, sent)
            else:
                command = Command(sent.sql, settings=merged(base, dict(on.settings)), database=on.database)
                yield from send_permissively(command)
        except StatementError as error:
            if not own or table is None:
                raise
            # It drops guards by name: any other table that has this name by now is refused as a whole, and is as it
            # was.
            yield from raise_refused(table, own, error)
        # Also asked where none was expected: the next ALTER must not meet an unfinished mutation, and asking is cheap.
        stuck = yield from _settled(on)
        if stuck is not None:
            yield from _give_up(on, stuck, alter)
        if looked:
            notes += yield from told_of_readers(on.options, on.table, alter.sql)
    # A part that was detached in the middle of a mutation may have the columns of before.
    if since := [name for name in (yield from _detached(on)) if name not in detached]:
        notes.append(
            f"{on.table}: {count_that(len(since), 'part', 'were')} detached in the moment of {alters[-1].sql} (such as "
            f"{since[0]}). Attached here the rows show other values, or none: move what was detached to the directory "
            "'detached' of a table with the columns of before, ATTACH it there, and INSERT ... SELECT from that one"
        )
        yield Emit(Note(notes[-1], "warning"))
    return tuple(notes)


def _require_none_detached(on: Altered) -> Routine[frozenset[str]]:
    """The parts that stay detached because that was allowed by name. Raises ApplyError where there are some and nobody
    was asked."""
    found = yield from _detached(on)
    if found and not on.options.leave_detached:
        raise ApplyError(
            f"{on.table}: {count_that(len(found), 'part', 'were')} detached by somebody else since this was planned "
            f"(such as {min(found)}), and attached later they would show other values, or none. The ALTERs were not "
            "sent. ALTER TABLE ... ATTACH PARTITION brings the rows back; else run again: the next plan asks for "
            f"'leave-detached-parts {on.table}'"
        )
    return found


def _detached(on: Altered) -> Routine[frozenset[str]]:
    """Asked only where they are read otherwise behind the ALTERs."""
    if not on.rereads:
        return frozenset()
    topology = on.options.topology
    if topology.single:
        return frozenset((yield from names_of_detached(Physical(on.database, on.table, "", ""))))
    from aaiclick.clickhouse.shared.host_answers import names_on_hosts

    return frozenset((yield from names_on_hosts(topology, on.database, on.table)).names)


def _needs_known_readers(alter: Alter) -> bool:
    """True for an ALTER after which a column has another name, type or kind, or is gone."""
    plain = _without_literals(alter.sql)
    taken = _TAKES_AWAY.search(plain) is not None or _COMPUTES.search(plain) is not None
    return taken or (alter.mutates and _RETYPES.search(plain) is not None)


def set_ttl(on: Altered, alter: Alter) -> Routine[None]:
    """Set a TTL so that no part loses rows by the expiry times that it stored for an older TTL (see
    ``AlterCommand.sets_ttl``). Raises ApplyError where the mutation is stuck.

    The server works these times out anew. With ``materialize_ttl_recalculate_only`` it deletes no row while it does.
    TTL merges are stopped meanwhile. The setting comes before they are stopped and goes after they were started:
    whoever finds it after a kill learns from the journal that TTL merges may be stopped too (``undo_ttl_changes``).
    """
    table = qualified(on.database, on.table)
    yield from ddl(alter_table(table, modify_setting(RECALCULATE, 1)))
    yield from system_merges(on.database, on.table, "STOP TTL MERGES")
    # Without that mutation the parts keep the expiry times of the old TTL, and a later merge deletes rows by those.
    settings = merged({**DDL, "materialize_ttl_after_modify": 1}, dict(on.settings))
    yield from send_permissively(Command(alter.sql, settings=settings, database=on.database))
    stuck = yield from _settled(on)
    if stuck is not None:
        yield from _give_up(on, stuck, alter)
    # Only now do all parts hold expiry times of the new TTL.
    yield from system_merges(on.database, on.table, "START TTL MERGES")
    # Where the table sets it itself it is the user's own, and stays.
    if not alter.recalculating:
        # Last: as long as it is there, the next run starts TTL merges once more.
        yield from ddl(alter_table(table, reset_setting(RECALCULATE)))


def _give_up(on: Altered, stuck: Mutation, alter: Alter | None) -> Routine[None]:
    table = on.table
    if on.options.topology.shards > 1:
        # Each shard has mutations of its own, under equal names.
        raise ApplyError(stuck_sentence(on.database, table, stuck))
    # Killed is only what this plan has sent, what can be put back, and what neither renames nor drops.
    if alter is None or not alter.risky or not alter.recovery or _NEVER_KILLED.search(_without_literals(stuck.command)):
        raise ApplyError(stuck_sentence(on.database, table, stuck))
    others = [
        each
        for each in (yield from mutations(on.database, table, on.options.topology))
        if not each.done and each.id != stuck.id
    ]
    if others:
        # These were sent for the new type: putting the old one back would make them fail.
        raise ApplyError(f"{stuck_sentence(on.database, table, stuck)}. {len(others)} later mutations wait behind it")
    yield Emit(Note(f"{table}: {alter.sql} fails on the data ({reason(stuck)}); it is undone", "warning"))
    # First the kill: as long as the stuck mutation is there every later one fails with it, also the one that puts the
    # type back. The definition keeps the new type after a KILL: setting the old one is up to us.
    yield from kill(on.database, table, stuck)
    settings = merged(MUTATION, dict(on.settings))
    yield from send_permissively(Command(alter.recovery, settings=settings, database=on.database))
    again = yield from _settled(on)
    if again is not None:
        raise ApplyError(
            f"{table}: {alter.sql} failed on the data ({reason(stuck)}), and putting it back did too: "
            f"{stuck_sentence(on.database, table, again)}"
        )
    raise ApplyError(
        f"{table}: {alter.sql} failed on the data: {reason(stuck)}. It was undone ({alter.recovery}): every value is "
        "as it was"
    )


def _settled(on: Altered, phase: str = "mutation") -> Routine[Mutation | None]:
    return (
        yield from settle(
            on.database,
            on.table,
            stuck_seconds=on.options.stuck_seconds,
            limit=on.options.mutation_seconds,
            phase=phase,
            topology=on.options.topology,
        )
    )


def _alter_of(stuck: Mutation, alters: Sequence[Alter]) -> Alter | None:
    """The ALTER of this step that a killed run sent and that is stuck; None where there is none.

    The engine shows the commands of a mutation as it formats them, so they are compared without spaces and quotes.
    """
    shown = _plain(stuck.command)
    return next((alter for alter in alters if alter.risky and shown and shown in _plain(alter.sql)), None)


def _plain(sql: str) -> str:
    return re.sub(r"[\s`()\"]+", "", sql).lower()


def _without_literals(sql: str) -> str:
    return re.sub(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", "x", sql)
