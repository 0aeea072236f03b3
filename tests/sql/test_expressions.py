"""Texts from elsewhere: what is one whole expression, and what holds more than that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.specs.arrow.checks import codecs, one_type, table_ttl
from aaiclick.sql.expressions import one_expression


@pytest.mark.parametrize(
    ("check", "text"),
    [
        *((one_expression, text) for text in (
            "1", "'a, b'", "now()", "at + INTERVAL 1 DAY", "toDateTime(at) + INTERVAL 1 DAY * 2", "INTERVAL '1 day' + at",
            "CASE WHEN a = 1 THEN 2 ELSE CASE WHEN b THEN 3 END END + 1", "x BETWEEN 1 AND 2", "a ? b : c", "[1, 2]", "NOT a",
            "x IS NOT NULL", "-1", "`a b`.x", "x::String", "if(a, 1, 2) = 1 AND b IN (1, 2)", "a[1].2", "COMMENT",
        )),
        *((table_ttl, text) for text in (
            "at + INTERVAL 1 YEAR", "at + INTERVAL 1 DAY DELETE, at + INTERVAL 1 WEEK TO VOLUME 'x'",
            "at + toIntervalDay(3) TO DISK IF EXISTS 'c'", "at RECOMPRESS CODEC(ZSTD(17), LZ4)", "at DELETE WHERE a = 1",
            "at + INTERVAL 1 MONTH GROUP BY k1, k2 SET x = max(x), y = min(y)",
        )),
        *((codecs, text) for text in ("ZSTD", "Delta(4), LZ4HC(9)")),
        *((one_type, text) for text in ("Int8", "DOUBLE PRECISION", "Array(Tuple(a Int8, `b c` String))", "Enum8('a' = 1, 'b)' = 2)")),
    ],
)  # fmt: skip
def test_one_of_them(check: Callable[[str], bool], text: str) -> None:
    assert check(text)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        *((one_expression, text) for text in (
            "", "-", "1, y Int8", "1 COMMENT 'x'", "1 TTL at + INTERVAL 1 DAY", "1 CODEC(NONE)", "1 --", "1 /* x", "1 /* x */", "1 #x",
            "1)", "(1", "'1", "1;", "1 +", "1 AND", "x BETWEEN 1 AND", "INTERVAL 1 DAY COMMENT 'x'", "INTERVAL 1 DAY, y", "INTERVAL 1 TTL (x)",
            "CASE WHEN 1 THEN 2 END TTL x", "CASE WHEN 1", "1 AS SELECT 2", "at DELETE", "1 SETTINGS (a = 1)", "1 ENGINE = Log",
        )),
        *((table_ttl, text) for text in (
            "", "at SETTINGS a = 1", "at COMMENT 'x'", "at DELETE COMMENT 'x'", "at TO DISK 'x' SETTINGS a = 1", "at, DROP COLUMN y", "at)",
        )),
        *((codecs, text) for text in ("", "ZSTD,", "(1)", "ZSTD) COMMENT 'x'", "ZSTD COMMENT", "ZSTD(1) TTL x")),
        *((one_type, text) for text in ("", "'x'", "Int8, y Int8", "Int8 DEFAULT 1", "Int8) ENGINE = Log", "Int8 CODEC(NONE)", "Int8 --")),
    ],
)  # fmt: skip
def test_more_than_one_or_none(check: Callable[[str], bool], text: str) -> None:
    assert not check(text)
