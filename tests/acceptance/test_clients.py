"""The main job through every kind of client: each legacy state comes to version 5, on a server by way of HTTP as
well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy
from aaiclick.errors import SchemaVersionError, UsageError
from aaiclick.oplog import init_oplog_tables, init_oplog_tables_async
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.oplog.reading import all_rows, execute, rows
from tests.oplog.states import PLAIN, State

OLDEST = PLAIN[0]
LOSSLESS = Policy.lossless()


@pytest.fixture
def server_client(aaiclick_server: EngineServer, aaiclick_server_database: str) -> Iterator[Client]:
    client = aaiclick_server.client(database=aaiclick_server_database)
    yield client
    client.close()


@pytest.mark.parametrize("state", PLAIN, ids=lambda state: state.name)
def test_every_release_comes_to_version_5_on_a_server(server_client: Client, state: State) -> None:
    execute(server_client, state.statements)
    before = all_rows(server_client)
    if state.version == 1:  # the later ones need metadata changes only, which the default policy of a server allows
        with pytest.raises(
            SchemaVersionError, match=rf"^oplog is at v{state.version}, code expects v5: .* Run: aaiclick migrate$"
        ):
            init_oplog_tables(server_client)
    report = init_oplog_tables(server_client, policy=LOSSLESS)
    assert (report.from_version, report.to_version) == (state.version, 5)
    same(server_client, before)
    assert init_oplog_tables(server_client).steps == ()


def same(client: Client, before: dict[str, tuple[list[str], list[str]]]) -> None:
    for table, (names, old) in before.items():
        assert old == rows(client, table, names), table


def through_url(engine: EmbeddedEngine, database: str) -> object:
    return init_oplog_tables(engine.url, database=database)


def through_connect(engine: EmbeddedEngine, database: str) -> object:
    client = engine.client(database=database)
    try:
        return init_oplog_tables(client)
    finally:
        client.close()


def through_session(engine: EmbeddedEngine, database: str) -> object:
    from chdb.session import Session

    session = Session(engine.path)
    try:
        session.query(f"USE `{database}`")
        report = init_oplog_tables(session)
        assert str(session.query("SELECT currentDatabase()", "TSVRaw")).strip() == database
        return report
    finally:
        session.close()


def through_async_of_sync(engine: EmbeddedEngine, database: str) -> object:
    async def go() -> object:
        client = engine.client(database=database)
        try:
            return await init_oplog_tables_async(client)
        finally:
            client.close()

    return asyncio.run(go())


def inside_a_running_loop(engine: EmbeddedEngine, database: str) -> object:
    async def go() -> object:
        return through_connect(engine, database)

    return asyncio.run(go())


@pytest.mark.parametrize(
    "through", [through_url, through_connect, through_session, through_async_of_sync, inside_a_running_loop]
)
def test_every_kind_of_embedded_client(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    through: Callable[[EmbeddedEngine, str], object],
) -> None:
    execute(aaiclick_client, OLDEST.statements)
    before = all_rows(aaiclick_client)
    through(aaiclick_engine, aaiclick_database)
    same(aaiclick_client, before)
    assert init_oplog_tables(aaiclick_client).steps == ()


def test_an_async_client_on_a_server(
    aaiclick_server: EngineServer, server_client: Client, aaiclick_server_database: str
) -> None:
    pytest.importorskip("aiohttp")
    import clickhouse_connect

    execute(server_client, OLDEST.statements)
    before = all_rows(server_client)

    async def go() -> None:
        client = await clickhouse_connect.get_async_client(dsn=aaiclick_server.url, database=aaiclick_server_database)
        try:
            with pytest.raises(UsageError, match=r"await (init_oplog_tables|ensure_schema)_async"):
                init_oplog_tables(client)
            report = await init_oplog_tables_async(client, policy=LOSSLESS)
            assert [step.strategy for step in report.steps] == ["create", "rebuild"]
            assert (await init_oplog_tables_async(client)).steps == ()
        finally:
            await client.close()

    asyncio.run(go())
    same(server_client, before)


def test_a_server_by_its_url(
    aaiclick_server: EngineServer, server_client: Client, aaiclick_server_database: str
) -> None:
    execute(server_client, OLDEST.statements)
    before = all_rows(server_client)
    report = init_oplog_tables(f"{aaiclick_server.url}/{aaiclick_server_database}", policy=LOSSLESS)
    assert report.database == aaiclick_server_database
    same(server_client, before)
