"""Adapters: every kind of client, as the ``Connection`` and ``AsyncConnection`` that routines run on.

The only modules that import a driver, and only when a connection is opened. A client that is handed in is never closed,
and its current database, settings and session are left as they are.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aaiclick.clients.kinds import Kind, kind_of
from aaiclick.clients.opening import Opened, open_embedded_client, open_session_client, open_url
from aaiclick.clients.url import DatabaseUrl, EmbeddedUrl, ServerUrl, mask, parse_url
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.clients.chdb_session import EngineSession
    from aaiclick.clients.connect import ConnectAsyncClient, ConnectClient
    from aaiclick.clients.foreign import ForeignClient
    from aaiclick.routine import AsyncConnection

__all__ = [
    "DatabaseUrl",
    "EmbeddedUrl",
    "Opened",
    "ServerUrl",
    "mask",
    "open_async_connection",
    "open_connection",
    "parse_url",
]


def open_connection(client: object, *, caller: str = "open_connection") -> Opened:
    """A sync connection for a URL, a chdb Session or a sync clickhouse-connect client. Works inside a running event
    loop too.

    ``caller`` is the public function that was called, for the message. Raises ``UsageError`` (an async client, naming
    the twin to await; or no client at all) and ``ConnectionFailed``.
    """
    kind = kind_of(client, caller)
    if kind is Kind.CONNECT_ASYNC or kind is Kind.FOREIGN:
        twin = "open_async_connection" if caller == "open_connection" else f"{caller}_async"
        raise UsageError(f"{caller} was given an async client ({type(client).__name__}): await {twin}(...) instead")
    return _open_sync(client, kind)


async def open_async_connection(client: object, *, caller: str = "open_async_connection") -> AsyncConnection:
    """An async connection for any kind of client. Sync ones and URLs run in a worker thread.

    Raises ``UsageError`` and ``ConnectionFailed``; ``caller`` as for ``open_connection``.
    """
    from aaiclick.clients.threaded import ThreadedConnection

    kind = kind_of(client, caller)
    if kind is Kind.CONNECT_ASYNC:
        from aaiclick.clients.http_async import HttpAsyncConnection

        return HttpAsyncConnection(cast("ConnectAsyncClient", client))
    if kind is Kind.FOREIGN:
        from aaiclick.clients.foreign import open_foreign

        return await open_foreign(cast("ForeignClient", client))
    if kind is Kind.URL:
        # To open it takes a while: an engine starts, or a server is asked for its settings.
        return ThreadedConnection(await asyncio.to_thread(_open_sync, client, kind))
    return ThreadedConnection(_open_sync(client, kind))


def _open_sync(client: object, kind: Kind) -> Opened:
    if kind is Kind.URL:
        return open_url(cast("str", client))
    if kind is Kind.CHDB_SESSION:
        return open_session_client(cast("EngineSession", client))
    if kind is Kind.CONNECT_CHDB:
        return open_embedded_client(cast("ConnectClient", client))
    from aaiclick.clients.http import HttpConnection

    return HttpConnection(cast("ConnectClient", client))
