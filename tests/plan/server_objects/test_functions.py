"""SQL functions: created before what uses them, compared by the engine's text, changed by name; what uses them is
planned as it will be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Plan, Policy, Schema, Table, View, ensure_schema, plan_schema, validate_schema
from aaiclick.api.declared_forms import declared_forms
from aaiclick.cli.text.create import create_statements
from aaiclick.errors import ApplyError, SchemaVersionError, SpecChangedError, SpecError
from aaiclick.events import StepStarted
from aaiclick.specs import Function

LIVE = (
    "SELECT name FROM system.functions WHERE origin = 'SQLUserDefined' AND (startsWith(name, 'fn_') OR "
    "startsWith(name, '_aaiclick')) ORDER BY name"
)


@pytest.fixture(autouse=True)
def tidy(aaiclick_client: Client) -> Iterator[None]:
    yield
    for (name,) in aaiclick_client.query(LIVE).result_rows:
        aaiclick_client.command(f"DROP FUNCTION `{name}`")


def schema(version: int, factor: int, *more: Column) -> Schema:
    columns = [Column("k", "UInt64"), Column("v", "UInt64", default="fn_twice(k)"), *more]
    return Schema(
        "s",
        version=version,
        objects=[
            View("shown", query="SELECT fn_twice(v) AS w FROM t"),
            Table("t", columns, engine=MergeTree(order_by="k")),
            Function("fn_twice", "x -> fn_times(x, 2)"),
            Function("fn_times", f"(x, y) -> x*y*{factor}"),
        ],
    )


def functions(client: Client) -> list[str]:
    return [str(row[0]) for row in client.query(LIVE).result_rows]


def test_functions_come_first_and_are_left_alone_then(aaiclick_client: Client) -> None:
    report = ensure_schema(aaiclick_client, schema(1, 1), policy=Policy.safe())
    assert [step.object for step in report.steps] == ["fn_times", "fn_twice", "t", "shown"]
    assert ensure_schema(aaiclick_client, schema(1, 1)).steps == ()
    assert plan_schema(aaiclick_client, schema(1, 1)).steps == ()
    aaiclick_client.command("INSERT INTO t (k) VALUES (3)")
    assert aaiclick_client.query("SELECT v, w FROM t, shown").result_rows == [(6, 12)]
    assert functions(aaiclick_client) == ["fn_times", "fn_twice"]
    aaiclick_client.command("DROP FUNCTION fn_twice")
    assert validate_schema(aaiclick_client, schema(1, 1)).differences == ("fn_twice: function is missing",)
    assert [step.object for step in ensure_schema(aaiclick_client, schema(1, 1)).steps] == ["fn_twice"]


@pytest.mark.parametrize("factor", [1, 5], ids=["the same", "another one"])
def test_a_function_that_a_run_of_another_database_makes_in_between(aaiclick_client: Client, factor: int) -> None:
    def meanwhile(event: object) -> None:
        if isinstance(event, StepStarted) and event.object == "fn_times":
            aaiclick_client.command(f"CREATE FUNCTION fn_times AS (x, y) -> x * y * {factor}")

    if factor == 1:
        assert ensure_schema(aaiclick_client, schema(1, 1), on_event=meanwhile).in_sync
    else:
        with pytest.raises(ApplyError, match="FUNCTION_ALREADY_EXISTS"):
            ensure_schema(aaiclick_client, schema(1, 1), on_event=meanwhile)


def test_another_body_is_allowed_by_name_and_carried_into_what_uses_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, 1))
    aaiclick_client.command("INSERT INTO t (k) VALUES (3)")
    after = schema(2, 10)
    plan = plan_schema(aaiclick_client, after)
    assert [(step.object, step.strategy) for step in plan.steps][:2] == [("fn_times", "replace"), ("t", "alter")]
    assert Plan.from_json(plan.to_json()) == plan
    assert functions(aaiclick_client) == ["fn_times", "fn_twice"]
    assert aaiclick_client.query("SELECT fn_twice(1)").result_rows == [(2,)]
    with pytest.raises(SchemaVersionError, match="--allow 'change-function fn_times'"):
        ensure_schema(aaiclick_client, after, policy=Policy.lossless())
    ensure_schema(aaiclick_client, after, policy=Policy.lossless().allow("change-function fn_times"))
    aaiclick_client.command("INSERT INTO t (k) VALUES (4)")
    assert aaiclick_client.query("SELECT k, v FROM t ORDER BY k").result_rows == [(3, 6), (4, 80)]
    assert aaiclick_client.query("SELECT w FROM shown ORDER BY w").result_rows == [(120,), (1600,)]
    assert plan_schema(aaiclick_client, after).steps == ()
    with pytest.raises(SpecChangedError, match="fn_times: the definition differs"):
        ensure_schema(aaiclick_client, schema(2, 11), policy=Policy.everything())


def test_a_new_function_in_a_table_that_is_there(aaiclick_client: Client) -> None:
    before = Schema("s", version=1, objects=[Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by="k"))])
    ensure_schema(aaiclick_client, before)
    report = ensure_schema(aaiclick_client, schema(2, 1, Column("a", "UInt64", alias="fn_times(k, 7)")))
    assert [step.object for step in report.steps] == ["fn_times", "fn_twice", "t", "shown"]
    aaiclick_client.command("INSERT INTO t (k) VALUES (2)")
    assert aaiclick_client.query("SELECT v, a FROM t").result_rows == [(4, 14)]
    assert plan_schema(aaiclick_client, schema(2, 1, Column("a", "UInt64", alias="fn_times(k, 7)"))).steps == ()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((("fn_a", "x -> fn_b(x)"), ("fn_b", "x -> fn_a(x)")), "call each other in a circle: fn_a, fn_b"),
        ((("fn_a", "x -> fn_a(x)"),), "in a circle: fn_a"),
        ((("fn_a", "x -> x +"),), "fn_a: cannot be parsed: it ends before it is complete"),
        ((("fn_a", "x -> x"), ("lower", "x -> x")), "lower: the server has a function of its own of that name"),
        ((("date_trunc", "x -> x"),), "date_trunc: the server has a function of its own"),
    ],
)
def test_a_wrong_function_is_refused(made: tuple[tuple[str, str], ...], said: str, aaiclick_client: Client) -> None:
    with pytest.raises(SpecError, match=said):
        ensure_schema(aaiclick_client, Schema("s", objects=[Function(name, body) for name, body in made]))
    assert functions(aaiclick_client) == []
    with pytest.raises(SpecError, match="its body is a lambda"):
        Function("fn_a", "1")


def test_ddl_and_the_lock_file_have_them() -> None:
    assert [item.object for item in create_statements(schema(1, 1))] == ["fn_times", "fn_twice", "t", "shown"]
    assert create_statements(schema(1, 1))[0].sql == "CREATE FUNCTION `fn_times` AS (x, y) -> x*y*1"
    _, forms = declared_forms(schema(1, 1))
    assert {name: form.kind for name, form in forms.items()} == {
        "fn_times": "function",
        "fn_twice": "function",
        "shown": "view",
        "t": "table",
    }
