"""Real tables from public schema histories, and those of every released oplog: through the engine, split, put together,
reflected."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import Catalog, Form, TableForm
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_table
from aaiclick.catalog.render import form_sql
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.routine import Command, Connection, Routine, run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.catalog.corpus import (
    COUNT,
    DATA,
    create_tables,
    declared_as_sql,
    put_together,
    reflected,
    reflected_briefly,
    understood,
)
from tests.catalog.helpers import permissive

SCRIPTS = sorted((DATA / "legacy").glob("*.sql"))


@pytest.fixture(
    scope="module", params=[pytest.param(5, id="every fifth"), pytest.param(1, id="all", marks=pytest.mark.long)]
)
def corpus(
    request: pytest.FixtureRequest, connection: Connection, aaiclick_engine: EmbeddedEngine
) -> Iterator[Catalog]:
    """Tables of the corpus, live: every one of them in the long run."""
    assert COUNT == 626
    name = fresh_name("corpus")
    aaiclick_engine.command(f"CREATE DATABASE `{name}`")
    said = create_tables(connection, name, request.param)
    assert not any(said.values())
    found = run(read_catalog(name), connection)
    assert len(found.objects) == len(said) == len(range(0, COUNT, request.param))
    yield found
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")


@pytest.fixture
def other(aaiclick_database: str) -> str:
    return aaiclick_database


def test_every_table_is_understood(corpus: Catalog) -> None:
    assert len(understood(corpus)) == len(corpus.objects)


def test_what_is_put_together_is_what_the_engine_wrote(corpus: Catalog, connection: Connection, other: str) -> None:
    assert put_together(corpus, connection, other) == len(corpus.objects)


def test_what_is_reflected_creates_the_same_table(corpus: Catalog, connection: Connection) -> None:
    assert reflected(corpus, connection) == len(corpus.objects)


def test_what_is_reflected_briefly_creates_the_same_table(corpus: Catalog) -> None:
    assert reflected_briefly(corpus) == len(corpus.objects)


def test_a_text_that_is_declared_creates_the_same_table(corpus: Catalog, connection: Connection) -> None:
    assert declared_as_sql(corpus, connection) == len(corpus.objects)


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
    assert len(changed) > len(corpus.objects) / 7
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
    forms: dict[str, TableForm] = {
        name: live.form for name, live in catalog.objects.items() if isinstance(live.form, TableForm)
    }
    assert "operation_log" in forms
    assert forms.keys() == catalog.objects.keys()

    def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
        return (yield from canonical_tables(scratch, [reflect_table(form) for form in forms.values()]))

    made: dict[str, Form] = dict(run(with_scratch(body), connection))
    assert {name: normal_form(form) for name, form in made.items()} == {
        name: normal(form) for name, form in forms.items()
    }
