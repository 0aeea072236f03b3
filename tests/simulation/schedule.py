"""One schedule: a seed decides who is there, who is next, and what happens to whom. The same seed plays the same
schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from aaiclick.clickhouse.names import PREFIX
from aaiclick.errors import AaiclickError
from tests.simulation.chaos import Chaos
from tests.simulation.checks import require_all, require_still
from tests.simulation.operator import Operator
from tests.simulation.others import Clocks, Merges, Writer
from tests.simulation.process import Process
from tests.simulation.schedule_state import Actor, Scene, Sent, Written
from tests.simulation.stories import GENERATIONS, STORIES, Story
from tests.simulation.world import DATABASE, World

FIRST_ROWS = 12
LIMIT = 60_000
STARTS = 8


class WrongError(AssertionError):
    """Something is not as it has to be at the end of a schedule."""


@dataclass(frozen=True)
class Bounds:
    """What a schedule may contain. ``operators``: how many of a hundred have one. ``rough``: processes are paused and
    INSERTs take long in each of them."""

    stories: tuple[Story, ...] = STORIES
    operators: int = 30
    clocks: bool = True
    rough: bool = False


@dataclass
class Played:
    """What a schedule came to."""

    seed: int
    story: str
    counts: Counter[str] = field(default_factory=Counter)


class Schedule:
    """Everything of it is drawn from ``Random(seed)``."""

    def __init__(self, seed: int, world: World, bounds: Bounds | None = None, told: list[str] | None = None) -> None:
        bounds = bounds or Bounds()
        self.seed = seed
        self.rng = rng = Random(seed)
        self.scene = Scene(rng, world, rng.choice(bounds.stories), keep_days=rng.choice((0, 0, 1)), told=told)
        self.scene.pass_time(0.0)
        self.pids = 0
        self.counts: Counter[str] = Counter()
        self.processes = self.scene.processes
        level = rng.choice((0.0, 0.004, 0.012, 0.03))
        self.kill, self.lose = level, rng.choice((0.0, 0.0, 0.004, 0.02))
        self.pausing, self.slow = rng.choice((0.0, 0.01, 0.03, 0.08)), rng.choice((0.0, 0.1, 0.4))
        if bounds.rough:
            self.pausing, self.slow = 0.08, 0.4
        self._prepare()
        versions = [version for version in self.scene.story.schemas if version > 4]
        self.waiting = [rng.choice(versions) for _ in range(rng.randint(1, 3))]
        self.waiting += [rng.choice(list(self.scene.story.schemas)) for _ in range(rng.randint(0, 2))]
        self.waiting += [self.scene.story.newest] * rng.randint(0, 2)
        self.together = rng.randint(1, 3)
        self.actors: list[Actor] = [
            Writer(self.scene, number, self.slow / 2, self.lose * 3) for number in range(1, 1 + rng.randint(0, 2))
        ]
        self.actors.append(Merges(self.scene, rng.choice((0.2, 2.0))))
        self.operator = Operator(self.scene, rng) if rng.randrange(100) < bounds.operators else None
        if self.operator is not None:
            self.actors.append(self.operator)
        if bounds.clocks and rng.random() < 0.25:
            self.actors.append(Clocks(self.scene, rng))

    def _prepare(self) -> None:
        """Version 4 with its rows."""
        scene = self.scene
        first = self._start(4, Chaos(self.rng))
        while first.alive:
            self._step_one(first)
        if first.error is not None:
            raise first.error
        for start in range(1, FIRST_ROWS + 1, 4):
            rows = range(start, start + 4)
            running = scene.world.insert("t", tuple((row, 1 + row % 5) for row in rows))
            scene.world.land(running)
            for row in rows:
                scene.rows[row] = Written([Sent(1 + row % 5, acknowledged=True, landed=[(running.target.uuid, 4)])])

    def _step_one(self, process: Process) -> None:
        if process.wake > self.scene.time:
            self.scene.pass_time(process.wake - self.scene.time)
        self.scene.pass_time(0.001)
        for execution in self.scene.executions:
            if not execution.over:
                execution.step()
        process.step()

    def _start(self, version: int, chaos: Chaos) -> Process:
        self.pids += 1
        apart = self.rng.choice((0.0, 0.0, -40.0, 0.7, 90.0, 2 * 86400.0))
        process = Process(self.scene, version, self.pids, chaos, self.scene.server_ahead + apart)
        self.processes.append(process)
        self.counts["processes"] += 1
        return process

    def play(self) -> Played:
        """Raises WrongError (or what nobody expected)."""
        self._disorder()
        self._settle()
        newest = self.scene.story.newest
        self._until_through(newest)
        require_all(self.scene, kept=True)
        # Former locks and kept tables are taken away when their time is over; a start that does so may find a dead
        # holder's lock itself.
        for _ in range(2):
            self.scene.pass_time(3 * 86400.0)
            self._until_through(newest)
        require_all(self.scene, kept=False)
        require_still(self.scene, self._alone(newest))
        self.counts["rows"] += len(self.scene.rows)
        return Played(self.seed, self.scene.story.name, self.counts)

    def _chaos(self) -> Chaos:
        """Nothing happens to some of them: they come to the end while others are away."""
        if self.rng.random() < 0.35:
            return Chaos(self.rng, slow=self.slow)
        return Chaos(self.rng, self.kill, self.lose, self.pausing, self.slow)

    def _disorder(self) -> None:
        """Everybody at once, until all that were to start have started and ended."""
        rng, running, current = self.rng, [process for process in self.processes if process.alive], None
        for _ in range(LIMIT):
            if self.waiting and len(running) < self.together and (not running or rng.random() < 0.02):
                running.append(self._start(self.waiting.pop(0), self._chaos()))
            if not running and not self.waiting:
                return
            current = self._turn(running, current)
            if current.ended and current in running:
                self._note(current)
                running.remove(current)
        raise WrongError("it does not come to an end")

    def _turn(self, running: list[Process], current: Actor | None) -> Actor:
        """One step of somebody; mostly of whom it was before."""
        scene, rng = self.scene, self.rng
        scene.pass_time(0.002)
        now = scene.time
        if current is None or current.wake > now or current.ended or rng.random() < 0.15:
            actors: list[Actor] = [*running, *[actor for actor in self.actors if not actor.ended], *scene.executions]
            ready = [actor for actor in actors if actor.wake <= now]
            if not ready:
                now = min([actor.wake for actor in actors])
                scene.pass_time(now - scene.time)
                ready = [actor for actor in actors if actor.wake <= now]
            current = rng.choice(ready)
        current.step()
        if scene.executions:
            scene.executions = [each for each in scene.executions if not each.over]
        return current

    def _note(self, process: Actor) -> None:
        assert isinstance(process, Process)
        kind = (
            "killed"
            if process.state == "dead"
            else type(process.error).__name__
            if process.error is not None
            else "through"
        )
        self.counts[kind] += 1
        self.counts["statements"] += process.statements

    def _settle(self) -> None:
        """The operator puts right what can be put right, writers and statements come to their end."""
        for actor in self.actors:
            if isinstance(actor, Writer):
                actor.stopped, actor.rows = True, actor.rows if actor.execution is not None else []
            if isinstance(actor, Merges):
                actor.wake = float("inf")
        if self.operator is not None and not self.operator.done:
            self.operator.step()
            if not self.operator.done:
                self.operator.step()
        left = [actor for actor in self.actors if isinstance(actor, Writer)]
        for _ in range(1000):
            pending: list[Actor] = [
                *(each for each in self.scene.executions if not each.over),
                *(actor for actor in left if not actor.ended),
            ]
            if not pending:
                return
            first = min(pending, key=lambda actor: actor.wake)
            self.scene.pass_time(max(0.0, first.wake - self.scene.time) + 0.001)
            first.step()
        raise WrongError("writers do not come to their end")

    def _alone(self, version: int) -> Process:
        process = self._start(version, Chaos(self.rng))
        for _ in range(LIMIT):
            if not process.alive:
                self._note(process)
                return process
            self._step_one(process)
        raise WrongError(f"a start of version {version} does not come to an end")

    def _until_through(self, version: int) -> None:
        """Undisturbed starts of the newest version: the second has to be through, whatever the first one found."""
        said: AaiclickError | None = None
        for _ in range(STARTS):
            process = self._alone(version)
            if process.report is not None:
                return
            said = process.error
        raise WrongError(f"every later start fails: {type(said).__name__}: {said}")


__all__ = ["DATABASE", "GENERATIONS", "PREFIX", "Bounds", "Played", "Schedule", "WrongError"]
