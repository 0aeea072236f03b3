"""A server over HTTP, through clickhouse-connect's sync client."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, cast

from aaiclick.clients.answers import FORMAT, decode_rows
from aaiclick.clients.connect import ConnectClient, Settings, SettingsFilter, bound, command_settings, failure, identity_of, in_session
from aaiclick.clients.failures import UNKNOWN_DATABASE
from aaiclick.clients.settings import changed_of, learn, let_be, put_back
from aaiclick.clients.url import ServerUrl
from aaiclick.errors import AaiclickError, ConnectionFailed, OutcomeUnknownError, StatementError
from aaiclick.routine import Command, Query, run

T = TypeVar("T")
# A mutation sends nothing while it runs; a dead peer is found by TCP keep-alive, not by this. Seconds.
_STATEMENT_TIMEOUT = 24 * 3600


class HttpConnection:
    """A ``Connection`` over HTTP. Settings and ``Command.database`` travel in each request's URL, so that nothing on the
    client changes; settings the server does not know are left out. ``pins`` are what of its profile is put back, None until asked."""

    def __init__(self, client: ConnectClient, *, owned: bool = False, pins: Settings | None = None) -> None:
        self._client = client
        self._owned = owned
        self._pins = pins
        self._filter = SettingsFilter(client)
        self._identity = identity_of(client)

    @property
    def embedded(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return self._identity

    def query(self, effect: Query, /) -> tuple[tuple[object, ...], ...]:
        parameters = bound(effect)
        body = self._send(
            effect.sql,
            effect.settings,
            lambda settings: self._client.raw_query(effect.sql, parameters, settings, FORMAT),
            reading=True,
            bare=effect.bare,
        )
        try:
            return decode_rows(body)
        except ValueError as error:
            raise OutcomeUnknownError(f"the answer of {self._identity} was cut off. Run again", 0, "", effect.sql) from error

    def command(self, effect: Command, /) -> None:
        parameters = bound(effect)
        own_database = effect.database is None
        self._send(
            effect.sql,
            command_settings(effect),
            lambda settings: self._client.command(effect.sql, parameters, settings=settings, use_database=own_database),
            reading=False,
        )

    def sibling(self) -> HttpConnection | None:
        """A second connection for work beside a long statement: the same client, without its session (None if it cannot be told)."""
        if not in_session(self._client):
            return HttpConnection(self._client, pins=self._pins)
        free = without_session(self._client)
        return HttpConnection(free, pins=self._pins) if free is not None else None

    def close(self) -> None:
        if self._owned:
            self._owned = False
            self._client.close()

    def _put_back(self) -> Settings:
        if self._pins is None:
            self._pins = put_back(changed_of(run(learn(), self)))
        return self._pins

    def _send(self, sql: str, settings: Mapping[str, str | int], call: Callable[[Settings], T], *, reading: bool, bare: bool = False) -> T:
        while True:
            pins = {} if bare else self._put_back()
            sent = self._filter.request({**pins, **settings}, reading=reading)
            try:
                return call(sent)
            except Exception as error:
                told = failure(error, sql, self._client)
                if not self._filter.learns_from(told, sent) and not let_be(told, pins, settings):
                    raise told from error


def without_session(client: ConnectClient) -> ConnectClient | None:
    """A view of an HTTP client on the same connection pool that sends no ``session_id``; the client itself is not changed."""
    twin = copy.copy(client)
    backend = cast("object", getattr(client, "_backend", None))
    holders: list[object] = [twin]
    if backend is not None:
        backend = copy.copy(backend)
        twin.__dict__["_backend"] = backend
        holders.append(backend)
    shared = cast("object", getattr(client, "params", None))
    if not isinstance(shared, dict):
        return None
    params = {key: value for key, value in cast("dict[str, object]", shared).items() if not key.startswith("session_")}
    for holder in holders:
        if "params" in vars(holder):
            vars(holder)["params"] = params
        if "_active_session" in vars(holder):
            vars(holder)["_active_session"] = None
    return None if in_session(twin) else twin


class _Factory(Protocol):
    def __call__(self, **arguments: object) -> ConnectClient: ...


def open_server(url: ServerUrl) -> HttpConnection:
    """Connect to a server. Raises ``ConnectionFailed`` with one sentence, never with the password."""
    try:
        from clickhouse_connect import get_client  # pyright: ignore[reportUnknownVariableType]  # loading the driver takes 0.2 s
    except ImportError as error:
        raise ConnectionFailed("clickhouse-connect is not installed. Run: pip install clickhouse-connect") from error
    # Without a session the server takes parallel statements (lease renewal beside a copy) and keeps no state of ours.
    arguments: dict[str, object] = {
        "interface": "https" if url.secure else "http",
        "host": url.host,
        "port": url.port,
        "username": url.user,
        "password": url.password,
        "database": url.database,
        "settings": dict(url.settings),
        "autogenerate_session_id": False,
        "send_receive_timeout": _STATEMENT_TIMEOUT,
        "client_name": "aaiclick",
    }
    arguments.update(url.options)
    try:
        client = cast("_Factory", get_client)(**arguments)
    except Exception as error:
        raise _cannot_open(error, url) from error
    return HttpConnection(client, owned=True)


def _cannot_open(error: Exception, url: ServerUrl) -> AaiclickError:
    told = failure(error, "", _Place(url.place))
    if isinstance(told, ConnectionFailed):
        if "refused the login" in str(told):
            return ConnectionFailed(f"{url.place} refused the login of {url.user!r}: wrong user or password. Correct them in the URL")
        return told
    if isinstance(told, StatementError) and told.code == UNKNOWN_DATABASE:
        return ConnectionFailed(f"there is no database {url.database!r} at {url.place}. Create it, or name another one in the URL")
    if isinstance(told, StatementError) and told.code:
        return ConnectionFailed(f"{url.place} refused the connection: {told.message}")
    if isinstance(told, OutcomeUnknownError):
        return ConnectionFailed(f"{url.place} answers, but not as ClickHouse's HTTP interface. Give its HTTP port (usually 8123; 9000 is another protocol)")
    return ConnectionFailed(f"what answers at {url.place} is not ClickHouse's HTTP interface. Give its HTTP port (usually 8123; 9000 is another protocol)")


class _Place:
    def __init__(self, url: str) -> None:
        self.url = url
