"""``python -m tests.fuzz.run``: many cases, in as many processes as there are cores."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.compare import Failure
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground
from tests.fuzz.play import Outcome, play
from tests.fuzz.reduce import reduced
from tests.fuzz.schema import World
from tests.fuzz.script import script
from tests.fuzz.worlds import world


def say(line: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def seed_of(ground: Ground, seed: int, tries: int, out: Path | None, done: Counter[str]) -> Outcome:
    """One case; a failure is reduced and written down."""
    case = world(seed)
    outcome = play(ground, case)
    if outcome.failures:
        say(" | ".join(map(str, (seed, outcome.end, case.changes, outcome.strategies, *outcome.failures))))
        kind = outcome.failures[0].kind
        if out is not None and done[kind] < 12:
            done[kind] += 1
            small = reduced(case, lambda smaller: any(failure.kind == kind for failure in failures_of(ground, smaller)), tries)
            found = [failure for failure in failures_of(ground, small) if failure.kind == kind]
            title = f"{kind} | seed {seed} | {found[0] if found else outcome.failures[0]}"
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{kind.replace(' ', '_')}_{seed:06}.py").write_text(script(small, title, ()), encoding="utf-8")
    return outcome


def failures_of(ground: Ground, case: World) -> list[Failure]:
    """What is wrong in a case; nothing where it cannot even be written."""
    try:
        return play(ground, case).failures
    except Exception:
        return []


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tries", type=int, default=120)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    done: Counter[str] = Counter()
    began = time.monotonic()
    with EmbeddedEngine(":memory:") as engine:
        embedded = Embedded(engine)
        ground = Ground(embedded, embedded.client())
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            try:
                outcome = seed_of(ground, seed, chosen.tries, chosen.out, done)
            except Exception as error:
                say(f"{seed} the fuzzer itself: {type(error).__name__}: {error}")
                kinds["fuzzer"] += 1
                continue
            ends[outcome.end] += 1
            kinds.update(failure.kind for failure in outcome.failures)
    say(f"{dict(ends)} {dict(kinds)} {(time.monotonic() - began) / chosen.seeds:.2f} s for a seed")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
