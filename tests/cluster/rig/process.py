"""A process of the cluster that tests end, pause and start again."""

from __future__ import annotations

import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

from tests.cluster.rig import children
from tests.cluster.rig.waiting import wait_until

START_SECONDS = 90.0
"""How long a start may take on a busy machine."""


class ClusterProcess(ABC):
    """One process with a directory of its own, which survives it."""

    def __init__(self, title: str, directory: Path) -> None:
        self.title = title
        self.directory = directory
        self._child: subprocess.Popen[bytes] | None = None
        self._paused = False
        directory.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"<{self.title}, {'paused' if self._paused else 'running' if self.running else 'not running'}>"

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def _environment(self) -> dict[str, str]:
        return {}

    @property
    def output(self) -> Path:
        """What it wrote to its standard streams."""
        return self.directory / "output"

    @property
    def logs(self) -> list[Path]:
        """The files that tell what it did."""
        return [self.output]

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def launch(self) -> None:
        """Start it without waiting: several start at the same time."""
        if not self.running:
            self._child = children.start(self._command(), self._environment(), self.output)

    def wait(self) -> None:
        """Wait until it is up. RuntimeError with its last words where it ended instead."""

        def up_or_ended() -> bool:
            return not self.running or self._answers()

        wait_until(up_or_ended, f"{self.title} is up", START_SECONDS)
        if not self.running:
            raise RuntimeError(f"{self.title} could not start: {self.last_words()}")

    def start(self) -> None:
        """Start it, unless it runs, and wait until it is up."""
        self.launch()
        self.wait()

    def kill(self) -> None:
        """kill -9: nothing is finished, nothing is tidied up."""
        if self._child is not None:
            children.end(self._child)
        self._child = None
        self._paused = False

    def restart(self) -> None:
        """kill -9, and start."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """It stands still (SIGSTOP): connections stay open, nothing is answered."""
        assert self._child is not None, f"{self.title} is not running"
        self._child.send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """It goes on where it stood."""
        if self._child is not None and self._paused:
            self._child.send_signal(signal.SIGCONT)
        self._paused = False

    def last_words(self) -> str:
        """The end of its output."""
        return self.output.read_text(errors="replace")[-1500:].strip() if self.output.exists() else "it said nothing"
