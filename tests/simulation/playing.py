"""Schedules one after the other, and what is said of one that ends wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.simulation.schedule import Bounds, Schedule
from tests.simulation.world import Model


class FoundError(AssertionError):
    """``seed`` plays it again."""

    def __init__(self, seed: int, story: str, problem: Exception) -> None:
        self.seed = seed
        super().__init__(
            f"seed {seed} ({story}): {type(problem).__name__}: {str(problem)[:3000]}\nmake simulate FROM={seed} "
            "SEEDS=1 TELL=1"
        )


def play(seed: int, bounds: Bounds | None = None, told: list[str] | None = None) -> Counter[str]:
    """One schedule on the model. Raises FoundError."""
    schedule: Schedule | None = None
    try:
        schedule = Schedule(seed, Model(), bounds, told)
        counts = schedule.play().counts
    except Exception as problem:
        raise FoundError(seed, schedule.scene.story.name if schedule is not None else "not begun", problem) from problem
    counts["schedules"] += 1
    counts["actors"] += counts["processes"] + len(schedule.actors)
    return counts


def play_all(seeds: Iterable[int], bounds: Bounds | None = None) -> Counter[str]:
    """What they came to. Raises FoundError for the first that ends wrongly."""
    total: Counter[str] = Counter()
    for seed in seeds:
        total.update(play(seed, bounds))
    return total
