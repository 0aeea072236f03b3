"""Deletes and updates of others during a copy: they run between two chunks, and what they changed is copied again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import Mutation, mutations, reads_rows, stuck_sentence
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.statements import ask, system_merges
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clickhouse.write_fence import lift_fence, raise_fence
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine, Sleep, number
from aaiclick.sql.hex_text import hexed

_POLL = 0.005
"""Seconds: short mutations leave only short moments between two of them."""
_LONGEST_POLL = 1.0
"""The longest pause between two looks, in seconds."""
_CLOSINGS = 300
"""How often a fence is put up that meets a mutation which has just begun."""
_CLOSING_SECONDS = 120.0
"""How long each of these times may wait for a moment between two mutations."""
_TAKES = 60
"""Looks, 0.3 s in all, at whether parts that were being rewritten when the fence went up are done."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """The active parts of a table, and its finished mutations and patch parts (``known``).

    ``pending``: a mutation is not done, so the parts still have rows that it deletes or changes.
    """

    parts: tuple[Part, ...]
    known: frozenset[str]
    pending: bool = False


def look_at_source(
    table: Physical, known: frozenset[str], options: ApplyOptions, *, closed: bool = False
) -> Routine[SourceState]:
    """Let the deletes and updates that are there now run, then read the parts. Behind a fence (``closed``) none runs.

    Later ones are not waited for, because they may never stop. They are stopped from here on, so the parts do not
    change until this is called again. Mutations are read before the parts: one that comes in between counts as unknown,
    whether it shows in the parts or not. Raises ApplyError where one that is not ``known`` changes the columns
    themselves: the copy was planned for other columns.
    """
    listed = yield from mutations(table.database, table.name)
    require_rows_only(table.name, listed, known)
    if not closed and any(not each.done for each in listed):
        yield from run_pending(table, listed, options)
        listed = yield from mutations(table.database, table.name)
        require_rows_only(table.name, listed, known)
    # Behind the mutations, and never before them: a part that shows rows of a delete which was not seen would count as
    # unchanged.
    present = yield from parts(table)
    patches = [part.name for part in present if part.patch]
    return SourceState(
        present,
        frozenset([*(each.id for each in listed if each.done), *patches]),
        any(not each.done for each in listed),
    )


def require_rows_only(name: str, listed: Sequence[Mutation], known: frozenset[str]) -> None:
    """Raise ApplyError for a new mutation that is no delete or update and does not only write down what is declared."""
    for each in listed:
        if (
            each.id not in known
            and not reads_rows(each.command)
            and re.match(r"\(?\s*(MATERIALIZE|APPLY DELETED MASK)\b", each.command) is None
        ):
            raise ApplyError(
                f"{name}: its columns were changed while it was copied ({each.command}). The table is as that "
                "ALTER left it: run again"
            )


def run_sent(table: Physical, options: ApplyOptions) -> Routine[None]:
    """Let the deletes and updates that are there now run, where merges are stopped."""
    listed = yield from mutations(table.database, table.name)
    if any(not each.done for each in listed):
        yield from run_pending(table, listed, options)


def run_pending(table: Physical, listed: Sequence[Mutation], options: ApplyOptions) -> Routine[None]:
    """Wait for these mutations only, and stop all later ones again. The table's settings stop merges; only STOP MERGES
    stops mutations as well."""
    pending = {each.id for each in listed if not each.done}

    def over(now: Sequence[Mutation]) -> Routine[bool]:
        yield from ()
        return not any(each.id in pending and not each.done for each in now)

    yield from system_merges(table.database, table.name, "START MERGES")
    # Merges stay stopped by the settings of the table: only mutations run now.
    yield from _wait(table, options, over)
    # Stops also mutations that came meanwhile: they stay in the list, and wait for the next look.
    yield from system_merges(table.database, table.name, "STOP MERGES")


def _wait(
    table: Physical,
    options: ApplyOptions,
    over: Callable[[Sequence[Mutation]], Routine[bool]],
    longest: float = _LONGEST_POLL,
    limit: float = 0.0,
) -> Routine[None]:
    """Wait until it is ``over``, for ``limit`` seconds at the longest (0: as long as mutations of others are waited
    for)."""
    wait, failing = Wait(_POLL, longest), 0.0
    while True:
        listed = yield from mutations(table.database, table.name)
        if (yield from over(listed)):
            return
        left = [each for each in listed if not each.done]
        # A mutation that our own STOP MERGES has interrupted is no failed one.
        failed = next((each for each in left if each.failure and not each.interrupted), None)
        failing = failing + wait.pause if failed is not None else 0.0
        if failed is not None and (failed.fails_on_data or failing > options.stuck_seconds):
            raise ApplyError(stuck_sentence(table.database, table.name, failed))
        if left and options.mutation_seconds and wait.waited >= options.mutation_seconds:
            raise ApplyError(
                f"{table.name}: mutation {left[0].id} ({left[0].command}) is still running after {wait.waited:.0f} "
                "s. Run again"
            )
        if limit and wait.waited > limit:
            raise ApplyError(
                f"{table.name}: deletes or updates follow each other so closely that writers cannot be locked out "
                "between two of them."
                " The table is as it was: pause whoever sends them for a moment, and run again"
            )
        wait = yield from rest(wait, f"deletes and updates of {table.name}")


def close_source(table: Physical, options: ApplyOptions) -> Routine[None]:
    """Refuse writers, deletes and updates at a moment when no mutation is left: behind a fence no mutation begins to
    rewrite a part.

    Parts that are being rewritten are still finished. So the fence goes up when they are all that is left of a
    mutation, and the next mutation is refused. Short mutations leave only a short moment between two of them, so the
    list is read often.
    """

    def last_parts(now: Sequence[Mutation]) -> Routine[bool]:
        left = sum(each.parts_to_do for each in now if not each.done)
        return not left or left <= (yield from _being_rewritten(table))

    def pending() -> Routine[bool]:
        for _ in range(_TAKES):
            if all(each.done for each in (yield from mutations(table.database, table.name))):
                return False
            yield Sleep(_POLL)
        return True

    # Merges stay stopped by the table's settings. Mutations go on: behind the fence those that are left never would.
    yield from system_merges(table.database, table.name, "START MERGES")
    for _ in range(_CLOSINGS):
        yield from _wait(table, options, last_parts, _POLL, _CLOSING_SECONDS)
        # A mutation may have begun between the wait and the fence: then the fence comes down, and all of it is done
        # again.
        if (yield from raise_fence(table, options.fence_seconds, unless=pending)):
            if all(each.done for each in (yield from mutations(table.database, table.name))):
                yield from system_merges(table.database, table.name, "STOP MERGES")
                return
            # A mutation was sent between the last look and the fence, and behind it it would never end.
            yield from lift_fence(table)
    raise ApplyError(
        f"{table.name}: deletes or updates came in {_CLOSINGS} times while writers were being locked out. Run again"
    )


def _being_rewritten(table: Physical) -> Routine[int]:
    rows = yield from ask(
        "SELECT count() FROM system.merges WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "is_mutation",
        {"db": hexed(table.database), "name": hexed(table.name)},
    )
    return number(rows[0][0])
