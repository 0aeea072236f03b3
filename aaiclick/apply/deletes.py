"""Deletes and updates of others while a table is held: they are let through between two chunks, and what they changed is copied again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.apply.fence import lift_fence, raise_fence
from aaiclick.apply.identity import Part, Physical, parts
from aaiclick.apply.mutations import Mutation, mutations, reads_rows, stuck_sentence
from aaiclick.apply.options import ApplyOptions
from aaiclick.apply.statements import system_merges
from aaiclick.errors import ApplyError
from aaiclick.events import Waiting
from aaiclick.routine import Emit, Routine, Sleep

_POLL = 0.005
_LONGEST_POLL = 1.0
_CLOSINGS = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """The active parts of a table, and what had changed rows of it until then: its mutations and patch parts. ``pending``: one of them was
    not done."""

    parts: tuple[Part, ...]
    known: frozenset[str]
    pending: bool = False


def look(table: Physical, known: frozenset[str], options: ApplyOptions, *, closed: bool = False) -> Routine[Seen]:
    """Let deletes and updates through (not where the table is ``closed`` by a fence: none is carried out there), and look at the parts.

    Mutations first: one that comes after that is not known, whether it shows in the parts or not. Raises ApplyError where one that is not
    ``known`` changes the columns themselves: the copy was planned for others.
    """
    listed = yield from mutations(table.database, table.name)
    require_rows_only(table.name, listed, known)
    pending = any(not each.done for each in listed)
    while pending and not closed:
        yield from let_through(table, listed, options)
        listed = yield from mutations(table.database, table.name)
        require_rows_only(table.name, listed, known)
        pending = any(not each.done for each in listed)
    present = yield from parts(table)
    patches = [part.name for part in present if part.patch]
    return Seen(present, frozenset([*(each.id for each in listed), *patches]), pending)


def require_rows_only(name: str, listed: Sequence[Mutation], known: frozenset[str]) -> None:
    """Raise ApplyError for a new mutation that is no delete or update and does not only write down what is declared."""
    for each in listed:
        if each.id not in known and not reads_rows(each.command) and re.match(r"\(?\s*MATERIALIZE\b", each.command) is None:
            raise ApplyError(f"{name}: its columns were changed while it was copied ({each.command}). The table is as that left it: run again")


def let_through(table: Physical, listed: Sequence[Mutation], options: ApplyOptions, *, stop: bool = True) -> Routine[None]:
    """Wait for these mutations, no matter how many more come meanwhile. Settings hold merges; only STOP MERGES holds mutations as well.

    ``stop``: hold them again when that is done.
    """
    yield from system_merges(table.database, table.name, "START MERGES")
    pending = {each.id for each in listed if not each.done}
    wait, waited, failing = _POLL, 0.0, 0.0
    while True:
        left = [each for each in (yield from mutations(table.database, table.name)) if each.id in pending and not each.done]
        if not left:
            break
        failed = next((each for each in left if each.failure and not each.interrupted), None)
        failing = failing + wait if failed is not None else 0.0
        if failed is not None and (failed.fails_on_data or failing > options.stuck_seconds):
            raise ApplyError(stuck_sentence(table.name, failed))
        if options.mutation_seconds and waited >= options.mutation_seconds:
            raise ApplyError(f"{table.name}: mutation {left[0].id} ({left[0].command}) is still running after {waited:.0f} s. Run again")
        yield Emit(Waiting(f"deletes and updates of {table.name}", waited))
        yield Sleep(wait)
        waited += wait
        wait = min(2 * wait, _LONGEST_POLL)
    if stop:
        yield from system_merges(table.database, table.name, "STOP MERGES")


def close(table: Physical, options: ApplyOptions) -> Routine[None]:
    """Refuse writers, deletes and updates, at a moment at which none of these is under way: behind a fence no mutation is carried out.

    Where they follow each other closely that moment is short, so it is looked for often, and the fence is up before anything else is done.
    """

    def pending() -> Routine[bool]:
        return any(not each.done for each in (yield from mutations(table.database, table.name)))

    for _ in range(_CLOSINGS):
        listed = yield from mutations(table.database, table.name)
        if any(not each.done for each in listed):
            yield from let_through(table, listed, options, stop=False)
        if (yield from raise_fence(table, options.fence_seconds, unless=pending)):
            if not (yield from pending()):
                yield from system_merges(table.database, table.name, "STOP MERGES")
                return
            yield from lift_fence(table)
    raise ApplyError(f"{table.name}: deletes or updates came in {_CLOSINGS} times while writers were being locked out. Run again")
