"""Expressions that ask a dictionary, a Join or a Set table which the same plan makes, changes or drops."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Constraint, Dictionary, Engine, MergeTree, Projection, Table, View, plan_schema
from aaiclick.errors import BlockedError
from aaiclick.sql.function_calls import lookups
from tests.plan.migrating import migrate, rows, schema

LOOK = "dictGet('look', 'a', k)"
STORED = ["default", "materialized", "alias"]


def source(*more: Column, name: str = "prices") -> Table:
    columns = [Column("k", "UInt64"), Column("a", "UInt64"), *more]
    return Table(name, columns, engine=MergeTree(order_by=["k"]))


def look(client: Client, *more: Column, name: str = "look", table: str = "prices") -> Dictionary:
    return Dictionary(
        name,
        columns=[Column("k", "UInt64"), Column("a", "UInt64"), *more],
        primary_key=["k"],
        source=f"CLICKHOUSE(TABLE '{table}' DB '{client.database}')",
        layout="HASHED()",
        lifetime="0",
    )


def joined() -> Table:
    engine = Engine("Join", arguments="ANY, LEFT, k")
    return Table("joined", [Column("k", "UInt64"), Column("v", "UInt64")], engine=engine)


def asking(*columns: Column, name: str = "asks", order: str = "k") -> Table:
    return Table(name, [Column("k", "UInt64"), *columns], engine=MergeTree(order_by=[order]))


def started(client: Client, expression: str = LOOK, *, name: str = "asks") -> Table:
    """A first version whose dictionary has two rows, and whose table has a part from before the column."""
    migrate(client, schema(source(), look(client), asking(name=name)))
    client.command("INSERT INTO prices VALUES (1, 10), (2, 20)")
    client.command("SYSTEM RELOAD DICTIONARY look")
    client.command(f"INSERT INTO {name} VALUES (1)")
    table = asking(Column("x", "UInt64", default=expression), name=name)
    client.command(f"ALTER TABLE {name} ADD COLUMN x UInt64 DEFAULT {expression}")
    return table


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("database", ["", "{db}."])
def test_one_start_makes_all_of_it_in_an_empty_database(aaiclick_client: Client, kind: str, database: str) -> None:
    there = database.replace("{db}", str(aaiclick_client.database))
    expression = f"dictGet('{there}look', 'a', k) + joinGet('{there}joined', 'v', k)"
    table = asking(Column("x", "UInt64", **{kind: expression}), name="a")  # type: ignore[arg-type]
    view = View("shown", query="SELECT k, x FROM a")
    made = migrate(aaiclick_client, schema(view, table, joined(), look(aaiclick_client), source()))
    assert [name for name, _ in made] == ["joined", "prices", "look", "a", "shown"]
    aaiclick_client.command("INSERT INTO prices VALUES (1, 10)")
    aaiclick_client.command("INSERT INTO joined VALUES (1, 5)")
    aaiclick_client.command("SYSTEM RELOAD DICTIONARY look")
    aaiclick_client.command("INSERT INTO a (k) VALUES (1)")
    assert rows(aaiclick_client, "SELECT * FROM shown") == [(1, 15)]


def test_constraints_projections_and_sets_ask_what_is_new(aaiclick_client: Client) -> None:
    table = Table(
        "a",
        [Column("k", "UInt64"), Column("j", "UInt64", default="joinGet(joined, 'v', k)")],
        engine=MergeTree(order_by=["k"]),
        constraints=[Constraint("known", check="dictHas('look', k)"), Constraint("other", check="NOT (k IN (barred))")],
        projections=[Projection("p", query=f"SELECT k, {LOOK} ORDER BY k")],
    )
    barred = Table("barred", [Column("k", "UInt64")], engine=Engine("Set"))
    wanted = schema(table, barred, joined(), source(), look(aaiclick_client))
    assert [name for name, _ in migrate(aaiclick_client, wanted)][-1] == "a"


@pytest.mark.parametrize("kind", STORED)
def test_an_existing_table_gets_a_column_over_a_new_dictionary(aaiclick_client: Client, kind: str) -> None:
    migrate(aaiclick_client, schema(source(), asking()))
    aaiclick_client.command("INSERT INTO prices VALUES (1, 10)")
    aaiclick_client.command("INSERT INTO asks VALUES (1)")
    wanted = schema(asking(Column("x", "UInt64", **{kind: LOOK})), look(aaiclick_client), source())  # type: ignore[arg-type]
    assert [name for name, _ in migrate(aaiclick_client, wanted)] == ["look", "asks"]
    assert rows(aaiclick_client, "SELECT k, x FROM asks") == [(1, 10)]
    # Both go in one version, too: the column first.
    gone = migrate(aaiclick_client, schema(asking(), source()), "drop-column asks.x", "drop-dictionary look")
    assert [name for name, _ in gone] == ["asks", "look"]


def test_a_renamed_dictionary_takes_one_version(aaiclick_client: Client) -> None:
    started(aaiclick_client)
    table = asking(Column("x", "UInt64", default="dictGet('found', 'a', k)"))
    wanted = schema(source(), look(aaiclick_client, name="found"), table)
    done = migrate(aaiclick_client, wanted, "drop-dictionary look")
    assert done == [("found", "create"), ("asks", "alter"), ("look", "drop")]
    aaiclick_client.command("INSERT INTO asks (k) VALUES (2)")
    assert rows(aaiclick_client, "SELECT k, x FROM asks ORDER BY k") == [(1, 10), (2, 20)]


def test_a_new_attribute_is_made_from_the_source_to_the_default(aaiclick_client: Client) -> None:
    started(aaiclick_client)
    table = asking(Column("x", "UInt64", default="dictGet('look', 'b', k)"))
    wanted = schema(table, look(aaiclick_client, Column("b", "UInt64")), source(Column("b", "UInt64", default="a * 7")))
    done = [name for name, _ in migrate(aaiclick_client, wanted)]
    assert done.index("prices") < done.index("look") < len(done) - 1 - done[::-1].index("asks")
    aaiclick_client.command("INSERT INTO asks (k) VALUES (2)")
    assert rows(aaiclick_client, "SELECT k, x FROM asks ORDER BY k") == [(1, 10), (2, 140)]


def test_a_sort_key_over_what_a_new_dictionary_gives(aaiclick_client: Client) -> None:
    started(aaiclick_client)
    table = asking(Column("x", "UInt64", default="dictGet('found', 'a', k) + 1"), order="x")
    wanted = schema(source(), look(aaiclick_client), look(aaiclick_client, name="found"), table)
    assert migrate(aaiclick_client, wanted)[-2:] == [("found", "create"), ("asks", "rebuild")]
    aaiclick_client.command("INSERT INTO asks (k) VALUES (2)")
    assert rows(aaiclick_client, "SELECT k, x FROM asks ORDER BY k") == [(1, 10), (2, 21)]


def test_what_others_need_goes_behind_them_or_not_at_all(aaiclick_client: Client) -> None:
    table = started(aaiclick_client)
    with pytest.raises(BlockedError, match="look: asks needs it when it is loaded"):
        migrate(aaiclick_client, schema(source(), asking()), "drop-dictionary look")
    with pytest.raises(BlockedError, match="prices: look needs it when it is loaded"):
        migrate(aaiclick_client, schema(table, look(aaiclick_client)), "drop-table prices")
    assert rows(aaiclick_client, "SELECT k, x FROM asks") == [(1, 10)]
    keys = ["drop-dictionary look", "drop-table prices", "drop-table asks"]
    plan = plan_schema(aaiclick_client, schema(source(name="other")))
    assert [step.object for step in plan.steps if step.optional and not step.blocked] == ["asks", "look", "prices"]
    gone = migrate(aaiclick_client, schema(source(name="other")), *keys)
    assert gone[1:] == [("asks", "drop"), ("look", "drop"), ("prices", "drop")]


def test_where_an_expression_names_what_it_asks() -> None:
    found = lookups("dictGetOrDefault('d.look', ('a', 'b'), k, 1) + joinGet(j, 'v', k) + (k IN d.s) + (k IN (1, 2))")
    assert [(each.database, each.name, each.asked, sorted(each.attributes)) for each in found] == [
        ("d", "look", "dictionary", ["a", "b"]),
        ("", "j", "join", ["v"]),
        ("d", "s", "set", []),
    ]
    assert lookups("dictGet(concat(currentDatabase(), '.look'), 'a', k)") == ()
    assert lookups("an ' open quote, dictGet('look'") == ()
