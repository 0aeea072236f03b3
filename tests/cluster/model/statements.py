"""What a statement does when a host carries it out, whoever has sent it and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tests.cluster.model.state import Bounds, State, Statement

T = TypeVar("T")
NAMED = frozenset({"make", "attach", "exchange", "drop", "aside", "admit"})
"""Statements that name the new table."""


def put(values: Sequence[T], place: int, value: T) -> tuple[T, ...]:
    return (*values[:place], value, *values[place + 1 :])


def carried_out(state: State, statement: Statement, bounds: Bounds, without: frozenset[str]) -> State:
    """The state behind it; the same one where the server refuses it. ``without``: precautions that are left out."""
    kind, place, run = statement
    if kind in NAMED and run != (state.note[0] if kind == "make" else state.made):
        return state  # of another copy: no table has that name
    if kind in ("mark", "swap", "clear"):
        return _noted(state, kind, run, without)
    if kind == "exchange":
        return _exchanged(state, place)
    if kind == "attach":
        return _attached(state, place, bounds)
    if kind == "make":
        hosts, shards = len(state.names), len(state.old)
        made = state._replace(made=run, shadows=(True,) * hosts, new_closing=(True,) * shards)
        return made._replace(new_closed=(True,) * hosts, new=(0,) * shards, new_at=(0,) * hosts)
    if kind == "drop":
        wrong = "the new table was dropped, and a host had it" if "N" in state.names or any(state.exchanged) else ""
        return state._replace(made=-1, shadows=(False,) * len(state.names), wrong=wrong or state.wrong)
    if kind == "aside":
        return state._replace(shadows=(False,) * len(state.names))
    return _altered(state, kind, place, run, without)


def _noted(state: State, kind: str, run: int, without: frozenset[str]) -> State:
    # Each line asks for the highest generation of the lease (``lease/guard.py``).
    if state.holder != run and "guarded lines" not in without:
        return state
    note = (-1, "") if kind == "clear" else (run, "copy" if kind == "mark" else "swap")
    if kind == "mark":
        # The plan was made from what the host shows that the run is connected to.
        seen = state.altered
        state = state._replace(defined=seen, has_it=seen[run % len(seen)], kept=False)
    return state._replace(note=note, before=state.note)


def _exchanged(state: State, host: int) -> State:
    """It names the table and the shadow: where no table has the name of the shadow it is refused (60)."""
    if not state.shadows[host]:
        return state
    name = "N" if state.names[host] == "O" else "O"
    return state._replace(
        names=state.names[:host] + name + state.names[host + 1 :], exchanged=put(state.exchanged, host, True)
    )


def _attached(state: State, host: int, bounds: Bounds) -> State:
    shard = bounds.shards[host]
    rows = state.staged[shard]
    wrong = "a row is in the new table twice" if rows & state.new[shard] else ""
    return state._replace(
        new=put(state.new, shard, state.new[shard] | rows),
        new_at=put(state.new_at, host, state.new_at[host] | rows),
        staged=put(state.staged, shard, 0),
        wrong=wrong or state.wrong,
    )


def _altered(state: State, kind: str, shard: int, run: int, without: frozenset[str]) -> State:
    """An ALTER of the constraint. On the old table it drops the guard of its run, too: without that it is refused."""
    if kind in ("close", "open"):
        if run not in state.guards and "guards" not in without:
            return state
        return state._replace(closing=put(state.closing, shard, kind == "close"))
    assert kind == "admit", kind
    wrong = "" if all(state.exchanged) else "writers are let into the new table, and a host never had it"
    return state._replace(new_closing=put(state.new_closing, shard, False), wrong=wrong or state.wrong)
