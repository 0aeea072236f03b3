"""One process for a hook: its arguments as they are, its output line by line, an end after its time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aaiclick.printable import seconds_text, shown

_GRACE = 5.0
"""Seconds between asking a process to end and ending it; no more than it was given at all."""
_LATE = 1.0
"""Seconds that are waited for the last lines of output. What the hook left running may hold the pipe open for ever."""


def run_process(
    command: Sequence[str],
    variables: Mapping[str, str],
    document: str,
    folder: Path,
    timeout: float,
    say: Callable[[str], object],
) -> str:
    """Run it and tell why it failed; '' where it ended with 0.

    ``variables``: its whole environment. ``document`` is what it can read from its input. ``say`` is told each line of
    its output.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the arguments are what the project's configuration says; no shell
            list(command),
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which ends the hook itself
        )
    except OSError as error:
        return f"cannot be started: {shown(command[0])}: {error.strerror or error}"
    # Neither of the two may keep the other waiting: a hook need not read, and it may write more than a pipe holds.
    feeding = threading.Thread(target=_feed, args=(process, document), name="aaiclick-hook-input", daemon=True)
    reading = threading.Thread(target=_tell, args=(process, say), name="aaiclick-hook-output", daemon=True)
    feeding.start()
    reading.start()
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        _end(process, min(_GRACE, timeout))
        return f"took longer than {seconds_text(timeout)}, and was ended"
    except BaseException:
        _end(process, min(_GRACE, timeout))
        raise
    finally:
        reading.join(_LATE)
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}" if code else ""


def _feed(process: subprocess.Popen[bytes], document: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError), process.stdin as stream:
        stream.write(document.encode("utf-8", "backslashreplace"))


def _tell(process: subprocess.Popen[bytes], say: Callable[[str], object]) -> None:
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError), process.stdout as stream:
        for line in stream:
            say(line.decode("utf-8", "replace").rstrip("\r\n"))


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """The process, and what it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            # The whole group: a shell script that is ended by itself leaves what it has started.
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
            return
