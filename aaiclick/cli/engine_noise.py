"""The embedded engine writes to file descriptor 2 by itself (a locked directory, its own shutdown): not among our
sentences."""

from __future__ import annotations

import io
import os
import sys

_STDERR = 2
_own: list[int] = []  # the descriptor of Python's stderr, once it has one of its own


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
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
