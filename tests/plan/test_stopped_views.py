"""A refreshable view that is stopped, and made anew: it is stopped again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MaterializedView, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.specs.engines import MergeTree

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def _schema(kind: str, query: str) -> Schema:
    table = Table("t", [Column("k", kind)], engine=MergeTree(order_by=[]))
    view = MaterializedView("v", query=query, engine=MergeTree(order_by=["k"]), refresh="EVERY 1 YEAR")
    return Schema("s", version=None, objects=[table, view])


def _status(client: Client) -> str:
    rows = client.query("SELECT status FROM system.view_refreshes WHERE database = currentDatabase()").result_rows
    return str(rows[0][0])


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "running"])
def test_it_stays_as_the_operator_left_it(aaiclick_client: Client, stopped: bool) -> None:
    client = aaiclick_client
    ensure_schema(client, _schema("Date", "SELECT k FROM t"))
    if stopped:
        client.command("SYSTEM STOP VIEW v")
    changed = _schema("Date32", "SELECT k, k + 1 AS next FROM t")
    plan = plan_schema(client, changed)
    (step,) = [step for step in plan.required if step.object == "v"]
    assert [sql.split()[0] for sql in step.sql] == ["DROP", "CREATE", *(["SYSTEM"] if stopped else [])]
    ensure_schema(client, changed, policy=Policy.lossless().allow("replace-view v"))
    assert (_status(client) == "Disabled") is stopped
    assert not plan_schema(client, changed).required


def test_one_that_stays_as_it_is_over_a_table_that_changes_is_stopped_again(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, _schema("Date", "SELECT k FROM t"))
    aaiclick_client.command("SYSTEM STOP VIEW v")
    changed = _schema("Date32", "SELECT k FROM t")
    ensure_schema(aaiclick_client, changed, policy=Policy.lossless().allow("replace-view v"))
    assert _status(aaiclick_client) == "Disabled"


def _shown(client: Client) -> list[int]:
    return [int(str(row[0])) for row in client.query("SELECT k FROM v ORDER BY k").result_rows]


@pytest.mark.parametrize("refresh", ["EVERY 1 YEAR", "EVERY 1 YEAR APPEND"])
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_one_with_another_query_is_refreshed_or_said(aaiclick_client: Client, refresh: str, stopped: bool) -> None:
    """Until its next refresh it would show what its former query gave; a view that is created shows what its query
    gives."""
    client = aaiclick_client

    def schema(query: str) -> Schema:
        table = Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by=[]))
        view = MaterializedView("v", query=query, engine=MergeTree(order_by=["k"]), refresh=refresh)
        return Schema("s", version=None, objects=[table, view])

    client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY tuple()")
    client.command("INSERT INTO t VALUES (1)")
    ensure_schema(client, schema("SELECT k FROM t"))
    client.command("SYSTEM WAIT VIEW v")
    if stopped:
        client.command("SYSTEM STOP VIEW v")
    plan = plan_schema(client, schema("SELECT k * 10 AS k FROM t"))
    ensure_schema(client, schema("SELECT k * 10 AS k FROM t"), policy=Policy.lossless())
    refreshed = [step.sql for step in plan.required if step.id == "v:refresh"]
    if "APPEND" in refresh:
        assert refreshed == []
        assert "v: rows that former refreshes have appended stay as its former query gave them" in plan.notes
    elif stopped:
        assert refreshed == []
        (note,) = [note for note in plan.notes if note.startswith("v shows what its former query gave until")]
        client.command("SYSTEM START VIEW v")
        client.command(note[note.index("SYSTEM REFRESH") :].removesuffix(" refreshes it at once"))
        client.command("SYSTEM WAIT VIEW v")
        assert _shown(client) == [10]
    else:
        assert len(refreshed) == 1
        client.command("SYSTEM WAIT VIEW v")
        assert _shown(client) == [10]
    assert not plan_schema(client, schema("SELECT k * 10 AS k FROM t")).required
