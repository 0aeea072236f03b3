"""Dictionaries over something that is not there: found before the first statement."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Dictionary, MaterializedView, MergeTree, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.errors import SpecError
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
        ("table", "QUERY 'SELEC k, a FROM {db}.prices'", "Syntax error"),
        (
            "dictionary",
            "QUERY 'SELECT k FROM {db}.prices'",
            "its QUERY yields 1 columns, and 2 attributes are declared",
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
