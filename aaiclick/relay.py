"""Carries a routine out by another one, which looks at each of its effects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

from aaiclick.routine import Command, Effect, Interruption, Query, Routine, Rows

T = TypeVar("T")

Carry = Callable[[Effect], Routine[Rows]]
"""What is done for one effect; its answer."""
INTERRUPTIONS = (Interruption, KeyboardInterrupt, SystemExit)
"""What interrupts a routine: Python raises the last two wherever it happens to be, also inside of the routine."""


def relayed(work: Routine[T], carry: Carry, ends: tuple[type[Exception], ...] = ()) -> Routine[T]:
    """Carry a routine out by what ``carry`` makes of each of its effects.

    What ``carry`` raises, and what interrupts it, is the effect's failure: the routine hears of it, and may clean up by
    further effects. ``ends``: errors after which it is closed instead.
    """
    try:
        return (yield from _carried(work, carry, ends, partial(next, work)))
    except (KeyboardInterrupt, SystemExit):
        # Raised here or in ``carry``, the routine waits for an answer, and has to let go of what it holds. Where it was
        # raised in the routine, that has ended.
        with suppress(Exception, Interruption):
            yield from _carried(work, carry, ends, partial(work.throw, Interruption()))
        raise
    finally:
        work.close()


def placed(work: Routine[T], database: str, current: str) -> Routine[T]:
    """Carry a routine out in ``database``, where ``current`` is the connection's own.

    The server looks for a dictionary, a Join or a Set table without a database where the statement is sent from, and
    writes what it has found into the definition. What goes to another host by itself names all that it is about.
    """
    if database == current:
        return (yield from work)

    def carry(effect: Effect) -> Routine[Rows]:
        if isinstance(effect, Query | Command) and effect.database is None and effect.at is None:
            effect = replace(effect, database=database)
        return (yield effect)

    return (yield from relayed(work, carry))


def _carried(
    work: Routine[T], carry: Carry, ends: tuple[type[Exception], ...], begin: Callable[[], Effect]
) -> Routine[T]:
    try:
        effect = begin()
        while True:
            try:
                rows = yield from carry(effect)
            except ends:
                raise
            except (Exception, Interruption) as error:
                effect = work.throw(error)
                continue
            effect = work.send(rows)
    except StopIteration as stop:
        return cast("T", stop.value)
