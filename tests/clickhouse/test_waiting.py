from __future__ import annotations

from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.events import Waiting
from aaiclick.routine import Effect, Emit, Routine, Sleep


def effects(wait: Wait, what: str = "") -> tuple[list[Effect], Wait]:
    """What a rest yields, which wants no answer, and the wait behind it."""
    found: list[Wait] = []

    def kept() -> Routine[None]:
        found.append((yield from rest(wait, what)))

    return list(kept()), found[0]


def test_pauses_grow_up_to_the_longest_and_are_added_up() -> None:
    wait = Wait(0.25, 1.5)
    slept: list[Effect] = []
    for _ in range(4):
        seen, wait = effects(wait)
        slept += seen
    assert slept == [Sleep(0.25), Sleep(0.5), Sleep(1.0), Sleep(1.5)]
    assert wait == Wait(1.5, 1.5, 3.25)


def test_what_is_waited_for_is_said_first_and_for_how_long_already() -> None:
    seen, _ = effects(Wait(0.5, 1.0, 2.0), "an insert to end")
    assert seen == [Emit(Waiting("an insert to end", 2.0)), Sleep(0.5)]
