"""What the server reads from the text of a statement."""

from __future__ import annotations

import pytest

from aaiclick.engine_server.statements import inspect


@pytest.mark.parametrize(
    ("sql", "keyword", "fmt"),
    [
        (b"SELECT 1", "SELECT", ""),
        (b"  -- SELECT ;\n/* ; */ # x;\nshow tables", "SHOW", ""),
        (b"SELECT ';', \"a;b\", `c;d`, 'it''s;', '\\';' FORMAT JSON", "SELECT", "JSON"),
        (b"SELECT $tag$ ; FORMAT CSV $tag$ FORMAT TSV SETTINGS max_threads = 1", "SELECT", "TSV"),
        (b"SELECT * FROM (SELECT 1 FORMAT Null) FORMAT Native;", "SELECT", "Native"),
        (b"SELECT format('{}', 1) AS format", "SELECT", ""),
        (b"INSERT INTO t SELECT 1 FORMAT Null", "INSERT", "Null"),
        (b"INSERT INTO t VALUES (1, 'FORMAT CSV')", "INSERT", ""),
        (b"", "", ""),
    ],
)
def test_keyword_and_format(sql: bytes, keyword: str, fmt: str) -> None:
    found = inspect(sql)
    assert (found.keyword, found.format, found.several, found.data_at) == (keyword, fmt, False, -1)


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1; SELECT 2",
        b"SELECT 1;;\n-- c\n;DROP TABLE t",
        b"INSERT INTO t VALUES (1); DROP TABLE t",
        b"INSERT INTO t SELECT 1; x",
    ],
)
def test_several_statements_are_seen(sql: bytes) -> None:
    assert inspect(sql).several


@pytest.mark.parametrize(
    "sql", [b"SELECT 1;", b"SELECT 1 ; ;\n-- the end", b"SELECT ';x'", b"INSERT INTO t FORMAT CSV\n1;2\n;3"]
)
def test_one_statement_is_one(sql: bytes) -> None:
    assert not inspect(sql).several


@pytest.mark.parametrize(
    ("head", "data", "fmt"),
    [
        (b"INSERT INTO t |FORMAT CSV\n", b"1\n\n2", "CSV"),
        (b"insert into `format`.`values` (`settings`, b) |format Native\r\n", b"\x00\n\n;", "Native"),
        (
            b"INSERT INTO TABLE db.format |SETTINGS async_insert = 1, x = 'FORMAT y' FORMAT JSONEachRow ",
            b'{"a": 1}',
            "JSONEachRow",
        ),
        (b"INSERT INTO FUNCTION null('a UInt8') |FORMAT TSV  \n", b"\n1", "TSV"),
        (b"INSERT INTO t |FORMAT RowBinary", b"", "RowBinary"),
        (b"INSERT INTO format |FORMAT CSV\n", b"1", "CSV"),
        (b"INSERT INTO TABLE table (format) |FORMAT Values ", b"(1); (2)", "Values"),
    ],
)
def test_inline_data_are_found_to_the_byte(head: bytes, data: bytes, fmt: str) -> None:
    before, _, after = head.partition(b"|")
    sql = before + after + data
    found = inspect(sql)
    assert (found.format, found.clause_at) == (fmt, len(before))
    assert sql[found.data_at :] == data
    assert sql[found.clause_at : found.data_from].endswith(fmt.encode())


def test_reading_statements_are_told_from_writing_ones() -> None:
    assert all(
        inspect(sql).reads
        for sql in (b"SELECT 1", b"WITH 1 AS x SELECT x", b"(SELECT 1)", b"SHOW TABLES", b"EXPLAIN SELECT 1")
    )
    assert not any(
        inspect(sql).reads
        for sql in (b"INSERT INTO t VALUES (1)", b"DROP TABLE t", b"ALTER TABLE t DROP COLUMN c", b"SYSTEM STOP MERGES")
    )
