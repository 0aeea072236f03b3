"""Calls of the command line without the half second of processor time that each process spends on loading: one process
of its own for all of them. What is about the process itself (signals, a pipe that is closed, a terminal) starts real
ones, as ``tests/cli/processes.py`` does."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Called:
    code: int
    stdout: str
    stderr: str


class Resident:
    """Started with the first call."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.resident_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            text=True,
        )

    def aaiclick(self, arguments: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Called:
        """As ``aaiclick ARGUMENTS`` in that directory."""
        return self._ask(arguments=list(arguments), folder=str(folder), variables=dict(variables))

    def python(self, script: str, folder: Path, variables: Mapping[str, str]) -> Called:
        """As ``python -c SCRIPT`` there."""
        return self._ask(script=script, folder=str(folder), variables=dict(variables))

    def close(self) -> None:
        """Nobody asks it any more."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, **asked: object) -> Called:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process ended: {self._process.wait(10)}"
        return Called(**json.loads(answer))


@cache
def resident() -> Resident:
    """The one of this process, which it ends with."""
    made = Resident()
    atexit.register(made.close)
    return made
