"""Materialized views over tables that get another name: no row passes them by, and one run is enough."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, MaterializedView, MergeTree, Policy, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError
from aaiclick.events import Event, StepDone
from tests.plan.migrating import migrate, rows, schema


def table(name: str, column: str, kind: str = "UInt64", former: str | None = None) -> Table:
    columns = [Column(column, kind)]
    return Table(name, columns, engine=MergeTree(order_by=[column]), renamed_from=former)


def view(source: str, target: str | None, name: str = "mv", **more: object) -> MaterializedView:
    query = f"SELECT id AS x FROM {source}"
    return MaterializedView(name, query=query, to=target, **more)  # type: ignore[arg-type]


def made(client: Client, *objects: object) -> None:
    migrate(client, schema(*objects))
    client.command("INSERT INTO t VALUES (1)")


def writing(client: Client, wanted: object, *allow: str) -> list[int]:
    """Migrates, while somebody inserts into t2 behind each step; what was inserted."""
    inserted: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, StepDone) and client.command("EXISTS TABLE t2"):
            inserted.append(10 + len(inserted))
            client.command(f"INSERT INTO t2 VALUES ({inserted[-1]})")

    policy = Policy.lossless().allow(*allow) if allow else Policy.lossless()
    ensure_schema(client, wanted, policy=policy, on_event=watch)  # type: ignore[arg-type]
    assert plan_schema(client, wanted).steps == ()  # type: ignore[arg-type]
    assert inserted
    return inserted


def test_source_and_target_in_one_run(aaiclick_client: Client) -> None:
    made(aaiclick_client, table("t", "id"), table("g", "x"), view("t", "g"))
    wanted = schema(table("t2", "id", former="t"), table("g2", "x", former="g"), view("t2", "g2"))
    assert [step for step, _ in migrate(aaiclick_client, wanted)] == ["t2", "g2", "mv"]
    aaiclick_client.command("INSERT INTO t2 VALUES (2)")
    assert rows(aaiclick_client, "SELECT x FROM g2 ORDER BY x") == [(1,), (2,)]


def test_a_row_that_comes_right_behind_the_rename_of_the_source_is_seen(aaiclick_client: Client) -> None:
    made(aaiclick_client, table("t", "id"), table("g", "x"), view("t", "g"))
    inserted = writing(aaiclick_client, schema(table("t2", "id", former="t"), table("g", "x"), view("t2", "g")))
    assert rows(aaiclick_client, "SELECT x FROM g ORDER BY x") == [(1,), *((each,) for each in inserted)]


def test_so_it_is_with_a_view_that_owns_its_table(aaiclick_client: Client) -> None:
    inner = MergeTree(order_by=["x"])
    made(aaiclick_client, table("t", "id"), view("t", None, engine=inner))
    inserted = writing(aaiclick_client, schema(table("t2", "id", former="t"), view("t2", None, engine=inner)))
    assert rows(aaiclick_client, "SELECT x FROM mv ORDER BY x") == [(1,), *((each,) for each in inserted)]


def test_and_where_the_table_gets_another_type_as_well(aaiclick_client: Client) -> None:
    made(aaiclick_client, table("t", "id", "UInt32"), table("g", "x", "UInt32"), view("t", "g"))
    wanted = schema(table("t2", "id", former="t"), table("g2", "x", former="g"), view("t2", "g2"))
    report = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert plan_schema(aaiclick_client, wanted).steps == ()
    assert report.steps
    aaiclick_client.command("INSERT INTO t2 VALUES (4294967297)")
    assert rows(aaiclick_client, "SELECT x FROM g2 ORDER BY x") == [(1,), (4294967297,)]


def test_a_chain_of_views(aaiclick_client: Client) -> None:
    second = MaterializedView("mv2", query="SELECT x AS y FROM g", to="h")
    made(aaiclick_client, table("t", "id"), table("g", "x"), table("h", "y"), view("t", "g"), second)
    again = MaterializedView("mv2", query="SELECT x AS y FROM g2", to="h2")
    tables = table("t2", "id", former="t"), table("g2", "x", former="g"), table("h2", "y", former="h")
    migrate(aaiclick_client, schema(*tables, view("t2", "g2"), again))
    aaiclick_client.command("INSERT INTO t2 VALUES (2)")
    assert rows(aaiclick_client, "SELECT y FROM h2 ORDER BY y") == [(1,), (2,)]


def test_a_query_that_names_columns_by_their_table_follows(aaiclick_client: Client) -> None:
    said = "SELECT t.id AS x FROM t WHERE t.id NOT IN (SELECT id FROM t WHERE id = 7) GROUP BY t.id"
    made(aaiclick_client, table("t", "id"), table("g", "x"), MaterializedView("mv", query=said, to="g"))
    wanted = schema(
        table("t2", "id", former="t"),
        table("g", "x"),
        MaterializedView("mv", query=said.replace("t.", "t2.").replace("FROM t ", "FROM t2 "), to="g"),
    )
    inserted = writing(aaiclick_client, wanted)
    assert rows(aaiclick_client, "SELECT x FROM g ORDER BY x") == [(1,), *((each,) for each in inserted)]


def test_two_views_and_one_of_them_as_it_comes(aaiclick_client: Client) -> None:
    other = MaterializedView("mv2", query="SELECT id AS y FROM t", to="h")
    made(aaiclick_client, table("t", "id"), table("g", "x"), table("h", "y"), view("t", "g"), other)
    again = MaterializedView("mv2", query="SELECT id AS y FROM t2 WHERE id > 0", to="h")
    inserted = writing(
        aaiclick_client, schema(table("t2", "id", former="t"), table("g", "x"), table("h", "y"), view("t2", "g"), again)
    )
    wanted = [(1,), *((each,) for each in inserted)]
    assert rows(aaiclick_client, "SELECT x FROM g ORDER BY x") == wanted
    assert rows(aaiclick_client, "SELECT y FROM h ORDER BY y") == wanted


def test_where_writers_cannot_be_kept_out_it_is_asked_for(aaiclick_client: Client) -> None:
    def fed(name: str, former: str | None = None) -> Table:
        return Table(name, [Column("id", "UInt64")], engine=Engine("Null"), renamed_from=former)

    migrate(aaiclick_client, schema(fed("t"), table("g", "x"), view("t", "g")))
    wanted = schema(fed("t2", "t"), table("g", "x"), view("t2", "g"))
    with pytest.raises(SchemaVersionError, match="not seen by mv") as refused:
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert "replace-view mv" in str(refused.value)
    migrate(aaiclick_client, wanted, "replace-view mv")
