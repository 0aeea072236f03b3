"""The steps of a run, in the order of ``apply/replicated``: which statement is sent next, and what is waited for.

    lease -> note -> [undo_everywhere | _close_again, exchange_everywhere ...] -> write_replicated_mark -> shadow ->
    fill, attach, until_complete -> refuse_everywhere (close_by_log, until_fenced, drain_everywhere) -> until_complete ->
    the rest -> at_exchange (phase swap) -> exchange_everywhere -> _open -> aside -> exchange_everywhere ->
    clear_everywhere -> release

A step that needs an answer of all hosts ends the run where one is away. The next run begins with the note.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.cluster.model.state import Bounds, RunState, State, Statement
from tests.cluster.model.statements import NAMED, carried_out, put

UNDO = ("u-guard", "u-open", "u-remove", "u-guard-again", "u-open-again", "u-opened", "u-drop", "u-clear")
"""Writers first, through whatever host answers; once more when no guard of a run that is over is left."""
COPY = ("mark", "make", "copy", "attach", "have")
CLOSE = ("sync", "guard", "close", "fenced", "look", "drained", "whole")
REST = ("rest", "attach-rest", "have-rest", "swap")
FORWARD = ("look-at", "exchange", "all", "admit", "admitted", "aside", "look-again", "exchange-again", "all-again")
END = ("followed", "missing", "clear", "release")
ORDER = (*COPY, *CLOSE, *REST, *FORWARD, *END)
OF_SHARDS = frozenset({"copy", "attach", "have", "sync", "close", "whole", "rest", "attach-rest", "have-rest", "admit"})
OF_SHARDS_TOO = OF_SHARDS | {"u-open", "u-open-again"}
OF_HOSTS = frozenset({"look-at", "look-again"})
LOOKS = OF_HOSTS | {"guard", "u-guard", "u-guard-again", "u-remove", "copy", "rest", "sync", "look", "missing"}
SENT = {
    "u-open": "open",
    "u-open-again": "open",
    "u-drop": "drop",
    "u-clear": "clear",
    "mark": "mark",
    "make": "make",
    "attach": "attach",
    "close": "close",
    "attach-rest": "attach",
    "swap": "swap",
    "exchange": "exchange",
    "admit": "admit",
    "aside": "aside",
    "exchange-again": "exchange",
    "clear": "clear",
}
"""The statements of the steps that send one."""


class Routine:
    """What runs do, with some precautions left out (``without``)."""

    def __init__(self, bounds: Bounds, without: frozenset[str] = frozenset()) -> None:
        self.bounds = bounds
        self.without = without
        self.shards = range(1 + max(bounds.shards))
        self.hosts = range(len(bounds.shards))

    def worker(self, number: int, shard: int) -> int:
        """The host that copies a shard: the one that the run is connected to, or the first."""
        here = number % len(self.bounds.shards)
        return here if self.bounds.shards[here] == shard else self.bounds.shards.index(shard)

    def of(self, shard: int) -> list[int]:
        return [host for host in self.hosts if self.bounds.shards[host] == shard]

    def moves(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        """What the run can do next; nothing while it waits."""
        run = state.runs[number]
        if not run.at:
            return
        if state.gone >= 0 and self._needs_all(run):
            # It ends with a sentence that names the host. Its lease is given back.
            yield f"{number} ends: a host is away", self._over(state, number)._replace(told=True)
            return
        label = f"{number} {run.at} {run.place}"
        if run.at in SENT:
            if run.at == "mark" and len(set(state.altered)) > 1 and "same definitions" not in self.without:
                return  # it ends, has sent nothing yet, and the next run looks again: as good as waiting
            statement = self.statement(number, run)
            if run.at in ("exchange", "exchange-again") and run.looked and "looks at UUIDs" not in self.without:
                yield f"{label}: there", self._next(state, number)
                return
            behind = self._sent(state, statement)
            yield label, self._next(behind, number)
            return
        yield from ((f"{label}{more}", behind) for more, behind in self._waiting(state, number, run))

    def statement(self, number: int, run: RunState) -> Statement:
        kind, place = SENT[run.at], run.place
        if kind == "attach":
            place = self.worker(number, run.place)
        return kind, place, run.mark if kind in NAMED else number

    def _needs_all(self, run: RunState) -> bool:
        # Writers are let in by the log of the table, through whatever host answers.
        return run.at not in ("take", "read", "release", "u-guard", "u-open", "u-remove")

    def _sent(self, state: State, statement: Statement) -> State:
        kind, place, _ = statement
        if kind == "exchange" and not state.shadows[place]:
            # Under the other name that the old table got: only who has looked knows it.
            name = "N" if state.names[place] == "O" else "O"
            return state._replace(names=state.names[:place] + name + state.names[place + 1 :])
        behind = carried_out(state, statement, self.bounds, self.without)
        if kind == "exchange" and behind.names[place] == "N":
            shard = self.bounds.shards[place]
            if behind.old[shard] & ~behind.new_at[place]:
                behind = behind._replace(wrong="a host has the new table, and readers miss rows there")
        return behind

    def _waiting(self, state: State, number: int, run: RunState) -> Iterator[tuple[str, State]]:
        at, place = run.at, run.place
        if at == "take":
            yield "", self._to(state._replace(holder=number), number, "read")
        elif at == "read":
            # Any host may be the one that is asked; it comes by the last line first.
            notes = {state.note, state.before} if "synced notes" in self.without else {state.note}
            for run_of, phase in sorted(notes):
                yield f" {phase}", self._begun(state, number, run_of, phase)
        elif at == "release":
            yield "", self._over(state, number)
        elif at in ("all", "all-again"):
            yield from self._all(state, number)
        elif at in LOOKS:
            yield "", self._looked(state, number, run)
        elif self._shown(state, at, place, number):
            yield "", self._next(state, number)

    def _looked(self, state: State, number: int, run: RunState) -> State:
        """What is done at once, without a statement that could come late."""
        at, place = run.at, run.place
        worker = self.worker(number, place) if at in OF_SHARDS else 0
        if at in ("guard", "u-guard", "u-guard-again"):
            return self._next(state._replace(guards=state.guards | {number}), number)
        if at == "u-remove":
            return self._next(state._replace(guards=frozenset()), number)
        if at in ("copy", "rest"):
            rows = state.old_at[worker] & ~(state.new[place] if at == "rest" else 0)
            return self._next(state._replace(staged=put(state.staged, place, rows)), number)
        if at == "sync":
            return self._next(state._replace(old_at=put(state.old_at, worker, state.old[place])), number)
        if at == "look":
            return self._next(state, number, waited=self._running(state, number))
        if at == "missing":
            lost = any(old & ~new for old, new in zip(state.old, state.new, strict=True))
            wrong = "the old table has rows that the new one lacks" if lost else state.wrong
            kept = state.altered != state.defined and "definition of the old table" not in self.without
            return self._next(state._replace(wrong=wrong, kept=state.kept or kept), number)
        return self._next(state, number, looked=state.names[place] == "N")

    def _running(self, state: State, number: int) -> int:
        """The INSERTs into the old table that are waited for."""
        if "drain" in self.without:
            return 0
        here = [state.flying[number % len(self.hosts)]]
        listed = here if "drain of all hosts" in self.without else state.flying
        return sum(row for name, row in listed if name == "O")

    def _all(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        if "N" * len(self.hosts) == state.names:
            yield "", self._next(state, number)
        else:
            yield ": not all", self._over(state, number)

    def _shown(self, state: State, at: str, place: int, number: int) -> bool:
        """Whether the hosts show what is waited for."""
        if at == "drained":
            return not state.runs[number].waited & sum(row for _, row in state.flying)
        if at == "fenced":
            if "fence on all hosts" in self.without:
                return state.closed[number % len(self.hosts)]
            if "all shards closed" in self.without:
                return all(state.closed[host] for host in self.of(0))
            return all(state.closed)
        if at == "u-opened":
            return not any(state.closed)
        if at == "admitted":
            return not any(state.new_closed)
        if at == "followed":
            shown = all(
                state.altered[host] or not state.altering[shard] for host, shard in enumerate(self.bounds.shards)
            )
            return shown or "log of the old table" in self.without
        if at == "whole":
            left_out = "rows of all hosts" in self.without
            return left_out or all(state.old_at[host] == state.old[place] for host in self.of(place))
        if at in ("have", "have-rest"):
            left_out = "parts on all hosts" in self.without
            return left_out or all(state.new_at[host] == state.new[place] for host in self.of(place))
        raise AssertionError(at)

    def _begun(self, state: State, number: int, run_of: int, phase: str) -> State:
        """Behind the note of whoever was killed."""
        # What is filled may be taken over (``resume``): rows that are there still, on the host that reads all of them
        # for this run. Whether it does or reads them anew, the staging tables hold the same when they are attached.
        state = state._replace(staged=(0,) * len(state.old))
        if not phase and "O" not in state.names:
            return self._to(state, number, "release")  # nothing to do
        if not phase:
            wrong = "hosts have different tables, and no note says so" if "N" in state.names else state.wrong
            return self._to(state._replace(wrong=wrong), number, "mark", mark=number)
        if phase == "copy" or "forward only" in self.without:
            return self._to(state, number, UNDO[0], mark=run_of)
        if state.made != run_of:
            return state._replace(wrong="an exchange was begun, and the new table is gone")
        return self._to(state, number, FORWARD[0], mark=run_of)

    def _next(self, state: State, number: int, *, waited: int = 0, looked: bool = False) -> State:
        run = state.runs[number]
        at, place = run.at, run.place
        if at in OF_SHARDS_TOO and place + 1 < len(self.shards):
            return self._to(state, number, at, place + 1)
        if at in ("exchange", "exchange-again") and place + 1 < len(self.hosts):
            back = "look-at" if at == "exchange" else "look-again"
            return self._to(state, number, back, place + 1)
        if at in OF_HOSTS:
            then = "exchange" if at == "look-at" else "exchange-again"
            return self._to(state, number, then, place, looked=looked)
        if at == UNDO[-1]:
            return self._to(state, number, "mark", mark=number)
        order = self._undo() if at in UNDO else self._order()
        return self._to(state, number, order[order.index(at) + 1], waited=waited)

    def _undo(self) -> tuple[str, ...]:
        again = "writers once more" not in self.without
        return UNDO if again else tuple(at for at in UNDO if not at.endswith("-again"))

    def _order(self) -> tuple[str, ...]:
        order = list(ORDER)
        if "note before the exchange" in self.without:
            # Written when all hosts have it.
            order.remove("swap")
            order.insert(order.index("all"), "swap")
        if "old table aside" in self.without:
            order.remove("aside")
        if "a second look" in self.without:
            for at in ("look-again", "exchange-again", "all-again"):
                order.remove(at)
        if "constraint until all have it" in self.without:
            # Of the new table: writers are let in as soon as the first host has it.
            for at in ("admit", "admitted"):
                order.remove(at)
            order[order.index("look-at") : order.index("look-at")] = ["admit", "admitted"]
        return tuple(order)

    def _to(
        self,
        state: State,
        number: int,
        at: str,
        place: int = 0,
        *,
        waited: int = 0,
        mark: int | None = None,
        looked: bool = False,
    ) -> State:
        goes_by = state.runs[number].mark if mark is None else mark
        return state._replace(runs=put(state.runs, number, RunState(at, place, waited, goes_by, looked)))

    def _over(self, state: State, number: int) -> State:
        holder = -1 if state.holder == number else state.holder
        return state._replace(runs=put(state.runs, number, RunState("")), holder=holder)
