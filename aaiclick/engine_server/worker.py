"""Runs statements on the embedded engine for the test server: a connection of its own for each request, or for each
session.

Runs stand-alone beside ``server.py`` with only chdb installed, and holds to what chdb has always had.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING or __package__:
    from aaiclick.engine_server.drivers import RawConnection, Result, connector
    from aaiclick.engine_server.http_protocol import EngineError
    from aaiclick.engine_server.statements import Statement, inspect
else:
    from drivers import RawConnection, Result, connector
    from http_protocol import EngineError
    from statements import Statement, inspect

_C = TypeVar("_C", bound="Connection")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
# clickhouse-local's defaults where they differ from a server's
_SERVER_DEFAULTS = {"implicit_select": "0", "allow_introspection_functions": "0"}


@dataclass(frozen=True)
class External:
    """A table that comes with the request; ``structure`` is a column list as in CREATE TABLE."""

    name: str
    structure: str
    format: str
    data: bytes


@dataclass(frozen=True)
class Request:
    """One statement with all that the URL, the headers and the form say about it."""

    sql: bytes
    """The statement."""
    database: str = ""
    """Current database for it; '': the session's, or ``default``."""
    default_format: str = "TabSeparated"
    """Format of the answer where the statement names none."""
    query_id: str = ""
    """Id that the client chose; '': it chose none."""
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    """Query parameters by name."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Settings by name, for this statement only."""
    external: tuple[External, ...] = ()
    """Tables that came with the request."""
    session_id: str = ""
    """Session that it belongs to; '': none."""
    session_timeout: float = 60.0
    """Seconds without a request after which the session ends."""
    session_check: bool = False
    """The session has to be there already."""
    reading_only: bool = False
    """Only statements that read are allowed: the request is a GET."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave; ``format`` is '' for one without a result, ``summary`` has the keys of
    X-ClickHouse-Summary."""

    body: bytes
    format: str
    summary: Mapping[str, str]


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(value: str) -> str:
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Connection:
    """One connection to the engine with its own current database, settings and temporary tables."""

    def __init__(self, raw: RawConnection, scratch: str, prelude: Mapping[str, str] | None = None) -> None:
        """``prelude``: settings that go with those of the first request, in one SET, which costs half a query."""
        self._raw = raw
        self._prelude = dict(prelude or {})
        self._scratch = scratch
        self._home = "default"
        self._at = "default"
        self._laid_over: dict[str, tuple[str, str | None]] = {}
        self._tagging = True

    def execute(self, sql: bytes | str, fmt: str = "TabSeparated", params: Mapping[str, str] | None = None) -> Result:
        """Runs one statement; EngineError carries ClickHouse's code."""
        try:
            return self._raw.query(sql.encode() if isinstance(sql, str) else sql, fmt, params=dict(params or {}))
        except Exception as error:
            raise EngineError.of(error) from error

    def run(self, request: Request) -> Answer:
        """Runs a request: its database, settings and external tables hold for this statement only, as on a server."""
        statement = inspect(request.sql)
        if not statement.keyword and not request.sql.strip():
            raise EngineError.make(62, "Syntax error: Empty query", "SYNTAX_ERROR")
        if statement.several:
            raise EngineError.make(62, "Syntax error (Multi-statements are not allowed)", "SYNTAX_ERROR")
        if request.reading_only and not statement.reads:
            hint = (
                "For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries"
            )
            raise EngineError.make(164, f"Cannot execute query in readonly mode. {hint}", "READONLY")
        self._move_to(request.database or self._home)
        tagged = self._tagging and bool(request.query_id) and "log_comment" not in request.settings
        # The engine gives every statement a query_id of its own: the client's one shows as log_comment in
        # system.processes.
        self._lay_over(request.settings, [f"log_comment = {_quote(request.query_id)}"] if tagged else [])
        made: list[str] = []
        started = time.monotonic()
        try:
            for table in request.external:
                self._load(table)
                made.append(table.name)
            with self._with_data_in_file(request.sql, statement) as sql:
                result = self.execute(sql, statement.format or request.default_format, request.params)
        finally:
            # In a session the next request would find them.
            for name in made:
                self.execute(f"DROP TEMPORARY TABLE IF EXISTS {_name(name)}")
        self._remember(statement, request)
        body = result.bytes()
        fmt = (statement.format or request.default_format) if body or statement.answers else ""
        return Answer(body, fmt, _summary(result, time.monotonic() - started, statement.keyword == "INSERT"))

    def unpack(self, data: bytes, encoding: str) -> bytes:
        """Undoes lz4, zstd or br: the engine reads files that are compressed so."""
        with self._file(data) as path:
            sql = f"SELECT raw FROM file({_quote(path)}, 'RawBLOB', 'raw String', {_quote(encoding)}) FORMAT RawBLOB"
            return self.execute(sql).bytes()

    def close(self) -> None:
        self._raw.close()

    def settle(self) -> None:
        """Sets the prelude now."""
        self._lay_over({}, ())

    def _move_to(self, database: str) -> None:
        if database != self._at:
            self.execute(f"USE {_name(database)}")
            self._at = database

    def _lay_over(self, wanted: Mapping[str, str], also: Sequence[str]) -> None:
        """Sets what the URL asks for, and ``also``, and takes back what the last request of this session laid over."""
        back = [name for name in self._laid_over if name not in wanted]
        if back:
            former = [(name, self._laid_over.pop(name)[1]) for name in back]
            self.execute(
                "SET " + ", ".join(f"{name} = {'DEFAULT' if was is None else _quote(was)}" for name, was in former)
            )
        new = {name: value for name, value in wanted.items() if self._laid_over.get(name, (None,))[0] != value}
        for name in new:
            if not _SETTING.fullmatch(name):
                raise EngineError.make(115, f"Unknown setting '{name}'", "UNKNOWN_SETTING")
        # Before they are set: what the session had of them is put back for its next request.
        own = self._own_values([name for name in new if name not in self._laid_over])
        unasked = [f"{name} = {value}" for name, value in self._prelude.items() if name not in new]
        together = [*unasked, *(f"{name} = {_quote(value)}" for name, value in new.items()), *also]
        if together:
            self.execute("SET " + ", ".join(together))
        self._prelude = {}
        for name, value in new.items():
            previous = self._laid_over[name][1] if name in self._laid_over else own.get(name)
            self._laid_over[name] = (value, previous)

    def _own_values(self, names: list[str]) -> dict[str, str]:
        return {}

    def _remember(self, statement: Statement, request: Request) -> None:
        """A USE or SET that went through belongs to the session from now on."""
        if statement.keyword == "USE":
            self._home = self._at = self.execute("SELECT currentDatabase()", "RawBLOB").bytes().decode()
        elif statement.keyword == "SET":
            text = request.sql.decode("utf-8", "replace")
            for name in [name for name in self._laid_over if re.search(rf"\b{re.escape(name)}\b", text)]:
                del self._laid_over[name]
            self._tagging = self._tagging and "log_comment" not in text

    def _load(self, table: External) -> None:
        self.execute(f"CREATE TEMPORARY TABLE {_name(table.name)} ({table.structure})")
        with self._file(table.data) as path:
            self.execute(f"INSERT INTO {_name(table.name)} FROM INFILE {_quote(path)} FORMAT {table.format}")

    @contextmanager
    def _with_data_in_file(self, sql: bytes, statement: Statement) -> Generator[bytes, None, None]:
        """The engine would read inline data of an INSERT like a terminal, up to a blank line; from a file it takes
        every byte."""
        if statement.data_at < 0:
            yield sql
            return
        with self._file(sql[statement.data_at :]) as path:
            infile = f"FROM INFILE {_quote(path)} ".encode()
            yield sql[: statement.clause_at] + infile + sql[statement.clause_at : statement.data_from]

    @contextmanager
    def _file(self, data: bytes) -> Generator[str, None, None]:
        handle, path = tempfile.mkstemp(dir=self._scratch)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            yield path
        finally:
            os.unlink(path)


class SessionConnection(Connection):
    """A connection that stays: settings laid over by a URL are taken back for the next request."""

    def _own_values(self, names: list[str]) -> dict[str, str]:
        if not names:
            return {}
        listed = ", ".join(_quote(name) for name in names)
        found = (
            self.execute(f"SELECT name, hex(value) FROM system.settings WHERE changed AND name IN ({listed})")
            .bytes()
            .decode()
        )
        return {
            name: bytes.fromhex(value).decode() for name, value in (line.split("\t") for line in found.splitlines())
        }


def _summary(result: Result, seconds: float, inserted: bool) -> dict[str, str]:
    def count(name: str) -> int:
        return int(getattr(result, name, int)())

    # Older engines count the rows of an INSERT as rows of its result.
    written = count("rows_written") or (count("rows_read") if inserted else 0)
    return {
        "read_rows": str(count("storage_rows_read")),
        "read_bytes": str(count("storage_bytes_read")),
        "written_rows": str(written),
        "written_bytes": str(count("bytes_written") or (count("bytes_read") if inserted else 0)),
        "total_rows_to_read": "0",
        "result_rows": str(written or count("rows_read")),
        "result_bytes": str(count("bytes_read")),
        "elapsed_ns": str(int(seconds * 1e9)),
    }


@dataclass
class _Session:
    connection: SessionConnection
    timeout: float
    used: float
    busy: threading.Lock = field(default_factory=threading.Lock)


class Engine:
    """The engine of one data directory; ``path`` may be ``:memory:``. Safe to use from many threads."""

    def __init__(self, path: str, scratch: str, read_only: bool = False) -> None:
        try:
            self._open = connector(path)
        except Exception as error:
            raise EngineError.of(error) from error
        self._scratch = scratch
        self._read_only = read_only
        self._prelude: dict[str, str] = {}
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        # The engine shuts down with its last connection: this one stays open for as long as the server runs.
        self._base = self._connect(Connection)
        rows = self._base.execute("SELECT version(), timezone(), hostName()").bytes().decode().rstrip("\n").split("\t")
        self.version, self.timezone, self.host = rows
        known = ", ".join(_quote(name) for name in _SERVER_DEFAULTS)
        # Older releases do not know all of them, and would refuse the whole SET.
        names = self._base.execute(f"SELECT name FROM system.settings WHERE name IN ({known})").bytes().decode().split()
        self._prelude = {name: str(_SERVER_DEFAULTS[name]) for name in names}

    def run(self, request: Request) -> Answer:
        """Carries out one request, in its session if it names one."""
        if not request.session_id:
            connection = self._connect(Connection)
            try:
                return connection.run(request)
            finally:
                connection.close()
        session = self._session(request)
        try:
            return session.connection.run(request)
        finally:
            session.used = time.monotonic()
            session.busy.release()

    def decompress(self, data: bytes, encoding: str) -> bytes:
        """For environments without a Python module for this encoding: the engine reads compressed files."""
        connection = self._connect(Connection)
        try:
            connection.settle()
            return connection.unpack(data, encoding)
        finally:
            connection.close()

    def close(self) -> None:
        """Ends what still runs and shuts the engine down."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        # First: what still runs would keep its session busy.
        self._base.execute("KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC")
        for session in sessions:
            if session.busy.acquire(timeout=5):
                session.connection.close()
        self._base.close()

    def _session(self, request: Request) -> _Session:
        """The session, locked for this request; expired ones are dropped on the way."""
        now = time.monotonic()
        expired: list[_Session] = []
        with self._lock:
            for name, other in list(self._sessions.items()):
                if now - other.used > other.timeout and other.busy.acquire(blocking=False):
                    expired.append(self._sessions.pop(name))
            session = self._sessions.get(request.session_id)
            if session is None and request.session_check:
                raise EngineError.make(372, f"Session {request.session_id} not found", "SESSION_NOT_FOUND")
            if session is None:
                session = _Session(self._connect(SessionConnection), request.session_timeout, now)
                self._sessions[request.session_id] = session
            locked = not session.busy.acquire(blocking=False)
        for other in expired:
            # Outside of the lock, which every request needs.
            other.connection.close()
        if locked:
            raise EngineError.make(
                373, f"Session {request.session_id} is locked by a concurrent client", "SESSION_IS_LOCKED"
            )
        session.timeout = request.session_timeout
        return session

    def _connect(self, kind: type[_C]) -> _C:
        try:
            raw = self._open()
        except Exception as error:
            raise EngineError.of(error) from error
        connection = kind(raw, self._scratch, self._prelude)
        # What a session puts back behind a request is what it had before, and with readonly nothing is set any more.
        if self._read_only or kind is not Connection:
            connection.settle()
        if self._read_only:
            connection.execute("SET readonly = 2")
        return connection
