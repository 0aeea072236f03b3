"""Tables, and the checks that need no database."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import BaseModel, Field
from typing_extensions import Required, Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.specs.columns import Column, Constraint, Index, Projection
from aaiclick.specs.engines import AnyEngine, MergeTree
from aaiclick.specs.renames import circle
from aaiclick.sql.tokens import split_top

if TYPE_CHECKING:
    from aaiclick.specs.arrow.schemas import ArrowSource
    from aaiclick.specs.sql_objects import SqlTable

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CALL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\(([^()]*)\)\Z")
_LITERALS = frozenset({"true", "false", "null", "inf", "nan"})


class TableClauses(TypedDict, total=False):
    """Keywords of ``Table`` but its engine; what each means is said at the field of that name in ``Table``."""

    indexes: Sequence[Index]
    """Data skipping indexes. Unset: they are not managed; an empty list: there are none."""
    projections: Sequence[Projection]
    """Projections. Unset: they are not managed; an empty list: there are none."""
    constraints: Sequence[Constraint]
    """Constraints. Unset: they are not managed; an empty list: there are none."""
    comment: str | None
    """COMMENT of the table. Unset: it is not managed; None or '': there is none."""
    renamed_from: str | None
    """Former name of the table. Where that is there, and the new name is not, the table is renamed; None: no former
    name."""


class TableFields(TableClauses, total=False):
    """Keywords of ``Table``; what each means is said at the field of that name there."""

    engine: Required[AnyEngine]
    """ENGINE with its keys, TTL and SETTINGS. It has to be given."""


class ArrowFields(TableClauses, total=False):
    """Keywords of ``Table.from_arrow``: the engine may also be in the metadata."""

    engine: AnyEngine
    """ENGINE with its keys, TTL and SETTINGS. Left out: a MergeTree with the keys that the metadata name."""


class Table(Spec):
    """One table. Raises ``SpecError`` where a name is declared twice or a key names a column that is not there."""

    noun: ClassVar[str] = "table"
    name: str
    """Name of the table, unquoted and without a database."""
    columns: list[Column]
    """The columns, in the order of the CREATE TABLE."""
    engine: AnyEngine = Field(default_factory=MergeTree)
    """ENGINE with its keys, TTL and SETTINGS. It has to be given."""
    indexes: list[Index] = Field(default_factory=list[Index])
    """Data skipping indexes. Unset: they are not managed; an empty list: there are none."""
    projections: list[Projection] = Field(default_factory=list[Projection])
    """Projections. Unset: they are not managed; an empty list: there are none."""
    constraints: list[Constraint] = Field(default_factory=list[Constraint])
    """Constraints. Unset: they are not managed; an empty list: there are none."""
    comment: str | None = None
    """COMMENT of the table. Unset: it is not managed; None or '': there is none."""
    renamed_from: str | None = None
    """Former name of the table. Where that is there, and the new name is not, the table is renamed; None: no former
    name."""

    def __init__(self, name: str, columns: Sequence[Column], **fields: Unpack[TableFields]) -> None:
        """What each keyword means.

        name: Name of the table, unquoted and without a database.
        columns: The columns, in the order of the CREATE TABLE.
        engine: ENGINE with its keys, TTL and SETTINGS. It has to be given.
        indexes: Data skipping indexes. Unset: they are not managed; an empty list: there are none.
        projections: Projections. Unset: they are not managed; an empty list: there are none.
        constraints: Constraints. Unset: they are not managed; an empty list: there are none.
        comment: COMMENT of the table. Unset: it is not managed; None or '': there is none.
        renamed_from: Former name of the table. Where that is there, and the new name is not, the table is renamed;
            None: no former name.
        """
        self._construct(name, {"name": name, "columns": columns, **fields})
        if not self.declares("engine"):
            raise SpecError(f"table {name}", "engine is missing: engine=MergeTree(order_by=[...]) with its sort key")
        if wrong := without_sort_key(self.engine):
            raise SpecError(f"table {name}: engine", wrong)
        if not name.strip():
            raise SpecError("table", "the name is empty")
        if not self.columns:
            raise SpecError(name, "a table needs at least one column")
        if self.renamed_from == name:
            raise SpecError(name, "renamed_from is the table's own name")
        # The server would say it at the CREATE (15 or 44); here it is known without one, and the sentence names the
        # table.
        for noun, names in (
            ("column", [column.name for column in self.columns]),
            ("index", [index.name for index in self.indexes]),
            ("projection", [projection.name for projection in self.projections]),
            ("constraint", [constraint.name for constraint in self.constraints]),
        ):
            _unique(name, noun, names)
        # Two columns cannot both be the one that is there.
        _unique(name, "renamed_from", [column.renamed_from for column in self.columns if column.renamed_from])
        # a -> b and b -> a in one ALTER are refused (48), and one after the other meets a column that is there (15).
        if places := circle({column.renamed_from: column.name for column in self.columns if column.renamed_from}):
            way = f'rebuild={{"{name}": Rebuild(columns={{...}})}}'
            raise SpecError(name, f"{', '.join(places)} swap names (renamed_from): say it in a Migration as {way}")
        for column in self.columns:
            if column.renamed_from and self.column(column.renamed_from) is not None:
                problem = (
                    f"renamed_from {column.renamed_from}, which is declared itself: say it in the renames of a "
                    "Migration, which is done once"
                )
                raise SpecError(f"{name}: column {column.name}", problem)
        self._check_keys()

    @classmethod
    def from_sql(cls, sql: str) -> SqlTable:
        """The table that a CREATE TABLE declares; the engine reads it when a database is looked at.

        What the statement does not say is not there; only settings that it does not name are left alone. ``--
        renamed_from: old`` above or behind the table or a column gives its former name. Raises ``SpecError`` for
        anything else than one plain CREATE TABLE.
        """
        from aaiclick.specs.sql_objects import SqlTable
        from aaiclick.specs.sql_source import sql_object

        return sql_object(SqlTable, sql)

    @classmethod
    def from_model(
        cls,
        model: type[BaseModel],
        name: str | None = None,
        types: Mapping[str, str] | None = None,
        **fields: Unpack[TableFields],
    ) -> Table:
        """A table with a column for each field of a pydantic model.

        ``name`` defaults to the model's (``HttpRequest``: ``http_request``). ``types`` gives another ClickHouse type
        for single fields. Other keywords are those of ``Table``.

        Raises ``SpecError`` where ClickHouse has no type for a field, or the type does not hold the field's default.
        """
        from aaiclick.specs.models.from_model import model_columns, table_name

        return cls(name or table_name(model), model_columns(model, types), **fields)

    @classmethod
    def from_arrow(
        cls,
        schema: ArrowSource,
        name: str,
        types: Mapping[str, str] | None = None,
        nullable: bool = True,
        metadata: Collection[str] | None = None,
        **fields: Unpack[ArrowFields],
    ) -> Table:
        """A table with a column for each field of a ``pyarrow.Schema``, or of the schema of a stream of record batches.

        ``types`` gives another ClickHouse type for single fields. ``nullable=False``: no field holds NULL, even though
        Arrow allows it everywhere by default. Metadata of fields and of the schema give comments, defaults, codecs,
        TTLs and keys; from the keys a MergeTree is made, where ``engine`` is not given. ``metadata``: the keys that are
        read, none for an empty list; None: all. Other keywords are those of ``Table``, and count more than metadata.

        Raises ``SpecError`` where ClickHouse has no type for a field, and for metadata that mean nothing or hold more
        SQL than their key says.
        """
        from aaiclick.specs.arrow.schemas import arrow_table

        columns, told = arrow_table(schema, types, nullable, metadata)
        said: ArrowFields = {**told, **fields}
        if "engine" not in said:
            raise SpecError(
                f"table {name}",
                "engine is missing: engine=MergeTree(order_by=[...]), or the sort key in the metadata of the schema "
                "(clickhouse.order_by)",
            )
        return cls(name, columns, **said)

    def to_model(self, name: str | None = None) -> type[BaseModel]:
        """A pydantic model of a row for an INSERT: without MATERIALIZED and ALIAS columns. A column with a DEFAULT may
        be left out. Where pydantic takes no field of a column's name (``_id``, ``copy``, ``model_dump``), the field is
        called ``id``, ``copy_``, ``model_dump_``, with the column's name as its alias."""
        from aaiclick.specs.models.to_model import columns_model

        called = name or "".join(part.capitalize() for part in re.split(r"\W|_", self.name)) or "Row"
        return columns_model(called, self.columns)

    def to_arrow(self) -> object:
        """A ``pyarrow.Schema`` of a row for an INSERT; ``Table.from_arrow`` makes the same columns of it, and the
        same keys of a MergeTree.

        Raises ``SpecError`` where pyarrow is not installed, or Arrow has no such type.
        """
        from aaiclick.specs.arrow.written import arrow_schema

        return arrow_schema(self.columns, self.engine, self.comment)

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def _check_keys(self) -> None:
        if not isinstance(self.engine, MergeTree):
            return
        names = {column.name for column in self.columns}
        for argument, column in self.engine.columns_used():
            if column not in names:
                raise SpecError(f"{self.name}: {argument}", f"unknown column {column}")
        for key, value in (
            ("order_by", self.engine.order_by),
            ("partition_by", self.engine.partition_by),
            ("primary_key", self.engine.primary_key),
            ("sample_by", self.engine.sample_by),
        ):
            parts = [value] if isinstance(value, str) else list(value or [])
            for part in parts:
                if part in names:
                    continue
                # Only names that are certainly columns: nothing here can resolve functions, aliases and subcolumns.
                # The engine checks the rest.
                for word in _plain_columns(part):
                    if word not in names and not _nested(word, names):
                        raise SpecError(f"{self.name}: {key}", f"unknown column {word}")


def _plain_columns(expression: str) -> list[str]:
    """Columns that an expression certainly names: a bare word, or bare words that are all of a function's arguments."""
    stripped = expression.strip()
    if _WORD.match(stripped):
        return [stripped]
    call = _CALL.match(stripped)
    if call is None:
        return []
    words = [argument.strip() for argument in call.group(1).split(",")]
    return [word for word in words if _WORD.match(word) and word.lower() not in _LITERALS]


def _nested(word: str, names: set[str]) -> bool:
    """True where ``n`` stands for declared columns ``n.a``: a Nested, or a column with subcolumns."""
    return any(name.startswith(f"{word}.") for name in names)


def _unique(table: str, noun: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SpecError(f"{table}: {noun} {name}", "declared twice")
        seen.add(name)


def without_sort_key(engine: AnyEngine) -> str:
    """What is wrong with an engine of the MergeTree family whose declaration says nothing of a sort key; '' where it
    does. The arguments of the old syntax hold one."""
    if engine.declares("order_by") or engine.declares("primary_key"):
        return ""
    if isinstance(engine, MergeTree):
        name = type(engine).__name__
    else:
        # MergeTree(date, key, granularity) is the old syntax; a replicated one has path and replica in front.
        old = 3 + (2 if engine.name.startswith("Replicated") else 0)
        if not engine.name.endswith("MergeTree") or len(split_top(engine.arguments)) >= old:
            return ""
        name = f"Engine('{engine.name}', ...)"
    call = f"{name.removesuffix(')').removesuffix(', ...')}{', ' if name.endswith(')') else '('}order_by="
    return f"its sort key is missing: {call}[...]). To have none, say so: {call}[])"
