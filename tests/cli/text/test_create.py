"""A declared schema as SQL: the statements of ``aaiclick.specs.ddl``, laid out, in an order in which they can be
run."""

from __future__ import annotations

import re

from aaiclick.cli.text.create import create_statements, in_reference_order
from aaiclick.specs import (
    Column,
    Constraint,
    Dictionary,
    Engine,
    Index,
    MaterializedView,
    MergeTree,
    Projection,
    Schema,
    Table,
    TableFamily,
    View,
)
from aaiclick.specs.ddl import create_dictionary_sql, create_materialized_view_sql, create_table_sql, create_view_sql
from aaiclick.specs.schema import SchemaObject

EVENTS = Table(
    "events",
    [Column("id", "UInt64"), Column("name", "String", default="dictGet('names', 'name', id)", comment="it's (a, b)")],
    engine=MergeTree(order_by=["id"], settings={"index_granularity": 1024}),
    indexes=[Index("by_name", expr="name", type="bloom_filter(0.01)", granularity=2)],
    constraints=[Constraint("positive", check="id > 0")],
    projections=[Projection("by_id", "SELECT id, count() GROUP BY id")],
    comment="what happened",
)
COUNTS = Table("counts", [Column("id", "UInt64"), Column("n", "UInt64")], engine=MergeTree(order_by="id"))
BUFFER = Table(
    "buffered",
    [Column("id", "UInt64")],
    engine=Engine("Buffer", "currentDatabase(), events, 1, 10, 100, 10, 100, 1000, 10000"),
)
NAMES = Dictionary(
    "names",
    columns=[Column("id", "UInt64"), Column("name", "String")],
    primary_key=["id"],
    source="CLICKHOUSE(TABLE 'raw_names')",
    lifetime="MIN 0 MAX 60",
)
RAW = Table("raw_names", [Column("id", "UInt64"), Column("name", "String")], engine=MergeTree(order_by=["id"]))
COUNTING = MaterializedView(
    "counting", to="counts", query="SELECT id, count() AS n FROM latest GROUP BY id", comment="c"
)
LATEST = View("latest", query="SELECT id FROM events WHERE id > 10", comment="the last ones")
INNER = MaterializedView(
    "inner_mv", query="SELECT id FROM events", engine=MergeTree(order_by=["id"]), refresh="EVERY 1 HOUR"
)
FAMILY = TableFamily("t_*", columns=[Column("id", "UInt64")])
ALL: list[SchemaObject] = [COUNTING, LATEST, EVENTS, INNER, NAMES, COUNTS, BUFFER, RAW, FAMILY]


def squeezed(sql: str) -> str:
    return re.sub(r"\s+", "", sql)


def test_nothing_comes_before_what_it_refers_to() -> None:
    order = [item.name for item in in_reference_order(Schema("s", objects=list(ALL)))]
    needs = [
        ("counting", "latest"),
        ("counting", "counts"),
        ("latest", "events"),
        ("inner_mv", "events"),
        ("buffered", "events"),
        ("events", "names"),
        ("names", "raw_names"),
    ]
    assert [(later, sooner) for later, sooner in needs if order.index(later) < order.index(sooner)] == []
    assert sorted(order) == sorted(item.name for item in ALL)


def test_order_of_declaration_is_kept_where_nothing_speaks_against_it() -> None:
    tables = [
        Table(name, [Column("events", "UInt64")], engine=MergeTree(order_by=["events"]))
        for name in ("z", "events", "a")
    ]
    assert [item.name for item in in_reference_order(Schema("s", objects=list(tables)))] == ["z", "events", "a"]


def test_a_circle_is_printed_all_the_same() -> None:
    first, second = View("v1", query="SELECT 1 FROM v2"), View("v2", query="SELECT 1 FROM v1")
    assert [item.name for item in in_reference_order(Schema("s", objects=[first, second]))] == ["v1", "v2"]


def test_a_name_inside_another_name_is_no_reference() -> None:
    view, table = (
        View("v", query="SELECT 1 FROM events_2"),
        Table("events", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"])),
    )
    other = Table("events_2", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    assert [item.name for item in in_reference_order(Schema("s", objects=[view, other, table]))] == [
        "events_2",
        "v",
        "events",
    ]


def test_only_layout_and_names_differ_from_what_is_carried_out() -> None:
    statements = {item.object: item.sql for item in create_statements(Schema("s", objects=list(ALL)), "app")}
    for table in (EVENTS, COUNTS, BUFFER, RAW):
        assert squeezed(statements[table.name]) == squeezed(create_table_sql(table, "app"))
        assert len(statements[table.name].splitlines()) >= 3 + len(table.columns) - 1
    for view in (COUNTING, INNER):
        assert squeezed(statements[view.name]) == squeezed(create_materialized_view_sql(view, "app"))
    assert squeezed(statements["latest"]) == squeezed(create_view_sql(LATEST, "app"))
    assert squeezed(statements["names"]) == squeezed(create_dictionary_sql(NAMES, "app"))
    assert statements["t_*"] == ""


def test_without_a_database_names_stand_alone() -> None:
    statements = {item.object: item.sql for item in create_statements(Schema("s", objects=list(ALL)))}
    assert not any("`database`" in sql for sql in statements.values())
    assert statements["counting"].startswith("CREATE MATERIALIZED VIEW `counting` TO `counts`")
    assert (
        statements["latest"] == "CREATE VIEW `latest`\nAS SELECT id FROM events WHERE id > 10 COMMENT 'the last ones'"
    )
    assert statements["names"].startswith(
        "CREATE DICTIONARY `names` (\n    `id` UInt64,\n    `name` String\n)\nPRIMARY KEY `id`"
    )
