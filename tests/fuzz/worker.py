"""``python -m tests.fuzz.worker``: plays batches of cases in one process and tells about each in a line of JSON."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.compare import Failure
from tests.fuzz.engines import Embedded, Served
from tests.fuzz.features import features
from tests.fuzz.ground import Engine, Ground
from tests.fuzz.play import Outcome, play
from tests.fuzz.reduce import reduced
from tests.fuzz.schema import World
from tests.fuzz.script import script
from tests.fuzz.together import play_together
from tests.fuzz.worlds import KINDS, world

AT_MOST = 6
"""Failures of one kind that a process makes small."""


def batch(
    ground: Ground, first: int, size: int, skip: frozenset[int] = frozenset(), only: Sequence[str] = ()
) -> list[tuple[World, Outcome]]:
    """Consecutive cases, played together."""
    worlds = [
        world(seed, f"_{place}", only) for place, seed in enumerate(range(first, first + size)) if seed not in skip
    ]
    return list(zip(worlds, play_together(ground, worlds), strict=True))


def smaller(ground: Ground, case: World, failure: Failure, tries: int) -> tuple[World, Failure]:
    """The case made small, and how its failure reads then."""
    last = failure

    def fails(candidate: World) -> bool:
        nonlocal last
        found = [other for other in failures_of(ground, candidate) if other.kind == failure.kind]
        last = found[0] if found else last
        return bool(found)

    return reduced(case, fails, tries), last


def failures_of(ground: Ground, case: World) -> list[Failure]:
    """What is wrong in a case; nothing where it cannot even be written down."""
    try:
        return play(ground, case).failures
    except Exception:
        return []


@contextmanager
def opened(python: str) -> Iterator[Engine]:
    """The engine of this process, or that of another Python behind the test server."""
    if python:
        with EngineServer(python=python) as server:
            yield Served(server)
    else:
        with EmbeddedEngine(":memory:") as engine:
            own = Embedded(engine)
            yield own
            own.close()


Tell = Callable[[dict[str, object]], None]


def told(
    ground: Ground, played: list[tuple[World, Outcome]], tries: int, out: Path | None, seen: Counter[str], tell: Tell
) -> None:
    """A line for each case; failures are made small and written down as programs."""
    for case, outcome in played:
        tell(
            {
                "seed": case.seed,
                "end": outcome.end,
                "strategies": outcome.strategies,
                "features": sorted(features(case)),
                "said": outcome.said[:300],
            }
        )
        for failure in outcome.failures[:1]:
            seen[failure.kind] += 1
            small, last = case, failure
            if out is not None and seen[failure.kind] <= AT_MOST:
                small, last = smaller(ground, case, failure, tries)
                out.mkdir(parents=True, exist_ok=True)
                title = f"{failure.kind} | seed {case.seed} | {last.detail}"
                (out / f"{failure.kind.replace(' ', '_')}_{case.seed:06}.py").write_text(
                    script(small, title), encoding="utf-8"
                )
            tell(
                {
                    "failed": case.seed,
                    "kind": failure.kind,
                    "changes": case.changes,
                    "strategies": outcome.strategies,
                    "detail": last.detail[:600],
                }
            )


def main(arguments: list[str]) -> None:
    """The command line: batches ``--index``, ``--index`` + ``--step``, ... of the seeds."""
    parser = argparse.ArgumentParser()
    for name, default in (
        ("--first", 0),
        ("--seeds", 200),
        ("--size", 32),
        ("--index", 0),
        ("--step", 1),
        ("--tries", 80),
    ):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--python", default="")
    parser.add_argument("--only", nargs="*", default=[], choices=KINDS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    seen: Counter[str] = Counter()

    def tell(line: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    with opened(chosen.python) as engine:
        ground = Ground(engine, engine.client(), f"live{chosen.index}", f"want{chosen.index}")
        tell({"release": ".".join(engine.run("SELECT version()").split(".")[:2])})
        starts = range(chosen.first, chosen.first + chosen.seeds, chosen.size)
        for start in starts[chosen.index :: chosen.step]:
            tell({"begin": start})
            told(
                ground,
                batch(ground, start, min(chosen.size, chosen.first + chosen.seeds - start), only=chosen.only),
                chosen.tries,
                chosen.out,
                seen,
                tell,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
