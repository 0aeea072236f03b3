"""Each clause, engine and pair does what the coverage page says; and the page says what was seen."""

from __future__ import annotations

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from tests.coverage.cases import Case, clause_cases
from tests.coverage.engines import MADE, TOLD, Other
from tests.coverage.others import made, told
from tests.coverage.page import PAGE, expected, outcome_of, page
from tests.coverage.reverse import backwards, corpus

CASES = clause_cases()


def test_the_page_is_what_was_seen() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(expected())


def test_every_case_is_on_the_page() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    assert list(expected()["clauses"]) == ids
    assert list(expected()["engines"]) == [other.name for other in (*MADE, *TOLD)]
    assert all(cells[0] == "yes" for cells in expected()["clauses"].values())
    assert set(expected()["reversed"]) <= {pair["id"] for pair in corpus("pairs")}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case.quick else pytest.mark.proof, id=case.id) for case in CASES]
)
def test_clause(case: Case, aaiclick_engine: EmbeddedEngine) -> None:
    assert outcome_of(aaiclick_engine, case) == expected()["clauses"][case.id]


@pytest.mark.parametrize("other", MADE, ids=lambda other: other.name)
def test_engine(other: Other, aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client()
    assert list(made(aaiclick_engine, client, other).cells) == expected()["engines"][other.name]
    client.close()


@pytest.mark.parametrize("other", TOLD, ids=lambda other: other.name)
def test_engine_that_is_never_made(other: Other, aaiclick_engine: EmbeddedEngine) -> None:
    connection = open_url(aaiclick_engine.url)
    assert list(told(connection, other).cells) == expected()["engines"][other.name]
    connection.close()


@pytest.mark.proof
@pytest.mark.parametrize("pair", corpus("pairs"), ids=lambda pair: pair["id"])
def test_pair_backwards(pair: dict[str, str], aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client()
    assert backwards(aaiclick_engine, client, pair) == expected()["reversed"].get(pair["id"], "")
    client.close()
