"""Everything that can happen next, and all orders of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from tests.cluster.model.routine import SENT, Routine
from tests.cluster.model.state import Bounds, RunState, State, first
from tests.cluster.model.statements import carried_out, put


class Explored(NamedTuple):
    """What came of all orders. ``wrong``: what has happened that must not, with the way there; '' for nothing."""

    states: int
    ends: int
    wrong: str = ""
    way: tuple[str, ...] = ()


def explore(bounds: Bounds, without: frozenset[str] = frozenset(), most: int = 5_000_000) -> Explored:
    """Go through all states; the first one that is wrong ends it."""
    world = World(bounds, without)
    begin = first(bounds)
    came: dict[State, tuple[State, str] | None] = {begin: None}
    queue, ends = deque([begin]), 0
    while queue:
        state = queue.popleft()
        moves = list(world.moves(state))
        wrong = state.wrong or world.wrong(state, not moves)
        if wrong:
            return Explored(len(came), ends, wrong, _way(came, state))
        ends += not moves
        for label, behind in moves:
            if behind not in came:
                came[behind] = (state, label)
                queue.append(behind)
        assert len(came) < most, "more states than were meant"
    return Explored(len(came), ends)


def _way(came: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    way: list[str] = []
    while (before := came[state]) is not None:
        state, label = before
        way.append(label)
    return tuple(reversed(way))


class World:
    """Hosts, writers, runs, and whatever ends them."""

    def __init__(self, bounds: Bounds, without: frozenset[str]) -> None:
        self.bounds = bounds
        self.without = without
        self.routine = Routine(bounds, without)

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """All that can happen next."""
        yield from self._hosts(state)
        yield from self._writers(state)
        yield from self._operator(state)
        alive = [number for number, run in enumerate(state.runs) if run.at]
        for number in alive:
            yield from self.routine.moves(state, number)
            yield from self._kills(state, number)
        for place, statement in enumerate(state.belated):
            if state.gone < 0 or statement[0] != "exchange" or statement[1] != state.gone:
                behind = carried_out(state, statement, self.bounds, self.without)
                rest = state.belated[:place] + state.belated[place + 1 :]
                yield f"belated {statement}", behind._replace(belated=rest)
        yield from self._starts(state, alive)

    def _hosts(self, state: State) -> Iterator[tuple[str, State]]:
        """Hosts come to entries of the logs, fetch parts, go away and come back."""
        for host, shard in enumerate(self.bounds.shards):
            if host == state.gone:
                yield f"{host} is back", state._replace(gone=-1, told=False)
                continue
            if state.closed[host] != state.closing[shard]:
                yield f"{host} closed", state._replace(closed=put(state.closed, host, state.closing[shard]))
            if state.made >= 0 and state.new_closed[host] != state.new_closing[shard]:
                closed = put(state.new_closed, host, state.new_closing[shard])
                yield f"{host} opened", state._replace(new_closed=closed)
            if state.old_at[host] != state.old[shard]:
                yield f"{host} fetches", state._replace(old_at=put(state.old_at, host, state.old[shard]))
            if state.made >= 0 and state.new_at[host] != state.new[shard]:
                yield f"{host} fetches new", state._replace(new_at=put(state.new_at, host, state.new[shard]))
            if state.gone < 0 and state.away < self.bounds.away and state.runs:
                gone = state._replace(gone=host, away=state.away + 1)
                yield f"{host} stands still", gone
                if state.flying[host][1]:
                    # Killed: an INSERT that ran there was never acknowledged.
                    yield f"{host} is killed", gone._replace(flying=put(state.flying, host, ("", 0)))

    def _writers(self, state: State) -> Iterator[tuple[str, State]]:
        for host, shard in enumerate(self.bounds.shards):
            name, row = state.flying[host]
            if host == state.gone:
                continue
            if row:
                behind = state._replace(flying=put(state.flying, host, ("", 0)), taken=state.taken | row)
                if name == "O":
                    rows = put(behind.old, shard, behind.old[shard] | row)
                    behind = behind._replace(old=rows, old_at=put(behind.old_at, host, behind.old_at[host] | row))
                else:
                    rows = put(behind.new, shard, behind.new[shard] | row)
                    behind = behind._replace(new=rows, new_at=put(behind.new_at, host, behind.new_at[host] | row))
                yield f"{host} commits", behind
            elif state.inserts < self.bounds.inserts and state.runs:
                storage = state.names[host]
                if not (state.closed[host] if storage == "O" else state.new_closed[host]):
                    new = 1 << (1 + max(self.bounds.shards) + state.inserts)
                    begun = state._replace(flying=put(state.flying, host, (storage, new)), inserts=state.inserts + 1)
                    yield f"{host} takes a row into {storage}", begun

    def _operator(self, state: State) -> Iterator[tuple[str, State]]:
        """Somebody alters the definition of the old table, and hosts come to that entry of its log."""
        for host, shard in enumerate(self.bounds.shards):
            if host == state.gone:
                continue
            if state.altering[shard] and not state.altered[host]:
                yield f"{host} altered", state._replace(altered=put(state.altered, host, True))
            # Acknowledged as soon as the log has it (``alter_sync`` 0). ON CLUSTER: it comes to the other shards later.
            if self.bounds.alters and not state.altering[shard] and state.runs and state.names[host] == "O":
                yield f"an ALTER through {host}", state._replace(altering=put(state.altering, shard, True))

    def _kills(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        run = state.runs[number]
        if state.kills >= self.bounds.kills or run.at in ("take", "read"):
            return
        # Its lease stays until somebody sees that it is gone.
        dead = state._replace(runs=put(state.runs, number, RunState("")), kills=state.kills + 1)
        yield f"{number} is killed", dead
        if run.at in SENT and state.late < self.bounds.belated:
            statement = self.routine.statement(number, run)
            if run.at not in ("exchange", "exchange-again") or not run.looked:
                belated = (*state.belated, statement)
                yield f"{number} is paused before {statement}", dead._replace(belated=belated, late=state.late + 1)

    def _starts(self, state: State, alive: list[int]) -> Iterator[tuple[str, State]]:
        done = bool(state.runs) and self._done(state)
        # One of them for each that may be killed or end by itself (a host is away, a belated EXCHANGE), and one more.
        if len(state.runs) > self.bounds.kills + self.bounds.away + self.bounds.belated or done or state.told:
            return
        if not alive or ("one at a time" in self.without and len(alive) == 1):
            begun = (*state.runs, RunState("take"))
            yield f"{len(state.runs)} starts", state._replace(runs=begun)

    @staticmethod
    def _done(state: State) -> bool:
        return state.note == (-1, "") and "O" not in state.names

    def wrong(self, state: State, ended: bool) -> str:
        """What must not be so, at any moment and at the end."""
        shards = self.bounds.shards
        if any(state.exchanged):
            for host, name in enumerate(state.names):
                if name == "O" and not state.closed[host] and host != state.gone:
                    return "a host lets writers into the old table, and another one had the new table"
        if not ended:
            return ""
        if not self._done(state):
            return "no way on: it is neither done nor undone"
        if any(state.new_closed):
            return "writers are refused for ever"
        if any(state.altering) and not (state.has_it or state.kept):
            return "an ALTER is lost, and nobody says so"
        lost = state.taken & ~sum(state.new)
        return f"acknowledged rows are missing: {lost:b}" if lost and shards else ""
