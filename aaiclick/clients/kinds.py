"""Recognises kinds of clients without importing a driver, by the modules of their classes."""

from __future__ import annotations

from enum import Enum

from aaiclick.clients.url import ACCEPTED
from aaiclick.errors import UsageError

_WANTED = (
    f"Accepted: a URL ({ACCEPTED}), a clickhouse-connect Client or AsyncClient, a chdb.session.Session, "
    "or an object with awaitable command(sql, settings=, parameters=) and query(...).result_rows"
)


class Kind(Enum):
    """The kinds of clients for which there is an adapter."""

    URL = "url"
    CHDB_SESSION = "chdb Session"
    CONNECT_CHDB = "clickhouse-connect, embedded"
    CONNECT_HTTP = "clickhouse-connect over HTTP"
    CONNECT_ASYNC = "clickhouse-connect AsyncClient"
    FOREIGN = "foreign awaitable client"


def kind_of(client: object, caller: str) -> Kind:
    """The kind of the client that ``caller`` was given. Raises ``UsageError`` that says what is accepted."""
    if isinstance(client, str):
        return Kind.URL
    for base in type(client).__mro__:
        package = base.__module__.partition(".")[0]
        if package == "chdb" and base.__name__ == "Session":
            return Kind.CHDB_SESSION
        if package == "clickhouse_connect" and base.__name__ in _CONNECT:
            return _CONNECT[base.__name__]
    if (
        not isinstance(client, type)
        and callable(getattr(client, "command", None))
        and callable(getattr(client, "query", None))
    ):
        return Kind.FOREIGN
    # The type only: what was passed by mistake may hold a password.
    named = client.__name__ if isinstance(client, type) else type(client).__name__
    raise UsageError(
        f"{caller} was given {'the class' if isinstance(client, type) else 'an object of type'} {named}, which is no "
        f"client. {_WANTED}"
    )


# HostAnswers up along the class's ancestors, nearest first: AsyncClient and ChdbClient derive from Client.
_CONNECT = {"AsyncClient": Kind.CONNECT_ASYNC, "ChdbClient": Kind.CONNECT_CHDB, "Client": Kind.CONNECT_HTTP}
