"""Every kind of client, opened on a fresh database, behind one sync face: what a test says holds for all of them."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from aaiclick.clients import open_async_connection, open_connection
from aaiclick.routine import Command, Query
from aaiclick.testing.engine import EmbeddedEngine
from tests.clients.shims import BlockingChdbClient, LazyClient

T = TypeVar("T")
EMBEDDED = ("chdb url", "Session", "connect chdb")
OVER_HTTP = ("http url", "connect http")
needs_aiohttp = pytest.mark.skipif(importlib.util.find_spec("aiohttp") is None, reason="aiohttp is not installed")
SYNC = [*EMBEDDED, *OVER_HTTP]
ASYNC = [
    *(f"async {kind}" for kind in SYNC),
    "async foreign chdb",
    "async foreign lazy chdb",
    pytest.param("async AsyncClient", marks=needs_aiohttp),
    pytest.param("async foreign lazy http", marks=needs_aiohttp),
]


@dataclass
class Subject:
    """A connection under test. ``client`` is what was handed in, ``database`` its current database."""

    kind: str
    client: Any
    database: str
    raw: Any
    loop: asyncio.AbstractEventLoop | None
    cleanup: list[Callable[[], object]] = field(default_factory=list)

    @property
    def embedded(self) -> bool:
        return bool(self.raw.embedded)

    @property
    def identity(self) -> str:
        return str(self.raw.identity)

    @property
    def on_server(self) -> bool:
        return "http" in self.kind or "AsyncClient" in self.kind

    def rows(
        self, sql: str, parameters: dict[str, str | int] | None = None, settings: dict[str, str | int] | None = None
    ) -> Sequence[Sequence[object]]:
        rows: Sequence[Sequence[object]] = self.wait(self.raw.query(Query(sql, parameters or {}, settings or {})))
        return rows

    def value(
        self, sql: str, parameters: dict[str, str | int] | None = None, settings: dict[str, str | int] | None = None
    ) -> Any:
        return self.rows(sql, parameters, settings)[0][0]

    def run(
        self,
        sql: str,
        parameters: dict[str, str | int] | None = None,
        settings: dict[str, str | int] | None = None,
        database: str | None = None,
    ) -> None:
        self.wait(self.raw.command(Command(sql, parameters or {}, settings or {}, database)))

    def wait(self, result: Any) -> Any:
        if self.loop is not None and asyncio.iscoroutine(result):
            return self.loop.run_until_complete(result)
        return result

    def close(self) -> None:
        self.wait(self.raw.close())


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


@pytest.fixture(params=[*SYNC, *ASYNC])
def subject(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Subject]:
    yield from make_subject(request.param, request, loop)


@pytest.fixture(params=EMBEDDED)
def embedded_subject(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Subject]:
    yield from make_subject(request.param, request, loop)


def make_subject(kind: str, request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Subject]:
    short = kind.removeprefix("async ")
    server = "http" in short or short == "AsyncClient"
    database: str = request.getfixturevalue("aaiclick_server_database" if server else "aaiclick_database")
    client, cleanup = _client(short, request, database, loop)
    if kind.startswith("async "):
        raw: Any = loop.run_until_complete(open_async_connection(client))
        made = Subject(kind, client, database, raw, loop, cleanup)
    else:
        made = Subject(kind, client, database, open_connection(client), None, cleanup)
    yield made
    made.close()
    for step in cleanup:
        step()


def _client(
    kind: str, request: pytest.FixtureRequest, database: str, loop: asyncio.AbstractEventLoop
) -> tuple[Any, list[Callable[[], object]]]:
    if kind == "chdb url":
        return f"{request.getfixturevalue('aaiclick_engine').url}?database={database}", []
    if kind in ("Session", "foreign chdb", "foreign lazy chdb"):
        session = open_session(request.getfixturevalue("aaiclick_engine").path)
        session.query(f"USE {database}")
        blocking = BlockingChdbClient(session)

        async def opener() -> BlockingChdbClient:
            return blocking

        made = {"Session": session, "foreign chdb": blocking, "foreign lazy chdb": LazyClient(opener)}
        return made[kind], [session.close]
    if kind == "connect chdb":
        client = request.getfixturevalue("aaiclick_client")
        return client, []
    server = request.getfixturevalue("aaiclick_server")
    if kind == "http url":
        return f"{server.url}/{database}", []
    if kind == "connect http":
        return request.getfixturevalue("aaiclick_server_client"), []
    inner = loop.run_until_complete(async_client(server.port, database))
    closing: list[Callable[[], object]] = [lambda: loop.run_until_complete(inner.close())]
    if kind == "AsyncClient":
        return inner, closing

    async def ready() -> Any:
        return inner

    return LazyClient(ready), closing


def open_session(path: str) -> Any:
    factory: Any = importlib.import_module("chdb.session").Session
    return factory(path)


def async_client(port: int, database: str, **more: Any) -> Coroutine[Any, Any, Any]:
    from clickhouse_connect import get_async_client

    return get_async_client(host="127.0.0.1", port=port, database=database, **more)


@pytest.fixture
def session(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Any]:
    """A chdb session with a fresh database as its current one."""
    made = open_session(aaiclick_engine.path)
    made.query(f"USE {aaiclick_database}")
    yield made
    made.close()
