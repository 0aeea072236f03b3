"""Refuses to work in a forked child of a process that has loaded chdb: it would hang there.

chdb starts threads when it is imported, and a forked child does not have them. There a query on an inherited session
waits for ever, and so does opening a new one, even where the parent only imported chdb (measured with chdb 4.4).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aaiclick.errors import UsageError

_ADVICE = "start worker processes with the 'spawn' method, or fork before anything imports chdb"
_loaded_before_fork = False
_seen_alive_in = 0


def _remember_in_child() -> None:
    global _loaded_before_fork  # noqa: PLW0603 - set once per process, by the interpreter, before any other code of the child
    _loaded_before_fork = _loaded_before_fork or "chdb" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_in_child)


def refuse_forked_child(opened_in: int | None = None) -> None:
    """Raise ``UsageError`` in a child that inherited chdb. ``opened_in``: the process id that opened the connection."""
    if _loaded_before_fork or (opened_in is not None and opened_in != os.getpid()):
        raise UsageError(f"chdb was loaded before this process was forked and would hang here: {_ADVICE}")


def refuse_inherited_engine() -> None:
    """The same for a client that was given, where this library was imported only after the fork.

    A running engine has background threads, so a process with a single thread cannot be the one that started it.
    """
    global _seen_alive_in  # noqa: PLW0603 - one answer per process is enough
    refuse_forked_child()
    if _seen_alive_in == os.getpid():
        return
    try:
        threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return
    if threads > 1:
        _seen_alive_in = os.getpid()
    else:
        raise UsageError(f"the chdb session was opened before this process was forked and would hang here: {_ADVICE}")
