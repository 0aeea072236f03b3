"""Dictionaries over something that is not there: found before the first statement."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Dictionary, MaterializedView, MergeTree, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.errors import SpecError
from aaiclick.testing.engine import EmbeddedEngine
from tests.plan.migrating import rows

PRICES = Table("prices", [Column("k", "UInt64"), Column("a", "UInt64")], engine=MergeTree(order_by=["k"]))


def look(source: str) -> Dictionary:
    columns = [Column("k", "UInt64"), Column("a", "UInt64")]
    asked = f"CLICKHOUSE({source})"
    return Dictionary("look", columns=columns, primary_key=["k"], source=asked, layout="HASHED()", lifetime="0")


@pytest.mark.parametrize(
    ("there", "source", "why"),
    [
        ("nothing", "TABLE 'price'", "Unknown table expression identifier 'price'"),
        ("dictionary", "TABLE 'price'", "Unknown table expression identifier 'price'"),
        ("table", "TABLE 'prices' DB 'no_such_database'", "Database no_such_database does not exist"),
        ("nothing", "TABLE 'prices' WHERE 'z > 1'", "Unknown expression or function identifier `z`"),
        ("table", "TABLE 'prices' UPDATE_FIELD 'z'", "Unknown expression.* identifier `z`"),
        ("dictionary", "QUERY 'SELECT k, a FROM {db}.price'", "Unknown table expression identifier 'price'"),
        ("nothing", "QUERY 'SELECT k, z FROM {db}.prices'", "Unknown expression identifier `z`"),
        (
            "table",
            "QUERY 'SELEC k, a FROM {db}.prices'",
            "QUERY: cannot be parsed: it stops at character 1, before 'SELEC k",
        ),
        (
            "dictionary",
            "QUERY 'SELECT k FROM {db}.prices'",
            "its QUERY yields 1 column, and 2 attributes are declared",
        ),
        ("nothing", "TABLE 'narrow'", "Unknown expression identifier `a`"),
        ("table", "DB '{db}'", "it says neither TABLE nor QUERY"),
    ],
)
def test_a_source_that_cannot_be_read(aaiclick_client: Client, there: str, source: str, why: str) -> None:
    database = str(aaiclick_client.database)
    view = View("narrow", query="SELECT k FROM prices")
    if there != "nothing":
        good = [look("TABLE 'prices'")] if there == "dictionary" else []
        ensure_schema(aaiclick_client, Schema("prices", objects=[PRICES, *good]))
    asked = (
        "SELECT name, toString(metadata_modification_time) FROM system.tables WHERE database = currentDatabase() AND NOT "
        "startsWith(name, '_aaiclick_') ORDER BY name"
    )
    before = rows(aaiclick_client, asked)
    wanted = Schema("prices", objects=[PRICES, view, look(source.replace("{db}", database))])
    with pytest.raises(SpecError, match=f"dictionary look.*{why}"):
        ensure_schema(aaiclick_client, wanted)
    assert rows(aaiclick_client, asked) == before


@pytest.mark.parametrize(
    "source",
    [
        "TABLE 'prices'",
        "TABLE 'wide' WHERE 'z > 1'",
        "QUERY 'SELECT k, toUInt64(z) FROM {db}.wide'",
        "TABLE 'summed'",
        # Another server, which is not asked.
        "TABLE 'prices' HOST 'example.invalid' PORT 9000",
    ],
)
def test_a_source_that_comes_with_it(aaiclick_client: Client, source: str) -> None:
    """A view, a table and a materialized view that are new are there by then; so is a new column."""
    if "wide" in source:
        aaiclick_client.command("CREATE TABLE prices (k UInt64) ENGINE = MergeTree ORDER BY k")
    view = View("wide", query="SELECT k, a, 7 AS z FROM prices")
    summed = MaterializedView("summed", query="SELECT k, a FROM prices", engine=MergeTree(order_by=["k"]))
    reading = look(source.replace("{db}", str(aaiclick_client.database)))
    wanted = Schema("prices", objects=[PRICES, view, summed, reading])
    assert [step.object for step in plan_schema(aaiclick_client, wanted).steps if step.blocked] == []
    if "HOST" not in source:
        ensure_schema(aaiclick_client, wanted)
        assert plan_schema(aaiclick_client, wanted).steps == ()


@pytest.mark.parametrize(
    ("there", "source", "name"),
    [
        ("nothing", "QUERY 'SELECT k, a FROM prices'", "prices"),
        ("table", "QUERY 'SELECT k, a FROM prices'", "prices"),
        ("dictionary", "QUERY 'SELECT k, a FROM prices'", "prices"),
        ("table", "DB '{db}' QUERY 'SELECT k, a FROM prices'", "prices"),
        ("nothing", "USER 'default' QUERY 'SELECT k, p.a FROM {db}.prices AS p JOIN `more` USING (k)'", "more"),
        ("dictionary", "TABLE 'prices' WHERE 'k IN (SELECT k FROM more)'", "more"),
        ("table", "DB '' TABLE 'prices'", "prices"),
    ],
)
def test_a_name_without_a_database(aaiclick_client: Client, there: str, source: str, name: str) -> None:
    """The server looks for it in its default database, not in the dictionary's: nothing is made or changed before."""
    database = str(aaiclick_client.database)
    more = PRICES.model_copy(update={"name": "more"})
    good = [look("TABLE 'prices'")] if there == "dictionary" else []
    # A column that goes with the same plan is no reason to let it pass.
    wider = [
        column.model_copy(update={"name": name}) for column, name in zip(PRICES.columns, ("k", "gone"), strict=True)
    ]
    old = PRICES if good else PRICES.model_copy(update={"columns": wider})
    if there != "nothing":
        ensure_schema(aaiclick_client, Schema("prices", objects=[old, more, *good]))
    asked = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    before = [row for row in rows(aaiclick_client, asked) if not str(row[0]).startswith("_aaiclick_")]
    wanted = Schema("prices", objects=[PRICES, more, look(source.replace("{db}", database))])
    problem = (
        f"dictionary look.*names {name} without a database, and the server looks for it in default, where it is not"
    )
    for call in (plan_schema, ensure_schema):
        with pytest.raises(SpecError, match=problem):
            call(aaiclick_client, wanted)
    after = [row for row in rows(aaiclick_client, asked) if not str(row[0]).startswith("_aaiclick_")]
    assert after == before


@pytest.mark.parametrize(
    ("there", "source"),
    [
        ("dictionary", "QUERY 'SELECT k, b AS a FROM {far}'"),
        ("nothing", "DB 'no_such_database' QUERY 'SELECT k, b AS a FROM {far}'"),
        ("dictionary", "QUERY 'SELECT p.k, {db}.prices.a FROM {db}.prices JOIN {far} AS p USING (k)'"),
        ("nothing", "TABLE 'prices' WHERE 'k IN (SELECT k FROM {far})'"),
        ("nothing", "QUERY 'WITH p AS (SELECT * FROM {db}.prices) SELECT k, a FROM p'"),
        ("dictionary", "DB '' TABLE '{far}' WHERE 'a = 3'"),
    ],
)
def test_a_name_that_the_default_database_holds(aaiclick_client: Client, there: str, source: str) -> None:
    database = str(aaiclick_client.database)
    far = f"{database}_far"
    aaiclick_client.command(
        f"CREATE TABLE default.`{far}` (k UInt64, a UInt64, b UInt64) ENGINE = MergeTree ORDER BY k"
    )
    try:
        aaiclick_client.command(f"INSERT INTO default.`{far}` VALUES (1, 3, 3)")
        aaiclick_client.command("CREATE TABLE prices (k UInt64, a UInt64) ENGINE = MergeTree ORDER BY k")
        aaiclick_client.command("INSERT INTO prices VALUES (1, 3)")
        if there == "dictionary":
            ensure_schema(aaiclick_client, Schema("prices", objects=[PRICES, look("TABLE 'prices'")]))
        wanted = Schema("prices", objects=[PRICES, look(source.replace("{db}", database).replace("{far}", far))])
        ensure_schema(aaiclick_client, wanted)
        assert rows(aaiclick_client, "SELECT k, a FROM look") == [(1, 3)]
        assert plan_schema(aaiclick_client, wanted).steps == ()
        missing = Schema("prices", objects=[PRICES, look(f"QUERY 'SELECT k, z FROM `{far}`'")])
        with pytest.raises(SpecError, match=r"dictionary look.*identifier `z`"):
            plan_schema(aaiclick_client, missing)
    finally:
        aaiclick_client.command("DROP DICTIONARY IF EXISTS look")
        aaiclick_client.command(f"DROP TABLE default.`{far}`")


def test_a_schema_of_the_default_database(aaiclick_engine: EmbeddedEngine) -> None:
    """There a QUERY needs no database."""
    prices = PRICES.model_copy(update={"name": "prices_of_default"})
    wanted = Schema("prices", objects=[prices, look("QUERY 'SELECT k, a FROM prices_of_default'")])
    with aaiclick_engine.client(database="default") as client:
        try:
            ensure_schema(client, wanted, database="default")
            assert plan_schema(client, wanted, database="default").steps == ()
        finally:
            client.command("DROP DICTIONARY IF EXISTS look")
            for (name,) in rows(client, "SELECT name FROM system.tables WHERE database = 'default'"):
                if name == "prices_of_default" or str(name).startswith("_aaiclick_"):
                    client.command(f"DROP TABLE default.`{name}` SYNC")
