"""``python -m tests.fuzz.run``: many cases, in as many processes as there are cores, with a watch over each of them.

A process that says nothing for too long, or dies, is a failure of the cases it was at; another one goes on behind them.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.report import Run, keep, summary
from tests.fuzz.worlds import KINDS

ROOM = 2 << 30


@dataclass(slots=True)
class Counts:
    """What all processes told."""

    release: str = ""
    seeds: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    strategies: Counter[str] = field(default_factory=Counter)
    features: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def take_last(self, lines: Iterable[str]) -> None:
        """The lines of several runs, one after the other: what was played again counts as it ended last."""
        seeds: dict[int, list[dict[str, Any]]] = {}
        for line in map(json.loads, lines):
            self.release = line.get("release", self.release)
            if "failed" in line:
                seeds.setdefault(line["failed"], []).append(line)
            elif "seed" in line:
                seeds[line["seed"]] = [line]
        for told in seeds.values():
            for line in told:
                self.take(line)

    def take(self, line: dict[str, Any]) -> None:
        """A line of a process."""
        self.release = line.get("release", self.release)
        if "failed" in line:
            self.failures.append(line)
        elif "seed" in line:
            self.seeds += 1
            self.ends[line["end"]] += 1
            self.strategies.update(dict.fromkeys(line["strategies"], 1))
            for feature in line["features"]:
                self.features.setdefault(feature, Counter())[line["end"]] += 1

    def as_run(self, first: int) -> Run:
        """What is kept."""
        return {
            "first": first,
            "seeds": self.seeds,
            "failures": len(self.failures),
            "ends": dict(self.ends),
            "strategies": dict(self.strategies),
            "features": {name: dict(counted) for name, counted in self.features.items()},
        }


@dataclass(slots=True)
class Worker:
    """One process, the batch that it is at, and when it last said something."""

    index: int
    process: subprocess.Popen[str]
    at: int
    heard: float


def start(chosen: argparse.Namespace, index: int, first: int) -> Worker:
    """A process for every ``jobs``-th batch from ``first`` on."""
    seeds = chosen.first + chosen.seeds - first
    command = [
        sys.executable,
        "-u",
        "-m",
        "tests.fuzz.worker",
        "--first",
        str(first),
        "--seeds",
        str(seeds),
        "--size",
        str(chosen.size),
    ]
    command += ["--step", str(chosen.jobs), "--index", "0", "--tries", str(chosen.tries), "--python", chosen.python]
    command += ["--out", str(chosen.out)] if chosen.out else []
    command += ["--only", *chosen.only] if chosen.only else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=in_memory())
    return Worker(index, process, first, time.monotonic())


def in_memory() -> dict[str, str]:
    """The environment, with files in memory where there is room: most of what is waited for is creating and dropping
    tables."""
    memory = Path("/dev/shm")
    roomy = "TMPDIR" not in os.environ and memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    return {**os.environ, **({"TMPDIR": str(memory)} if roomy else {})}


def say(line: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def watch(chosen: argparse.Namespace, counts: Counts) -> None:
    """Until every batch was played."""
    selector = selectors.DefaultSelector()
    try:
        _watch(chosen, counts, selector)
    finally:
        for key in selector.get_map().values():
            key.data.process.kill()


def _watch(chosen: argparse.Namespace, counts: Counts, selector: selectors.BaseSelector) -> None:
    def begin(index: int, first: int) -> None:
        if first < chosen.first + chosen.seeds:
            worker = start(chosen, index, first)
            assert worker.process.stdout is not None
            selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    for index in range(chosen.jobs):
        begin(index, chosen.first + index * chosen.size)
    spoken = time.monotonic()
    while selector.get_map():
        for key, _ in selector.select(timeout=5):
            worker: Worker = key.data
            line = worker.process.stdout.readline() if worker.process.stdout else ""
            worker.heard = time.monotonic()
            if not line:
                selector.unregister(key.fileobj)
                if worker.process.wait():
                    lost(chosen, counts, worker, "the process died")
                    begin(worker.index, worker.at + chosen.size * chosen.jobs)
                continue
            told = json.loads(line)
            noted(chosen, line)
            worker.at = told.get("begin", worker.at)
            counts.take(told)
            if "failed" in told:
                say(
                    f"FAILED {told['failed']} {told['kind']} | {told['changes']} | {told['strategies']} | "
                    f"{told['detail']}"
                )
        for key in list(selector.get_map().values()):
            if time.monotonic() - key.data.heard > chosen.patience:
                selector.unregister(key.fileobj)
                key.data.process.kill()
                lost(chosen, counts, key.data, f"nothing was heard for {chosen.patience} s")
                begin(key.data.index, key.data.at + chosen.size * chosen.jobs)
        if time.monotonic() - spoken > chosen.every:
            spoken = time.monotonic()
            say(summary(counts.seeds, counts.ends, len(counts.failures)))


def noted(chosen: argparse.Namespace, line: str) -> None:
    """For whoever counts later, or goes on where a run was stopped."""
    if chosen.log:
        with chosen.log.open("a", encoding="utf-8") as log:
            log.write(line)


def lost(chosen: argparse.Namespace, counts: Counts, worker: Worker, why: str) -> None:
    """The cases that a process was at."""
    told = {"failed": worker.at, "kind": "hang", "detail": why, "changes": [], "strategies": []}
    noted(chosen, json.dumps(told) + "\n")
    counts.failures.append(told)
    say(
        f"FAILED {worker.at} to {worker.at + chosen.size - 1}: {why}. Go on behind it with "
        f"FROM={worker.at + chosen.size}"
    )


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    for name, default in (
        ("--seeds", 200),
        ("--first", 0),
        ("--size", 32),
        ("--tries", 80),
        ("--patience", 600),
        ("--every", 60),
    ):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--python", default="", help="the Python of another engine, which is started behind the test server"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--only", nargs="*", default=[], choices=KINDS, help="small tables with nothing but cases of these kinds"
    )
    parser.add_argument("--log", type=Path, help="a file that every seed's outcome is added to")
    parser.add_argument(
        "--counted",
        type=Path,
        nargs="*",
        help="play nothing: count what these files say, the last outcome of every seed",
    )
    parser.add_argument("--write", action="store_true", help="keep the counts for docs/coverage.md")
    parser.add_argument(
        "--add", action="store_true", help="with --write: other seeds of a release that was counted before, added to it"
    )
    chosen = parser.parse_args(arguments)
    counts, began = Counts(), time.monotonic()
    try:
        if chosen.counted:
            counts.take_last(line for path in chosen.counted for line in path.read_text(encoding="utf-8").splitlines())
        else:
            watch(chosen, counts)
    except KeyboardInterrupt:
        say("stopped: what was counted until now is kept")
    say(summary(counts.seeds, counts.ends, len(counts.failures)))
    say(
        f"{dict(Counter(failure['kind'] for failure in counts.failures))}; "
        f"{(time.monotonic() - began) / max(counts.seeds, 1):.2f} s for a seed"
    )
    if chosen.write:
        keep(counts.release, counts.as_run(chosen.first), add=chosen.add)
    return 1 if counts.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
