"""Those who know nothing of migrations: writers, merges, an operator, clocks that are set."""

from __future__ import annotations

from random import Random

from aaiclick.errors import StatementError
from tests.simulation.model.ddl import may_merge
from tests.simulation.schedule_state import Actor, Execution, Scene, Sent, Written
from tests.simulation.stories import GENERATIONS
from tests.simulation.world import DATABASE


class Writer(Actor):
    """Inserts a few rows at a time; what is refused is sent again, what got no answer is not."""

    def __init__(self, scene: Scene, number: int, slow: float, lose: float) -> None:
        super().__init__(f"writer{number}")
        self.scene, self.slow, self.lose = scene, slow, lose
        self.first_id = self.next_id = number * 100_000
        self.execution: Execution | None = None
        self.rows: list[int] = []
        self.stopped = False
        self.deaf = False
        self.left = 60

    @property
    def ended(self) -> bool:
        return self.stopped and self.execution is None

    def step(self) -> None:
        scene, rng = self.scene, self.scene.rng
        if self.execution is not None:
            if self.execution.over:
                self._answered(self.execution)
            else:
                self.wake = max(self.execution.wake, scene.time + 0.001)
            return
        if not self.rows:
            self._compose()
        sent = tuple((row, scene.rows[row].last) for row in self.rows)
        try:
            running = scene.world.insert("t", tuple((row, version.value) for row, version in sent))
        except StatementError as error:
            scene.tell(self, "is refused", error)
            self.wake = scene.time + rng.uniform(0.01, 2.0)
            return
        target = running.target
        generation = GENERATIONS[target.settings["index_granularity"]]

        def landed() -> None:
            for _, version in sent:
                version.landed.append((target.uuid, generation))

        running.landed = landed
        scene.tell(self, "inserts into", f"{target.uuid} {self.rows}")
        self.deaf = rng.random() < self.lose
        self.execution = scene.execute(
            running, rng.uniform(0.5, 30.0) if rng.random() < self.slow else rng.uniform(0.0, 0.03)
        )
        self.wake = self.execution.wake

    def _compose(self) -> None:
        """New rows; or, where the last row of a key is the one that counts, one that was acknowledged, with another
        value."""
        scene, rng = self.scene, self.scene.rng
        known = self.next_id - self.first_id
        if scene.story.ordered and known and rng.random() < 0.5:
            row = self.first_id + rng.randrange(max(0, known - 3), known)
            if scene.rows[row].last.acknowledged:
                self.rows = [row]
                scene.rows[row].versions.append(Sent(scene.rows[row].last.value + 10))
                return
        self.rows = list(range(self.next_id, self.next_id + rng.randint(1, 3)))
        self.next_id += len(self.rows)
        for row in self.rows:
            scene.rows[row] = Written([Sent(1 + row % 5)])

    def _answered(self, execution: Execution) -> None:
        scene = self.scene
        for row in self.rows:
            if self.deaf or execution.error is not None:
                scene.rows[row].last.unknown = True
            else:
                scene.rows[row].last.acknowledged = True
        self.execution, self.rows = None, []
        self.left -= 1
        self.stopped = self.stopped or not self.left
        self.wake = scene.time + (
            scene.rng.uniform(0.005, 0.15) if scene.rng.random() < 0.85 else scene.rng.uniform(1.0, 40.0)
        )


class Merges(Actor):
    """The engine's own."""

    def __init__(self, scene: Scene, every: float) -> None:
        super().__init__("merges")
        self.scene, self.every = scene, every
        self.nothing_at = -1

    @property
    def ended(self) -> bool:
        """There was nothing to merge, and nothing has changed since."""
        return self.nothing_at == self.scene.world.server.changes

    def step(self) -> None:
        scene = self.scene
        self.wake = scene.time + scene.rng.expovariate(1 / self.every)
        tables = [
            (name, each)
            for name, each in sorted(scene.world.server.databases[DATABASE].items())
            if each.merge_tree and len(each.parts) > 1
        ]
        able = [(name, each) for name, each in tables if may_merge(each)]
        if able:
            name, chosen = scene.rng.choice(able)
            scene.tell(self, "in", name)
            scene.world.merge(chosen)
        else:
            self.nothing_at = scene.world.server.changes


class Clocks(Actor):
    """The server's clock is set forward or back. (Those of the processes are apart from the beginning.)"""

    def __init__(self, scene: Scene, rng: Random) -> None:
        super().__init__("clock")
        self.scene = scene
        self.wake = scene.time + rng.uniform(0.2, 4.0)
        self.sets = 2

    @property
    def ended(self) -> bool:
        return not self.sets

    def step(self) -> None:
        rng = self.scene.rng
        self.sets -= 1
        ahead = rng.choice((-3600.0, -20.0, -1.0, 5.0, 45.0, 3600.0))
        self.scene.tell(self, "is set by", ahead)
        self.scene.server_ahead += ahead
        self.scene.disturbed = self.scene.clock_set = True
        self.wake = self.scene.time + rng.uniform(0.2, 60.0)
