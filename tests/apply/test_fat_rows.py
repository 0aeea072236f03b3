"""Rows of 640 KB under a small memory limit: copied, counted and compared in blocks that are small enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.clickhouse.statements import BLOCKS
from aaiclick.errors import StatementError
from aaiclick.memory_limit import smaller_blocks
from aaiclick.testing.engine import EmbeddedEngine

ROWS, SIZE, LIMIT = 200, 640_000, 150_000_000


@pytest.fixture
def session(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Any]:
    from chdb.session import Session

    made = Session(aaiclick_engine.path)
    made.query(f"USE {aaiclick_database}")
    yield made
    made.close()


def schema(version: int, order_by: list[str], settings: dict[str, int], kind: str = "UInt32") -> Schema:
    columns = [Column("id", kind), Column("body", "String"), Column("tags", "Array(String)")]
    return Schema(
        "fat",
        version=version,
        objects=[Table("t", columns, engine=MergeTree(order_by=order_by, settings={**settings}))],
    )


def fill(session: Any) -> None:
    session.query("SET max_block_size = 8, min_insert_block_size_rows = 8, min_insert_block_size_bytes = 1000000")
    session.query(
        f"INSERT INTO t SELECT number AS id, repeat(hex(sipHash64(number)), {SIZE // 16}) AS body, ['a'] AS tags "
        f"FROM numbers({ROWS})"
    )
    session.query("OPTIMIZE TABLE t FINAL")
    session.query(
        "SET max_block_size = DEFAULT, min_insert_block_size_rows = DEFAULT, min_insert_block_size_bytes = DEFAULT"
    )


def told(session: Any) -> str:
    session.query("SET max_memory_usage = 0")
    return str(
        session.query(
            "SELECT count(), sum(id), sum(cityHash64(body)) FROM t SETTINGS max_threads = 1, max_block_size = 8", "TSV"
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("wide", [0, 10_000_000_000], ids=["wide", "compact"])
def test_fat_rows_are_copied_under_a_memory_limit(session: Any, wide: int) -> None:
    parts = {"min_bytes_for_wide_part": wide, "min_rows_for_wide_part": wide}
    ensure_schema(session, schema(1, ["id"], parts))
    fill(session)
    before = told(session)
    session.query(f"SET max_memory_usage = {LIMIT}")
    report = ensure_schema(session, schema(2, ["body", "id"], parts, "UInt64"), Policy.everything())
    assert [step.strategy for step in report.steps] == ["rebuild"]
    assert told(session) == before


def test_a_question_is_asked_in_smaller_and_smaller_blocks() -> None:
    error = StatementError("limit", 241, "MEMORY_LIMIT_EXCEEDED")
    settings: dict[str, str | int] = {"final": 0, "max_block_size": 65409}
    sizes: list[object] = []
    for _ in range(4):
        settings = smaller_blocks(settings, error)
        sizes.append(settings["max_block_size"])
    assert sizes == [8192, 64, 8, 1]
    assert settings["final"] == 0
    with pytest.raises(StatementError):
        smaller_blocks(settings, error)
    with pytest.raises(StatementError, match="another"):
        smaller_blocks({}, StatementError("another", 159))


def test_each_attempt_of_a_copy_needs_less() -> None:
    sizes = [int(each["min_insert_block_size_bytes"]) for each in BLOCKS[1:]]
    assert sizes == sorted(sizes, reverse=True)
