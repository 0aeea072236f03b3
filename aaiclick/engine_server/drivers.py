"""The generations of chdb behind one face: connections that know nothing of each other.

chdb 4 has such connections. chdb 3 has one connection for each process, and before that every statement starts an
engine of its own that runs the SET statements of its predecessors once more. With both, a connection's USE and SET
statements are repeated when its turn comes and statements run one after another; temporary tables are not kept apart
(chdb 3) or not kept at all (before), and before chdb 3 the database ``default`` may be gone with the statement. Runs
stand-alone beside ``server.py``.
"""

from __future__ import annotations

import inspect
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Protocol, cast

_STATE = re.compile(rb"\s*(USE|SET)\b", re.IGNORECASE)
_DROP, _SYNC = (
    re.compile(r"\s*(/\*.*?\*/\s*)?DROP\b", re.IGNORECASE | re.DOTALL),
    re.compile(r"\s+SYNC(?=\s*(/\*.*?\*/\s*)?;?\s*$)", re.IGNORECASE | re.DOTALL),
)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
# Settings alone: no SET ROLE, no parameter, and no comment, behind which the next one would be lost.
_LIST = re.compile(
    r"SET (?!\s*(?:param_|ROLE\b|DEFAULT\b))((?!--|/\*|#).)*=((?!--|/\*|#).)*", re.IGNORECASE | re.DOTALL
)
_SET_NAMES = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=")


class Result(Protocol):
    """What a statement gave. Newer engines also count: ``rows_written()``, ``storage_rows_read()`` ..."""

    def bytes(self) -> bytes: ...


class RawConnection(Protocol):
    """A connection with its own current database and settings; errors are whatever the engine raises."""

    def query(self, query: bytes, format: str, params: Mapping[str, str]) -> Result: ...

    def close(self) -> None: ...


def connector(path: str) -> Callable[[], RawConnection]:
    """What opens connections to the engine on ``path`` with the chdb that is installed here."""
    chdb = import_module("chdb")
    if path != ":memory:":
        # chdb 3.7 starts the task that carries out drops only over a directory that has this folder already: without
        # the task, DROP ... SYNC never returns.
        os.makedirs(os.path.join(path, "metadata"), exist_ok=True)
    connect = cast("Callable[[str], RawConnection] | None", getattr(chdb, "connect", None))
    if connect is None:
        return _Turns(_engine_for_each(path, cast("Callable[..., Result]", chdb.query)), repeat_always=True).connection
    first = connect(path)
    if "params" not in inspect.signature(first.query).parameters:
        run = cast("Callable[[str, str], Result]", first.query)
        release = run("SELECT version()", "TabSeparated").bytes()
        if release.startswith(b"24.") or (path == ":memory:" and release.startswith(b"25.")):
            run = _drops_unawaited(run)
        return _Turns(run, repeat_always=False).connection
    # As many threads for merges and mutations as a server has: an embedded engine has two, and lets a mutation of many
    # parts wait for them.
    first.close()
    pooled = f"{path}?background_pool_size=16"
    return lambda: connect(pooled)


def _drops_unawaited(query: Callable[[str, str], Result]) -> Callable[[str, str], Result]:
    """Sends DROP without its SYNC: this engine removes no files of dropped tables while it runs (chdb 3.7 in memory
    alone), and where it is waited for stands still, or gives up with half of a database dropped (code 341)."""

    def run(sql: str, fmt: str) -> Result:
        return query(_SYNC.sub("", sql) if _DROP.match(sql) else sql, fmt)

    return run


def _engine_for_each(path: str, query: Callable[..., Result]) -> Callable[[str, str], Result]:
    if path == ":memory:":
        raise RuntimeError(
            "Code: 36. DB::Exception: This chdb needs a directory: in memory it forgets everything with each "
            "statement. (BAD_ARGUMENTS)"
        )
    handed_on = os.path.join(path, "set_statements")

    def run(sql: str, fmt: str) -> Result:
        # The SET statements of the one before, which are not this one's: each turn brings its own.
        with suppress(FileNotFoundError):
            os.unlink(handed_on)
        return query(sql, fmt, path=path)

    run("CREATE DATABASE IF NOT EXISTS default ENGINE = Atomic", "TabSeparated")
    return run


def _sets(text: str) -> frozenset[str]:
    """The settings that a SET sets; USE for a USE."""
    if text[:3].upper() == "USE":
        return frozenset({"USE"})
    return frozenset(_SET_NAMES.findall(_STRING.sub("''", text)))


def joined_statements(state: list[str]) -> list[str]:
    """The statements, with a SET that follows another one written as one: each statement costs as much as a query."""
    found: list[str] = []
    for text in state:
        if found and _LIST.fullmatch(found[-1]) and _LIST.fullmatch(text):
            found[-1] += f", {text[4:]}"
        else:
            found.append(text)
    return found


class _Turns:
    """Lets connections take turns on an engine that has room for one."""

    def __init__(self, query: Callable[[str, str], Result], repeat_always: bool) -> None:
        self._query = query
        self._repeat_always = repeat_always
        self._lock = threading.Lock()
        self._last: _Turn | None = None

    def connection(self) -> RawConnection:
        return _Turn(self)

    def run(self, turn: _Turn, sql: str, fmt: str) -> Result:
        with self._lock:
            if self._repeat_always:
                return self._query(";\n".join([*turn.state, sql]), fmt)
            if self._last is not turn:
                self._switch(turn)
            return self._query(sql, fmt)

    def _switch(self, turn: _Turn) -> None:
        names = sorted(
            {name for text in self._last.state for name in _sets(text) if name != "USE"}
            if self._last is not None
            else set()
        )
        # Should one of these statements fail, nobody's settings are in force: the next turn sets all of its own.
        self._last = None
        back = [f"{name} = DEFAULT" for name in names if not name.startswith("param_")]
        for text in [*([f"SET {', '.join(back)}"] if back else []), "USE default", *joined_statements(turn.state)]:
            self._query(text, "TabSeparated")
        self._last = turn


class _Turn:
    def __init__(self, engine: _Turns) -> None:
        self._engine = engine
        self.state = ["USE default"]

    def query(self, query: bytes | str, format: str, params: Mapping[str, str]) -> Result:
        # These engines take text only: other bytes are refused (UnicodeDecodeError), never changed.
        sql = query.decode() if isinstance(query, bytes) else query
        for name, value in params.items():
            self.query(
                f"SET param_{name} = '" + value.replace("\\", "\\\\").replace("'", "\\'") + "'", "TabSeparated", {}
            )
        result = self._engine.run(self, sql, format)
        if _STATE.match(sql.encode()):
            text = sql.strip().rstrip(";")
            # What it sets anew need not be set before: a session that lasts would have more and more to repeat.
            sets = _sets(text)
            before = (kept for kept in self.state if kept != text and (not _sets(kept) or not _sets(kept) <= sets))
            self.state = [*before, text]
        return result

    def close(self) -> None:
        """Nothing to let go of."""
