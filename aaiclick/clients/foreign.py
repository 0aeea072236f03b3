"""Clients of an application's own: any object with awaitable ``command`` and ``query(...).result_rows``.

Such clients treat settings, parameters and result types differently. Some append settings to the text of a
statement, where CREATE TABLE takes them for settings of the table; some do not escape parameters. So the client is
first asked where its engine is.

For an engine in this process a session of this library is opened beside it, in the client's current database. The
client itself then runs nothing more, and what was SET on its session does not apply. For an engine elsewhere the
client sends the statements, once a query has shown that settings and ``database`` reach the server apart from the
text.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aaiclick.clients.answers import FORMAT, decode_rows
from aaiclick.clients.chdb_session import execute, open_session, running_engine
from aaiclick.clients.embedded import CallerContext, EmbeddedConnection, SessionReader
from aaiclick.clients.failures import http_failure, unknown_setting
from aaiclick.clients.fork import refuse_inherited_engine
from aaiclick.clients.parameters import used_parameters
from aaiclick.clients.settings import changed_of, engine_defaults, read_changed_settings, without_refused
from aaiclick.clients.threaded import ThreadedConnection
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import AsyncConnection, Command, Query, run_async
from aaiclick.sql.quoting import quote_name

Settings = dict[str, "str | int"]
T = TypeVar("T")
_WHO = "SELECT hostName() AS host, currentUser() AS user, toString(serverUUID()) AS uuid, currentDatabase() AS database"
_PATH = "SELECT value FROM system.server_settings WHERE name = 'path'"
_OWN_TEXT = (
    "SELECT query AS text, toString(getSetting('max_block_size')) AS size FROM system.processes WHERE query_id = "
    "queryID()"
)
_TRIED_SIZE = 65411
"""A size that nobody would set: where it stands in the text of the query, the client has put it there."""


class Result(Protocol):
    """The answer to a query."""

    @property
    def result_rows(self) -> list[tuple[object, ...]]: ...


class ForeignClient(Protocol):
    """A client of the application. Settings and parameters are passed by keyword, because their order differs between
    clients."""

    def command(
        self, query: str, /, *, settings: Settings | None, parameters: Settings | None
    ) -> Awaitable[object]: ...

    def query(self, query: str, /, *, settings: Settings | None, parameters: Settings | None) -> Awaitable[Result]: ...


@dataclass(frozen=True, slots=True)
class EngineLocation:
    """The engine that a client talks to. ``target``: chdb's name for it; None for an engine outside of this process."""

    identity: str
    target: str | None


# Where a client's engine is does not change, so it is asked once. The reference is weak, so that no client is kept
# alive.
_known: weakref.WeakKeyDictionary[object, EngineLocation] = weakref.WeakKeyDictionary()


async def open_foreign(client: ForeignClient) -> AsyncConnection:
    """A connection for such a client. Raises ``UsageError`` where its methods are not awaitable."""
    if "chdb" in sys.modules:
        refuse_inherited_engine()
    found = _remembered(client)
    if found is None:
        found = await _locate(client)
        _remember(client, found)
    if found.target is None:
        return ForeignConnection(client, found.identity)
    database = str((await _ask(client, "SELECT currentDatabase() AS database"))[0][0])
    session = open_session(found.target, running=True)
    try:
        execute(session, f"USE {quote_name(database)}", {}, FORMAT)
    except BaseException:
        session.close()
        raise
    return ThreadedConnection(
        EmbeddedConnection(
            SessionReader(session), found.target, owned=session, caller=CallerContext(database), identity=found.identity
        )
    )


class ForeignConnection:
    """Sends statements through the client itself, to a server.

    Not every client escapes parameters, so strings with tabs, newlines or backslashes should be sent as
    ``unhex({x:String})``.
    """

    def __init__(self, client: ForeignClient, identity: str) -> None:
        self._client = client
        self._identity = identity
        self._settings_tried = False
        self._databases_tried: set[str] = set()
        self._unknown: set[str] = set()
        self._defaults: Settings | None = None

    @property
    def embedded(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return self._identity

    async def query(self, effect: Query, /) -> list[tuple[object, ...]]:
        if effect.database is not None:
            await self._try_database(effect.database)
        while True:
            defaults = {} if effect.bare else await self._engine_defaults()
            settings = self._known_only({**defaults, **effect.settings})
            sent = {**settings, "database": effect.database} if effect.database is not None else settings
            try:
                return await _ask(self._client, effect.sql, sent, used_parameters(effect.sql, effect.parameters))
            except StatementError as error:
                if not without_refused(error, defaults, effect.settings):
                    self._learn(error, settings)

    async def command(self, effect: Command, /) -> None:
        # Before the first statement that changes something: a CREATE with settings in its text would keep them.
        await self._try_out(effect, bool(await self._engine_defaults()))
        parameters = used_parameters(effect.sql, effect.parameters) or None
        while True:
            defaults = await self._engine_defaults()
            settings = self._known_only({**defaults, **effect.settings})
            sent = {**settings, "database": effect.database} if effect.database is not None else settings
            try:
                await _awaited(self._client.command(effect.sql, settings=sent or None, parameters=parameters))
            except Exception as error:
                translated = http_failure(error, effect.sql, self._identity)
                if not isinstance(translated, StatementError):
                    raise translated from error
                translated.__cause__ = error
                if not without_refused(translated, defaults, effect.settings):
                    self._learn(translated, settings)
            else:
                return

    def sibling(self) -> None:
        """None: it is not known whether such a client can run statements in parallel."""

    async def close(self) -> None:
        """Does nothing: the client was given, so it stays open."""

    async def _engine_defaults(self) -> Settings:
        if self._defaults is None:
            self._defaults = engine_defaults(changed_of(await run_async(read_changed_settings(), self)))
        return self._defaults

    async def _try_out(self, effect: Command, pinned: bool) -> None:
        """Raise before anything is sent where the client makes settings part of the statement, or ignores the
        database."""
        named = type(self._client).__name__
        if (effect.settings or pinned or effect.database is not None) and not self._settings_tried:
            # The server shows the text of the running query: a setting that is in the text was appended to it.
            rows = await _ask(self._client, _OWN_TEXT, {"max_block_size": _TRIED_SIZE})
            if any(str(_TRIED_SIZE) in str(text) for text, _ in rows):
                raise UsageError(
                    f"{named} appends settings to the text of statements, which changes what CREATE TABLE means. "
                    f"{_INSTEAD}"
                )
            if any(str(size) != str(_TRIED_SIZE) for _, size in rows):
                raise UsageError(f"{named} does not send settings. {_INSTEAD}")
            self._settings_tried = True
        if effect.database is not None:
            await self._try_database(effect.database)

    async def _try_database(self, database: str) -> None:
        """Raise where the client ignores the database of a statement."""
        if database in self._databases_tried:
            return
        try:
            rows = await _ask(self._client, "SELECT currentDatabase() AS database", {"database": database})
        except StatementError as error:
            if unknown_setting(error) is None:
                raise
            rows = []
        if not rows or rows[0][0] != database:
            named = type(self._client).__name__
            raise UsageError(f"{named} cannot run a statement in another database ({database}). {_INSTEAD}")
        self._databases_tried.add(database)

    def _known_only(self, settings: Mapping[str, str | int]) -> Settings:
        return {name: value for name, value in settings.items() if name not in self._unknown}

    def _learn(self, error: StatementError, sent: Settings) -> None:
        """Remember a setting that the server does not know: the statement was refused as a whole, and is sent again
        without it. Any other error is raised."""
        name = unknown_setting(error)
        if name is None or name not in sent:
            raise error
        self._unknown.add(name)


_INSTEAD = "Give a clickhouse-connect client or a URL instead"


async def _locate(client: ForeignClient) -> EngineLocation:
    host, user, uuid, _ = (str(value) for value in (await _ask(client, _WHO))[0])
    # Where chdb is not loaded no engine runs in this process.
    target = await _in_this_process(client, host) if "chdb" in sys.modules else None
    if target is None:
        return EngineLocation(f"server {uuid} on {host} as {user}", None)
    session = open_session(target, running=True)
    try:
        path = str(decode_rows(execute(session, _PATH, {}, FORMAT))[0][0])
    finally:
        session.close()
    return EngineLocation(f"chdb://{path.rstrip('/')}", target)


async def _in_this_process(client: ForeignClient, host: str) -> str | None:
    """chdb's name for this process's engine, if the client talks to it: same host and same data directory. The lock of
    the directory allows one process only."""
    target = running_engine()
    if target is None:
        return None
    try:
        theirs = await _ask(client, _PATH)
    except StatementError:
        return None
    session = open_session(target, running=True)
    try:
        ours = decode_rows(execute(session, f"SELECT hostName(), ({_PATH})", {}, FORMAT))
    finally:
        session.close()
    return target if theirs and (host, str(theirs[0][0])) == tuple(map(str, ours[0])) else None


async def _ask(
    client: ForeignClient, sql: str, settings: Settings | None = None, parameters: Settings | None = None
) -> list[tuple[object, ...]]:
    try:
        result = await _awaited(client.query(sql, settings=settings or None, parameters=parameters or None))
    except UsageError:
        raise
    except Exception as error:
        raise http_failure(error, sql, f"the server of {type(client).__name__}") from error
    return result.result_rows


async def _awaited(answer: Awaitable[T]) -> T:
    if not inspect.isawaitable(answer):
        raise UsageError(f"command and query of the given client must be awaitable. {_INSTEAD}")
    return await answer


def _remembered(client: object) -> EngineLocation | None:
    try:
        return _known.get(client)
    except TypeError:
        return None


def _remember(client: object, found: EngineLocation) -> None:
    try:
        _known[client] = found
    except TypeError:
        return  # neither hashable nor weakly referenceable: it is asked again each time
