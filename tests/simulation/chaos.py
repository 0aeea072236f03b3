"""What happens to a process, drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from aaiclick.routine import Command, Query


class Fate(Enum):
    """Of one effect."""

    GO = "sends"
    PAUSE = "is paused before"
    KILL_BEFORE = "is killed before"
    KILL_AFTER = "is killed after"
    LOST_BEFORE = "sends in vain"
    LOST_AFTER = "sends, and gets no answer to"


@dataclass
class Chaos:
    """How often, for each command. ``passed``: the pause before this effect is over."""

    rng: Random
    kill: float = 0.0
    lose: float = 0.0
    pausing: float = 0.0
    slow: float = 0.0
    passed: bool = False

    def fate(self, effect: Query | Command) -> Fate:
        """A kill before a question is one before the next command; a pause before a command is what makes it
        belated."""
        drawn = self.rng.random()
        if isinstance(effect, Query):
            if drawn < self.lose / 8:
                return Fate.LOST_BEFORE
            return Fate.PAUSE if drawn > 1 - self.pausing / 8 and not self._is_over() else Fate.GO
        if self._is_over():
            drawn = max(drawn, self.pausing)
        if drawn < self.pausing:
            return Fate.PAUSE
        drawn -= self.pausing
        if drawn < self.kill:
            return Fate.KILL_BEFORE if drawn < self.kill / 2 else Fate.KILL_AFTER
        drawn -= self.kill
        if drawn < self.lose:
            return Fate.LOST_BEFORE if drawn < self.lose / 2 else Fate.LOST_AFTER
        return Fate.GO

    def _is_over(self) -> bool:
        over, self.passed = self.passed, False
        return over

    def pause(self) -> float:
        """Seconds: a breath, or beyond the lease."""
        return self.rng.uniform(0.01, 2.0) if self.rng.random() < 0.4 else self.rng.uniform(25.0, 140.0)

    def duration(self) -> float:
        """Seconds that an INSERT takes."""
        return self.rng.uniform(1.0, 60.0) if self.rng.random() < self.slow else self.rng.uniform(0.0, 0.02)

    def quiet(self) -> None:
        """Nothing happens any more."""
        self.kill = self.lose = self.pausing = self.slow = 0.0
