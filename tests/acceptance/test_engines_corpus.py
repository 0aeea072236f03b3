"""The corpus on older ClickHouse releases: its tables there and back, its pairs and the golden cases through the five
checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aaiclick import Policy, Schema, ensure_schema
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_table
from aaiclick.clients.opening import open_url
from aaiclick.errors import AaiclickError
from aaiclick.routine import run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.acceptance.counts import reason
from tests.acceptance.old_engines import PYTHONS, OldEngine
from tests.cases.pairs import check_pair
from tests.cases.runner import clean, declaration, five_checks, prepare
from tests.cases.test_golden import CASES, read_case
from tests.catalog.corpus import PAIRS, create_tables, put_together, reflected, understood

LATE = "a TTL after the year 2105 wraps around: the release deletes such rows at once"
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


def test_what_a_release_does_not_know_is_refused_with_its_reason(
    old_engine: OldEngine, databases: list[str], aaiclick_engine: EmbeddedEngine, aaiclick_database: str
) -> None:
    """Declared on a newer release, one table for each reason: the plan is refused in the server's words, and nothing is
    changed."""
    old, new = open_url(old_engine.server.url), open_url(aaiclick_engine.url)
    client = old_engine.client(databases[0])
    try:
        told: dict[str, str] = {}
        for name, error in create_tables(old, databases[0]).items():
            if error is not None:
                told.setdefault(reason(str(error)).partition(" (code")[0], name)
        create_tables(new, aaiclick_database)
        catalog = run(read_catalog(aaiclick_database), new)
        assert len(told) > 5
        for words, name in told.items():
            form = catalog.objects[name].form
            assert isinstance(form, TableForm)
            old_engine.command(f"CREATE TABLE {databases[1]}.{name} (c1 UInt8) ENGINE = MergeTree ORDER BY c1")
            before = old_engine.command(f"SHOW CREATE TABLE {databases[1]}.{name}")
            schema = Schema("app", version=1, objects=[reflect_table(replace(form, name=name))])
            with pytest.raises(AaiclickError) as caught:
                ensure_schema(client, schema, database=databases[1], policy=Policy.everything())
            assert f"table {name}: " in str(caught.value)
            # Of several settings that it does not know a server names the first, and declared ones are sorted.
            said = reason(f"Code: 0. DB::Exception: {str(caught.value).partition(': ')[2]}")
            assert said.startswith(words.partition("'")[0]), caught.value
            assert old_engine.command(f"SHOW CREATE TABLE {databases[1]}.{name}") == before
        assert sorted(
            old_engine.command(f"SELECT name FROM system.tables WHERE database = '{databases[1]}'").split()
        ) == sorted(told.values())
    finally:
        client.close()
        old.close()
        new.close()


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
    if old_engine.release == "24.8" and re.search(r"INTERVAL 1[01]0 YEAR", case["before"] + case["after"]):
        old_engine.note("golden", path.stem, LATE)
        pytest.skip(LATE)
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
