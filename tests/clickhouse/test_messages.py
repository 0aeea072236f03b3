"""A refusal says what, of which object, and why; the engine's sentence is part of it, never all of it."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Schema, Table, plan_schema
from aaiclick.clickhouse.messages import LONGEST, first_line


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("Code: 36. DB::Exception: Tables have different ordering. (BAD_ARGUMENTS)", "Tables have different ordering"),
        (
            (
                "Code: 43. DB::Exception: DB::Exception: Illegal type: In scope SELECT f(x) FROM t. "
                "(ILLEGAL_TYPE_OF_ARGUMENT)"
            ),
            "Illegal type",
        ),
        (
            "Table `_aaiclick_scratch_65f0a1b2abcdef012345`.`t~alter-parts` is not there. (X)\nstack",
            "Table t is not there. (X)",
        ),
        ("in _aaiclick_scratch_65f0a1b2abcdef012345_t~rebuilt: no", "in t: no"),
        ("", ""),
    ],
)
def test_the_engines_sentence_without_what_is_ours(message: str, plain: str) -> None:
    assert first_line(message) == plain


def test_a_long_sentence_ends_behind_a_word() -> None:
    short = first_line("many words " * 100)
    assert len(short) <= LONGEST + 4
    assert short.endswith((" words ...", " many ..."))


def test_a_conversion_that_is_refused_names_its_column(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64, a UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    table = Table("t", [Column("k", "UInt64"), Column("a", "Array(String)")], engine=MergeTree(order_by=["k", "a"]))
    [step] = plan_schema(aaiclick_client, Schema("app", objects=[table])).required
    assert "column a does not convert from UInt64 to Array(String)" in step.blocked
    assert "Rebuild(columns=...) can say how" in step.blocked
    assert "DB::Exception" not in step.blocked
    assert "scratch" not in step.blocked
