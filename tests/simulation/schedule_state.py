"""What the actors of a schedule share: the time, the world, what was written where, and the story of what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from aaiclick.errors import SchemaVersionError, StatementError
from tests.simulation.model.state import Running
from tests.simulation.stories import Story
from tests.simulation.world import DATABASE, World

if TYPE_CHECKING:
    from tests.simulation.process import Process


class Actor:
    """``wake``: until then it does nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wake = 0.0

    @property
    def ended(self) -> bool:
        return False

    def step(self) -> None:
        raise NotImplementedError


@dataclass
class Sent:
    """One version of a row: whether it was acknowledged, or an answer is missing. ``landed``: storage and generation,
    each time."""

    value: int
    acknowledged: bool = False
    unknown: bool = False
    landed: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Written:
    """A row that was sent; where the engine keeps the last one of a key, several versions of it, each when the one
    before was acknowledged."""

    versions: list[Sent]

    @property
    def last(self) -> Sent:
        return self.versions[-1]

    @property
    def certain(self) -> bool:
        return any(sent.acknowledged for sent in self.versions)

    @property
    def shown(self) -> list[Sent]:
        """What may be there: the last one that was acknowledged, and those behind it."""
        first = max((place for place, sent in enumerate(self.versions) if sent.acknowledged), default=0)
        return self.versions[first:]


@dataclass
class Scene:
    """``time`` only ever goes on; the server's clock is ahead of it by ``server_ahead``. ``stray``: storages that an
    operator made or dropped; ``dropped``: rows that went with them; ``late``: rows of a table that an operator put
    back after the version was recorded without it; ``altered``: storages of which an operator altered a setting;
    ``operated``: an operator did something. ``disturbed``: some run was killed, paused or left without an answer;
    ``overdue``: one was when its cache was written, so what it leaves waits for the next migration. ``unfenced``:
    tables that a paused run wrote a statement or function of the migration into when it had lost its lease;
    ``silenced``: nonces of runs that were killed right behind what they had sent too late; ``stopped``: storages
    whose merges such a one stopped. ``unasked``: a version was recorded over a table that the operator had put there,
    and that nobody had converted or asked about; ``clock_set``: the server's clock was. ``planners``: who made which
    scratch database without the lease; ``unseen``: those of them whose planner died between a holder's last look and
    its note for the warm start, and that no start has seen since that compares, when it was old enough to be
    taken."""

    rng: Random
    world: World
    story: Story
    keep_days: int = 0
    time: float = 1_000.0
    server_ahead: float = 2_000_000_000.0
    allowed: set[str] = field(default_factory=set)
    rows: dict[int, Written] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    executions: list[Execution] = field(default_factory=list)
    stray: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    told: list[str] | None = None
    processes: list[Process] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    overdue: bool = False
    disturbed: bool = False
    operated: bool = False
    late: set[int] = field(default_factory=set)
    unfenced: set[str] = field(default_factory=set)
    silenced: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    unasked: bool = False
    clock_set: bool = False
    planners: dict[str, Process] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    def alive(self, pid: int) -> bool:
        return any(process.pid == pid and process.alive for process in self.processes)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.world.server.now = self.time + self.server_ahead

    def tell(self, actor: Actor, what: str, about: object) -> None:
        """Kept only where somebody will read it."""
        if self.told is not None:
            sql = getattr(about, "sql", None)
            self.told.append(f"{self.time:10.3f} {actor.name} {what} {sql if sql is not None else about}")

    def execute(self, running: Running, seconds: float) -> Execution:
        """The server carries it out, whatever becomes of its client."""
        made = Execution(self, running, self.time + seconds)
        self.executions.append(made)
        return made

    def asked(self, error: SchemaVersionError) -> None:
        """An operator looks whether a statement happened that was under way when its run was killed, or whether the
        rows of a table are converted."""
        from tests.simulation.process import asked_for

        for key, version, what in asked_for(error):
            there = self.converted() >= version if what == "t" else self._summed()
            self.allowed.add(f"{'skip' if there else 'rerun'} {key}")

    def _summed(self) -> bool:
        sums = self.world.server.find(DATABASE, "sums")
        return sums is not None and sums.count > 0

    def converted(self) -> int:
        """Up to which version the rows of the table are converted, by their values; an empty one: to none."""
        live = self.world.server.find(DATABASE, "t")
        for row, price in live.rows if live is not None else ():
            for sent in self.rows[row].versions if row in self.rows else ():
                for _, before in sent.landed:
                    for version in sorted(self.story.schemas):
                        if version >= before and sent.value * self.story.factor(before, version) == price:
                            return version
        return 0


class Execution(Actor):
    """An INSERT that the server is carrying out. ``late``: its run had lost the lease when it sent it."""

    def __init__(self, scene: Scene, running: Running, wake: float) -> None:
        super().__init__(running.id)
        self.scene, self.running, self.wake = scene, running, wake
        self.over = False
        self.late = False
        self.error: StatementError | None = None

    @property
    def ended(self) -> bool:
        return self.over

    def step(self) -> None:
        """It lands, or has been killed."""
        self.over = True
        self.scene.tell(self, "ends", self.running.tag)
        try:
            self.scene.world.land(self.running)
        except StatementError as error:
            self.error = error
