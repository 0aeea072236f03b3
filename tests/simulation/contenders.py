"""Who wants to end a lock that is over, or to make the next one, and is late with it: at each moment of the one that was
faster.

Nothing is left to chance, as in ``belated``: the laws of ``holding`` are looked at with every statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaiclick.lease.names import LOCK
from aaiclick.routine import Command, Query
from tests.simulation.belated import AWAY, comes, due
from tests.simulation.chaos import Chaos
from tests.simulation.process import Process
from tests.simulation.schedule import Bounds, Schedule
from tests.simulation.stories import Story
from tests.simulation.world import DATABASE, Model

ENDS = (f"RENAME TABLE `{DATABASE}`.`{LOCK}` TO ", f"DROP TABLE IF EXISTS `{DATABASE}`.`{LOCK}`")
"""How a lock is ended; and how it would be without a tombstone."""
MAKES = (f"CREATE TABLE `{DATABASE}`.`{LOCK}` ",)

Who = Literal["the holder", "a contender", "a winner"]


@dataclass(frozen=True)
class Late:
    """``who``: the holder itself, which gives its lease back; a contender that found it dead; or one that has ended its
    lock and makes its own. It sends that before the ``moment``-th effect of the one that was faster."""

    story: Story
    who: Who
    moment: int


class LateContender(Schedule):
    """``over``: the faster one had ended when the late one came."""

    def __init__(self, late: Late) -> None:
        super().__init__(0, Model(), Bounds(stories=(late.story,), operators=0, clocks=False))
        self.meeting = late
        self.actors, self.operator, self.waiting = [], None, []
        self.over = False

    def _disorder(self) -> None:
        newest, first = self.scene.story.newest, min(each for each in self.scene.story.schemas if each > 4)
        late = self._start(first, Chaos(self.rng))
        if self.meeting.who != "the holder":
            while not comes(late, "EXCHANGE TABLES"):
                self._step_one(late)
            late.kill("killed before", late.effect)
            self.scene.pass_time(AWAY)
            late = self._start(newest, Chaos(self.rng))
        while not any(comes(late, words) for words in (MAKES if self.meeting.who == "a winner" else ENDS)):
            self._step_one(late)
        assert not late.ended
        self.scene.disturbed = self.scene.overdue = True
        self.scene.pass_time(AWAY)
        faster = self._start(newest, Chaos(self.rng))
        self._until(faster, self.meeting.moment)
        self.over = faster.ended
        # So far that it would have taken the lease.
        for _ in range(6):
            if late.alive:
                self._step_one(late)
        # The late one waits for whoever holds the lease now.
        while faster.alive:
            self._step_one(faster)
        while late.alive:
            self._step_one(late)

    def _until(self, process: Process, number: int) -> None:
        passed = 0
        while process.alive and not (due(process, (Command, Query)) and passed == number):
            passed += due(process, (Command, Query))
            self._step_one(process)
