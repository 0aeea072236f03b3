"""The corpus on older ClickHouse releases: its tables there and back, its pairs and the golden cases through the five checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.catalog.read import read_catalog
from aaiclick.clients.opening import open_url
from aaiclick.routine import run
from aaiclick.testing.engine import fresh_name
from tests.acceptance.old_engines import PYTHONS, OldEngine
from tests.cases.pairs import check_pair
from tests.cases.runner import clean, declaration, five_checks, prepare
from tests.cases.test_golden import CASES, read_case
from tests.catalog.corpus import PAIRS, create_tables, put_together, reflected, understood

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]


@pytest.fixture
def databases(old_engine: OldEngine) -> Iterator[list[str]]:
    names = [fresh_name(), fresh_name()]
    for name in names:
        old_engine.command(f"CREATE DATABASE {name}")
    yield names
    for name in names:
        old_engine.command(f"DROP DATABASE {name}")


def test_tables_there_and_back(old_engine: OldEngine, databases: list[str]) -> None:
    connection = open_url(old_engine.server.url)
    try:
        created = create_tables(connection, databases[0])
        corpus = run(read_catalog(databases[0]), connection)
        held = [name for name, error in created.items() if error is None]
        assert len(held) > 100
        assert sorted(understood(corpus)) == sorted(held)
        assert put_together(corpus, connection, databases[1]) == reflected(corpus, connection) == len(held)
    finally:
        connection.close()
    for name, error in created.items():
        old_engine.note("table", name, str(error or ""))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["id"])
def test_pair(pair: dict[str, str], old_engine: OldEngine) -> None:
    old_engine.skip_what_it_cannot_hold("pair", pair["id"], pair["from"], pair["to"])
    client = old_engine.client()
    try:
        check_pair(old_engine, client, pair)
    finally:
        client.close()
    old_engine.note("pair", pair["id"])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_case(path: Path, old_engine: OldEngine) -> None:
    case = read_case(path)
    old_engine.skip_what_it_cannot_hold("golden", path.stem, case["before"], case["after"])
    client = old_engine.client()
    ground = prepare(old_engine, client, case["before"], case["after"], case.get("rows", ""))
    try:
        renames = dict(pair.split(" -> ") for pair in case.get("renames", "").split(", ") if pair)
        allow = tuple(key for key in case.get("allow", "").split(", ") if key)
        five_checks(ground, declaration(ground, renames), renames, allow)
    finally:
        client.close()
        clean(ground)
    old_engine.note("golden", path.stem)
