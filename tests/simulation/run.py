"""``make simulate``: schedules on the model, as many as are wanted; a seed that ends wrongly is told step by step in ``.simulation-found/``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from aaiclick.clients.opening import open_url
from tests.simulation.planning import Planner, planned_by
from tests.simulation.playing import FoundError, play

FOLDER = Path(".simulation-found")


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
            told: list[str] = []
            try:
                total.update(play(seed, told=told))
            except FoundError as problem:
                wrong += 1
                sys.stdout.write(f"{problem}\n")
            else:
                told = told if chosen.tell else []
            if told:
                FOLDER.mkdir(exist_ok=True)
                (FOLDER / f"{seed}.txt").write_text("\n".join(told) + "\n", encoding="utf-8")
    connection.close()
    sys.stdout.write(f"{chosen.seeds} schedules, {wrong} ended wrongly; {', '.join(f'{count:,} {name}' for name, count in sorted(total.items()))}\n")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
