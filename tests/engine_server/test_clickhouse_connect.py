"""The real clickhouse-connect on the test server."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import ipaddress
import uuid
from collections.abc import Callable
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from aaiclick.testing import EngineServer

ROWS = 100_000
TABLE = (
    "CREATE TABLE t (id UInt64, word LowCardinality(String), maybe Nullable(Int32), at DateTime64(3, 'UTC')) ENGINE "
    "= MergeTree ORDER BY id"
)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_many_rows_go_in_and_come_back(
    aaiclick_server: EngineServer, aaiclick_server_database: str, compression: str | bool
) -> None:
    if compression == "lz4":
        pytest.importorskip("lz4")
    start = dt.datetime(2026, 1, 1)
    rows = [(n, f"word {n % 7}\n", None if n % 3 else n, start + dt.timedelta(milliseconds=n)) for n in range(ROWS)]
    client = aaiclick_server.client(database=aaiclick_server_database, compress=compression)
    try:
        client.command(TABLE)
        assert client.insert("t", rows).written_rows == ROWS
        assert client.query("SELECT * FROM t ORDER BY id").result_rows == rows
    finally:
        client.close()


CASES = [
    ("toLowCardinality('x')", "x"),
    ("CAST('x', 'LowCardinality(Nullable(String))')", "x"),
    ("CAST(NULL, 'Nullable(UInt8)')", None),
    ("""'{"a": 1, "b": {"c": "d"}}'::JSON""", {"a": 1, "b": {"c": "d"}}),
    ("[[1], [2, 3]]", [[1], [2, 3]]),
    ("map('a', 1)", {"a": 1}),
    ("tuple(1, 'a')", (1, "a")),
    ("CAST((1, 'a'), 'Tuple(n UInt8, s String)')", {"n": 1, "s": "a"}),
    ("toDecimal64(1.25, 2)", decimal.Decimal("1.25")),
    ("CAST('b', 'Enum8(\\'a\\' = 1, \\'b\\' = 2)')", "b"),
    ("toDate('2026-02-03')", dt.date(2026, 2, 3)),
    ("toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')", uuid.UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0")),
    ("toIPv4('127.0.0.1')", ipaddress.IPv4Address("127.0.0.1")),
    ("true", True),
    ("toUInt256(7)", 7),
    ("toFixedString('ab', 2)", b"ab"),
    ("CAST(5, 'Variant(UInt8, String)')", 5),
    ("CAST('x', 'Dynamic')", "x"),
]


@pytest.mark.parametrize(("expression", "value"), CASES, ids=[case[0] for case in CASES])
def test_types(aaiclick_server_client: Any, expression: str, value: object) -> None:
    assert aaiclick_server_client.query(f"SELECT {expression}").result_rows == [(value,)]


def test_json_and_low_cardinality_go_in(aaiclick_server_client: Any) -> None:
    aaiclick_server_client.command(
        "CREATE TABLE t (n UInt8, j JSON, w LowCardinality(Nullable(String)), m Map(String, UInt8)) ENGINE = "
        "MergeTree ORDER BY n"
    )
    rows = [(1, {"a": 1}, "x", {"k": 1}), (2, {"b": "y"}, None, {})]
    aaiclick_server_client.insert("t", rows)
    assert aaiclick_server_client.query("SELECT * FROM t ORDER BY n").result_rows == rows


def test_parameters_on_the_server_and_in_the_client(aaiclick_server_client: Any) -> None:
    bound = aaiclick_server_client.query(
        "SELECT {s:String} AS s, {l:Array(UInt8)} AS l, {d:Date} AS d",
        parameters={"s": "it's\ta\\b\n", "l": [1, 2], "d": dt.date(2026, 1, 2)},
    )
    assert bound.result_rows == [("it's\ta\\b\n", [1, 2], dt.date(2026, 1, 2))]
    assert aaiclick_server_client.query("SELECT %(s)s", parameters={"s": "it's"}).result_rows == [("it's",)]
    long = "x" * 50_000
    assert aaiclick_server_client.query("SELECT {s:String}", parameters={"s": long}).result_rows == [(long,)]


def test_settings_commands_and_summaries(aaiclick_server_client: Any) -> None:
    assert aaiclick_server_client.query(
        "SELECT getSetting('max_block_size')", settings={"max_block_size": 77}
    ).result_rows == [(77,)]
    assert aaiclick_server_client.query("SELECT getSetting('max_block_size') = 77").result_rows == [(0,)]
    aaiclick_server_client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    assert aaiclick_server_client.command("INSERT INTO t SELECT number FROM numbers(9)").written_rows == 9
    assert aaiclick_server_client.command("SELECT count() FROM t") == 9
    assert aaiclick_server_client.command("INSERT INTO t FORMAT CSV", data="1\n2\n").written_rows == 2
    assert aaiclick_server_client.command("SELECT a FROM t WHERE a > 200") == ""
    assert aaiclick_server_client.raw_insert("t", ["a"], b"3\n4\n", fmt="TSV").written_rows == 2
    assert aaiclick_server_client.raw_query("SELECT sum(a) FROM t FORMAT CSV") == b"46\n"
    assert aaiclick_server_client.query("SELECT a FROM t LIMIT 0").column_names == ("a",)
    assert aaiclick_server_client.query("SELECT a FROM t WHERE a > 200").result_rows == []
    assert aaiclick_server_client.ping()


def test_streams_and_external_tables(aaiclick_server_client: Any) -> None:
    with aaiclick_server_client.query_row_block_stream("SELECT number FROM numbers(200000)") as stream:
        assert sum(row[0] for block in stream for row in block) == 199999 * 100000
    data = ExternalData(file_name="ext.csv", data=b"1,a\n2,b\n", fmt="CSV", structure="n UInt8, s String")
    assert aaiclick_server_client.query("SELECT * FROM ext ORDER BY n", external_data=data).result_rows == [
        (1, "a"),
        (2, "b"),
    ]


def test_clients_have_sessions_of_their_own(aaiclick_server: EngineServer, aaiclick_server_client: Any) -> None:
    other = aaiclick_server.client()
    try:
        aaiclick_server_client.command("SET max_block_size = 55")
        aaiclick_server_client.command("CREATE TEMPORARY TABLE mine AS SELECT 1 AS a")
        assert aaiclick_server_client.command("SELECT getSetting('max_block_size')") == 55
        assert aaiclick_server_client.command("SELECT a FROM mine") == 1
        assert other.command("SELECT getSetting('max_block_size') = 55") == 0
        with pytest.raises(DatabaseError) as caught:
            other.command("SELECT a FROM mine")
        assert caught.value.code == 60
    finally:
        other.close()


def test_errors(aaiclick_server: EngineServer, aaiclick_server_client: Any) -> None:
    refusals: list[tuple[Callable[[], object], int, str]] = [
        (lambda: aaiclick_server_client.query("SELECT * FROM nowhere"), 60, "UNKNOWN_TABLE"),
        (lambda: aaiclick_server_client.command("CREATE DATABASE system"), 82, "DATABASE_ALREADY_EXISTS"),
        (
            lambda: aaiclick_server_client.query("SELECT throwIf(number = 5) FROM numbers(10)"),
            395,
            "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
        ),
        (lambda: aaiclick_server_client.raw_insert("system.one", None, b"1\n", fmt="TSV"), 48, "NOT_IMPLEMENTED"),
    ]
    for call, code, name in refusals:
        with pytest.raises(DatabaseError) as caught:
            call()
        assert (caught.value.code, caught.value.name) == (code, name)
    with EngineServer(user="app", password="right") as server:
        with pytest.raises(DatabaseError) as refused:
            server.client(username="app", password="wrong")
        assert refused.value.code == 516
        client = server.client()
        assert client.command("SELECT 1") == 1
        client.close()


def test_without_the_protocol_version(aaiclick_server_client: Any) -> None:
    """The server leaves client_protocol_version aside, as some proxies do; the client finds out by itself."""
    assert aaiclick_server_client.protocol_version == 0
    answer = aaiclick_server_client.raw_query(
        "SELECT toLowCardinality('a') AS a", settings={"client_protocol_version": 54405}, fmt="Native"
    )
    assert answer[:4] == b"\x01\x01\x01a"


def test_the_async_client(aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    pytest.importorskip("aiohttp")

    async def work() -> None:
        clients = [
            await clickhouse_connect.get_async_client(
                host="127.0.0.1", port=aaiclick_server.port, database=aaiclick_server_database
            )
            for _ in range(4)
        ]
        try:
            await clients[0].command(TABLE)
            await asyncio.gather(
                *(client.insert("t", [(n, "x", None, dt.datetime(2026, 1, 1))]) for n, client in enumerate(clients))
            )
            assert (
                await clients[0].query("SELECT id FROM t WHERE word = {w:String} ORDER BY id", parameters={"w": "x"})
            ).result_rows == [(n,) for n in range(4)]
            with pytest.raises(DatabaseError) as caught:
                await clients[0].query("SELECT * FROM nowhere")
            assert caught.value.code == 60
        finally:
            for client in clients:
                await client.close()

    asyncio.run(work())
