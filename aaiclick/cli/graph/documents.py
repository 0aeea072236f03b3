"""What ``graph --json`` prints."""

from __future__ import annotations

from typing_extensions import TypedDict


class GraphColumn(TypedDict):
    """A column of a table, or an attribute of a dictionary."""

    name: str
    """Its name."""
    type: str
    """Its type."""


class GraphNode(TypedDict):
    """An object of a schema, or one outside of it that something in it reads or feeds."""

    name: str
    """Its name; with the database in front where that is another one."""
    kind: str
    """'table', 'view', 'materialized view', 'dictionary', 'table family' or 'outside'."""
    detail: str
    """Engine of a table, layout of a dictionary, when a view is refreshed; '' for none."""
    columns: list[GraphColumn]
    """Its columns; empty for a view, whose query says them."""
    comment: str
    """Its comment; '' for none."""


class GraphEdge(TypedDict):
    """A way that rows take."""

    source: str
    """The object that they come from."""
    target: str
    """The object that they go to."""
    way: str
    """'reads' and 'looks up': the target does that. 'feeds': the source does."""


class GraphDocument(TypedDict):
    """What ``graph`` prints."""

    schema: str
    """Name of the schema, or of the database (``--live``)."""
    version: int | None
    """Declared version; null for a declaration without one."""
    nodes: list[GraphNode]
    """The objects."""
    edges: list[GraphEdge]
    """The ways between them."""
