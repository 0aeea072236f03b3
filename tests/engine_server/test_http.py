"""ClickHouse's HTTP interface as it is documented, asked without a driver."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
import zlib
from typing import Any

import pytest

from aaiclick.testing import EngineServer


def test_ping_and_unknown_paths(ask: Any) -> None:
    assert (ask(path="/ping", method="GET").status, ask(path="/ping", method="GET").body) == (200, b"Ok.\n")
    assert ask(path="/", method="GET").body == b"Ok.\n"
    assert ask(path="/nowhere", method="GET").status == 404


def test_query_in_url_body_or_both(ask: Any) -> None:
    assert ask("SELECT 1", method="GET").text == "1\n"
    assert ask(body=b"SELECT 2").text == "2\n"
    assert ask("SELECT 3,", b"4").text == "3\t4\n"


def test_insert_takes_its_data_from_the_body_to_the_last_byte(ask: Any, aaiclick_server_database: str) -> None:
    db = aaiclick_server_database
    ask(f"CREATE TABLE {db}.t (a UInt8, s String) ENGINE = MergeTree ORDER BY a")
    assert ask(f"INSERT INTO {db}.t FORMAT CSV", b'1,"x\n\n;y"\n2,z\n').status == 200
    assert ask(body=f"INSERT INTO {db}.t FORMAT TSV\n3\t\\\\;\n".encode()).status == 200
    assert ask(body=f"INSERT INTO {db}.t (s, a) VALUES ('a\n\nb;', 4), ('it''s', 5)".encode()).status == 200
    assert ask(f"SELECT * FROM {db}.t ORDER BY a FORMAT JSONCompactEachRow").text.splitlines() == [
        '[1, "x\\n\\n;y"]',
        '[2, "z"]',
        '[3, "\\\\;"]',
        '[4, "a\\n\\nb;"]',
        '[5, "it\'s"]',
    ]


def test_the_headers_of_an_answer(ask: Any, aaiclick_server_database: str) -> None:
    reply = ask("SELECT number FROM numbers(10) FORMAT JSONEachRow", query_id="my-query")
    assert reply.headers["x-clickhouse-query-id"] == "my-query"
    assert reply.headers["x-clickhouse-format"] == "JSONEachRow"
    assert reply.headers["x-clickhouse-timezone"]
    assert reply.headers["x-clickhouse-server-display-name"]
    assert json.loads(reply.headers["x-clickhouse-summary"])["read_rows"] == "10"
    assert ask("SELECT 1", default_format="CSVWithNames").text == '"1"\n1\n'
    ask(f"CREATE TABLE {aaiclick_server_database}.t (a UInt8) ENGINE = Memory")
    summary = json.loads(
        ask(f"INSERT INTO {aaiclick_server_database}.t SELECT 1 FROM numbers(7)").headers["x-clickhouse-summary"]
    )
    assert summary["written_rows"] == "7"
    assert len(ask("SELECT 1").headers["x-clickhouse-query-id"]) == 36


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT nothing FROM system.one", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("CREATE DATABASE system", 500, 82, "DATABASE_ALREADY_EXISTS"),
        ("SELECT {x:UInt8}", 500, 456, "UNKNOWN_QUERY_PARAMETER"),
    ],
)
def test_errors_have_code_status_and_words(
    ask: Any, aaiclick_server: EngineServer, sql: str, status: int, code: int, name: str
) -> None:
    reply = ask(body=sql.encode())
    assert (reply.status, reply.headers["x-clickhouse-exception-code"]) == (status, str(code))
    assert reply.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version {aaiclick_server.version} (official build))\n" in reply.text


def test_database_and_settings_of_one_request_do_not_reach_the_next(ask: Any, aaiclick_server_database: str) -> None:
    assert ask("SELECT currentDatabase()", database=aaiclick_server_database).text.strip() == aaiclick_server_database
    assert ask("SELECT getSetting('max_block_size')", max_block_size="77").text == "77\n"
    ask(body=b"SET max_block_size = 55")
    ask(body=f"USE {aaiclick_server_database}".encode())
    ask(body=b"CREATE TEMPORARY TABLE mine (a UInt8)")
    assert ask("SELECT currentDatabase(), getSetting('max_block_size') = 55").text == "default\t0\n"
    assert ask("SELECT * FROM mine").headers["x-clickhouse-exception-code"] == "60"
    assert ask("SELECT 1", database="no_such_database").headers["x-clickhouse-exception-code"] == "81"
    assert ask("SELECT 1", no_such_setting="1").headers["x-clickhouse-exception-code"] == "115"
    assert ask("SELECT 1", **{"max_threads = 1 --": "1"}).headers["x-clickhouse-exception-code"] == "115"


def test_bound_parameters(ask: Any, aaiclick_server_database: str) -> None:
    reply = ask(
        "SELECT {s:String}, {n:UInt64} + 1, {a:Array(String)} FORMAT JSONCompactEachRow",
        param_s="it's; \\\\ \\t",
        param_n="4",
        param_a="['x','y']",
    )
    assert json.loads(reply.text) == ["it's; \\ \t", 5, ["x", "y"]]
    assert ask("SELECT {s:String}", param_s="a\tb").headers["x-clickhouse-exception-code"] == "457"
    assert ask("SELECT count() FROM {d:Identifier}.{t:Identifier}", param_d="system", param_t="one").text == "1\n"
    ask(f"CREATE TABLE {aaiclick_server_database}.t (a String) ENGINE = Memory")
    assert (
        ask(body=f"INSERT INTO {aaiclick_server_database}.t VALUES ({{v:String}})".encode(), param_v="p;q").status
        == 200
    )
    assert ask(f"SELECT * FROM {aaiclick_server_database}.t").text == "p;q\n"


def test_get_only_reads(ask: Any, aaiclick_server_database: str) -> None:
    reply = ask(f"CREATE TABLE {aaiclick_server_database}.t (a UInt8) ENGINE = Memory", method="GET")
    assert reply.headers["x-clickhouse-exception-code"] == "164"
    assert ask(f"EXISTS TABLE {aaiclick_server_database}.t", method="GET").text == "0\n"


def test_compression_both_ways(ask: Any) -> None:
    assert ask(body=gzip.compress(b"SELECT 1"), headers={"Content-Encoding": "gzip"}).text == "1\n"
    assert ask(body=zlib.compress(b"SELECT 1"), headers={"Content-Encoding": "deflate"}).text == "1\n"
    reply = ask("SELECT repeat('x', 1000)", headers={"Accept-Encoding": "gzip"}, enable_http_compression="1")
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == b"x" * 1000 + b"\n"
    assert "content-encoding" not in ask("SELECT 1", headers={"Accept-Encoding": "gzip"}).headers
    assert ask(body=b"no gzip", headers={"Content-Encoding": "gzip"}).headers["x-clickhouse-exception-code"] == "354"
    assert ask(body=b"SELECT 1", headers={"Content-Encoding": "rot13"}).headers["x-clickhouse-exception-code"] == "48"


def test_chunked_bodies(aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    aaiclick_server.command(f"CREATE TABLE {aaiclick_server_database}.t (a UInt32) ENGINE = Memory")
    connection = http.client.HTTPConnection("127.0.0.1", aaiclick_server.port, timeout=60)
    try:
        pieces = [
            f"INSERT INTO {aaiclick_server_database}.t FORMAT TSV\n".encode(),
            *(f"{n}\n".encode() for n in range(100)),
        ]
        connection.request(
            "POST", "/", body=iter(pieces), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert connection.getresponse().read() == b""
        connection.request("POST", "/", body=b"SELECT 'the connection is still in step'")
        assert connection.getresponse().read() == b"the connection is still in step\n"
    finally:
        connection.close()
    assert aaiclick_server.command(f"SELECT sum(a) FROM {aaiclick_server_database}.t") == "4950\n"


def test_forms_with_parameters_and_external_tables(ask: Any) -> None:
    boundary = "frontier"
    fields = [
        ('name="query"', "SELECT {p:String}, s, n FROM ext ORDER BY n"),
        ('name="param_p"', "bound"),
        ('name="ext"; filename="ext.tsv"', "1\tx\n2\ty\n"),
    ]
    body = (
        "".join(f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n" for head, text in fields)
        + f"--{boundary}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert (
        ask(body=body.encode(), headers=headers, ext_structure="n UInt8, s String").text == "bound\tx\t1\nbound\ty\t2\n"
    )
    assert ask(body=body.encode(), headers=headers).headers["x-clickhouse-exception-code"] == "36"


def test_users_and_passwords(ask: Any) -> None:
    with EngineServer(user="app", password="s3cret'\"") as server:
        assert "s3cret" not in repr(server)
        assert server.command("SELECT 1") == "1\n"
        for options in ({}, {"user": "app", "password": "wrong"}, {"user": "default", "password": "s3cret'\""}):
            reply = ask("SELECT 1", port=server.port, **options)
            assert (reply.status, reply.headers["x-clickhouse-exception-code"]) == (403, "516")
        assert ask("SELECT 1", port=server.port, user="app", password="s3cret'\"").status == 200
        assert ask(port=server.port, path="/ping", method="GET").status == 200


def test_a_read_only_server(ask: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("readonly")
    with EngineServer(path) as server:
        server.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    with EngineServer(path, read_only=True) as server:
        for sql in (
            b"INSERT INTO t VALUES (1)",
            b"INSERT INTO t FORMAT TSV\n1\n",
            b"DROP TABLE t",
            b"CREATE DATABASE d",
            b"SET readonly = 0",
        ):
            assert ask(port=server.port, body=sql).headers["x-clickhouse-exception-code"] == "164", sql
        assert (
            ask("SELECT count(), getSetting('max_threads') FROM t", port=server.port, max_threads="1").text == "0\t1\n"
        )


def test_requests_run_beside_each_other_and_show_their_query_id(ask: Any, aaiclick_server: EngineServer) -> None:
    replies = []
    sql = (
        "SELECT sleepEachRow(0.2) FROM numbers(300) SETTINGS max_block_size = 1, "
        "function_sleep_max_microseconds_per_block = 0"
    )
    threads = [threading.Thread(target=lambda n=n: replies.append(ask(sql, query_id=f"sleeper-{n}"))) for n in range(3)]
    for thread in threads:
        thread.start()
    running = "SELECT count() FROM system.processes WHERE startsWith(Settings['log_comment'], 'sleeper-')"
    deadline = time.monotonic() + 30
    while (seen := ask(running).text) != "3\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    ask(body=b"KILL QUERY WHERE startsWith(Settings['log_comment'], 'sleeper-') SYNC")
    for thread in threads:
        thread.join()
    assert seen == "3\n"
    assert [reply.headers["x-clickhouse-exception-code"] for reply in replies] == ["394"] * 3


def test_a_statement_goes_on_when_its_client_leaves(
    ask: Any, aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    table = f"{aaiclick_server_database}.t"
    ask(f"CREATE TABLE {table} (a UInt64) ENGINE = MergeTree ORDER BY a")
    connection = http.client.HTTPConnection("127.0.0.1", aaiclick_server.port)
    connection.request(
        "POST",
        "/?query_id=leaver",
        body=f"INSERT INTO {table} SELECT number + sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1",
    )
    mine = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'leaver'"
    deadline = time.monotonic() + 30
    while ask(mine).text != "1\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    connection.close()
    while ask(mine).text != "0\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ask(f"SELECT count() FROM {table}").text == "10\n"
