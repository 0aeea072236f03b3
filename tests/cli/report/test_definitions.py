"""Definitions in lines, side by side."""

from __future__ import annotations

import pytest

from aaiclick.cli.report.definitions import paired, side_by_side, sql_lines

TABLE = (
    "CREATE TABLE app.t (`a` UInt8, `b` Decimal(10, 2) DEFAULT f(1, 2) COMMENT 'x, (', INDEX i a TYPE minmax) ENGINE = "
    "MergeTree PARTITION BY toYYYYMM(a) ORDER BY (a, b) SETTINGS index_granularity = 8192 COMMENT 'ORDER BY'"
)


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        (
            TABLE,
            [
                "CREATE TABLE app.t (",
                "    `a` UInt8,",
                "    `b` Decimal(10, 2) DEFAULT f(1, 2) COMMENT 'x, (',",
                "    INDEX i a TYPE minmax",
                ")",
                "ENGINE = MergeTree",
                "PARTITION BY toYYYYMM(a)",
                "ORDER BY (a, b)",
                "SETTINGS index_granularity = 8192",
                "COMMENT 'ORDER BY'",
            ],
        ),
        (
            "CREATE MATERIALIZED VIEW d.v TO d.t (`a` UInt8) AS SELECT sum(a) AS s FROM d.x LEFT JOIN y ON a = b GROUP BY a",
            [
                "CREATE MATERIALIZED VIEW d.v",
                "TO d.t (`a` UInt8)",
                "AS SELECT sum(a) AS s",
                "FROM d.x",
                "LEFT JOIN y ON a = b",
                "GROUP BY a",
            ],
        ),
        ("no ' sql", ["no ' sql"]),
    ],
)
def test_lines(sql: str, lines: list[str]) -> None:
    assert sql_lines(sql) == lines
    assert "".join("".join(lines).split()) == "".join(sql.split())


def test_a_comma_is_no_difference() -> None:
    pairs = paired(["(", "    a,", "    b", ")"], ["(", "    a,", "    b,", "    c", ")"])
    assert [(pair.before, pair.after) for pair in pairs if not pair.same] == [(None, "    c")]


def test_needless_quotes_and_spaces_are_no_difference() -> None:
    before = sql_lines("CREATE DICTIONARY d.t (`a` UInt8) PRIMARY KEY a LAYOUT(FLAT())")
    after = sql_lines("CREATE DICTIONARY `d`.`t` (a UInt8) PRIMARY KEY `a` LAYOUT( HASHED() )")
    assert [pair.before for pair in paired(before, after) if not pair.same] == ["LAYOUT(FLAT())"]


def test_what_is_the_same_further_away_is_folded() -> None:
    before = [f"    c{number}," for number in range(20)]
    made = side_by_side(paired(before, [*before[:10], "    <new>,", *before[10:]]), "t")
    assert made.count("<tbody>") == 1 + 1 + 7 + 1
    assert "<summary>6 lines the same</summary>" in made
    assert "<summary>7 lines the same</summary>" in made
    assert '<td class="come"><span class="sign" aria-hidden="true">+</span>' in made
    assert "&lt;new&gt;" in made
