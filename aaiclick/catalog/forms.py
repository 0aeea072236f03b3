"""Canonical forms: what the engine itself says about an object, split into clauses.

A form never holds the database of the object it describes, so that a scratch copy and the live table compare equal.
Expressions are the engine's own text; an empty string means that a clause is absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Settings: TypeAlias = tuple[tuple[str, str], ...]
DefaultKind: TypeAlias = Literal["", "DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL"]


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """One column; ``codec`` and ``statistics`` without the word and its parentheses; ``comment`` unquoted."""

    name: str
    type: str
    kind: DefaultKind = ""
    expression: str = ""
    codec: str = ""
    comment: str = ""
    ttl: str = ""
    settings: Settings = ()
    statistics: str = ""

    @property
    def stored(self) -> bool:
        """True where parts hold the column."""
        return self.kind not in ("ALIAS", "EPHEMERAL")


@dataclass(frozen=True, slots=True)
class IndexForm:
    """A data skipping index; ``type`` with its arguments."""

    name: str
    expression: str
    type: str
    granularity: str


@dataclass(frozen=True, slots=True)
class ProjectionForm:
    """A projection; ``body`` is everything behind the name (parentheses and WITH SETTINGS included)."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class ConstraintForm:
    """A constraint."""

    name: str
    kind: Literal["CHECK", "ASSUME"]
    expression: str


@dataclass(frozen=True, slots=True)
class TableForm:
    """A table of any engine. ``arguments`` is what stands between the engine's parentheses.

    Keys and TTL are the engine's text without the words ORDER BY, TTL and so on. ``settings`` keeps the engine's order. ``old_syntax``: the
    engine's parentheses of a table without ORDER BY, whose keys are in them.
    """

    name: str
    engine: str
    columns: tuple[ColumnForm, ...]
    arguments: str = ""
    indexes: tuple[IndexForm, ...] = ()
    projections: tuple[ProjectionForm, ...] = ()
    constraints: tuple[ConstraintForm, ...] = ()
    partition_by: str = ""
    primary_key: str = ""
    order_by: str = ""
    sample_by: str = ""
    ttl: str = ""
    settings: Settings = ()
    comment: str = ""
    kind: Literal["table"] = "table"
    old_syntax: str = ""

    def column(self, name: str) -> ColumnForm | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def merge_tree(self) -> bool:
        """True for the MergeTree family, Replicated and Shared included."""
        return self.engine.endswith("MergeTree")


@dataclass(frozen=True, slots=True)
class ViewForm:
    """A plain or materialized view. ``to`` is its target (without a database where it is the view's own); ``inner`` the engine clauses
    of a view that owns its table; ``refresh`` and ``security`` the text of those clauses."""

    name: str
    query: str
    columns: tuple[ColumnForm, ...] = ()
    materialized: bool = False
    to: str = ""
    inner: str = ""
    refresh: str = ""
    security: str = ""
    comment: str = ""
    kind: Literal["view"] = "view"


@dataclass(frozen=True, slots=True)
class DictionaryForm:
    """A dictionary: its attributes, and every other clause by its first word (PRIMARY KEY, SOURCE, LAYOUT, LIFETIME, RANGE, SETTINGS)."""

    name: str
    columns: tuple[ColumnForm, ...]
    clauses: Settings
    comment: str = ""
    kind: Literal["dictionary"] = "dictionary"


@dataclass(frozen=True, slots=True)
class FunctionForm:
    """A SQL function: the whole of its CREATE FUNCTION. It belongs to the server, so no catalogue of a database has it."""

    name: str
    text: str
    kind: Literal["function"] = "function"


@dataclass(frozen=True, slots=True)
class UnsupportedForm:
    """An object whose definition cannot be represented: reported with its reason, never altered."""

    name: str
    reason: str
    text: str = field(repr=False)
    kind: Literal["unsupported"] = "unsupported"


Form: TypeAlias = TableForm | ViewForm | DictionaryForm | FunctionForm | UnsupportedForm


@dataclass(frozen=True, slots=True)
class LiveObject:
    """An object as it is in the database.

    ``uuid`` is the real one (from ``data_paths`` where chdb's ``default`` shows a nil one; '' where there is none). ``rows``,
    ``bytes`` and ``parts`` count active parts. ``dependents`` names the objects (``database.name``) that the engine knows to read it.
    ``replicas`` is above 1 where the table is replicated to others. ``predicted``: it is not there yet in this form.
    """

    database: str
    name: str
    form: Form
    text: str
    engine: str
    uuid: str = ""
    rows: int = 0
    bytes: int = 0
    parts: int = 0
    dependents: tuple[str, ...] = ()
    replicas: int = 0
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``version`` as numbers, ``version_text`` as the server says it; ``current_database`` of the connection; ``user``."""

    version: tuple[int, ...]
    version_text: str
    current_database: str
    user: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one round trip read: the objects of one database by name, and the server. ``replicas``: how many a Replicated database has (0: it is
    another kind of database, -1: it is replicated, and nothing tells to how many)."""

    database: str
    database_engine: str
    server: ServerFacts
    objects: dict[str, LiveObject]
    replicas: int = 0

    def get(self, name: str) -> LiveObject | None:
        """The live object of that name."""
        return self.objects.get(name)
