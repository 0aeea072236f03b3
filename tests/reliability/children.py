"""Starting children, and reading what they said."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Said:
    """``lines`` by their first word; ``code`` is negative for one that was killed."""

    lines: dict[str, str]
    code: int
    text: str

    @property
    def steps(self) -> int:
        return int(self.lines["done"].split()[0]) if "done" in self.lines else 0

    @property
    def seconds(self) -> float:
        return float(self.lines["done"].split()[1])


class Child:
    """A child that waits for ``go``."""

    def __init__(self, case: str, url: str, database: str, *lease: str) -> None:
        command = [sys.executable, "-m", "tests.reliability.child", case, url, database, *lease]
        pipe, env = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=env
        )

    def ready(self) -> Child:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", line
        return self

    def go(self) -> Child:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self

    def end(self, timeout: float = 300) -> Said:
        text, _ = self.process.communicate(timeout=timeout)
        words = [line.partition(" ") for line in text.splitlines()]
        return Said({word: rest for word, _, rest in words}, self.process.returncode, text)
