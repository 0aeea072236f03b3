"""ClickHouse releases on which definitions are read and missing tables made, but nothing is changed (23.10)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    reflect_schema,
    validate_schema,
)
from aaiclick.catalog.read import read_catalog
from aaiclick.clients.opening import open_url
from aaiclick.errors import AaiclickError
from aaiclick.routine import run
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.acceptance.old_engines import READING, OldEngine
from tests.catalog.corpus import create_tables, put_together, reflected, understood

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not READING, reason="AAICLICK_READING_ENGINES names no other engine"),
]
COLUMNS = [Column("id", "UInt64"), Column("name", "String")]
SCHEMA = Schema("app", version=1, objects=[Table("t", COLUMNS, engine=MergeTree(order_by=["id"]))])
CHANGED = Schema(
    "app", version=2, objects=[Table("t", [*COLUMNS, Column("size", "UInt32")], engine=MergeTree(order_by=["id"]))]
)


@pytest.fixture(scope="module", params=READING or ["none"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldEngine]:
    with EngineServer(str(tmp_path_factory.mktemp("old")), python=request.param) as server:
        yield OldEngine(server)


@pytest.fixture
def databases(engine: OldEngine) -> Iterator[list[str]]:
    names = [fresh_name(), fresh_name()]
    for name in names:
        engine.command(f"CREATE DATABASE {name}")
    yield names
    for name in names:
        engine.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(engine: OldEngine, databases: list[str]) -> Iterator[Client]:
    client = engine.client(databases[0])
    yield client
    client.close()


def test_tables_there_and_back(engine: OldEngine, databases: list[str]) -> None:
    """Every tenth: this chdb starts an engine for every statement."""
    connection = open_url(engine.server.url)
    try:
        created = create_tables(connection, databases[0], every=10)
        corpus = run(read_catalog(databases[0]), connection)
        held = [name for name, error in created.items() if error is None]
        assert len(held) > 40
        assert sorted(understood(corpus)) == sorted(held)
        assert put_together(corpus, connection, databases[1]) == reflected(corpus, connection) == len(held)
    finally:
        connection.close()
    for name, error in created.items():
        engine.note("table", name, str(error or ""))


def test_what_is_missing_is_made_and_a_change_is_refused_with_a_sentence(
    engine: OldEngine, client: Client, databases: list[str]
) -> None:
    report = ensure_schema(client, SCHEMA, policy=Policy.safe())
    assert [step.strategy for step in report.steps] == ["create"]
    assert validate_schema(client, SCHEMA).in_sync
    assert ensure_schema(client, SCHEMA).steps == ()
    assert [column.name for column in reflect_schema(client, databases[0], name="app").tables[0].columns] == [
        "id",
        "name",
    ]
    client.command("INSERT INTO t VALUES (1, 'a')")
    before = engine.command(f"SHOW CREATE TABLE {databases[0]}.t")
    sentence = rf"changed from ClickHouse 24\.8 on, and this server is {engine.release}\.[0-9.]+: upgrade the server"
    plan = plan_schema(client, CHANGED)
    assert plan.steps[0].change == "column size is missing"
    with pytest.raises(AaiclickError, match=sentence):
        ensure_schema(client, CHANGED, policy=Policy.everything())
    assert any("size" in words for words in validate_schema(client, CHANGED).differences)
    assert engine.command(f"SHOW CREATE TABLE {databases[0]}.t") == before
    assert engine.command(f"SELECT count() FROM {databases[0]}.t") == "1\n"
