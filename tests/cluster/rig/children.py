"""Child processes that never outlive this one, however it ends, also while they are paused."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Asks for SIGKILL at the parent's end (PR_SET_PDEATHSIG, which outlives exec), and looks whether that was before."""
_starter = ThreadPoolExecutor(1, "cluster-starter")
"""The kernel means the thread that started the child, not the process: this one lives as long as the process."""
_running: set[subprocess.Popen[bytes]] = set()


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command whose output is appended to ``log``; what it gets from the environment beside its own is all of
    this process's."""

    def launch() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-ISc", _LAUNCH, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    child = _starter.submit(launch).result()
    _running.add(child)
    return child


def end(child: subprocess.Popen[bytes]) -> None:
    """kill -9, and wait for it."""
    if child.poll() is None:
        child.send_signal(signal.SIGKILL)
        child.wait()
    _running.discard(child)


@atexit.register
def _end_all() -> None:
    for child in list(_running):
        end(child)
