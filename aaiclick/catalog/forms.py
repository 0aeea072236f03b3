"""Canonical forms: an object's definition as the engine shows it, split into clauses.

A form never holds the database of its object, so a scratch copy and the live table compare equal. Expressions are
the engine's own text. An empty string means that the clause is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Settings: TypeAlias = tuple[tuple[str, str], ...]
DefaultKind: TypeAlias = Literal["", "DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL"]


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """A column of a table or view, or an attribute of a dictionary."""

    name: str
    """Name of the column, unquoted."""
    type: str
    """The type as the engine writes it."""
    kind: DefaultKind = ""
    """DEFAULT, MATERIALIZED, ALIAS or EPHEMERAL; '' for a column without a default."""
    expression: str = ""
    """The expression behind ``kind``; '' where there is none."""
    codec: str = ""
    """What stands inside ``CODEC(...)``."""
    comment: str = ""
    """The comment, unquoted."""
    ttl: str = ""
    """The column's TTL, without the word."""
    settings: Settings = ()
    """SETTINGS of the column. Of a dictionary's attribute: its flags, such as HIERARCHICAL."""
    statistics: str = ""
    """What stands inside ``STATISTICS(...)``."""

    @property
    def stored(self) -> bool:
        """True where parts of the table hold the column."""
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
    """A projection; ``body`` is everything behind its name, parentheses and WITH SETTINGS included."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class ConstraintForm:
    """A CHECK or ASSUME constraint."""

    name: str
    kind: Literal["CHECK", "ASSUME"]
    expression: str


HOLDS_NOTHING = frozenset(
    {
        *(
            "Alias",
            "ArrowFlight",
            "AzureBlobStorage",
            "COSN",
            "Dictionary",
            "Executable",
            "ExecutablePool",
            "GCS",
            "GenerateRandom",
        ),
        *("HDFS", "Hive", "JDBC", "Loop", "Merge", "MongoDB", "MySQL", "Null", "ODBC", "OSS", "PostgreSQL", "Redis"),
        *("Remote", "RemoteSecure", "S3", "SQLite", "URL", "YTsaurus"),
    }
)
"""Engines that read, or write through, and hold nothing of their own."""


@dataclass(frozen=True, slots=True)
class TableForm:
    """A table of any engine."""

    name: str
    """Name of the table, unquoted."""
    engine: str
    """Name of the engine: ``ReplicatedMergeTree``."""
    columns: tuple[ColumnForm, ...]
    """The columns, in their order."""
    arguments: str = ""
    """What stands between the engine's parentheses."""
    indexes: tuple[IndexForm, ...] = ()
    """Data skipping indexes, in the order of the text."""
    projections: tuple[ProjectionForm, ...] = ()
    """Projections, in the order of the text."""
    constraints: tuple[ConstraintForm, ...] = ()
    """Constraints, in the order of the text."""
    partition_by: str = ""
    """PARTITION BY."""
    primary_key: str = ""
    """PRIMARY KEY; '' where none is given, so that it is the sort key."""
    order_by: str = ""
    """ORDER BY; ``tuple()`` or '' for no sort key."""
    sample_by: str = ""
    """SAMPLE BY."""
    ttl: str = ""
    """TTL of the table: all its elements as one text."""
    settings: Settings = ()
    """SETTINGS, in the engine's order."""
    comment: str = ""
    """COMMENT of the table, unquoted."""
    kind: Literal["table"] = "table"
    """Tells the forms apart."""
    old_syntax: str = ""
    """The engine's parentheses of a table that was created without ORDER BY (``MergeTree(date, key, 8192)``); its keys
    are in the fields above as well."""

    def column(self, name: str) -> ColumnForm | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def merge_tree(self) -> bool:
        """True for the MergeTree family, Replicated and Shared included."""
        return self.engine.endswith("MergeTree")

    @property
    def holds_nothing(self) -> bool:
        """True for an engine that has no rows of its own."""
        return self.engine in HOLDS_NOTHING


@dataclass(frozen=True, slots=True)
class ViewForm:
    """A plain or materialized view."""

    name: str
    """Name of the view, unquoted."""
    query: str
    """The SELECT behind AS. Tables of the view's own database stand without it."""
    columns: tuple[ColumnForm, ...] = ()
    """The columns that the view stores: it converts to their types at every read."""
    materialized: bool = False
    """True for a materialized view."""
    to: str = ""
    """TO: the target, without a database where that is the view's own; '' for a view that owns an inner table."""
    inner: str = ""
    """From ENGINE to the end of SETTINGS, of an inner table."""
    refresh: str = ""
    """What stands behind REFRESH."""
    security: str = ""
    """The clauses DEFINER and SQL SECURITY, as one text."""
    comment: str = ""
    """COMMENT of the view, unquoted."""
    kind: Literal["view"] = "view"
    """Tells the forms apart."""


@dataclass(frozen=True, slots=True)
class DictionaryForm:
    """A dictionary: its attributes, and its other clauses by their names."""

    name: str
    """Name of the dictionary, unquoted."""
    columns: tuple[ColumnForm, ...]
    """The attributes."""
    clauses: Settings
    """The other clauses by their first word: PRIMARY KEY, SOURCE, LAYOUT, LIFETIME, RANGE, SETTINGS."""
    comment: str = ""
    """COMMENT of the dictionary, unquoted."""
    kind: Literal["dictionary"] = "dictionary"
    """Tells the forms apart."""


@dataclass(frozen=True, slots=True)
class FunctionForm:
    """An SQL function: the whole of its CREATE FUNCTION. It belongs to the server, so no database's catalogue
    has it."""

    name: str
    text: str
    kind: Literal["function"] = "function"


@dataclass(frozen=True, slots=True)
class DatabaseForm:
    """The database itself."""

    name: str
    """``(database)``: it is the one that the client is given."""
    database_engine: str
    """What stands behind ENGINE; '' where no engine is declared."""
    database_comment: str | None
    """Its comment, unquoted; None where none is declared."""
    kind: Literal["database"] = "database"
    """Tells the forms apart."""


@dataclass(frozen=True, slots=True)
class CollectionKey:
    """A key of a named collection, without its value."""

    name: str
    """Name of the key, unquoted."""
    overridable: str = ""
    """``OVERRIDABLE`` or ``NOT OVERRIDABLE``; '' where nothing is said."""


@dataclass(frozen=True, slots=True)
class CollectionForm:
    """A named collection. Its values are secrets: no form has them."""

    name: str
    """Name of the collection, unquoted."""
    collection_keys: tuple[CollectionKey, ...]
    """Its keys, sorted."""
    kind: Literal["named collection"] = "named collection"
    """Tells the forms apart."""


@dataclass(frozen=True, slots=True)
class UnsupportedForm:
    """An object whose definition cannot be represented: it is reported with the reason, and never changed."""

    name: str
    reason: str
    text: str = field(repr=False)
    kind: Literal["unsupported"] = "unsupported"


SERVER_KINDS = frozenset({"function", "database", "named collection"})
"""Kinds of forms that no database's catalogue lists."""

Form: TypeAlias = TableForm | ViewForm | DictionaryForm | FunctionForm | DatabaseForm | CollectionForm | UnsupportedForm


@dataclass(frozen=True, slots=True)
class LiveObject:
    """An object as it is in the database."""

    database: str
    """The database that it is in."""
    name: str
    """Name of the object, unquoted."""
    form: Form
    """Its definition, split into clauses."""
    text: str
    """Its definition as the engine shows it (``create_table_query``)."""
    engine: str
    """Name of its engine: ``MergeTree``, ``View``, ``Dictionary``."""
    uuid: str = ""
    """Its UUID, taken from the data path where chdb's ``default`` shows a nil one; '' for none."""
    rows: int = 0
    """Rows in active parts."""
    bytes: int = 0
    """Bytes on disk of active parts, compressed."""
    parts: int = 0
    """Number of active parts."""
    dependents: tuple[str, ...] = ()
    """Objects that the engine knows to read it, as ``database.name``."""
    replicas: int = 0
    """How many replicas a replicated table has; 0 for a table that is not replicated."""
    predicted: bool = False
    """True for an object that has this form only after an earlier step of the plan: its rows cannot be asked for."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server, and the user that asks."""

    version: tuple[int, ...]
    """The version as numbers: ``(26, 9, 2, 1)``."""
    version_text: str
    """The version as the server writes it."""
    current_database: str
    """The current database of the connection."""
    user: str
    """Name of the user."""
    timezone: str
    """Time zone of the server."""


class ListedView(NamedTuple):
    """A view, with what it selects; or an Alias, with its engine and the arguments of that."""

    name: str
    engine: str
    query: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """The objects of one database, and the server, as one query read them."""

    database: str
    """Name of the database."""
    database_engine: str
    """Engine of the database: ``Atomic``, ``Replicated``."""
    server: ServerFacts
    """The server."""
    objects: dict[str, LiveObject]
    """The objects, by name."""
    replicas: int = 0
    """How many replicas a Replicated database has; 0 for another engine, -1 where it is replicated and nothing tells
    the number."""
    engine_full: str = ""
    """Engine of the database with its arguments and settings, as the server shows it."""
    comment: str = ""
    """Comment of the database."""
    gone: Mapping[str, ViewForm] = field(default_factory=dict[str, "ViewForm"])
    """What nobody declares of views that a killed run was making anew, by name; nothing else of them is there."""
    views: tuple[ListedView, ...] | None = None
    """Every view and Alias of the database, by name; None: not asked for."""
    permissive: Mapping[str, str | int] | None = None
    """The permissive settings of the server; None: not asked for."""
    called: Mapping[str, str] = field(default_factory=dict[str, str])
    """What views are called on the server while the plan is made, by the names that its first steps give them."""

    def get(self, name: str) -> LiveObject | None:
        """The live object of that name, or None."""
        return self.objects.get(name)
