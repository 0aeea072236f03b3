"""Opens sync connections: from a URL, a chdb Session, or clickhouse-connect's client on the embedded engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias, cast

from aaiclick.clients.answers import FORMAT
from aaiclick.clients.chdb_session import FLUSH, EngineSession, execute, open_session
from aaiclick.clients.connect import ConnectClient, named_parameters
from aaiclick.clients.embedded import CallerContext, EmbeddedConnection, SessionReader
from aaiclick.clients.failures import http_failure
from aaiclick.clients.fork import refuse_inherited_engine
from aaiclick.clients.http import HttpConnection, open_server
from aaiclick.clients.parameters import set_clause
from aaiclick.clients.settings import only_kept
from aaiclick.clients.url import MEMORY, DatabaseUrl, EmbeddedUrl, ServerUrl, parse_url
from aaiclick.error_codes import UNKNOWN_DATABASE
from aaiclick.errors import ConnectionFailed, StatementError, UsageError
from aaiclick.routine import Query
from aaiclick.sql.quoting import quote_name

Opened: TypeAlias = EmbeddedConnection | HttpConnection


def open_url(text: str) -> Opened:
    """Open the database of a URL. ``close`` on the connection closes it again.

    Raises ``ConnectionFailed`` or ``UsageError``.
    """
    return open_parsed(parse_url(text))


def open_parsed(url: DatabaseUrl) -> Opened:
    """The same of a URL that was read already."""
    return open_server(url) if isinstance(url, ServerUrl) else _open_embedded(url)


def _open_embedded(url: EmbeddedUrl) -> EmbeddedConnection:
    # Only here: a start on a server loads what it needs and no more.
    from aaiclick.clients.data_directory.prepare import forget_directory, prepare_directory

    made = prepare_directory(url.path)
    try:
        session = open_session(url.path)
    except BaseException:
        # A wrong path in a URL leaves no empty directory.
        if made:
            forget_directory(url.path)
        raise
    try:
        if url.database is not None:
            execute(session, f"USE {quote_name(url.database)}", {}, FORMAT)
        if url.settings:
            execute(session, f"SET {set_clause(dict(url.settings))}", {}, FORMAT)
    except StatementError as error:
        session.close()
        if error.code == UNKNOWN_DATABASE:
            raise ConnectionFailed(
                f"there is no database {url.database!r} in {url.path}. Create it (aaiclick migrate "
                "--create-database), or name another one in the URL"
            ) from error
        raise UsageError(f"a setting in the URL was refused: {error.message}") from error
    except BaseException:
        session.close()
        raise
    identity = None if url.in_memory else f"chdb://{url.path}"
    caller = CallerContext(url.database or "default", only_kept(dict(url.settings)))
    return EmbeddedConnection(SessionReader(session), url.path, owned=session, caller=caller, identity=identity)


def open_session_client(session: EngineSession) -> EmbeddedConnection:
    """A connection for a ``chdb.session.Session`` that was given. Raises ``UsageError`` where it is closed."""
    refuse_inherited_engine()
    if getattr(session, "_conn", session) is None:
        raise UsageError(
            "the chdb Session that was given is closed: give an open one, or the directory as a URL (chdb:///path)"
        )
    target = cast("object", getattr(session, "_conn_str", None) or getattr(session, "_path", None))
    return EmbeddedConnection(SessionReader(session), target if isinstance(target, str) else MEMORY)


def open_embedded_client(client: ConnectClient) -> EmbeddedConnection:
    """A connection for a clickhouse-connect client that was made with ``interface="chdb"``."""
    refuse_inherited_engine()
    target = cast(
        "object", getattr(getattr(client, "_backend", None), "connection_string", None) or getattr(client, "path", None)
    )
    path = target if isinstance(target, str) else MEMORY
    if not path.startswith((MEMORY, "file:")):
        # chdb compares paths letter by letter.
        path = os.path.realpath(path)
    return EmbeddedConnection(ConnectReader(client), path)


class ConnectReader:
    """Sends queries through clickhouse-connect, which runs them one after the other with the application's own."""

    __slots__ = ("_client",)

    def __init__(self, client: ConnectClient) -> None:
        self._client = client

    def read(self, sql: str, parameters: Mapping[str, str | int]) -> bytes:
        try:
            return self._client.raw_query(sql, named_parameters(Query(sql, parameters)), None, FORMAT)
        except Exception as error:
            if "streaming a query result" in str(error):
                raise UsageError(
                    "a result is being streamed from the client that was given: read it to its end first, or give "
                    "another client"
                ) from error
            if "client has been closed" in str(error):
                raise UsageError(
                    "the client that was given is closed: give an open one, or the directory as a URL (chdb:///path)"
                ) from error
            with suppress(Exception):  # see FLUSH: the application's own next answer would begin with ours
                self._client.raw_query(FLUSH, None, None, "Null")
            raise http_failure(error, sql, "the embedded engine") from error
