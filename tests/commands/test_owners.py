"""One table, two schemas: it belongs to the one that recorded it, unless it is taken over by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    validate_schema,
)
from aaiclick.api.adopt import take_over_tables
from aaiclick.errors import ForeignTableError, UsageError
from aaiclick.server_objects import NamedCollection
from aaiclick.specs.functions import Function

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def table(*columns: Column, name: str = "t") -> Table:
    return Table(name, [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"]))


N32, N64 = Column("n", "UInt32"), Column("n", "UInt64")
SHOP = Schema("shop", version=1, objects=[table(N32)])
STATS = Schema("stats", version=1, objects=[table(N64)])
SAME = Schema("same", version=3, objects=[table(N32)])


def definition(client: Client) -> str:
    return str(
        client.query(
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'"
        ).result_rows[0][0]
    )


def recorded(client: Client) -> list[str]:
    return [str(row[0]) for row in client.query("SELECT schema FROM schema_version ORDER BY seq").result_rows]


@pytest.mark.parametrize(
    "policy", [Policy.lossless(), Policy.everything(), Policy.check()], ids=["lossless", "everything", "check"]
)
def test_a_schema_that_declares_it_differently_is_told_both_names(aaiclick_client: Client, policy: Policy) -> None:
    ensure_schema(aaiclick_client, SHOP)
    before = definition(aaiclick_client)
    with pytest.raises(
        ForeignTableError,
        match=r"t belongs to schema shop \(recorded at v1\), and schema stats declares it differently: t: column n",
    ) as raised:
        ensure_schema(aaiclick_client, STATS, policy=policy)
    assert raised.value.next_command == f"aaiclick adopt --schema {__name__}:STATS --take-over t"
    assert definition(aaiclick_client) == before
    assert recorded(aaiclick_client) == ["shop"]
    status = validate_schema(aaiclick_client, STATS)
    assert (status.state, status.in_sync) == ("foreign", False)
    assert ensure_schema(aaiclick_client, SHOP).steps == ()


def test_where_both_declare_the_same_there_is_a_note(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, SHOP)
    assert ensure_schema(aaiclick_client, SAME).notes == (
        "t belongs to schema shop (recorded at v1) and is declared here as well; nothing differs",
    )
    # The first to have it goes on to decide.
    newer = Schema("shop", version=2, objects=[table(N64)])
    assert [step.object for step in ensure_schema(aaiclick_client, newer).steps] == ["t"]
    with pytest.raises(ForeignTableError, match="t belongs to schema shop"):
        ensure_schema(aaiclick_client, SAME)


def test_taken_over_by_name_and_back(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, SHOP)
    aaiclick_client.command("INSERT INTO t VALUES (1, 2)")
    assert take_over_tables(aaiclick_client, STATS, ["t"]) == (("t", "schema shop (recorded at v1)"),)
    assert [step.object for step in ensure_schema(aaiclick_client, STATS).steps] == ["t"]
    for _ in range(2):
        with pytest.raises(ForeignTableError, match="t belongs to schema stats"):
            ensure_schema(aaiclick_client, SHOP)
        assert ensure_schema(aaiclick_client, STATS).steps == ()
    take_over_tables(aaiclick_client, SHOP, ["t"])
    assert [step.object for step in ensure_schema(aaiclick_client, SHOP).steps] == ["t"]
    with pytest.raises(ForeignTableError, match="t belongs to schema shop"):
        ensure_schema(aaiclick_client, STATS)


@pytest.mark.parametrize(("tables", "said"), [(["u"], "does not declare u"), (["t"], "belongs to no other schema")])
def test_what_cannot_be_taken_over(aaiclick_client: Client, tables: list[str], said: str) -> None:
    ensure_schema(aaiclick_client, SHOP)
    with pytest.raises(UsageError, match=said):
        take_over_tables(aaiclick_client, SHOP, tables)


def test_what_was_given_up_is_free(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, SHOP)
    ensure_schema(aaiclick_client, Schema("shop", version=2, objects=[table(N32, name="u")]))
    assert [step.object for step in ensure_schema(aaiclick_client, STATS).steps] == ["t"]
    # And whoever has it now is not offered to be dropped by who gave it up.
    plan = plan_schema(aaiclick_client, Schema("shop", version=3, objects=[table(N32, name="u")]))
    assert [step for step in plan.steps if step.object == "t"] == []


def test_another_column_of_the_others_is_not_offered_to_be_dropped(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("shop", version=1, objects=[table(N32, Column("more", "String"))]))
    assert ensure_schema(aaiclick_client, SAME, policy=Policy.everything()).steps == ()
    assert "more" in definition(aaiclick_client)


def test_views_belong_to_a_schema_as_well(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("shop", version=1, objects=[table(N32), View("v", query="SELECT 1 AS id")]))
    with pytest.raises(ForeignTableError, match="v belongs to schema shop"):
        ensure_schema(aaiclick_client, Schema("stats", version=1, objects=[View("v", query="SELECT 2 AS id")]))


def test_renaming_a_table_of_another_is_not_free_either(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, SHOP)
    moved = Table("moved", [Column("id", "UInt64"), N32], engine=MergeTree(order_by=["id"]), renamed_from="t")
    with pytest.raises(ForeignTableError, match="t belongs to schema shop"):
        ensure_schema(aaiclick_client, Schema("stats", version=1, objects=[moved]))


def test_a_table_is_not_a_named_collection_or_function_of_that_name(
    aaiclick_client: Client, aaiclick_database: str
) -> None:
    name = f"x_{aaiclick_database}"
    own = Table(name, [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    keys = NamedCollection(name, {"url": "http://localhost/x.csv"})
    function = Function(name, "(a) -> a + 1")
    sides = [Schema(kind, version=1, objects=[item]) for kind, item in (("k", keys), ("f", function), ("t", own))]
    more = [
        Schema("k", version=2, objects=[keys.model_copy(update={"keys": {"url": "", "format": "CSV"}})]),
        Schema("f", version=2, objects=[Function(name, "(a) -> a + 2")]),
        Schema("t", version=2, objects=[table(N32, name=name)]),
    ]
    try:
        for schema in (*sides, *sides[:2]):
            assert ensure_schema(aaiclick_client, schema).notes == ()
        policy = Policy.lossless().allow(f"change-collection {name}", f"change-function {name}")
        for schema in more:
            assert [step.object for step in ensure_schema(aaiclick_client, schema, policy=policy).steps] == [name]
        # What is no longer declared is offered as what it was: the table is another schema's.
        empty = Schema("k", version=3, objects=[table(name="rest")])
        (offered,) = [step for step in plan_schema(aaiclick_client, empty).steps if step.optional]
        assert [hazard.allow for hazard in offered.hazards if hazard.allow] == [f"drop-collection {name}"]
    finally:
        aaiclick_client.command(f"DROP NAMED COLLECTION IF EXISTS {name}")
        aaiclick_client.command(f"DROP FUNCTION IF EXISTS {name}")
