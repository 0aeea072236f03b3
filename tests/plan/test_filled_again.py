"""``backfill=True`` of a view that takes the place of another one, or gets another query or target: filled where its
target holds nothing, asked for by name where nobody can tell which rows are in it."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Migration,
    Plan,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.errors import SchemaVersionError

SAME, OTHER = "SELECT id AS x FROM t", "SELECT id + 1 AS x FROM t"


def table(name: str, column: str) -> Table:
    return Table(name, [Column(column, "UInt64")], engine=MergeTree(order_by=[column]))


TABLES = (table("t", "id"), table("g", "x"))


def view(name: str, query: str = SAME, to: str = "g", *, backfill: bool = True) -> MaterializedView:
    return MaterializedView(name, to=to, query=query, backfill=backfill)


def schema(version: int, *objects: Table | MaterializedView, migrations: list[Migration] | None = None) -> Schema:
    return Schema("again", version=version, objects=list(objects), migrations=migrations or [])


def before(client: Client, first: MaterializedView, *, missed: int = 3, seen: int = 0) -> None:
    """Rows from before a view, and rows that it has written."""
    ensure_schema(client, schema(1, *TABLES))
    client.command(f"INSERT INTO t SELECT number FROM numbers({missed})")
    ensure_schema(client, schema(2, *TABLES, first))
    if seen:
        client.command(f"INSERT INTO t SELECT 100 + number FROM numbers({seen})")


def asked(client: Client, wanted: Schema, allowed: str = "") -> Plan:
    policy = Policy.lossless().allow(*([allowed] if allowed else []))
    with pytest.raises(SchemaVersionError):
        ensure_schema(client, wanted, policy=policy)
    return plan_schema(client, wanted)


def held(client: Client, name: str = "g") -> list[int]:
    return [int(row[0]) for row in client.query(f"SELECT x FROM {name} ORDER BY x").result_rows]


@pytest.mark.parametrize(("query", "rows"), [(SAME, [0, 1, 2]), (OTHER, [1, 2, 3])])
def test_in_the_place_of_another_it_is_filled_where_that_wrote_nothing(
    aaiclick_client: Client, query: str, rows: list[int]
) -> None:
    before(aaiclick_client, view("mv", backfill=False))
    wanted = schema(3, *TABLES, view("mv2", query))
    assert [(step.id, step.strategy) for step in asked(aaiclick_client, wanted).steps] == [("mv2:rename", "backfill")]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-view mv"))
    assert held(aaiclick_client) == rows
    aaiclick_client.command("INSERT INTO t VALUES (1000)")
    assert held(aaiclick_client)[:-1] == rows
    assert plan_schema(aaiclick_client, wanted).steps == ()


@pytest.mark.parametrize("query", [SAME, OTHER])
def test_rows_that_the_other_wrote_make_it_a_question(aaiclick_client: Client, query: str) -> None:
    before(aaiclick_client, view("mv", backfill=False), seen=2)
    wanted = schema(3, *TABLES, view("mv2", query))
    plan = asked(aaiclick_client, wanted, "drop-view mv")
    (said,) = [each for step in plan.steps for each in step.hazards if each.allow == "start-empty mv2"]
    assert said.message == (
        "the 5 rows that t holds are not brought into g, though backfill=True says so: mv has written what it saw of "
        "them; g holds 2 rows, and nobody can tell which rows of t are in them. Were it empty, it would be filled"
    )
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-view mv", "start-empty mv2"))
    assert held(aaiclick_client) == [100, 101]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_a_rename_that_a_migration_says_asks_nothing(aaiclick_client: Client) -> None:
    """It is the same view, which was filled, or not, when it was made."""
    before(aaiclick_client, view("mv"), seen=2)
    wanted = schema(3, *TABLES, view("mv2"), migrations=[Migration(version=3, renames={"mv": "mv2"})])
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert held(aaiclick_client) == [0, 1, 2, 100, 101]


def test_another_query_is_a_question_where_rows_are_there(aaiclick_client: Client) -> None:
    before(aaiclick_client, view("mv"))
    wanted = schema(3, *TABLES, view("mv", OTHER))
    (step,) = asked(aaiclick_client, wanted).steps
    assert [each.allow for each in step.hazards] == ["start-empty mv"]
    assert "the 3 rows that t holds are not brought into g" in step.hazards[0].message
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("start-empty mv"))
    assert held(aaiclick_client) == [0, 1, 2]


def test_another_query_over_an_empty_source_asks_nothing(aaiclick_client: Client) -> None:
    before(aaiclick_client, view("mv"), missed=0)
    ensure_schema(aaiclick_client, schema(3, *TABLES, view("mv", OTHER)), policy=Policy.lossless())


def test_another_target_is_filled(aaiclick_client: Client) -> None:
    before(aaiclick_client, view("mv"), seen=1)
    wanted = schema(3, *TABLES, table("h", "x"), view("mv", to="h"))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert held(aaiclick_client, "h") == [0, 1, 2, 100]
    aaiclick_client.command("INSERT INTO t VALUES (1000)")
    assert (held(aaiclick_client, "h")[-1], held(aaiclick_client)) == (1000, [0, 1, 2, 100])


def test_a_table_of_its_own_that_is_made_anew_is_filled(aaiclick_client: Client) -> None:
    own = MergeTree(order_by=["x"])
    before(aaiclick_client, MaterializedView("mv", engine=own, query=SAME, backfill=True), seen=1)
    wider = MaterializedView("mv", engine=own, query="SELECT id AS x, id * 2 AS y FROM t", backfill=True)
    wanted = schema(3, *TABLES, wider)
    assert [step.strategy for step in asked(aaiclick_client, wanted).steps] == ["backfill"]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("replace-view mv"))
    aaiclick_client.command("INSERT INTO t VALUES (1000)")
    rows = aaiclick_client.query("SELECT x, y FROM mv ORDER BY x").result_rows
    assert list(rows) == [(0, 0), (1, 2), (2, 4), (100, 200), (1000, 2000)]


def test_a_rollback_gives_it_the_old_name_back(aaiclick_client: Client) -> None:
    before(aaiclick_client, view("mv", backfill=False))
    wanted = schema(3, *TABLES, view("mv2"))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-view mv"))
    rollback_schema(aaiclick_client, wanted, to=2)
    assert aaiclick_client.command("EXISTS VIEW mv") == 1
    aaiclick_client.command("INSERT INTO t VALUES (1000)")
    assert held(aaiclick_client) == [0, 1, 2, 1000]
