"""What reads or feeds what, and what a query reads."""

from __future__ import annotations

import pytest

from aaiclick.aggregates import Aggregate, rollup
from aaiclick.cli.graph.picture import Edge, Node, Picture, picture_of
from aaiclick.cli.graph.references import asked_for_values, tables_read
from aaiclick.cli.graph.svg import described_picture
from aaiclick.specs import (
    Column,
    Dictionary,
    Engine,
    Function,
    MaterializedView,
    MergeTree,
    Schema,
    Table,
    TableFamily,
    View,
)

ID = [Column("id", "UInt64")]
KEY = MergeTree(order_by=["id"])


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("SELECT a FROM t", ("t",)),
        ("SELECT a FROM app.t AS x, `u v` FINAL, other.w ORDER BY a", ("t", "u v", "other.w")),
        ("SELECT 1 FROM a LEFT JOIN b USING k INNER JOIN (SELECT 2 FROM c) AS d ON 1", ("a", "b", "c")),
        ("SELECT 1 FROM a ARRAY JOIN tags", ("a",)),
        ("SELECT 1 FROM a WHERE k IN b AND l NOT IN (SELECT l FROM e)", ("a", "b", "e")),
        ("WITH c AS (SELECT 1 FROM q), d AS (SELECT 2 FROM c) SELECT * FROM d JOIN r ON 1", ("q", "r")),
        ("SELECT 1 FROM a UNION ALL SELECT 1 FROM b", ("a", "b")),
        ("SELECT number FROM numbers(10)", ()),
        ("SELECT 'FROM x' FROM t -- FROM y", ("t",)),
        ("SELECT (", ()),
    ],
)
def test_what_a_query_reads(query: str, tables: tuple[str, ...]) -> None:
    assert tables_read(query, "app") == tables


def test_what_is_looked_up() -> None:
    texts = ["dictGet('d', 'n', id)", "dictHas('app.e', id) + joinGet(other.j, 'v', id)", "dictGet(name, 'x', id)", "("]
    assert asked_for_values(texts, "app") == ("d", "e", "other.j", "name")


def test_every_way_is_found() -> None:
    raw = Table(
        "raw",
        [*ID, Column("shop", "UInt32"), Column("city", "String", default="dictGet('shops', 'c', shop)")],
        engine=KEY,
    )
    schema = Schema(
        "s",
        version=1,
        objects=[
            *rollup(raw, Aggregate("daily", by=["shop"], measures={"n": "count()"}, reader="shown")),
            Table("source", ID, engine=KEY, comment="where it begins"),
            Dictionary("shops", columns=ID, primary_key=["id"], source="CLICKHOUSE(TABLE 'source')", layout="HASHED()"),
            Dictionary("asked", columns=ID, primary_key=["id"], source="CLICKHOUSE(QUERY 'SELECT id FROM other.x')"),
            Table("front", ID, engine=Engine("Distributed", "c, currentDatabase(), raw")),
            Table("buffer", ID, engine=Engine("Buffer", "'app', 'raw', 1, 1, 1, 1, 1, 1, 1")),
            Table("all", ID, engine=Engine("Merge", "currentDatabase(), '^sou'")),
            MaterializedView("away", to="other.sink", query="SELECT id FROM raw", refresh="EVERY 1 HOUR"),
            View("best", query="SELECT dictGet('shops', 'n', id) FROM source"),
            TableFamily("tmp_*"),
            Function("plus", "(x) -> x + 1"),
        ],
    )
    picture = picture_of(schema, "app")
    assert {(edge.source, edge.way, edge.target) for edge in picture.edges} == {
        ("shops", "looks up", "raw"),
        ("raw", "reads", "daily_mv"),
        ("daily_mv", "feeds", "daily"),
        ("daily", "reads", "shown"),
        ("source", "reads", "shops"),
        ("other.x", "reads", "asked"),
        ("raw", "reads", "front"),
        ("buffer", "feeds", "raw"),
        ("source", "reads", "all"),
        ("raw", "reads", "away"),
        ("away", "feeds", "other.sink"),
        ("source", "reads", "best"),
        ("shops", "looks up", "best"),
    }
    nodes = {node.name: node for node in picture.nodes}
    assert "plus" not in nodes
    assert (nodes["other.sink"].kind, nodes["tmp_*"].kind) == ("outside", "table family")
    assert nodes["source"] == Node("source", "table", "MergeTree", (("id", "UInt64"),), "where it begins")
    assert nodes["away"].detail == "refresh EVERY 1 HOUR"
    assert described_picture(picture).startswith(
        "6 tables, 2 materialized views, 2 views, 2 dictionaries, 1 table family, 2 outside;"
    )


def test_what_is_chosen_comes_with_all_that_it_is_connected_to_by_rows() -> None:
    names = ["a", "b", "c", "x", "y"]
    picture = Picture(
        tuple(Node(name, "table") for name in names),
        (Edge("a", "b", "reads"), Edge("b", "c", "reads"), Edge("x", "c", "reads"), Edge("b", "y", "feeds")),
    )
    chosen = picture.only(["b"])
    assert [node.name for node in chosen.nodes] == ["a", "b", "c", "y"]
    assert len(chosen.edges) == 3
    assert picture.marked({"x": "rebuild"}).nodes[3].mark == "rebuild"
