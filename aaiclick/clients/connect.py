"""What both adapters for clickhouse-connect share, sync and async. Imports no driver."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Mapping
from typing import Protocol, cast
from urllib.parse import urlsplit

from aaiclick.clients.failures import http_failure, unknown_setting
from aaiclick.clients.parameters import used_parameters
from aaiclick.errors import AaiclickError, StatementError
from aaiclick.routine import Command, Query

Settings = dict[str, "str | int"]
_ALWAYS_THERE = {"final", "limit", "max_threads", "readonly", "wait_for_async_insert"}


class ConnectClient(Protocol):
    """A clickhouse-connect ``Client``."""

    def raw_query(
        self,
        query: str,
        parameters: Settings | None = ...,
        settings: Settings | None = ...,
        fmt: str | None = ...,
        use_database: bool = ...,
    ) -> bytes: ...

    def command(
        self, cmd: str, parameters: Settings | None = ..., *, settings: Settings | None = ..., use_database: bool = ...
    ) -> object: ...

    def close(self) -> None: ...


class ConnectAsyncClient(Protocol):
    """A clickhouse-connect ``AsyncClient``."""

    def raw_query(
        self,
        query: str,
        parameters: Settings | None = ...,
        settings: Settings | None = ...,
        fmt: str | None = ...,
        use_database: bool = ...,
    ) -> Awaitable[bytes]: ...

    def command(
        self, cmd: str, parameters: Settings | None = ..., *, settings: Settings | None = ..., use_database: bool = ...
    ) -> Awaitable[object]: ...


class SettingsFilter:
    """Leaves out settings that an older server does not know, as its list of settings and its refusals show.

    The server refuses a statement with an unknown setting before it runs, so it can be sent again without that
    setting.
    """

    def __init__(self, client: object) -> None:
        known = cast("object", getattr(client, "server_settings", None))
        listed = cast("dict[str, object]", known) if isinstance(known, dict) else {}
        # A profile may have cut the answer off that the client learnt them from.
        self._known: Mapping[str, object] = listed if listed.keys() >= _ALWAYS_THERE else {}
        self._transport = _transport_names(client)
        self._refused: set[str] = set()

    def request(self, settings: Mapping[str, str | int], *, reading: bool) -> Settings:
        return {name: value for name, value in settings.items() if self._sendable(name, reading)}

    def learns_from(self, error: AaiclickError, sent: Mapping[str, str | int]) -> bool:
        """True where the error was an unknown setting: the statement is to be sent again without it."""
        # An unknown setting is refused before anything runs, so that sending again is safe.
        name = unknown_setting(error) if isinstance(error, StatementError) else None
        # Never the database: a statement must not run in another one than it was meant for.
        if name is None or name not in sent or name in self._refused or name in self._transport:
            return False
        self._refused.add(name)
        return True

    def _sendable(self, name: str, reading: bool) -> bool:
        if name in self._refused:
            return False
        # Without a list from the server only its refusals tell.
        if not self._known or name in self._transport:
            return True
        definition = self._known.get(name)
        if definition is None:
            return False
        # A read-only user may still ask; a statement that relies on a setting it may not have is refused by the server.
        return not (reading and bool(getattr(definition, "readonly", False)))


def _transport_names(client: object) -> frozenset[str]:
    names = cast("object", getattr(client, "valid_transport_settings", None))
    listed = frozenset(cast("set[str]", names)) if isinstance(names, set | frozenset) else frozenset[str]()
    return listed | {"database", "query_id", "session_id", "wait_end_of_query"}


def query_settings(effect: Query) -> Settings:
    """Settings of a question's request."""
    return {**effect.settings, **({"database": effect.database} if effect.database is not None else {})}


def command_settings(effect: Command) -> Settings:
    """Settings of a statement's request.

    The server answers only at the end (``wait_end_of_query``), so that the status of the answer is the outcome.
    """
    settings: Settings = {**effect.settings, "wait_end_of_query": 1}
    if effect.database is not None:
        settings["database"] = effect.database
    return settings


def named_parameters(effect: Query | Command) -> Settings | None:
    """The parameters that the statement names; clickhouse-connect escapes them itself. None for none."""
    return used_parameters(effect.sql, effect.parameters) or None


def server_address(client: object) -> str:
    """``http://host:port`` of a client, without user and password."""
    url = getattr(client, "url", None)
    if not isinstance(url, str):
        return "the server"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def identity_of(client: object) -> str:
    """``http://user@host:port``, without the password."""
    place = server_address(client)
    user = _user_of(client)
    return place.replace("://", f"://{user}@", 1) if user else place


def _user_of(client: object) -> str:
    headers = cast(
        "object", getattr(client, "headers", None) or getattr(getattr(client, "_backend", None), "headers", None)
    )
    if not isinstance(headers, dict):
        return ""
    given = cast("dict[str, object]", headers)
    named = given.get("X-ClickHouse-User")
    if isinstance(named, str):
        return named
    scheme, _, credentials = str(given.get("Authorization", "")).partition(" ")
    if scheme != "Basic":
        return ""
    try:
        return base64.b64decode(credentials).decode("utf-8", "replace").partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def in_session(client: object) -> bool:
    """True where the client sends a ``session_id``: the server then runs one statement of it at a time."""
    getter = cast("object", getattr(client, "get_client_setting", None))
    return callable(getter) and bool(getter("session_id"))


def failure(error: Exception, sql: str, client: object) -> AaiclickError:
    """An error of clickhouse-connect as an error of this library."""
    return http_failure(error, sql, server_address(client))
