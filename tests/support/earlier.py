"""The library as it was at an earlier commit of this repository, at work in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import IO

ROOT = Path(__file__).parents[2]


def unpacked(commit: str, folder: Path, *paths: str) -> Path:
    """These folders of the repository as the commit has them; the test is skipped where its history has been cut off."""
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip(f"the history of this checkout does not hold {commit}, so the library as it was then cannot be had")
    archive = folder / "library.tar"
    subprocess.run(["git", "archive", "-o", str(archive), commit, *paths], cwd=ROOT, check=True)
    with tarfile.open(archive) as held:
        held.extractall(folder, filter="data")
    return folder


class EarlierProcess:
    """A process that answers each line with a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.asks: IO[str] = process.stdin
        self.answers: IO[str] = process.stdout

    def ask(self, line: str) -> str:
        self.asks.write(f"{line}\n")
        self.asks.flush()
        return self.answers.readline().strip()


@contextmanager
def earlier_process(script: Path, folder: Path, *arguments: str) -> Iterator[EarlierProcess]:
    """Run a script of the tests with the library of ``folder``, which it is given first; it says when it is ready."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # The folder of the script itself would come first, and with it this checkout's tests.
    environment["PYTHONSAFEPATH"] = "1"
    command = [sys.executable, str(script), str(folder), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
    ) as process:
        made = EarlierProcess(process)
        assert made.answers.readline() == "ready\n"
        yield made
        made.asks.close()
        process.wait(30)
