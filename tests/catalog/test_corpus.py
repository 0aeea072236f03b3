"""Real tables from public schema histories, and those of every released oplog: through the engine, split, put together, reflected."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.catalog.canonical import canonical_tables
from aaiclick.catalog.forms import Catalog, Form, TableForm
from aaiclick.catalog.normal import normal, normal_form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_table
from aaiclick.catalog.render import form_sql
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.routine import Command, Connection, Routine, run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.catalog.helpers import permissive, texts

DATA = Path(__file__).parents[1] / "data"
SCRIPTS = sorted((DATA / "legacy").glob("*.sql"))
TABLES = json.loads(gzip.decompress((DATA / "corpus" / "tables.json.gz").read_bytes()))
PAIRS = json.loads(gzip.decompress((DATA / "corpus" / "pairs.json.gz").read_bytes()))
COUNT = len(TABLES) + 2 * len(PAIRS)


@pytest.fixture(scope="module")
def corpus(connection: Connection, module_database: str) -> Catalog:
    """Every table of the corpus, live."""
    settings = permissive(connection)
    statements = [(f"t{place}", table["ddl"]) for place, table in enumerate(TABLES)]
    statements += [(f"p{place}_{side}", pair[side]) for place, pair in enumerate(PAIRS) for side in ("from", "to")]
    for name, ddl in statements:
        connection.command(Command(ddl.replace("{db}.t ", f"`{module_database}`.{name} ", 1), settings=settings))
    return run(read_catalog(module_database), connection)


@pytest.fixture
def other(aaiclick_database: str) -> str:
    return aaiclick_database


def test_every_table_is_understood(corpus: Catalog) -> None:
    assert len(corpus.objects) == COUNT == 626
    assert [live.form for live in corpus.objects.values() if not isinstance(live.form, TableForm)] == []


def test_what_is_put_together_is_what_the_engine_wrote(corpus: Catalog, connection: Connection, other: str) -> None:
    settings = {**permissive(connection), "flatten_nested": 0}
    for name, live in corpus.objects.items():
        sql = form_sql(live.form, other, name)
        assert sql == live.text.replace(f"CREATE TABLE {corpus.database}.", f"CREATE TABLE {other}.", 1)
        connection.command(Command(sql, settings=settings))
    again = texts(connection, other)
    same = [name for name, live in corpus.objects.items() if again[name].replace(f"{other}.", "", 1) == live.text.replace(f"{corpus.database}.", "", 1)]
    print(f"{len(same)} of {COUNT} tables were created again with the same text")  # noqa: T201 - the count is what this test is read for
    assert len(same) == COUNT


def test_what_is_reflected_creates_the_same_table(corpus: Catalog, connection: Connection) -> None:
    live = {name: entry.form for name, entry in corpus.objects.items() if isinstance(entry.form, TableForm)}

    def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
        return (yield from canonical_tables(scratch, [reflect_table(form) for form in live.values()]))

    made = run(with_scratch(body), connection)
    same = [name for name, form in live.items() if normal(form) == normal(made[name])]
    print(f"{len(same)} of {COUNT} tables equal what is created from their declaration")  # noqa: T201 - as above
    assert {name: (normal(live[name]), normal(made[name])) for name in live if name not in same} == {}


def test_the_normal_form_is_idempotent_and_still_accepted(corpus: Catalog, connection: Connection, other: str) -> None:
    settings = {**permissive(connection), "flatten_nested": 0}
    changed: list[str] = []
    for name, live in corpus.objects.items():
        assert isinstance(live.form, TableForm)
        plain = normal(live.form)
        assert normal(plain) == plain
        if plain != live.form:
            changed.append(name)
            connection.command(Command(form_sql(plain, other, name), settings=settings))
    again = run(read_catalog(other), connection)
    assert len(changed) > 100
    for name in changed:
        assert normal_form(again.objects[name].form) == normal_form(corpus.objects[name].form)


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def install(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine) -> Iterator[str]:
    """A database as an old release of the oplog left it (tables only)."""
    name = fresh_name("legacy")
    aaiclick_engine.command(f"CREATE DATABASE `{name}`")
    script = request.param.read_text()
    client = aaiclick_engine.client(database=name)
    for statement in re.split(r";\s*\n", script):
        if re.match(r"\s*(--[^\n]*\n\s*)*(CREATE TABLE|ALTER)", statement):
            client.command(statement)
    client.close()
    yield name
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")


def test_every_released_oplog_reflects(install: str, connection: Connection) -> None:
    catalog = run(read_catalog(install), connection)
    forms: dict[str, TableForm] = {name: live.form for name, live in catalog.objects.items() if isinstance(live.form, TableForm)}
    assert "operation_log" in forms
    assert forms.keys() == catalog.objects.keys()

    def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
        return (yield from canonical_tables(scratch, [reflect_table(form) for form in forms.values()]))

    made: dict[str, Form] = dict(run(with_scratch(body), connection))
    assert {name: normal_form(form) for name, form in made.items()} == {name: normal(form) for name, form in forms.items()}
