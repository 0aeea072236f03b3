"""``make simulate``: schedules on the model, as many as are wanted; a seed that ends wrongly is told step by step in
``.simulation-found/``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from aaiclick.clients.opening import open_url
from tests.simulation.planning import Planner, planned_by
from tests.simulation.playing import FoundError, play

FOLDER = Path(".simulation-found")


def _tell(seed: int) -> None:
    """Played once more: to tell costs time."""
    told: list[str] = []
    with suppress(FoundError):
        play(seed, told=told)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{seed}.txt").write_text("\n".join(told) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """The number of schedules that ended wrongly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tell", action="store_true", help="tell every schedule step by step, also one that ends well")
    chosen = parser.parse_args(arguments)
    connection = open_url("chdb://memory")
    total: Counter[str] = Counter()
    wrong = 0
    with planned_by(Planner(connection)):
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            try:
                total.update(play(seed))
            except FoundError as problem:
                wrong += 1
                sys.stdout.write(f"{problem}\n")
                _tell(seed)
            else:
                if chosen.tell:
                    _tell(seed)
            if (seed + 1 - chosen.first) % 1000 == 0:
                sys.stdout.write(f"{seed + 1 - chosen.first} schedules, {wrong} ended wrongly\n")
                sys.stdout.flush()
    connection.close()
    sys.stdout.write(
        f"{chosen.seeds} schedules, {wrong} ended wrongly; "
        f"{', '.join(f'{count:,} {name}' for name, count in sorted(total.items()))}\n"
    )
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
