"""Queries in lines, and what differs."""

from __future__ import annotations

import pytest

from aaiclick.sql.query_lines import query_diff, query_lines

QUERY = (
    "SELECT id, toDate(at) AS day, count() AS n FROM events LEFT JOIN users ON a = b WHERE id IN (SELECT a, b FROM z) "
    "GROUP BY id, day ORDER BY id"
)


def test_clauses_and_elements_have_lines() -> None:
    assert query_lines(QUERY) == [
        "SELECT",
        "    id,",
        "    toDate(at) AS day,",
        "    count() AS n",
        "FROM events",
        "LEFT JOIN users ON a = b",
        "WHERE id IN (SELECT a, b FROM z)",
        "GROUP BY",
        "    id,",
        "    day",
        "ORDER BY id",
    ]


def test_only_what_differs_and_a_little_around_it() -> None:
    assert query_diff(QUERY, QUERY.replace("count()", "sum(v)")) == (
        "...",
        "     id,",
        "     toDate(at) AS day,",
        "-    count() AS n",
        "+    sum(v) AS n",
        " FROM events",
        " LEFT JOIN users ON a = b",
    )
    assert query_diff("SELECT 1 FROM a", "SELECT 2 FROM a") == ("-SELECT 1", "+SELECT 2", " FROM a")
    assert query_diff(QUERY, QUERY) == ()


@pytest.mark.parametrize("odd", ["", "(((", "WITH 1 AS x SELECT x", "SELECT 'FROM' FROM `GROUP`"])
def test_every_text_has_lines(odd: str) -> None:
    assert "".join(query_lines(odd)).replace(" ", "") == odd.replace(" ", "")
