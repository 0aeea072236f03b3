"""Opens sessions on the embedded engine, and says what is wrong where that fails. Only this module imports chdb.

A process has one engine, on one data directory. Sessions on it are cheap (0.1 ms), and each has its own current
database and settings.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from aaiclick.clients.data_directory.locks import lock_holder
from aaiclick.clients.data_directory.metadata_files import KEPT, restore_definitions
from aaiclick.clients.failures import NOT_INSTALLED, statement_error
from aaiclick.clients.fork import refuse_forked_child
from aaiclick.clients.parameters import escaped_parameters
from aaiclick.clients.url import MEMORY
from aaiclick.errors import ConnectionFailed, UsageError

_NO_ENGINE = f"{NOT_INSTALLED}, or give a server's URL"
_RUNNING = re.compile(r"already initialized with path '(.*?)', cannot connect with different path", re.DOTALL)
_UNMADE = re.compile(r"filesystem error: in \w+: (.*?) \[")
# A path that cannot exist: asking for it names the engine that runs in this process and can create nothing.
_NOWHERE = f"{os.devnull}/nowhere"


# A statement that fails at run time leaves the header of its answer behind, and chdb puts it in front of the next
# answer: whoever asks next would read it as rows. An answer in the format Null takes it away.
FLUSH = "SELECT 1"


class Answer(Protocol):
    """A chdb result."""

    def bytes(self) -> bytes: ...


class EngineSession(Protocol):
    """What is used of ``chdb.session.Session``."""

    def query(self, sql: str, fmt: str = ..., *, params: dict[str, str] = ...) -> Answer: ...

    def close(self) -> None: ...


def execute(session: EngineSession, sql: str, parameters: Mapping[str, str | int], fmt: str) -> bytes:
    """Run one statement.

    Raises ``StatementError``, or ``UsageError`` for a session that its owner has closed.
    """
    try:
        bound = escaped_parameters(sql, parameters)
        answer = session.query(sql, fmt, params=bound) if bound else session.query(sql, fmt)
        return answer.bytes()
    except (RuntimeError, UnicodeDecodeError) as error:
        # Before anybody else asks: see ``FLUSH``.
        with suppress(RuntimeError):
            session.query(FLUSH, "Null")
        raise statement_error(_message(error), sql) from error
    except AttributeError as error:
        if getattr(session, "_conn", session) is None:
            raise UsageError(
                "the chdb Session that was given is closed: give an open one, or the directory as a URL (chdb:///path)"
            ) from error
        raise


def _message(error: RuntimeError | UnicodeDecodeError) -> str:
    """The engine's message. It may quote values that are no UTF-8; then decoding the message itself fails."""
    return error.object.decode(errors="backslashreplace") if isinstance(error, UnicodeDecodeError) else str(error)


def open_session(target: str, *, running: bool = False) -> EngineSession:
    """A session of this library's own on ``target``: a directory or ``:memory:``, perhaps with ``?options``.

    ``running``: a client that was given already runs this engine, so its path is right in any case.

    Raises ``ConnectionFailed`` or ``UsageError``.
    """
    refuse_forked_child()
    path, mark, options = target.partition("?")
    if not running:
        _refuse_foreign_lock(path)
        # Before the engine is opened: with an empty definition it would not start. Not under an engine that runs
        # already.
        if path != MEMORY and Path(path, KEPT).is_dir() and ("chdb" not in sys.modules or running_engine() is None):
            restore_definitions(path)
    factory = _session_class()
    try:
        return factory(target)
    except RuntimeError as error:
        other = _RUNNING.search(str(error))
        if other is None:
            # Only now: to look at each definition costs what a start should not.
            if not running and path != MEMORY:
                from aaiclick.clients.data_directory.broken_definitions import settle_broken

                if settle_broken(path):
                    return open_session(target)
            raise ConnectionFailed(_why_not(path, str(error))) from error
        if running or _same_directory(other[1], path):
            # chdb compares paths letter by letter; the same directory may be known to it under another spelling.
            return factory(other[1] + mark + options)
        raise ConnectionFailed(
            f"the embedded engine of this process already runs on {_named(other[1])} and can open no second place: "
            f"close it before opening {_named(path)}, or use another process"
        ) from error


def running_engine() -> str | None:
    """The path of the engine that runs in this process (``:memory:`` for one without a directory), or None. It starts
    none."""
    refuse_forked_child()
    try:
        _session_class()(_NOWHERE).close()
    except RuntimeError as error:
        other = _RUNNING.search(str(error))
        return other[1] if other is not None else None
    return None


def require_engine() -> None:
    """Raises ``ConnectionFailed`` where chdb is not installed. It is not loaded."""
    if "chdb" not in sys.modules and find_spec("chdb") is None:
        raise ConnectionFailed(_NO_ENGINE)


def _session_class() -> _SessionFactory:
    try:
        from chdb.session import Session  # loading chdb takes 0.2 s and starts threads
    except ImportError as error:
        raise ConnectionFailed(_NO_ENGINE) from error
    return cast("_SessionFactory", Session)


class _SessionFactory(Protocol):
    def __call__(self, path: str, /) -> EngineSession: ...


def _refuse_foreign_lock(path: str) -> None:
    """Raise where another process holds the directory. chdb itself gives no reason for that: it only writes one to
    stderr."""
    holder = lock_holder(Path(path, "status")) if path != MEMORY else None
    if holder is not None:
        raise ConnectionFailed(_in_use(path, f"another process (pid {holder})"))


def _why_not(path: str, text: str) -> str:
    unmade = _UNMADE.search(text)
    if unmade is not None:
        return f"the directory {path} cannot be made ({unmade[1]}). Choose another one in the URL"
    if path != MEMORY and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return (
            f"the embedded database {path} cannot be opened: this user may not write there. Change its permissions, "
            "or choose another directory"
        )
    if path != MEMORY and Path(path, "status").exists():
        # The engine gives no reason here (it writes one to stderr); a held lock file is the only one seen in practice.
        return _in_use(path, "another process")
    return (
        f"the embedded engine could not be started on {_named(path)}. Check that the place is a local disk with free "
        "space"
    )


def _in_use(path: str, holder: str) -> str:
    return f"the embedded database {path} is in use by {holder}. Close it, or give the other process's server as a URL"


def _named(path: str) -> str:
    return "memory (chdb://memory)" if path == MEMORY else path


def _same_directory(first: str, second: str) -> bool:
    try:
        return Path(first).samefile(second)
    except OSError:
        return False
