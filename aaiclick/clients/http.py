"""A server over HTTP, through clickhouse-connect's sync client."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar, cast

from aaiclick.clients.answers import decode_rows, format_of
from aaiclick.clients.connect import (
    ConnectClient,
    Settings,
    SettingsFilter,
    command_settings,
    failure,
    identity_of,
    in_session,
    named_parameters,
    query_settings,
)
from aaiclick.clients.settings import changed_of, engine_defaults, read_changed_settings, without_refused
from aaiclick.clients.url import ServerUrl
from aaiclick.error_codes import UNKNOWN_DATABASE
from aaiclick.errors import AaiclickError, ConnectionFailed, OutcomeUnknownError, StatementError
from aaiclick.routine import Command, Peer, Query, run

T = TypeVar("T")
# A mutation sends nothing while it runs; a dead peer is found by TCP keep-alive, not by this. Seconds.
_STATEMENT_TIMEOUT = 24 * 3600
# What goes to another host by itself is short, and one that stands still answers to nobody's keep-alive. Seconds.
_PEER_TIMEOUT = "60"


class HttpConnection:
    """A ``Connection`` over HTTP.

    Settings and the ``database`` of a statement are sent in the URL of each request, so nothing on the client changes.
    Settings that the server does not know are left out. ``defaults`` are settings of the profile that are sent with the
    server's default; None until they were read.
    """

    def __init__(
        self,
        client: ConnectClient,
        *,
        owned: bool = False,
        defaults: Settings | None = None,
        url: ServerUrl | None = None,
    ) -> None:
        self._url = url
        self._peers: dict[Peer, HttpConnection] = {}
        self._client = client
        self._owned = owned
        self._defaults = defaults
        self._filter = SettingsFilter(client)
        self._identity = identity_of(client)

    @property
    def embedded(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def reaches_peers(self) -> bool:
        """Whether statements for other hosts can be sent: those are asked with the user of the URL that was given."""
        return self._url is not None

    def query(self, effect: Query, /) -> tuple[tuple[object, ...], ...]:
        if effect.at is not None:
            return self._peer(effect.at).query(replace(effect, at=None))
        parameters, own = named_parameters(effect), effect.database is None
        body = self._send(
            effect.sql,
            query_settings(effect),
            lambda settings: self._client.raw_query(effect.sql, parameters, settings, format_of(effect.sql), own),
            reading=True,
            bare=effect.bare,
        )
        try:
            return decode_rows(body)
        # Once the first bytes are out, a server that fails can only break off its answer.
        except ValueError as error:
            raise OutcomeUnknownError(
                f"the answer of {self._identity} was cut off. Run again", 0, "", effect.sql
            ) from error

    def command(self, effect: Command, /) -> None:
        if effect.at is not None:
            self._peer(effect.at).command(replace(effect, at=None))
            return
        parameters = named_parameters(effect)
        own_database = effect.database is None
        self._send(
            effect.sql,
            command_settings(effect),
            lambda settings: self._client.command(effect.sql, parameters, settings=settings, use_database=own_database),
            reading=False,
        )

    def sibling(self) -> HttpConnection | None:
        """A second connection for work beside a long statement: the same client without its session; None where that is
        not possible. It reaches the same hosts."""
        # Without a session the server runs statements of one client side by side.
        if not in_session(self._client):
            return HttpConnection(self._client, defaults=self._defaults, url=self._url)
        # The server refuses a second statement of one session while the first runs (373, SESSION_IS_LOCKED).
        free = without_session(self._client)
        return HttpConnection(free, defaults=self._defaults, url=self._url) if free is not None else None

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        if self._owned:
            self._owned = False
            self._client.close()

    def _peer(self, at: Peer) -> HttpConnection:
        """The connection to another host, opened when it is first needed."""
        # With connections of its own: a host that stands still must not hold up what is sent to this one.
        if at not in self._peers:
            assert self._url is not None, "asked by the driver before"
            port = at.https if self._url.secure else at.http
            if not port:
                raise ConnectionFailed(f"host {at.name} has no {'HTTPS' if self._url.secure else 'HTTP'} interface")
            options = (*self._url.options, ("send_receive_timeout", _PEER_TIMEOUT))
            self._peers[at] = open_server(replace(self._url, host=at.name, port=port, options=options))
        return self._peers[at]

    def _engine_defaults(self) -> Settings:
        if self._defaults is None:
            self._defaults = engine_defaults(changed_of(run(read_changed_settings(), self)))
        return self._defaults

    def _send(
        self,
        sql: str,
        settings: Mapping[str, str | int],
        call: Callable[[Settings], T],
        *,
        reading: bool,
        bare: bool = False,
    ) -> T:
        # Ends, because each turn leaves out one more setting.
        while True:
            defaults = {} if bare else self._engine_defaults()
            sent = self._filter.request({**defaults, **settings}, reading=reading)
            try:
                return call(sent)
            except Exception as error:
                translated = failure(error, sql, self._client)
                if not self._filter.learns_from(translated, sent) and not without_refused(
                    translated, defaults, settings
                ):
                    raise translated from error


def without_session(client: ConnectClient) -> ConnectClient | None:
    """A copy of the client on the same connection pool that sends no ``session_id``. The client itself is not
    changed."""
    # The copy shares the pool of connections, so closing it would close the client that was given.
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
    """Connect to a server. Raises ``ConnectionFailed`` with one sentence, which never holds the password."""
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
    return HttpConnection(client, owned=True, url=url)


def _cannot_open(error: Exception, url: ServerUrl) -> AaiclickError:
    translated = failure(error, "", _Place(url.place))
    if isinstance(translated, ConnectionFailed):
        if "refused the login" in str(translated):
            return ConnectionFailed(
                f"{url.place} refused the login of {url.user!r}: wrong user or password. Correct them in the URL"
            )
        return translated
    if isinstance(translated, StatementError) and translated.code == UNKNOWN_DATABASE:
        return ConnectionFailed(
            f"there is no database {url.database!r} at {url.place}. Create it (aaiclick migrate "
            "--create-database), or name another one in the URL"
        )
    if isinstance(translated, StatementError) and translated.code:
        return ConnectionFailed(f"{url.place} refused the connection: {translated.message}")
    # 502, 503, 504: what a load balancer answers by itself.
    away = re.search(r"HTTP status (50[234])", str(error))
    if away is not None:
        return ConnectionFailed(
            f"{url.place} answered with HTTP status {away[1]}: no server behind it is ready. Try again when one is, or "
            "ask the server itself"
        )
    if isinstance(translated, OutcomeUnknownError):
        return ConnectionFailed(
            f"{url.place} answers, but not as ClickHouse's HTTP interface. Give its HTTP port (usually 8123; 9000 is "
            f"another protocol). Where it is that port, the profile of {url.user!r} may set limit or offset, which cut "
            "off what the driver asks first: take them out of it"
        )
    return ConnectionFailed(
        f"what answers at {url.place} is not ClickHouse's HTTP interface. Give its HTTP port (usually 8123; 9000 is "
        "another protocol)"
    )


class _Place:
    def __init__(self, url: str) -> None:
        self.url = url
