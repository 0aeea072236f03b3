"""Statements on the embedded engine, however it was given (URL, Session, clickhouse-connect, a client of another kind).

The first query of a start is sent through the caller's own client. All others run on sessions of this library, in
the caller's current database and with those of the caller's settings that are kept (``clients/settings.py``). So a
USE or SET never changes the client that was given, and settings of a CREATE TABLE stay settings of the statement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from aaiclick.clients.answers import FORMAT, decode_rows
from aaiclick.clients.chdb_session import EngineSession, execute, open_session
from aaiclick.clients.data_directory.metadata_files import definition_kept, writes_definition
from aaiclick.clients.failures import unknown_setting
from aaiclick.clients.fork import refuse_forked_child
from aaiclick.clients.parameters import set_clause
from aaiclick.clients.settings import (
    CHANGED_SETTINGS,
    ChangedSetting,
    changed_of,
    engine_defaults,
    only_kept,
    read_changed_settings,
)
from aaiclick.errors import OutcomeUnknownError, StatementError, UsageError
from aaiclick.routine import Command, Query, run
from aaiclick.sql.quoting import quote_name

_CALLER = (
    f"SELECT '' AS name, currentDatabase() AS value, '' AS default, toUInt8(0) AS fixed UNION ALL {CHANGED_SETTINGS}"
)
_PATH = "SELECT value FROM system.server_settings WHERE name = 'path'"
MOST_SESSIONS = 8
"""Sessions that one connection keeps ready: bookkeeping, its inserts, questions, copies, definitions (in scratch also
with every permission), one more."""
# Settings that a fresh session has changed, by the connection string it was opened with.
_baselines: dict[str, tuple[ChangedSetting, ...]] = {}


class Reader(Protocol):
    """Sends queries through the caller's own client, in its current database."""

    def read(self, sql: str, parameters: Mapping[str, str | int]) -> bytes: ...


class SessionReader:
    """Sends queries through a chdb Session."""

    __slots__ = ("_session",)

    def __init__(self, session: EngineSession) -> None:
        self._session = session

    def read(self, sql: str, parameters: Mapping[str, str | int]) -> bytes:
        return execute(self._session, sql, parameters, FORMAT)


@dataclass(frozen=True, slots=True)
class CallerContext:
    """The caller's current database, and those of its changed settings that are kept."""

    database: str
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])


@dataclass(frozen=True, slots=True)
class _ReadySession:
    """A session of this library that has these settings and this current database."""

    session: EngineSession
    database: str
    settings: Mapping[str, str | int]


class EmbeddedConnection:
    """A ``Connection`` to the engine in this process.

    ``target`` is the path with which chdb was opened. ``owned`` is the session that ``close`` closes; None for a
    client that was given. ``caller`` is given where it is known already. The ``database`` of a statement becomes a
    USE on a session of this library. A ``query_id`` becomes ``log_comment``, because chdb names its queries itself; it
    is shown in ``system.processes.Settings``.
    """

    def __init__(
        self,
        reader: Reader,
        target: str,
        *,
        owned: EngineSession | None = None,
        caller: CallerContext | None = None,
        identity: str | None = None,
    ) -> None:
        self._reader = reader
        self._target = target
        self._owned = owned
        self._caller = caller
        self._identity = identity
        self._opened_in = os.getpid()
        self._ready: list[_ReadySession] = []
        self._unknown: set[str] = set()

    @property
    def embedded(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        """``chdb://`` and the data directory. An engine in memory has a temporary one."""
        if self._identity is None:
            # On a session of this library, because settings of the caller's may hide the answer.
            session = open_session(self._target, running=True)
            try:
                path = decode_rows(execute(session, _PATH, {}, FORMAT))[0][0]
            finally:
                session.close()
            self._identity = f"chdb://{str(path).rstrip('/')}"
        return self._identity

    def query(self, effect: Query, /) -> tuple[tuple[object, ...], ...]:
        refuse_forked_child(self._opened_in)
        body = b""
        if effect.bare and not effect.settings:
            # Settings of the caller may refuse or limit the query: then it is sent again without them.
            with suppress(StatementError):
                body = self._reader.read(effect.sql, effect.parameters)
        if not body:
            # Also what a Session answers to anything while a result is streamed from it: a real answer has at least its
            # header.
            body = self._apart(effect.sql, effect.parameters, effect.settings, effect.database)
        return decode_rows(body)

    def command(self, effect: Command, /) -> None:
        refuse_forked_child(self._opened_in)
        if not writes_definition(effect.sql):
            self._apart(effect.sql, effect.parameters, effect.settings, effect.database)
            return
        data = self.identity.removeprefix("chdb://")
        place = effect.database or self._known_caller().database
        with definition_kept(data, effect.sql, place, lambda sql: self._apart(sql, {}, {}, place)):
            self._apart(effect.sql, effect.parameters, effect.settings, effect.database)

    def sibling(self) -> EmbeddedConnection:
        """A second connection to the same engine and database, for work beside a long statement. The caller
        closes it."""
        refuse_forked_child(self._opened_in)
        caller = self._known_caller()
        session = self._prepared(caller.database, caller.settings).session
        return EmbeddedConnection(
            SessionReader(session), self._target, owned=session, caller=caller, identity=self._identity
        )

    def close(self) -> None:
        sessions, owned = self._ready, self._owned
        self._ready, self._owned = [], None
        # In a forked child to close the sessions of the parent would hang.
        if self._opened_in != os.getpid():
            return
        for ready in sessions:
            ready.session.close()
        if owned is not None:
            owned.close()

    def _apart(
        self, sql: str, parameters: Mapping[str, str | int], settings: Mapping[str, str | int], database: str | None
    ) -> bytes:
        """Run a statement on a session of this library. The next one with the same settings and database reuses the
        session."""
        caller = self._known_caller()
        # What a statement sets itself goes last, and so has precedence.
        wanted = {**engine_defaults(self._baseline()), **caller.settings, **_for_engine(settings)}
        place = caller.database if database is None else database
        ready = self._taken(place, wanted) or self._prepared(place, wanted)
        try:
            body = execute(ready.session, sql, parameters, FORMAT)
        except StatementError:
            self._keep(ready)  # a refusal leaves the session as it was
            raise
        except BaseException:
            # Interrupted in the middle of a statement: nobody knows what its next answer would begin with.
            ready.session.close()
            raise
        self._keep(ready)
        return body

    def _taken(self, database: str, settings: Mapping[str, str | int]) -> _ReadySession | None:
        """A session that is ready, taken out of the list while it is in use, so that another thread opens its own."""
        for ready in reversed(self._ready):
            if ready.database == database and ready.settings == settings:
                try:
                    self._ready.remove(ready)
                except ValueError:
                    # Another thread took it between the two lines.
                    return None
                return ready
        return None

    def _keep(self, ready: _ReadySession) -> None:
        """Add the session at the end of the list. Where there are too many, the one that was unused for longest is
        closed."""
        self._ready.append(ready)
        if len(self._ready) > MOST_SESSIONS:
            self._ready.pop(0).session.close()

    def _prepared(self, database: str, settings: Mapping[str, str | int]) -> _ReadySession:
        # A session of its own for each set of settings: SET would stay, and hold for whoever uses the session next.
        session = open_session(self._target, running=True)
        try:
            execute(session, f"USE {quote_name(database)}", {}, FORMAT)
            self._set(session, settings)
        except BaseException:
            session.close()
            raise
        return _ReadySession(session, database, settings)

    def _set(self, session: EngineSession, settings: Mapping[str, str | int]) -> None:
        """Set all of them, without those that this engine does not know. A SET that is refused has set nothing, so it
        can be repeated."""
        # readonly comes last: nothing can be set after it.
        ordered = {
            name: settings[name]
            for name in sorted(settings, key=lambda name: name == "readonly")
            if name not in self._unknown
        }
        while ordered:
            try:
                execute(session, f"SET {set_clause(ordered)}", {}, FORMAT)
            except StatementError as error:
                name = unknown_setting(error)
                if name is None or name not in ordered:
                    raise
                self._unknown.add(name)
                del ordered[name]
            else:
                return

    def _known_caller(self) -> CallerContext:
        if self._caller is None:
            # The halves of a UNION ALL come in any order.
            # On the caller's own client: a session of this library has neither its current database nor its settings.
            rows = run(read_changed_settings(_CALLER), _QueryOnly(self._ask))
            (database,) = (str(row[1]) for row in rows if not row[0])
            # What a session of this library has changed as well was changed by the engine, not by the caller.
            changed = set(changed_of(row for row in rows if row[0])) - set(self._baseline())
            self._caller = CallerContext(
                database, only_kept({each.name: each.value for each in sorted(changed, key=lambda each: each.name)})
            )
        return self._caller

    def _baseline(self) -> tuple[ChangedSetting, ...]:
        if self._target not in _baselines:
            session = open_session(self._target, running=True)
            try:
                rows = decode_rows(execute(session, CHANGED_SETTINGS, {}, FORMAT))
            finally:
                session.close()
            _baselines[self._target] = changed_of(rows)
        return _baselines[self._target]

    def _ask(self, sql: str) -> tuple[tuple[object, ...], ...]:
        try:
            rows = decode_rows(self._reader.read(sql, {}))
        except ValueError:
            # A statement of the caller's that failed while it ran leaves the beginning of its answer behind.
            try:
                rows = decode_rows(self._reader.read(sql, {}))
            except ValueError as error:
                raise OutcomeUnknownError(
                    f"the answer of the engine cannot be read ({error}). Run again", 0, "", sql
                ) from error
        if not rows:
            raise UsageError(
                "a result is being streamed from the chdb Session that was given: read it to its end first, or give "
                "a Session of its own"
            )
        return rows


class _QueryOnly:
    """A connection that can do no more than run ``read_changed_settings`` on the caller's own client."""

    embedded = True
    identity = ""

    def __init__(self, ask: Callable[[str], tuple[tuple[object, ...], ...]]) -> None:
        self._ask = ask

    def query(self, effect: Query, /) -> tuple[tuple[object, ...], ...]:
        return self._ask(effect.sql)

    def command(self, effect: Command, /) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing was opened."""


def _for_engine(settings: Mapping[str, str | int]) -> dict[str, str | int]:
    kept = {name: value for name, value in settings.items() if name != "query_id"}
    if "query_id" in settings:
        kept.setdefault("log_comment", settings["query_id"])
    return kept
