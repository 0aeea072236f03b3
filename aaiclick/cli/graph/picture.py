"""The picture of a schema as data: objects with their columns, and the ways that rows take between them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from aaiclick.cli.graph.references import asked_for_values, tables_read
from aaiclick.plan.dependents.dictionaries import clickhouse_source
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import Engine, MergeTree
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import AnyObject, Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database
from aaiclick.specs.sql_objects import SqlObject
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.sql.tokens import TokenError, Tokens, identifier, split_top, unquote

Kind: TypeAlias = Literal["table", "view", "materialized view", "dictionary", "table family", "outside"]
Way: TypeAlias = Literal["reads", "feeds", "looks up"]
_FRONTS = {"Buffer": 0, "Distributed": 1, "Merge": 0}
"""Engines in front of other tables, with the place of the database among their arguments."""


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the schema, or one outside of it that something in it reads or feeds."""

    name: str
    """Its name; with the database in front where that is another one."""
    kind: Kind
    """What it is."""
    detail: str = ""
    """Engine of a table, layout of a dictionary; '' for none."""
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type of each column; empty for a view, whose query says them."""
    comment: str = ""
    """Its comment."""
    mark: str = ""
    """What is worth saying of it in one or two words: 'missing', 'rebuild'; '' for nothing."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way that rows take: from ``source`` to ``target``, because one of the two ``way`` the other."""

    source: str
    target: str
    way: Way


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes by name, and edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def marked(self, marks: Mapping[str, str]) -> Picture:
        """The same, with something said about some of the objects."""
        return replace(self, nodes=tuple(replace(node, mark=marks.get(node.name, "")) for node in self.nodes))

    def only(self, names: Collection[str]) -> Picture:
        """These objects with all that rows come from and go to, however far away."""
        wanted = set(names)
        for forward in (True, False):
            reached = list(names)
            while reached:
                here = reached.pop()
                ends = [(edge.source, edge.target) if forward else (edge.target, edge.source) for edge in self.edges]
                fresh = {end for begin, end in ends if begin == here} - wanted
                wanted |= fresh
                reached += sorted(fresh)
        nodes = tuple(node for node in self.nodes if node.name in wanted)
        return Picture(nodes, tuple(edge for edge in self.edges if {edge.source, edge.target} <= wanted))


def picture_of(schema: Schema, database: str | None = None) -> Picture:
    """The picture of a schema whose SQL is read. ``database``: where it is, for queries that name it."""
    items = [item for item in schema.objects if item not in schema.server_objects]
    nodes = {item.name: _node(item) for item in items}
    for name, reason in schema.unsupported.items():
        nodes.setdefault(name, Node(name, "table", "not declared", comment=reason))
    edges: dict[Edge, None] = {}
    for item in items:
        for edge in _edges(item, database, frozenset(nodes)):
            if edge.source != edge.target:
                edges.setdefault(edge)
            for name in (edge.source, edge.target):
                nodes.setdefault(name, Node(name, "outside"))
    return Picture(tuple(nodes.values()), tuple(edges))


def _node(item: AnyObject) -> Node:
    match item:
        case Table():
            engine = item.engine
            detail = engine.name if isinstance(engine, Engine) else _engine(engine)
            return Node(item.name, "table", detail, _columns(item.columns), item.comment or "")
        case MaterializedView():
            refresh = f"refresh {item.refresh}" if item.refresh else ""
            detail = refresh or (_engine(item.engine) if item.engine is not None else "")
            return Node(item.name, "materialized view", detail, comment=item.comment or "")
        case View():
            return Node(item.name, "view", comment=item.comment or "")
        case Dictionary():
            layout = item.layout.partition("(")[0].lower()
            return Node(item.name, "dictionary", layout, _columns(item.columns), item.comment or "")
        case TableFamily():
            detail = _engine(item.engine) if item.engine is not None else ""
            return Node(item.name, "table family", detail, _columns(item.columns), item.comment or "")
        case SqlObject() | Function() | Database() | NamedCollection():
            raise TypeError(f"{item.name}: its SQL is not read")


def _engine(engine: MergeTree | Engine) -> str:
    if isinstance(engine, Engine):
        return engine.name
    return f"Replicated{type(engine).__name__}" if engine.replicated is not None else type(engine).__name__


def _columns(columns: list[Column]) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.type) for column in columns)


def _edges(item: AnyObject, database: str | None, known: Collection[str]) -> list[Edge]:
    match item:
        case Table():
            texts = [text for column in item.columns for text in (column.default, column.materialized, column.alias)]
            lookups = asked_for_values([text for text in texts if text], database)
            front = _front(item.name, item.engine, database, known) if isinstance(item.engine, Engine) else []
            return [*(Edge(name, item.name, "looks up") for name in lookups), *front]
        case View():
            return _reads(item.name, item.query, database)
        case MaterializedView():
            feeds = [Edge(item.name, _local(item.to, database), "feeds")] if item.to else []
            return [*_reads(item.name, item.query, database), *feeds]
        case Dictionary():
            said = clickhouse_source(item.source)
            if "QUERY" in said:
                return _reads(item.name, said["QUERY"], database)
            other = said.get("DB") or None
            return [Edge(_placed(other, said["TABLE"], database), item.name, "reads")] if "TABLE" in said else []
        case _:
            return []


def _reads(name: str, query: str, database: str | None) -> list[Edge]:
    reads = [Edge(source, name, "reads") for source in tables_read(query, database)]
    return reads + [Edge(source, name, "looks up") for source in asked_for_values([query], database)]


def _front(name: str, engine: Engine, database: str | None, known: Collection[str]) -> list[Edge]:
    """A Buffer feeds its table, Distributed and Merge read theirs."""
    try:
        arguments = split_top(engine.arguments)
    except TokenError:
        return []
    first = _FRONTS.get(engine.name)
    if first is None or len(arguments) < first + 2:
        return []
    where, what = arguments[first], unquote(arguments[first + 1])
    other = None if where.startswith("currentDatabase") else unquote(where)
    if engine.name == "Merge":
        own = other in (None, "", database)
        return [Edge(table, name, "reads") for table in sorted(known) if own and table != name and _fits(what, table)]
    place = _placed(other, what, database)
    return [Edge(name, place, "feeds") if engine.name == "Buffer" else Edge(place, name, "reads")]


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False  # the server's expressions are not quite those of Python


def _placed(other: str | None, name: str, database: str | None) -> str:
    return name if not other or other == database else f"{other}.{name}"


def _local(text: str, database: str | None) -> str:
    """The name behind TO, as the picture has it."""
    try:
        tokens = Tokens(text)
    except TokenError:
        return text
    parts, behind = identifier(tokens, 0)
    if behind != len(tokens) or len(parts) not in (1, 2):
        return text
    return parts[0] if len(parts) == 1 else _placed(parts[0], parts[1], database)
