"""As whom a view reads: declared, compared, changed in place, kept where nobody declares it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.api.declared_forms import declared_forms
from aaiclick.catalog.forms import ColumnForm, ViewForm
from aaiclick.catalog.reflect import reflect_object
from aaiclick.errors import SpecError
from aaiclick.plan.dependents.undeclared_of_views import form_keeping
from aaiclick.sql.security import read_security, same_security
from aaiclick.versions.recognition import differences, is_exactly

TABLES = [Table(name, [Column("a", "UInt8")], engine=MergeTree(order_by=["a"])) for name in ("t", "u")]
INVOKER, DEFINER = "SQL SECURITY INVOKER", "DEFINER = default SQL SECURITY DEFINER"


def schema(security: str | None, query: str = "SELECT a FROM t", of_view: str | None = None) -> Schema:
    view = View("v", query=query) if security is None else View("v", query=query, security=security)
    written = (
        MaterializedView("m", query="SELECT a FROM t", to="u")
        if of_view is None
        else MaterializedView("m", query="SELECT a FROM t", to="u", security=of_view)
    )
    return Schema("s", objects=[*TABLES, view, written])


def shown(client: Client, name: str) -> str:
    sql = "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {n:String}"
    return str(client.query(sql, parameters={"n": name}).result_rows[0][0])


def test_it_is_created_changed_in_place_and_kept(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(INVOKER))
    assert f" {INVOKER} AS SELECT" in shown(aaiclick_client, "v")
    assert ensure_schema(aaiclick_client, schema(INVOKER)).steps == ()
    changed = schema("SQL SECURITY DEFINER", of_view="DEFINER = CURRENT_USER SQL SECURITY DEFINER")
    steps = plan_schema(aaiclick_client, changed).steps
    assert [(step.object, step.change) for step in steps] == [
        ("v", f"{INVOKER} -> SQL SECURITY DEFINER"),
        ("m", "no SQL SECURITY -> DEFINER = CURRENT_USER SQL SECURITY DEFINER"),
    ]
    assert all(sql.startswith("ALTER TABLE ") for step in steps for sql in step.sql)
    ensure_schema(aaiclick_client, changed, policy=Policy.everything())
    assert f" {DEFINER} AS SELECT" in shown(aaiclick_client, "v")
    assert f" {DEFINER} AS SELECT" in shown(aaiclick_client, "m")
    assert plan_schema(aaiclick_client, changed).steps == ()
    assert plan_schema(aaiclick_client, schema(DEFINER, of_view=DEFINER)).steps == ()
    # What is not declared stays, also where the view is made anew for its query.
    ensure_schema(aaiclick_client, schema(None, "SELECT a, 1 AS b FROM t"), policy=Policy.everything())
    assert f" {DEFINER} AS SELECT a, 1 AS b" in shown(aaiclick_client, "v")


def test_a_view_that_an_earlier_step_makes_has_what_nobody_declares_of_it() -> None:
    """What a later step of the same plan keeps is taken from there."""
    live = ViewForm("v", "SELECT 1 AS a", (ColumnForm("a", "UInt8", comment="of a"),), security=DEFINER, comment="said")
    wanted = ViewForm("v", "SELECT 2 AS a, 3 AS b", (ColumnForm("a", "UInt8"), ColumnForm("b", "UInt8")))
    form = form_keeping(View("v", query=wanted.query), wanted, live)
    assert (form.query, form.security, form.comment) == (wanted.query, DEFINER, "said")
    assert [column.comment for column in form.columns] == ["of a", ""]
    told = View("v", query=wanted.query, security=INVOKER, comment="")
    form = form_keeping(told, replace(wanted, security=INVOKER), live)
    assert (form.security, form.comment) == (INVOKER, "")


def test_sql_says_it_too(aaiclick_client: Client) -> None:
    from aaiclick.specs.sql_objects import SqlView
    from aaiclick.specs.sql_source import sql_object

    view = sql_object(SqlView, "CREATE VIEW v DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT 1 AS a")
    ensure_schema(aaiclick_client, Schema("s", objects=[view]))
    assert f" {DEFINER} AS SELECT 1" in shown(aaiclick_client, "v")
    assert ensure_schema(aaiclick_client, Schema("s", objects=[view])).steps == ()


def test_a_lock_file_names_a_user_whom_this_engine_does_not_know() -> None:
    _, forms = declared_forms(schema("DEFINER = reporting SQL SECURITY DEFINER"))
    released = forms["v"]
    assert isinstance(released, ViewForm)
    assert released.security == "DEFINER = reporting SQL SECURITY DEFINER"
    again = reflect_object(released)
    assert isinstance(again, View)
    assert again.security == released.security
    live = ViewForm("v", released.query, released.columns, security="DEFINER = other SQL SECURITY DEFINER")
    assert differences(live, released)
    assert not is_exactly(live, released)
    undeclared = ViewForm("v", released.query, released.columns)
    assert not differences(live, undeclared)


@pytest.mark.parametrize(
    ("declared", "found", "same"),
    [
        ("", "SQL SECURITY NONE", True),
        (INVOKER, "sql  security invoker", True),
        (INVOKER, "", False),
        ("SQL SECURITY DEFINER", "DEFINER = `a b` SQL SECURITY DEFINER", True),
        ("DEFINER = a", "DEFINER = `a` SQL SECURITY DEFINER", True),
        ("DEFINER = a", "DEFINER = b SQL SECURITY DEFINER", False),
        ("SQL SECURITY NONE", DEFINER, False),
    ],
)
def test_words_that_mean_the_same(declared: str, found: str, same: bool) -> None:
    assert same_security(declared, found) is same


@pytest.mark.parametrize(
    "text",
    ["", "x", "SQL SECURITY", "SQL SECURITY SOMEBODY", "DEFINER a", "DEFINER = a SQL SECURITY INVOKER", "DEFINER = 'a"],
)
def test_other_words_are_refused(text: str) -> None:
    assert read_security(text) is None
    with pytest.raises(SpecError, match="view v: security: one of"):
        View("v", query="SELECT 1", security=text)
    with pytest.raises(SpecError, match="nobody invokes"):
        MaterializedView("m", query="SELECT 1", to="t", security=INVOKER)
