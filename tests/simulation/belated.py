"""One run is paused before a statement for longer than its lease, and sends it at each moment of its successor; which
may be killed some statements later.

Here nothing is left to chance: every statement of the one meets every effect of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from aaiclick.routine import Command, Query
from tests.simulation.chaos import Chaos
from tests.simulation.model.ddl import may_merge
from tests.simulation.process import Process
from tests.simulation.schedule import Bounds, Schedule
from tests.simulation.schedule_state import Sent, Written
from tests.simulation.stories import GENERATIONS, Story
from tests.simulation.world import Model

AWAY = 100.0
"""Seconds: the successor takes the lease over."""
NEVER = 1_000_000


@dataclass(frozen=True)
class Meeting:
    """The ``command``-th command of the first run, or the first one with these words, is sent before the ``moment``-th
    effect of the second one, which is killed ``killed`` effects later."""

    story: Story
    seed: int
    command: int | str
    moment: int
    killed: int | None = None


def due(process: Process, kinds: type[Command] | tuple[type[Command], type[Query]]) -> bool:
    """Whether the next effect of a process is one of these."""
    return process.alive and process.execution is None and isinstance(process.effect, kinds)


def comes(process: Process, words: str) -> bool:
    """Whether a command with these words is the next effect of a process, or it has ended."""
    return process.ended or (due(process, Command) and words in getattr(process.effect, "sql", ""))


class Belated(Schedule):
    """``sent``: what came late; '' where the first run has no such command. ``moments``: so many effects of the second
    one were before it."""

    def __init__(self, meeting: Meeting, told: list[str] | None = None) -> None:
        super().__init__(meeting.seed, Model(), Bounds(stories=(meeting.story,), operators=0, clocks=False), told)
        self.meeting = meeting
        self.actors, self.operator, self.waiting = [], None, []
        self.sent = ""
        self.moments = 0
        self.rows = 100_000

    def _disorder(self) -> None:
        meeting, newest = self.meeting, self.scene.story.newest
        first = self._start(newest, Chaos(self.rng))
        if isinstance(meeting.command, int):
            self._until(first, Command, meeting.command)
        else:
            while not comes(first, meeting.command):
                self._step_one(first)
        if first.ended:
            return
        assert isinstance(first.effect, Command)
        self.sent = first.effect.sql
        self._insert()
        self.scene.disturbed = self.scene.overdue = True
        self.scene.pass_time(AWAY)
        second = self._start(newest, Chaos(self.rng))
        self._until(second, (Command, Query), meeting.moment)
        moments = self.moments
        self._insert()
        while first.alive:
            self._step_one(first)
        if meeting.killed is not None:
            self._until(second, (Command, Query), meeting.killed)
            if second.alive:
                second.kill("killed before", second.effect)
            self._insert()
        self.moments = moments
        while second.alive:
            self._step_one(second)
        self._insert()

    def _until(self, process: Process, kinds: type[Command] | tuple[type[Command], type[Query]], number: int) -> None:
        """Until so many of these effects were carried out, and the next one is due."""
        self.moments = 0
        while process.alive and not (due(process, kinds) and number == self.moments):
            self.moments += due(process, kinds)
            self._step_one(process)

    def _insert(self) -> None:
        """A row that is written at once."""
        scene = self.scene
        table = scene.world.server.find("sim", "t")
        if table is None or table.fenced:
            return
        self.rows += 1
        running = scene.world.insert("t", ((self.rows, 3),))
        generation = GENERATIONS[running.target.settings["index_granularity"]]
        scene.world.land(running)
        scene.rows[self.rows] = Written([Sent(3, acknowledged=True, landed=[(running.target.uuid, generation)])])
        # The engine merges as soon as it may.
        if len(table.parts) > 1 and may_merge(table):
            scene.world.merge(table)


def meet(meeting: Meeting, told: list[str] | None = None) -> Belated:
    """Raises AssertionError where it ends wrongly."""
    played = Belated(meeting, told)
    try:
        played.play()
    except Exception as problem:
        raise AssertionError(
            f"{meeting.story.name}: {meeting}: {played.sent[:300]}: {type(problem).__name__}: {problem}"
        ) from problem
    return played


def meetings(story: Story, seed: int, kills: tuple[int | None, ...] = (None,)) -> Iterator[Meeting]:
    """All there are: how many effects a successor has is asked of one that nobody disturbs."""
    for command in itertools.count():
        alone = meet(Meeting(story, seed, command, NEVER))
        if not alone.sent:
            return
        for moment in range(alone.moments):
            for killed in kills:
                yield Meeting(story, seed, command, moment, killed)
