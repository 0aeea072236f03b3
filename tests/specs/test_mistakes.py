"""Declarations help while they are typed: what was meant, what a keyword means, which types are taken."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import aaiclick
from aaiclick import Column, Dictionary, Engine, Index, MaterializedView, MergeTree, Migration, Schema, Table, View
from aaiclick.errors import SpecError
from aaiclick.server_objects import NamedCollection
from aaiclick.specs import Function
from aaiclick.specs.base import Spec
from tests.specs.field_docs import all_written

C, E = Column("a", "UInt8"), MergeTree(order_by=("a",))
OBJECT = "a Table, View, MaterializedView, Dictionary, TableFamily, Function, NamedCollection or Database is wanted"


@pytest.mark.parametrize(
    ("make", "fields", "said"),
    [
        (
            Column,
            {"name": "a", "type": int},
            "column a: type: a ClickHouse type as text is wanted: 'Int64' (given: int)",
        ),
        (
            Column,
            {"name": "a", "type": "UInt8", "defualt": "1"},
            "column a: unknown field defualt, did you mean default?",
        ),
        (Column, {"name": "a", "type": "UInt8", "default": 1}, "column a: default: text is wanted: '1' (given: 1)"),
        (
            Column,
            {"name": "a", "type": "UInt8", "default": True},
            "column a: default: text is wanted: '1' (given: True)",
        ),
        (
            Table,
            {"name": "t", "columns": [C]},
            "table t: engine is missing: engine=MergeTree(order_by=[...]) with its sort key",
        ),
        (Table, {"name": "t", "columns": ["a UInt8"], "engine": E}, "Column('a', 'UInt8') (given: 'a UInt8')"),
        (
            Table,
            {"name": "t", "columns": [("a", "UInt8")], "engine": E},
            "columns.0: a Column is wanted: Column('a', 'UInt8')",
        ),
        (
            Table,
            {"name": "t", "columns": {"a": "UInt8"}, "engine": E},
            "columns: a list is wanted: [Column('name', 'String'), ...]",
        ),
        (Table, {"name": "t", "columns": C, "engine": E}, "columns: a list is wanted: columns=[Column(...)]"),
        (Table, {"name": "t", "columns": [C], "engine": "MergeTree"}, "this is text: MergeTree(order_by=[...])"),
        (Table, {"name": "t", "columns": [C], "engine": "Log"}, "this is text: Engine('Log')"),
        (Table, {"name": "t", "columns": [C], "engine": MergeTree}, "this is its class: MergeTree(order_by=[...])"),
        (
            Schema,
            {"name": "s", "version": 20260101120000},
            "schema s: version: input should be less than or equal to 4294967295 (given: 20260101120000)",
        ),
        (Migration, {"version": 2**32}, "version: input should be less than or equal to 4294967295"),
        (
            Table,
            {"name": "t", "columns": [C], "engine": 3},
            "MergeTree(order_by=[...]), or Engine('Memory') (given: 3)",
        ),
        (
            Table,
            {"name": "t", "columns": [C], "engine": E, "order_by": "a"},
            "it belongs to the engine, engine=MergeTree(order_by=...)",
        ),
        (
            Table,
            {"name": "t", "columns": [C], "engine": E, "indexes": Index("i", expr="a")},
            "a list is wanted: indexes=[Index(...)]",
        ),
        (MergeTree, {"ttl": timedelta(3)}, "engine MergeTree: ttl: SQL as text is wanted"),
        (MergeTree, {"order_by": [C]}, "engine MergeTree: order_by"),
        (
            Schema,
            {"name": "s", "objects": ["t"]},
            f"{OBJECT}; Table.from_sql takes a CREATE TABLE as text (given: 't')",
        ),
        (Schema, {"name": "s", "objects": [Table]}, f"{OBJECT}, and this is a class: Table(...)"),
        (Schema, {"name": "s", "objects": [C]}, f"schema s: objects.0: {OBJECT} (given: a Column)"),
        (Schema, {"name": "s", "version": 0}, "version: input should be greater than or equal to 1 (given: 0)"),
        (Dictionary, {"name": "d", "columns": [C]}, "dictionary d: primary_key is missing"),
        (View, {"name": "v"}, "view v: query is missing"),
        (
            MaterializedView,
            {"name": "m", "query": "SELECT 1", "to": View("v", query="SELECT 1")},
            "its name as text is wanted: 'v'",
        ),
        (Migration, {"version": 2, "sql": "SELECT 1"}, "sql: a list is wanted: ['SELECT 1']"),
        (Engine, {"name": "Log", "broker": "x"}, "unknown field broker; known fields: name, arguments"),
        (
            Schema,
            {"name": "shop", "version": 1, "tables": []},
            "unknown field tables: all of them stand in one list, objects=[...]",
        ),
    ],
)
def test_what_was_meant(make: Callable[..., object], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(**fields)
    assert said in str(caught.value)


def test_sequences_and_mappings_are_taken() -> None:
    table = Table("t", (C,), engine=MergeTree(order_by=("a",), settings={"index_granularity": 1}), indexes=())
    assert (table.columns, table.engine.order_by, table.indexes) == ([C], ["a"], [])
    assert Schema("s", objects=(table,)).objects == [table]


def test_what_the_keywords_mean_stands_where_editors_look() -> None:
    """``python -m tests.specs.field_docs`` writes it."""
    assert [path.name for path, text in all_written().items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize(
    "name",
    [name for name in aaiclick.__all__ if inspect.isclass(getattr(aaiclick, name)) and name not in ("Plan", "Policy")],
)
def test_help_tells_every_field(name: str) -> None:
    made = getattr(aaiclick, name)
    assert issubclass(made, Spec)
    shown = inspect.getdoc(made.__init__) or inspect.getdoc(made) or ""
    if made.__init__ is not Spec.__init__ and "What each keyword means." in shown:
        assert [field for field in made.model_fields if f"\n{field}: " not in shown] == []
    else:
        assert name == "Rebuild"


def test_arguments_that_need_their_keyword() -> None:
    make: Any
    for make, given, said in (
        (
            Schema,
            ("s", 1, []),
            r"schema s: the other arguments go by keyword: Schema\(name, version=..., objects=...\)",
        ),
        (MergeTree, (["a"],), r"engine: the other arguments go by keyword: MergeTree\(order_by=...\)"),
        (View, ("v", "SELECT 1"), r"view v: .* View\(name, query=...\)"),
        (Table, ("t", [C], E), r"table t: .* Table\(name, columns, engine=...\)"),
    ):
        with pytest.raises(SpecError, match=said):
            make(*given)


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (MergeTree(), r"MergeTree\(order_by=\[...\]\). To have none, say so: MergeTree\(order_by=\[\]\)"),
        (MergeTree(settings={"index_granularity": 1}), "its sort key is missing"),
        (Engine("MergeTree"), r"Engine\('MergeTree', order_by="),
        (Engine("ReplicatedReplacingMergeTree", "'/p', 'r', v"), "its sort key is missing"),
    ],
)
def test_a_table_without_a_word_about_its_sort_key(engine: MergeTree | Engine, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Table("t", [C], engine=engine)
    with pytest.raises(SpecError, match=said):
        MaterializedView("v", query="SELECT 1", engine=engine)


@pytest.mark.parametrize(
    "engine", [MergeTree(order_by=[]), MergeTree(primary_key="a"), Engine("MergeTree", "d, (a), 8192"), Engine("Log")]
)
def test_a_table_that_says_of_its_sort_key(engine: MergeTree | Engine) -> None:
    assert Table("t", [C], engine=engine).engine == engine


def test_two_objects_of_one_name_are_both_named() -> None:
    table = Table("shop", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    apart = "{} shop: has the name of a table of this schema.*a Schema of its own"
    for other, said in (
        (table, "table shop: declared twice"),
        (View("shop", query="SELECT 1"), "view shop: has the name of a table of this schema, and tables, views and"),
        (Function("shop", "x -> x"), apart.format("function")),
        (NamedCollection("shop", {"url": "http://x/"}), apart.format("named collection")),
    ):
        with pytest.raises(SpecError, match=f"a: {said}"):
            Schema("a", objects=[table, other])


@pytest.mark.parametrize(
    "path", ["/srv/app/migrations", "./migrations", "app/migrations", "C:\\app", ".migrations", ""]
)
def test_migrations_are_named_as_a_package(path: str) -> None:
    with pytest.raises(SpecError, match=r"a: migrations=.* is no name of a package: .*'app.migrations' for the folder"):
        Schema("a", migrations=path)
    assert Schema("a", migrations="app.migrations").migrations == "app.migrations"
