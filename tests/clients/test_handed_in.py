"""Clients that are handed in, with the habits of the programs they belong to."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aaiclick.clients import open_async_connection, open_connection
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Command, Query
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.clients.conftest import open_session


def test_settings_set_by_hand_that_permit_or_cost_hold_for_our_statements(session: Any) -> None:
    session.query(
        "SET flatten_nested = 0, allow_suspicious_low_cardinality_types = 1, max_block_size = 777, log_comment = "
        "'it''s \\\\ mine'"
    )
    connection = open_connection(session)
    columns = "n Nested(a UInt8), l LowCardinality(UInt8)"
    connection.command(
        Command(f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY tuple()", settings={"max_threads": 1})
    )
    asked = "SELECT toString(getSetting('max_block_size')), getSetting('log_comment')"
    assert connection.query(Query(asked, settings={"max_threads": 1})) == (("777", "it's \\ mine"),)
    assert "`n.a` Array(UInt8)" in str(
        connection.query(Query("SELECT create_table_query FROM system.tables WHERE database = currentDatabase()"))
    )
    beside = connection.sibling()
    assert beside is not None
    assert beside.query(Query(asked)) == (("777", "it's \\ mine"),)
    beside.close()
    connection.close()


def test_a_read_only_session_stays_read_only(session: Any) -> None:
    session.query("SET readonly = 2")
    connection = open_connection(session)
    with pytest.raises(StatementError) as refused:
        connection.command(Command("CREATE TABLE t (a UInt8) ENGINE = Memory", settings={"max_threads": 1}))
    assert refused.value.code == 164
    assert connection.query(Query("SELECT 1 AS a", settings={"max_threads": 1})) == ((1,),)
    connection.close()


def test_a_stream_that_is_still_open_hides_nothing(session: Any) -> None:
    stream = session.send_query("SELECT number FROM numbers(3000000)", "CSV")
    next(iter(stream))
    connection = open_connection(session)
    assert connection.query(Query("SELECT 1 AS a")) == ((1,),)
    assert connection.query(Query("SELECT 2 AS a", settings={"max_threads": 1})) == ((2,),)
    connection.close()
    stream.close()


def test_a_closed_session_is_said_to_be_closed(aaiclick_engine: EmbeddedEngine) -> None:
    closed = open_session(aaiclick_engine.path)
    connection = open_connection(closed)
    closed.close()
    with pytest.raises(UsageError, match="is closed"):
        open_connection(closed)
    with pytest.raises(UsageError, match="is closed"):
        connection.query(Query("SELECT 1"))


def test_a_closed_client_is_said_to_be_closed(aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client(database="default")
    connection = open_connection(client)
    client.close()
    with pytest.raises(UsageError, match="is closed"):
        connection.query(Query("SELECT 1"))


@pytest.mark.parametrize(
    "wrong", [None, 5, {"password": "geheim"}, object(), open_connection, str, b"chdb://memory", EmbeddedEngine]
)
def test_anything_else_is_refused_with_what_is_accepted(wrong: object) -> None:
    with pytest.raises(UsageError) as sync_refusal:
        open_connection(wrong, caller="ensure_schema")
    with pytest.raises(UsageError) as async_refusal:
        asyncio.run(open_async_connection(wrong, caller="ensure_schema_async"))
    for caught in (sync_refusal.value, async_refusal.value):
        assert str(caught).startswith("ensure_schema")
        for form in ("chdb:///path", "clickhouse://", "clickhouse-connect", "chdb.session.Session", "result_rows"):
            assert form in str(caught)
        assert "geheim" not in str(caught)


class Awaitable:
    async def command(self, *_: object, **__: object) -> None: ...

    async def query(self, *_: object, **__: object) -> None: ...


def test_a_sync_function_names_its_twin() -> None:
    with pytest.raises(
        UsageError,
        match=r"^ensure_schema was given an async client \(Awaitable\): await ensure_schema_async\(\.\.\.\) instead$",
    ):
        open_connection(Awaitable(), caller="ensure_schema")
    with pytest.raises(UsageError, match=r"await open_async_connection\(\.\.\.\) instead$"):
        open_connection(Awaitable())


def test_methods_that_are_not_awaitable_are_refused() -> None:
    class Plain:
        def command(self, *_: object, **__: object) -> int:
            return 1

        query = command

    with pytest.raises(UsageError, match="must be awaitable"):
        asyncio.run(open_async_connection(Plain()))


def test_a_sync_connection_works_inside_a_running_loop(session: Any, aaiclick_server: EngineServer) -> None:
    async def inside() -> list[object]:
        found: list[object] = []
        for client in (session, aaiclick_server.start().url):
            connection = open_connection(client)
            found.append(connection.query(Query("SELECT 1 AS a")))
            connection.close()
        return found

    assert asyncio.run(inside()) == [((1,),), ((1,),)]


def test_the_loop_goes_on_while_a_statement_runs(session: Any) -> None:
    async def inside() -> None:
        connection = await open_async_connection(session)
        running = asyncio.ensure_future(connection.query(Query("SELECT sleep(2) AS a")))
        for _ in range(3):
            # A statement that ran in the loop would be over before the loop comes round.
            await asyncio.sleep(0)
            assert not running.done()
        await running
        await connection.close()

    asyncio.run(inside())


def test_after_a_cancellation_the_next_statement_waits_for_the_last(session: Any, aaiclick_database: str) -> None:
    running_inserts = "SELECT toUInt8(count()) FROM system.processes WHERE Settings['log_comment'] = {mark:String}"
    settings: dict[str, str | int] = {"max_block_size": 1, "log_comment": aaiclick_database}

    async def inside() -> object:
        connection = await open_async_connection(session)
        watching = await open_async_connection(session)
        await connection.command(Command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a"))
        running = asyncio.ensure_future(
            connection.command(Command("INSERT INTO t SELECT sleepEachRow(1) FROM numbers(2)", settings=settings))
        )
        while (await watching.query(Query(running_inserts, {"mark": aaiclick_database})))[0][0] == 0:
            assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # The statement of the cancelled task ended first: its rows are there.
        rows = await connection.query(Query("SELECT toUInt8(count()) FROM t"))
        await watching.close()
        await connection.close()
        return rows

    assert asyncio.run(inside()) == ((2,),)


def test_a_sibling_answers_while_a_statement_runs(session: Any, aaiclick_database: str) -> None:
    connection = open_connection(session)
    beside = connection.sibling()
    assert beside is not None
    text = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {mark:String}"
    settings: dict[str, str | int] = {"query_id": f"{aaiclick_database}-long"}
    long = Command(
        "INSERT INTO FUNCTION null('a UInt8') SELECT sleepEachRow(0.5) FROM numbers(4)",
        settings={"max_block_size": 1, **settings},
    )
    thread = threading.Thread(target=connection.command, args=(long,))
    thread.start()
    seen = 0
    while thread.is_alive() and not seen:
        seen = int(str(beside.query(Query(text, {"mark": f"{aaiclick_database}-long"}))[0][0]))
    assert thread.is_alive()
    thread.join()
    assert seen == 1
    beside.close()
    connection.close()


def test_two_threads_may_use_one_connection(session: Any) -> None:
    connection = open_connection(session)
    connection.command(Command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"))
    failures: list[Exception] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 20):
                connection.command(
                    Command("INSERT INTO t SELECT {n:UInt64}", {"n": number}, {"max_threads": 1 + number % 3})
                )
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert connection.query(Query("SELECT toUInt8(count()) FROM t")) == ((60,),)
    connection.close()
