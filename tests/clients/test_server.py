"""Over HTTP: opening by URL and what is said when it fails, sessions, read-only users, servers that go away."""

from __future__ import annotations

import asyncio
import socket
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from aaiclick.clients import open_async_connection, open_connection
from aaiclick.errors import ConnectionFailed, OutcomeUnknownError, StatementError, UsageError
from aaiclick.routine import AsyncConnection, Command, Query
from aaiclick.testing import EngineServer
from tests.clients.conftest import async_client, needs_aiohttp
from tests.clients.shims import ClauseClient, DeafClient, HomeboundClient
from tests.support.ports import free_port

LONG = Command(
    "INSERT INTO FUNCTION null('a UInt8') SELECT sleepEachRow(1) FROM numbers(60)", settings={"max_block_size": 1}
)


def kill_when_busy(server: EngineServer) -> None:
    """Kill a server while it carries ``LONG`` out."""
    watching = open_connection(server.url)
    busy = Query("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%sleepEachRow(1)%'")
    while watching.query(busy) == ((0,),):
        pass
    server.kill()
    watching.close()


def refusal(url: str) -> str:
    with pytest.raises(ConnectionFailed) as of_sync:
        open_connection(url)
    with pytest.raises(ConnectionFailed) as of_async:
        asyncio.run(open_async_connection(url))
    assert str(of_sync.value) == str(of_async.value)
    assert "\n" not in str(of_sync.value)
    assert "geheim" not in str(of_sync.value)
    return str(of_sync.value)


def test_nothing_listens() -> None:
    port = free_port()
    assert refusal(f"clickhouse://u:geheim@127.0.0.1:{port}/d").startswith(
        f"nothing listens at http://127.0.0.1:{port} (connection refused). Start the server"
    )


def test_an_unknown_host() -> None:
    assert "the host name in http://no-such-host.invalid:8123 cannot be resolved" in refusal(
        "clickhouse://u:geheim@no-such-host.invalid/d"
    )


def test_tls_where_none_is_spoken(aaiclick_server: EngineServer) -> None:
    assert refusal(f"https://127.0.0.1:{aaiclick_server.start().port}").startswith(
        f"no TLS connection to https://127.0.0.1:{aaiclick_server.port}"
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("404 Not Found", "is not ClickHouse's HTTP interface"),
        ("502 Bad Gateway", "answered with HTTP status 502: no server behind it is ready. Try again when one is"),
    ],
)
def test_something_else_listens(status: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65536)
                    peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".encode())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert said in refusal(f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_database_that_is_not_there(aaiclick_server: EngineServer) -> None:
    place = aaiclick_server.start().url
    assert (
        refusal(f"{place}/nowhere") == f"there is no database 'nowhere' at {place}. Create it (aaiclick migrate "
        "--create-database), or name another one in the URL"
    )


@pytest.fixture(scope="module")
def guarded() -> Iterator[EngineServer]:
    with EngineServer(":memory:", user="anna", password="geheim:/?#@") as server:
        yield server


def test_a_wrong_password_is_one_sentence_that_names_the_user(guarded: EngineServer) -> None:
    wrong = refusal(f"http://anna:geheim-falsch@127.0.0.1:{guarded.port}")
    assert (
        wrong == f"http://127.0.0.1:{guarded.port} refused the login of 'anna': wrong user or password. Correct them "
        "in the URL"
    )


def test_the_right_password_is_nowhere_to_be_seen(guarded: EngineServer) -> None:
    connection = open_connection(f"http://anna:geheim%3A%2F%3F%23%40@127.0.0.1:{guarded.port}?max_threads=3")
    assert connection.query(Query("SELECT toString(getSetting('max_threads')) AS s")) == (("3",),)
    assert connection.identity == f"http://anna@127.0.0.1:{guarded.port}"
    with pytest.raises(StatementError) as refused:
        connection.command(Command("DROP TABLE nothing_here"))
    shown = "".join(traceback.format_exception(refused.value)) + repr(connection) + repr(refused.value)
    assert "geheim" not in shown
    connection.close()


def test_a_read_only_user_may_ask() -> None:
    with EngineServer(":memory:", read_only=True) as server:
        connection = open_connection(server.url)
        assert connection.query(Query("SELECT 1 AS a")) == ((1,),)
        with pytest.raises(StatementError) as refused:
            connection.command(Command("CREATE TABLE t (a UInt8) ENGINE = Memory"))
        assert refused.value.code == 164
        connection.close()


def test_a_server_killed_in_the_middle_leaves_the_outcome_open() -> None:
    with EngineServer(":memory:") as server:
        connection = open_connection(server.url)
        killer = threading.Thread(target=kill_when_busy, args=(server,))
        killer.start()
        with pytest.raises(OutcomeUnknownError) as lost:
            connection.command(LONG)
        killer.join()
        assert "it may have happened. Run again" in str(lost.value)
        with pytest.raises(ConnectionFailed, match="nothing listens"):
            connection.query(Query("SELECT 1"))
        connection.close()


def test_a_client_in_a_session_gets_a_sibling_outside_of_it(aaiclick_server: EngineServer) -> None:
    client = aaiclick_server.start().client(session_id="one-at-a-time")
    connection = open_connection(client)
    beside = connection.sibling()
    assert beside is not None
    long = Command(
        "INSERT INTO FUNCTION null('a UInt8') SELECT sleepEachRow(0.5) FROM numbers(4)", settings={"max_block_size": 1}
    )
    thread = threading.Thread(target=connection.command, args=(long,))
    thread.start()
    seen = 0
    while thread.is_alive() and not seen:
        seen = int(
            str(
                beside.query(
                    Query(
                        "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.5)%' AND query LIKE "
                        "'INSERT%'"
                    )
                )[0][0]
            )
        )
    assert thread.is_alive()
    with pytest.raises(UsageError, match="another thread is using"):
        connection.query(Query("SELECT 1"))
    thread.join()
    beside.close()
    connection.close()
    assert client.get_client_setting("session_id") == "one-at-a-time"
    assert client.query("SELECT 1").result_rows == [(1,)]
    client.close()


def test_a_clients_query_limit_cuts_nothing_off(aaiclick_server: EngineServer) -> None:
    client = aaiclick_server.start().client(query_limit=5)
    connection = open_connection(client)
    assert len(connection.query(Query("SELECT number FROM numbers(50)"))) == 50
    client.close()


@needs_aiohttp
def test_a_client_that_writes_settings_into_the_text_is_refused_before_it_does_harm(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    async def inside() -> None:
        inner = await async_client(aaiclick_server.port, aaiclick_server_database)

        async def ready() -> Any:
            return inner

        connection = await open_async_connection(ClauseClient(ready))
        create = "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a"
        with pytest.raises(UsageError, match="ClauseClient appends settings to the text"):
            await connection.command(Command(create, settings={"mutations_sync": 2}))
        with pytest.raises(UsageError, match="ClauseClient appends settings to the text"):
            await connection.command(Command(create, database="default"))
        for deaf, words in (
            (DeafClient(ready), "DeafClient does not send settings"),
            (HomeboundClient(ready), "HomeboundClient cannot run a statement"),
        ):
            with pytest.raises(UsageError, match=words):
                await (await open_async_connection(deaf)).command(Command(create, database="default"))
        assert (
            await connection.query(Query("SELECT name AS n FROM system.tables WHERE database = currentDatabase()"))
            == []
        )
        # What the client itself has changed (how dates are read, for one) is put back for each statement.
        with pytest.raises(UsageError, match="ClauseClient appends settings to the text"):
            await connection.command(Command(create))
        await inner.close()

    asyncio.run(inside())


@needs_aiohttp
def test_an_async_client_whose_server_goes_away() -> None:
    async def inside() -> None:
        with EngineServer(":memory:") as server:
            client = await async_client(server.port, "default")
            connection = await open_async_connection(client)
            killing = asyncio.ensure_future(asyncio.to_thread(kill_when_busy, server))
            with pytest.raises(OutcomeUnknownError):
                await connection.command(LONG)
            await killing
            with pytest.raises(ConnectionFailed, match="nothing listens"):
                await connection.query(Query("SELECT 1"))
            await client.close()

    asyncio.run(inside())


@needs_aiohttp
def test_the_sync_function_is_told_about_the_async_client(aaiclick_server: EngineServer) -> None:
    async def inside() -> None:
        client = await async_client(aaiclick_server.start().port, "default")
        with pytest.raises(
            UsageError, match=r"ensure_schema was given an async client \(AsyncClient\): await ensure_schema_async"
        ):
            open_connection(client, caller="ensure_schema")
        await client.close()

    asyncio.run(inside())


def test_a_sibling_reaches_the_same_hosts(aaiclick_server: EngineServer) -> None:
    """An interrupted run lets writers in on the other hosts over it."""
    connection = open_connection(aaiclick_server.start().url)
    beside = connection.sibling()
    assert getattr(beside, "reaches_peers", False)
    connection.close()


def test_a_cancelled_statement_holds_neither_its_task_nor_the_loop(aaiclick_server: EngineServer) -> None:
    """The server goes on with it. Who asked was told, and may end."""
    slow = Command(
        "INSERT INTO FUNCTION null('a UInt8') SELECT sleepEachRow(3) FROM numbers(3)", settings={"max_block_size": 1}
    )
    busy = Query("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%sleepEachRow(3)%'")

    async def inside() -> AsyncConnection:
        connection = await open_async_connection(aaiclick_server.url)
        watching = await open_async_connection(aaiclick_server.url)
        running = asyncio.ensure_future(connection.command(slow))
        while await watching.query(busy) == ((0,),):
            assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await connection.close()
        return watching

    watching = asyncio.run(inside())
    still = open_connection(aaiclick_server.url)
    assert still.query(busy) == ((1,),)
    still.command(Command("KILL QUERY WHERE query LIKE 'INSERT%sleepEachRow(3)%' SYNC"))
    still.close()
    asyncio.run(watching.close())
