"""``kill -9`` in the middle of a function that moves rows in batches, on disk: the next process goes on at the
bookmark, every row once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.children import ROOT
from tests.reliability.counts import note


def child(path: Path, rows: int, batches: int, kill_at: int | None = None) -> list[list[str]]:
    """The words of each line that it said; it is killed when it has said the ``kill_at``-th ``batch``."""
    command = [sys.executable, "-m", "tests.migrations.moving_child", str(path), str(rows), str(batches)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    said: list[list[str]] = []
    for line in process.stdout:
        said.append(line.split())
        if kill_at is not None and sum(words[0] == "batch" for words in said) >= kill_at:
            process.send_signal(signal.SIGKILL)
            kill_at = None
    _, errors = process.communicate()
    assert said, errors
    return said


def killed_again_and_again(path: Path, rows: int, batches: int, kills: list[int]) -> int:
    """Kill a run after so many batches, again and again; how many batches a killed run had moved without its
    bookmark."""
    attempt = moved = unmarked = 0
    for kill_at in kills:
        said = child(path, rows, batches, kill_at)
        if said[-1][0] == "done":
            break
        attempt += 1
        moved, unmarked = _compare(said, attempt, moved, unmarked, rows // batches)
    said = child(path, rows, batches)
    attempt += 1
    _, unmarked = _compare(said, attempt, moved, unmarked, rows // batches)
    total = rows * (rows - 1) // 2
    assert said[-1] == ["done", str(rows), str(rows), str(total), "0", "1"]
    if len(kills) > 1:
        assert [words[0] for words in child(path, rows, batches)] == ["held", "done"], (
            "the function is not called again"
        )
    note(
        "`kill -9` in a function that moves rows", kills=attempt - 1, rows=rows, batches_without_their_bookmark=unmarked
    )
    return attempt - 1


def _compare(said: list[list[str]], attempt: int, moved: int, unmarked: int, size: int) -> tuple[int, int]:
    """A call is told which it is and goes on where the one before it came to. ``moved``: batches the runs before are
    known to have made."""
    (call,) = (words for words in said if words[0] == "call")
    held = next((words for words in said if words[0] == "held"), None)
    assert int(call[1]) == attempt
    if held is not None:
        there, distinct, whole = (int(word) for word in held[1:])
        assert there == distinct == whole * size, "every row once, whole batches"
        assert moved <= int(call[2]) <= whole <= int(call[2]) + 1
        unmarked += whole - int(call[2])
    batches = [int(words[1]) for words in said if words[0] == "batch"]
    return (max(batches) + 1 if batches else moved), unmarked


@pytest.mark.slow
def test_killed_in_the_middle_of_a_function(tmp_path: Path) -> None:
    assert killed_again_and_again(tmp_path / "data", 3000, 30, [12]) == 1


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(6))
def test_killed_in_a_function_again_and_again(tmp_path: Path, seed: int) -> None:
    moment = random.Random(seed)
    assert killed_again_and_again(tmp_path / "data", 200_000, 400, [moment.randint(1, 40) for _ in range(12)]) > 5
