"""Ratios within one run: every case once per round, in turn, so that what slows the machine down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Case = Callable[[], object]


@dataclass(frozen=True)
class Spent:
    """Medians of one case: ``wall`` and ``cpu`` of this process, seconds."""

    wall: float
    cpu: float


@dataclass
class Line:
    """One line of the table. ``measured`` is a ratio (or what ``text`` says instead); ``note`` stands below the
    table."""

    what: str
    against: str
    target: str
    limit: float
    measured: float
    text: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        number = f"{self.measured:.2f} x" if self.measured < 10 else f"{self.measured:.0f} x"
        return self.text or number

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


@dataclass
class Results:
    """What a run has measured so far, with the engine's version; ``warm`` are the ratios of a warm start to ``SELECT
    1`` by kind of client."""

    lines: list[Line] = field(default_factory=list)
    engine: str = ""
    warm: dict[str, float] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        self.lines.append(line)
        print(
            f"\n{line.what} against {line.against}: {line.shown} (target {line.target}{'' if line.met else ', MISSED'})"
        )


def interleaved(cases: dict[str, Case], rounds: int, before: Case | None = None) -> dict[str, Spent]:
    """Run all cases ``rounds`` times in turn, after one round that does not count (a single round has none); ``before``
    is not timed."""
    unmeasured = 1 if rounds > 1 else 0
    walls: dict[str, list[float]] = {name: [] for name in cases}
    cpus: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + unmeasured):
        for name, case in cases.items():
            if before is not None:
                before()
            wall, cpu = time.perf_counter(), time.process_time()
            case()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn >= unmeasured:
                walls[name].append(wall)
                cpus[name].append(cpu)
    return {name: Spent(statistics.median(walls[name]), statistics.median(cpus[name])) for name in cases}
