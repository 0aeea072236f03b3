"""A limit, load or a full disk in the middle of a plan says nothing about the declaration, the statement or the rows."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema, routine
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Connection, Effect, OnEvent, Query, Rows

NAMES = {201: "QUOTA_EXCEEDED", 241: "MEMORY_LIMIT_EXCEEDED", 252: "TOO_MANY_PARTS", 439: "CANNOT_SCHEDULE_TASK"}


def schema(version: int, kind: str) -> Schema:
    wide = kind == "mutate" and version == 2
    key = ["n"] if kind == "rebuild" and version == 2 else ["k"]
    columns = [Column("k", "UInt64"), Column("n", "UInt32" if wide else "UInt16")]
    filled = Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 1000"})})
    objects = [Table("t", columns, engine=MergeTree(order_by=key))]
    return Schema(
        "s", version=version, objects=objects, migrations=[filled] if (kind, version) == ("filled", 2) else []
    )


def refuse(monkeypatch: pytest.MonkeyPatch, code: int, begin: str, inside: str) -> None:
    """The first statement that begins so and has this in it."""
    carry_out, done = routine._carry_out, list[str]()

    def refused(effect: Effect, connection: Connection, on_event: OnEvent | None) -> Rows:
        sql = effect.sql if isinstance(effect, Command | Query) else ""
        if not done and begin in sql[:40] and inside in sql:
            done.append(sql)
            raise StatementError("for now", code, NAMES[code])
        return carry_out(effect, connection, on_event)

    monkeypatch.setattr(routine, "_carry_out", refused)


@pytest.mark.parametrize("code", NAMES)
@pytest.mark.parametrize(
    ("kind", "begin", "inside"),
    [
        ("mutate", "CREATE TABLE", "_aaiclick_scratch_"),
        ("mutate", "ALTER TABLE", "_aaiclick_scratch_"),
        ("rebuild", "INSERT INTO", "_aaiclick_scratch_"),
        ("filled", "SELECT", "AS _value"),
    ],
)
def test_it_is_told_as_what_it_is_and_changes_no_plan(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, code: int, kind: str, begin: str, inside: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, kind))
    aaiclick_client.command("INSERT INTO t SELECT number, number FROM numbers(50)")
    with monkeypatch.context() as patched:
        refuse(patched, code, begin, inside)
        # Memory is tried again in smaller blocks where a question is asked.
        if (code, begin) != (241, "SELECT"):
            with pytest.raises(StatementError) as caught:
                ensure_schema(aaiclick_client, schema(2, kind), policy=Policy.lossless())
            assert (type(caught.value), caught.value.code) == (StatementError, code)
    plan = plan_schema(aaiclick_client, schema(2, kind))
    wanted = "rebuild" if kind == "filled" else kind
    assert [step.strategy for step in plan.steps] == [wanted]
