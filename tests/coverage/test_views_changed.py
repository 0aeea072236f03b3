"""Views of every kind: created, in sync, changed in place where the engine can, otherwise only by name; nothing is
dropped in silence."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    SummingMergeTree,
    Table,
    View,
    ensure_schema,
    plan_schema,
    reflect_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError
from tests.coverage.engines import SECRET

SOURCE = Table("src", [Column("a", "UInt64"), Column("b", "String")], engine=MergeTree(order_by=["a"]))
TARGET = Table("tgt", [Column("a", "UInt64")], engine=MergeTree(order_by=["a"]))


def schema(*objects: object) -> Schema:
    return Schema("views", objects=[SOURCE, TARGET, *objects])  # type: ignore[list-item]


VIEWS = (
    View("v", query="SELECT a FROM src", comment="c"),
    View("v", query="SELECT a, {factor:UInt64} * a AS scaled FROM src WHERE b = {name:String}"),
    MaterializedView("v", to="tgt", query="SELECT a FROM src WHERE a > 1", comment="c"),
    MaterializedView("v", engine=SummingMergeTree(order_by=["a"]), query="SELECT a, count() AS n FROM src GROUP BY a"),
    MaterializedView("v", to="tgt", query="SELECT a FROM src", refresh="EVERY 1 DAY OFFSET 5 HOUR"),
    MaterializedView("v", engine=MergeTree(order_by=["a"]), query="SELECT a FROM src", refresh="AFTER 1 DAY APPEND"),
)
CHANGED = (
    View("v", query="SELECT a, b FROM src", comment="d"),
    View("v", query="SELECT {factor:UInt8} * a AS scaled FROM src"),
    MaterializedView("v", to="tgt", query="SELECT a + 1 AS a FROM src", comment="d"),
    MaterializedView("v", engine=SummingMergeTree(order_by=["a"]), query="SELECT a, sum(a) AS n FROM src GROUP BY a"),
    MaterializedView("v", to="tgt", query="SELECT a + 1 AS a FROM src", refresh="EVERY 2 DAY"),
    MaterializedView(
        "v", engine=MergeTree(order_by=["a"]), query="SELECT a + 1 AS a FROM src", refresh="AFTER 2 DAY APPEND"
    ),
)


@pytest.mark.parametrize(("before", "after"), list(zip(VIEWS, CHANGED, strict=True)))
def test_a_changed_view_is_changed_in_place(
    aaiclick_client: Client, before: View | MaterializedView, after: View | MaterializedView
) -> None:
    ensure_schema(aaiclick_client, schema(before))
    assert plan_schema(aaiclick_client, schema(before)).steps == ()
    reflected = reflect_schema(aaiclick_client, name="views")
    assert not reflected.unsupported
    assert plan_schema(aaiclick_client, reflected).steps == ()
    aaiclick_client.command("INSERT INTO src VALUES (5, 'x')")
    uuid = aaiclick_client.query(
        "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 'v'"
    ).result_rows
    report = ensure_schema(aaiclick_client, schema(after), policy=Policy.safe())
    assert [step.strategy for step in report.steps] == ["replace"]
    assert plan_schema(aaiclick_client, schema(after)).steps == ()
    if isinstance(after, MaterializedView):
        assert (
            aaiclick_client.query(
                "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 'v'"
            ).result_rows
            == uuid
        )
        if not after.refresh:
            name = "tgt" if after.to else "v"
            assert aaiclick_client.query(f"SELECT count() FROM {name}").result_rows == [(1,)]
            aaiclick_client.command("INSERT INTO src VALUES (7, 'y')")
            assert aaiclick_client.query(f"SELECT count() FROM {name}").result_rows == [(2,)]


def test_parameters_of_a_view_work(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(VIEWS[1]))
    aaiclick_client.command("INSERT INTO src VALUES (5, 'x'), (6, 'y')")
    assert aaiclick_client.query("SELECT scaled FROM v(factor = 3, name = 'y')").result_rows == [(18,)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (VIEWS[2], MaterializedView("v", engine=MergeTree(order_by=["a"]), query="SELECT a FROM src")),
        (
            VIEWS[3],
            MaterializedView(
                "v",
                engine=SummingMergeTree(order_by=["a", "b"]),
                query="SELECT a, b, count() AS n FROM src GROUP BY a, b",
            ),
        ),
        (
            VIEWS[3],
            MaterializedView(
                "v",
                engine=SummingMergeTree(order_by=["a"]),
                query="SELECT a, count() AS n, sum(a) AS m FROM src GROUP BY a",
            ),
        ),
        (
            VIEWS[4],
            MaterializedView("v", to="tgt", query="SELECT a FROM src", refresh="EVERY 1 DAY OFFSET 5 HOUR APPEND"),
        ),
        (VIEWS[4], MaterializedView("v", to="tgt", query="SELECT a FROM src")),
    ],
)
def test_what_cannot_be_done_in_place_is_done_by_name_only(
    aaiclick_client: Client, before: MaterializedView, after: MaterializedView
) -> None:
    ensure_schema(aaiclick_client, schema(before))
    text = aaiclick_client.query(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'v'"
    ).result_rows
    with pytest.raises(SchemaVersionError, match="--allow 'replace-view v'"):
        ensure_schema(aaiclick_client, schema(after), policy=Policy.lossless())
    assert (
        aaiclick_client.query(
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'v'"
        ).result_rows
        == text
    )
    ensure_schema(aaiclick_client, schema(after), policy=Policy.lossless().allow("replace-view v"))
    assert plan_schema(aaiclick_client, schema(after)).steps == ()


def test_a_query_with_columns_that_the_target_lacks_is_blocked(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(VIEWS[2]))
    wider = MaterializedView("v", to="tgt", query="SELECT a, b FROM src", comment="c")
    with pytest.raises(BlockedError, match="v: its target tgt has no column b"):
        ensure_schema(aaiclick_client, schema(wider), policy=Policy.everything())
    with_b = Table("tgt", [*TARGET.columns, Column("b", "String")], engine=MergeTree(order_by=["a"]))
    together = Schema("views", objects=[SOURCE, with_b, wider])
    report = ensure_schema(aaiclick_client, together, policy=Policy.safe())
    assert [step.object for step in report.steps] == ["tgt", "v"]
    aaiclick_client.command("INSERT INTO src VALUES (7, 'y')")
    assert aaiclick_client.query("SELECT a, b FROM tgt").result_rows == [(7, "y")]


def test_a_dictionary_keeps_its_secret(aaiclick_client: Client) -> None:
    def lookup(layout: str) -> Dictionary:
        source = f"CLICKHOUSE(HOST 'h' USER 'u' PASSWORD '{SECRET}' TABLE 'src' DB 'd')"
        return Dictionary(
            "look",
            columns=[Column("a", "UInt64"), Column("b", "String")],
            primary_key=["a"],
            source=source,
            layout=layout,
            lifetime="60",
        )

    seen = ""
    for layout in ("FLAT()", "HASHED()"):
        plan = plan_schema(aaiclick_client, schema(lookup(layout)))
        seen += f"{plan}{plan.to_json()}"
        ensure_schema(aaiclick_client, schema(lookup(layout)), policy=Policy.safe())
        assert plan_schema(aaiclick_client, schema(lookup(layout))).steps == ()
    assert "CREATE OR REPLACE DICTIONARY" in seen
    seen += str(aaiclick_client.query("SELECT toString(tuple(*)) FROM schema_version").result_rows)
    assert SECRET not in seen
