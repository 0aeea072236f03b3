"""A dictionary that gets another name is renamed where nothing names it, and made beside the old one else."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    rollback_schema,
)

SOURCE = Table("src", [Column("k", "UInt64"), Column("v", "String")], engine=MergeTree(order_by="k"))
RENAMED = [Migration(version=2, renames={"look": "known"})]
ASKED = "dictGet('{}', 'v', k)"


def dictionary(name: str, layout: str = "FLAT()") -> Dictionary:
    columns = [Column("k", "UInt64"), Column("v", "String")]
    source = "CLICKHOUSE(TABLE 'src')"
    return Dictionary(name, columns=columns, primary_key=["k"], source=source, layout=layout, lifetime="0")


def schema(version: int, *objects: object, migrations: list[Migration] | None = None) -> Schema:
    listed = [SOURCE, *objects]
    return Schema("look", version=version, objects=listed, migrations=migrations or [])  # type: ignore[arg-type]


def uuid(client: Client, name: str) -> str:
    return str(client.command(f"SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = '{name}'"))


def given(client: Client, *objects: object) -> str:
    ensure_schema(client, schema(1, dictionary("look"), *objects))
    client.command("INSERT INTO src VALUES (1, 'one')")
    client.command("SYSTEM RELOAD DICTIONARY look")
    return uuid(client, "look")


def value(client: Client, name: str) -> object:
    return client.command(f"SELECT dictGet('{name}', 'v', toUInt64(1))")


@pytest.mark.parametrize("layout", ["FLAT()", "HASHED()"])
def test_it_is_renamed_where_it_is(aaiclick_client: Client, layout: str) -> None:
    before = given(aaiclick_client)
    wanted = schema(2, dictionary("known", layout), migrations=RENAMED)
    plan = plan_schema(aaiclick_client, wanted)
    assert plan.steps[0].change == "dictionary look is renamed to known"
    ensure_schema(aaiclick_client, wanted)
    assert value(aaiclick_client, "known") == "one"
    assert (uuid(aaiclick_client, "known") == before) == (layout == "FLAT()")
    assert uuid(aaiclick_client, "look") == ""
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_a_rollback_renames_it_back(aaiclick_client: Client) -> None:
    before = given(aaiclick_client)
    wanted = schema(2, dictionary("known"), migrations=RENAMED)
    ensure_schema(aaiclick_client, wanted)
    rollback_schema(aaiclick_client, wanted, to=1)
    assert uuid(aaiclick_client, "look") == before
    assert plan_schema(aaiclick_client, schema(1, dictionary("look"))).steps == ()


def test_its_readers_go_from_the_one_to_the_other(aaiclick_client: Client) -> None:
    def readers(name: str) -> list[object]:
        asked = ASKED.format(name)
        default = Column("v", "String", default=asked)
        return [
            Table("t", [Column("k", "UInt64"), default], engine=MergeTree(order_by="k")),
            View("w", query=f"SELECT {asked} AS x FROM t"),
            MaterializedView("mv", query=f"SELECT k, {asked} AS x FROM t", engine=MergeTree(order_by="k")),
        ]

    before = given(aaiclick_client, *readers("look"))
    wanted = schema(2, dictionary("known"), *readers("known"), migrations=RENAMED)
    plan = plan_schema(aaiclick_client, wanted)
    said = "the dictionary look is not renamed to known, because mv, t, w name it: known is made beside it, which gives"
    assert any(note.startswith(said) for note in plan.notes)
    ensure_schema(aaiclick_client, wanted)
    aaiclick_client.command("INSERT INTO t (k) VALUES (1)")
    assert aaiclick_client.query("SELECT v, x FROM t, w").result_rows[0] == ("one", "one")
    assert aaiclick_client.command("SELECT x FROM mv") == "one"
    assert uuid(aaiclick_client, "look") == before
    rest = plan_schema(aaiclick_client, wanted).steps
    assert [(step.object, step.strategy, step.optional) for step in rest] == [("look", "drop", True)]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-dictionary look"))
    assert uuid(aaiclick_client, "look") == ""
    assert value(aaiclick_client, "known") == "one"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW theirs AS SELECT dictGet('look', 'v', k) AS x FROM src",
        "CREATE VIEW theirs AS SELECT * FROM look",
        "CREATE VIEW theirs AS SELECT * FROM dictionary('look')",
        "CREATE TABLE theirs (k UInt64, x String ALIAS dictGet('look', 'v', k)) ENGINE = MergeTree ORDER BY k",
        "CREATE TABLE theirs (k UInt64, v String) ENGINE = Dictionary('{database}.look')",
    ],
)
def test_one_that_somebody_else_names_stays(aaiclick_client: Client, statement: str) -> None:
    given(aaiclick_client)
    database = str(aaiclick_client.command("SELECT currentDatabase()"))
    aaiclick_client.command(statement.replace("{database}", database))
    wanted = schema(2, dictionary("known"), migrations=RENAMED)
    plan = plan_schema(aaiclick_client, wanted)
    assert any("is not renamed to known, because theirs names it" in note for note in plan.notes)
    ensure_schema(aaiclick_client, wanted)
    assert [value(aaiclick_client, name) for name in ("look", "known")] == ["one", "one"]


def test_without_a_word_the_old_one_stays_and_the_plan_offers_its_drop(aaiclick_client: Client) -> None:
    given(aaiclick_client)
    wanted = schema(2, dictionary("known"))
    steps = plan_schema(aaiclick_client, wanted).steps
    assert [(step.object, step.strategy) for step in steps] == [("known", "create"), ("look", "drop")]
    assert [hazard.allow for hazard in steps[1].hazards if hazard.allow] == ["drop-dictionary look"]
    ensure_schema(aaiclick_client, wanted)
    assert value(aaiclick_client, "look") == "one"


def test_before_the_statements_of_its_version(aaiclick_client: Client) -> None:
    before = given(aaiclick_client)
    said = Migration(
        version=2, renames={"look": "known"}, sql=["INSERT INTO src SELECT 2, dictGet('known', 'v', 1::UInt64)"]
    )
    ensure_schema(aaiclick_client, schema(2, dictionary("known"), migrations=[said]))
    assert uuid(aaiclick_client, "known") == before
    assert aaiclick_client.command("SELECT v FROM src WHERE k = 2") == "one"
