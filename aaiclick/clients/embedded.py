"""Statements on the embedded engine, for every way it can be handed in (URL, Session, clickhouse-connect, foreign client).

The first question of a start goes to the caller's own client. Everything else runs on a session of ours, in the caller's
current database and with those settings of the caller's that are kept (``clients/settings.py``): so nothing that a statement
needs (``USE``, ``SET``) ever touches the client that was handed in, and settings of a CREATE TABLE stay settings of the statement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from aaiclick.clients.answers import FORMAT, decode_rows
from aaiclick.clients.chdb_session import EngineSession, execute, open_session
from aaiclick.clients.failures import unknown_setting
from aaiclick.clients.fork import refuse_forked_child
from aaiclick.clients.metadata_files import definition_kept, writes_definition
from aaiclick.clients.parameters import quote_name, set_clause
from aaiclick.clients.settings import LISTED, Changed, changed_of, learn, only_kept, put_back
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Command, Query, run

_HOME = f"SELECT '' AS name, currentDatabase() AS value, '' AS default, toUInt8(0) AS fixed UNION ALL {LISTED}"
_PATH = "SELECT value FROM system.server_settings WHERE name = 'path'"
MOST_BENCHES = 8
"""Sessions that one connection keeps ready: bookkeeping, its inserts, questions, copies, definitions (in scratch also with every permission), one more."""
# Settings that a fresh session has changed, by the connection string it was opened with.
_baselines: dict[str, tuple[Changed, ...]] = {}


class Reader(Protocol):
    """Asks questions on the caller's own client, in its current database."""

    def read(self, sql: str, parameters: Mapping[str, str | int]) -> bytes: ...


class SessionReader:
    """Questions on a chdb Session."""

    __slots__ = ("_session",)

    def __init__(self, session: EngineSession) -> None:
        self._session = session

    def read(self, sql: str, parameters: Mapping[str, str | int]) -> bytes:
        return execute(self._session, sql, parameters, FORMAT)


@dataclass(frozen=True, slots=True)
class Home:
    """Where the caller's statements run: its current database, and the settings it has changed that are kept."""

    database: str
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])


@dataclass(frozen=True, slots=True)
class _Bench:
    """A session of ours that is ready for statements with these settings in this database."""

    session: EngineSession
    database: str
    settings: Mapping[str, str | int]


class EmbeddedConnection:
    """A ``Connection`` to the engine in this process.

    ``target`` is the path chdb was opened with. ``owned`` is the session that ``close`` closes: ours for a URL, None for a
    client that was handed in; ``home`` is given where it is known. ``Command.database`` is a ``USE`` on a session of ours.
    A ``query_id`` among the settings becomes ``log_comment`` (chdb names its queries itself), visible as such in
    ``system.processes.Settings``.
    """

    def __init__(self, reader: Reader, target: str, *, owned: EngineSession | None = None, home: Home | None = None, identity: str | None = None) -> None:
        self._reader = reader
        self._target = target
        self._owned = owned
        self._home = home
        self._identity = identity
        self._opened_in = os.getpid()
        self._benches: list[_Bench] = []
        self._unknown: set[str] = set()

    @property
    def embedded(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        """``chdb://`` and the data directory; an engine in memory has a directory of its own under the temporary one."""
        if self._identity is None:
            # On a session of ours: what the caller's has set may hide the answer.
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
            # No error: what the caller's settings refuse or limit is asked again without them.
            with suppress(StatementError):
                body = self._reader.read(effect.sql, effect.parameters)
        if not body:
            # Also what a Session answers to anything while a result is streamed from it: a real answer has at least its header.
            body = self._apart(effect.sql, effect.parameters, effect.settings, None)
        return decode_rows(body)

    def command(self, effect: Command, /) -> None:
        refuse_forked_child(self._opened_in)
        if not writes_definition(effect.sql):
            self._apart(effect.sql, effect.parameters, effect.settings, effect.database)
            return
        data = self.identity.removeprefix("chdb://")
        with definition_kept(data, effect.sql, effect.database or self._known_home().database):
            self._apart(effect.sql, effect.parameters, effect.settings, effect.database)

    def sibling(self) -> EmbeddedConnection:
        """A second connection to the same engine and database, for work beside a long statement. Close it."""
        refuse_forked_child(self._opened_in)
        home = self._known_home()
        session = self._prepared(home.database, home.settings).session
        return EmbeddedConnection(SessionReader(session), self._target, owned=session, home=home, identity=self._identity)

    def close(self) -> None:
        benches, owned = self._benches, self._owned
        self._benches, self._owned = [], None
        if self._opened_in != os.getpid():
            return
        for bench in benches:
            bench.session.close()
        if owned is not None:
            owned.close()

    def _apart(self, sql: str, parameters: Mapping[str, str | int], settings: Mapping[str, str | int], database: str | None) -> bytes:
        """Run a statement on a session of ours. Another one with the same settings and database uses it again."""
        home = self._known_home()
        wanted = {**put_back(self._baseline()), **home.settings, **_for_engine(settings)}
        place = home.database if database is None else database
        bench = self._taken(place, wanted) or self._prepared(place, wanted)
        try:
            body = execute(bench.session, sql, parameters, FORMAT)
        except StatementError:
            self._put_back(bench)  # a refusal leaves the session as it was
            raise
        except BaseException:
            bench.session.close()
            raise
        self._put_back(bench)
        return body

    def _taken(self, database: str, settings: Mapping[str, str | int]) -> _Bench | None:
        """A bench that is ready for this, taken away while it is in use: another thread then opens its own."""
        for bench in reversed(self._benches):
            if bench.database == database and bench.settings == settings:
                try:
                    self._benches.remove(bench)
                except ValueError:
                    return None
                return bench
        return None

    def _put_back(self, bench: _Bench) -> None:
        """At the end; the one that was not used for longest has to go where there are too many."""
        self._benches.append(bench)
        if len(self._benches) > MOST_BENCHES:
            self._benches.pop(0).session.close()

    def _prepared(self, database: str, settings: Mapping[str, str | int]) -> _Bench:
        session = open_session(self._target, running=True)
        try:
            execute(session, f"USE {quote_name(database)}", {}, FORMAT)
            self._set(session, settings)
        except BaseException:
            session.close()
            raise
        return _Bench(session, database, settings)

    def _set(self, session: EngineSession, settings: Mapping[str, str | int]) -> None:
        """All at once, leaving out what this engine does not know; a refused SET has set nothing, so that it can be repeated."""
        # readonly comes last: nothing can be set after it.
        ordered = {name: settings[name] for name in sorted(settings, key=lambda name: name == "readonly") if name not in self._unknown}
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

    def _known_home(self) -> Home:
        if self._home is None:
            # The halves of a UNION ALL come in any order.
            rows = run(learn(_HOME), _Asking(self._ask))
            (database,) = (str(row[1]) for row in rows if not row[0])
            changed = set(changed_of(row for row in rows if row[0])) - set(self._baseline())
            self._home = Home(database, only_kept({each.name: each.value for each in sorted(changed, key=lambda each: each.name)}))
        return self._home

    def _baseline(self) -> tuple[Changed, ...]:
        if self._target not in _baselines:
            session = open_session(self._target, running=True)
            try:
                rows = decode_rows(execute(session, LISTED, {}, FORMAT))
            finally:
                session.close()
            _baselines[self._target] = changed_of(rows)
        return _baselines[self._target]

    def _ask(self, sql: str) -> tuple[tuple[object, ...], ...]:
        rows = decode_rows(self._reader.read(sql, {}))
        if not rows:
            raise UsageError("a result is being streamed from the chdb Session that was given: read it to its end first, or give a Session of its own")
        return rows


class _Asking:
    """Just enough of a connection to run ``learn`` on the caller's own client."""

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
