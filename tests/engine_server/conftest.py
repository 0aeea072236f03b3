"""Plain HTTP requests to the test server, without any driver."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from aaiclick.testing import EngineServer


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


def ask_port(
    port: int, query: str, body: bytes, method: str, path: str, headers: dict[str, str], params: dict[str, str]
) -> Reply:
    if query:
        params["query"] = query
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(
            method, f"{path}?{urlencode(params)}" if params else path, body=body or None, headers=headers
        )
        response = connection.getresponse()
        return Reply(response.status, response.read(), {name.lower(): value for name, value in response.getheaders()})
    finally:
        connection.close()


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Callable[..., Reply]:
    """``ask(query, body, method=, path=, headers=, **url_parameters)`` on the shared server, or on another
    ``port=``."""

    def send(
        query: str = "",
        body: bytes = b"",
        *,
        port: int = 0,
        method: str = "POST",
        path: str = "/",
        headers: dict[str, str] | None = None,
        **params: str,
    ) -> Reply:
        shared: EngineServer | None = None if port else request.getfixturevalue("aaiclick_server")
        return ask_port(
            shared.start().port if shared is not None else port, query, body, method, path, headers or {}, params
        )

    return send


@pytest.fixture
def own_server() -> Iterator[EngineServer]:
    """A server that the test may kill."""
    with EngineServer() as server:
        yield server
