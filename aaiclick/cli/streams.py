"""The three streams of the process. The embedded engine writes to file descriptor 2 by itself (a locked directory, its
own shutdown): not among our sentences. One that was closed (``>&-``) leads nowhere."""

from __future__ import annotations

import contextlib
import io
import os
import sys

_STDERR = 2
_own: list[int] = []  # the descriptor of Python's stderr, once it has one of its own


def open_closed_streams() -> None:
    """Let streams that the caller closed lead nowhere. For a process that is the command line, before anything else.

    Otherwise the engine would get such a number for the next file that it opens, and what is printed would land in it.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(nowhere, True)
    os.close(nowhere)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def flush_stderr() -> None:
    """Write out what is left for it. A reader that went away changes no exit code: Python would end with 120."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            _lead_nowhere(sys.stderr.fileno())


def drop_stdout() -> None:
    """Nothing more can be written there; without this, Python would complain once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        _lead_nowhere(sys.stdout.fileno())


def _lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def separate_stderr() -> None:
    """Give Python's stderr a descriptor of its own, so that the engine's can be silenced. For a process that is the
    command line."""
    try:
        if sys.stderr.fileno() != _STDERR:
            return
        own = os.dup(_STDERR)
    except (OSError, ValueError, io.UnsupportedOperation):
        return  # closed or replaced: nothing to separate
    sys.stderr.flush()
    sys.stderr = os.fdopen(own, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
    _own.append(own)


def silence_engine() -> None:
    """Send descriptor 2 to nowhere, where Python's own stderr was separated from it before."""
    if _own:
        # Not closed: the engine would get the number for the next file that it opens, and write into that.
        _lead_nowhere(_STDERR)
