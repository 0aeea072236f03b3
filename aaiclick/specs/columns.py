"""Columns and the small objects that live inside a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec

SettingValue = str | int | float | bool | None


class ColumnFields(TypedDict, total=False):
    """Keywords of ``Column``; what each means is said at the field of that name in ``Column``."""

    default: str | None
    """Expression of DEFAULT, as SQL; None: the column has none."""
    materialized: str | None
    """Expression of MATERIALIZED, as SQL; None: the column has none."""
    alias: str | None
    """Expression of ALIAS, as SQL; None: the column has none."""
    ephemeral: str | bool | None
    """Expression of EPHEMERAL, as SQL, or True for EPHEMERAL without one; None or False: the column is not
    ephemeral."""
    codec: str | None
    """What stands inside ``CODEC(...)``: ``Delta, ZSTD(3)``; None: the codec of the table."""
    comment: str | None
    """COMMENT of the column; None or '': none."""
    ttl: str | None
    """TTL of the column without the word TTL: ``created_at + INTERVAL 1 DAY``. Past it, values become the default.
    None: no TTL."""
    settings: Mapping[str, SettingValue]
    """SETTINGS of the column, by name; None as a value takes the setting away."""
    statistics: str | None
    """What stands inside ``STATISTICS(...)``: ``tdigest, uniq``; None: none."""
    renamed_from: str | None
    """Former name of the column. Where the live table has it, and not the new one, the column is renamed; None: no
    former name."""


class Column(Spec):
    """One column of a table, or one attribute of a dictionary.

    At most one of ``default``, ``materialized``, ``alias`` and ``ephemeral`` may be given. A field that is left unset
    is not managed: what the live column has stays. Raises ``SpecError`` for an empty name, type or expression.
    """

    noun: ClassVar[str] = "column"
    name: str
    """Name of the column, unquoted."""
    type: str
    """Any ClickHouse type, as SQL: ``LowCardinality(Nullable(String))``."""
    default: str | None = None
    """Expression of DEFAULT, as SQL; None: the column has none."""
    materialized: str | None = None
    """Expression of MATERIALIZED, as SQL; None: the column has none."""
    alias: str | None = None
    """Expression of ALIAS, as SQL; None: the column has none."""
    ephemeral: str | bool | None = None
    """Expression of EPHEMERAL, as SQL, or True for EPHEMERAL without one; None or False: the column is not
    ephemeral."""
    codec: str | None = None
    """What stands inside ``CODEC(...)``: ``Delta, ZSTD(3)``; None: the codec of the table."""
    comment: str | None = None
    """COMMENT of the column; None or '': none."""
    ttl: str | None = None
    """TTL of the column without the word TTL: ``created_at + INTERVAL 1 DAY``. Past it, values become the default.
    None: no TTL."""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    """SETTINGS of the column, by name; None as a value takes the setting away."""
    statistics: str | None = None
    """What stands inside ``STATISTICS(...)``: ``tdigest, uniq``; None: none."""
    renamed_from: str | None = None
    """Former name of the column. Where the live table has it, and not the new one, the column is renamed; None: no
    former name."""

    def __init__(self, name: str, type: str, **fields: Unpack[ColumnFields]) -> None:
        """What each keyword means.

        name: Name of the column, unquoted.
        type: Any ClickHouse type, as SQL: ``LowCardinality(Nullable(String))``.
        default: Expression of DEFAULT, as SQL; None: the column has none.
        materialized: Expression of MATERIALIZED, as SQL; None: the column has none.
        alias: Expression of ALIAS, as SQL; None: the column has none.
        ephemeral: Expression of EPHEMERAL, as SQL, or True for EPHEMERAL without one; None or False: the column is not
            ephemeral.
        codec: What stands inside ``CODEC(...)``: ``Delta, ZSTD(3)``; None: the codec of the table.
        comment: COMMENT of the column; None or '': none.
        ttl: TTL of the column without the word TTL: ``created_at + INTERVAL 1 DAY``. Past it, values become the
            default. None: no TTL.
        settings: SETTINGS of the column, by name; None as a value takes the setting away.
        statistics: What stands inside ``STATISTICS(...)``: ``tdigest, uniq``; None: none.
        renamed_from: Former name of the column. Where the live table has it, and not the new one, the column is
            renamed; None: no former name.
        """
        self._construct(name, {"name": name, "type": type, **fields})
        if not name.strip():
            raise SpecError("column", "the name is empty")
        if not type.strip():
            raise SpecError(f"column {name}", "the type is empty")
        # ClickHouse allows one of them for a column.
        kinds = [
            kind
            for kind in ("default", "materialized", "alias", "ephemeral")
            if getattr(self, kind) not in (None, False)
        ]
        if len(kinds) > 1:
            raise SpecError(f"column {name}", f"{' and '.join(kinds)} exclude each other")
        if self.renamed_from == name:
            raise SpecError(f"column {name}", "renamed_from is the column's own name")
        for kind in kinds:
            if getattr(self, kind) is not True and not str(getattr(self, kind)).strip():
                raise SpecError(f"column {name}", f"{kind} is an empty expression")

    @property
    def kind(self) -> str:
        """DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL or ''."""
        for kind in ("default", "materialized", "alias", "ephemeral"):
            if getattr(self, kind) not in (None, False):
                return kind.upper()
        return ""

    @property
    def declares_kind(self) -> bool:
        """True where any of the default kinds was written down (``default=None`` declares that there is none)."""
        return any(self.declares(kind) for kind in ("default", "materialized", "alias", "ephemeral"))


class IndexFields(TypedDict, total=False):
    """Keywords of ``Index``; what each means is said at the field of that name there."""

    expr: str
    """The indexed expression, as SQL."""
    type: str
    """TYPE with its arguments: ``minmax``, ``set(100)``, ``bloom_filter(0.01)``."""
    granularity: int
    """GRANULARITY: how many granules one entry of the index covers; None for the server's default: 1 for most types."""


class Index(Spec):
    """A data skipping index (INDEX of a CREATE TABLE)."""

    noun: ClassVar[str] = "index"
    name: str
    """Name of the index, unquoted."""
    expr: str
    """The indexed expression, as SQL."""
    type: str = "minmax"
    """TYPE with its arguments: ``minmax``, ``set(100)``, ``bloom_filter(0.01)``."""
    granularity: int | None = Field(default=None, ge=1)
    """GRANULARITY: how many granules one entry of the index covers; None for the server's default: 1 for most types."""

    def __init__(self, name: str, **fields: Unpack[IndexFields]) -> None:
        """What each keyword means.

        name: Name of the index, unquoted.
        expr: The indexed expression, as SQL.
        type: TYPE with its arguments: ``minmax``, ``set(100)``, ``bloom_filter(0.01)``.
        granularity: GRANULARITY: how many granules one entry of the index covers; None for the server's default: 1 for
            most types.
        """
        self._construct(name, {"name": name, **fields})
        _named(self.noun, name)


class ProjectionFields(TypedDict, total=False):
    """Keywords of ``Projection``; what each means is said at the field of that name there."""

    settings: Mapping[str, SettingValue]
    """WITH SETTINGS of the projection, by name."""
    index: str | None
    """Expression of a projection that is only an index; None where ``query`` is given."""
    type: str | None
    """TYPE of such an index: ``basic``; None where ``query`` is given."""


class Projection(Spec):
    """A projection: a SELECT, or an index that is kept as a projection."""

    noun: ClassVar[str] = "projection"
    name: str
    """Name of the projection, unquoted."""
    query: str = ""
    """The SELECT without FROM; '' for a projection that is only an index."""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    """WITH SETTINGS of the projection, by name."""
    index: str | None = None
    """Expression of a projection that is only an index; None where ``query`` is given."""
    type: str | None = None
    """TYPE of such an index: ``basic``; None where ``query`` is given."""

    def __init__(self, name: str, query: str = "", **fields: Unpack[ProjectionFields]) -> None:
        """What each keyword means.

        name: Name of the projection, unquoted.
        query: The SELECT without FROM; '' for a projection that is only an index.
        settings: WITH SETTINGS of the projection, by name.
        index: Expression of a projection that is only an index; None where ``query`` is given.
        type: TYPE of such an index: ``basic``; None where ``query`` is given.
        """
        self._construct(name, {"name": name, **({"query": query} if query else {}), **fields})
        _named(self.noun, name)
        if (self.index is None) != (self.type is None):
            raise SpecError(f"projection {name}", "index and type belong together")
        if self.index is None and not query.strip():
            raise SpecError(f"projection {name}", "the query is empty")
        if self.index is not None and query.strip():
            raise SpecError(f"projection {name}", "query and index exclude each other")


class ConstraintFields(TypedDict, total=False):
    """Keywords of ``Constraint``; what each means is said at the field of that name there."""

    check: str | None
    """CHECK: the condition that each inserted row has to meet, as SQL."""
    assume: str | None
    """ASSUME: a condition that the optimizer may take for granted, as SQL."""


class Constraint(Spec):
    """A constraint of a table: the server checks ``check`` at every INSERT, and only the optimizer uses ``assume``."""

    noun: ClassVar[str] = "constraint"
    name: str
    """Name of the constraint, unquoted."""
    check: str | None = None
    """CHECK: the condition that each inserted row has to meet, as SQL."""
    assume: str | None = None
    """ASSUME: a condition that the optimizer may take for granted, as SQL."""

    def __init__(self, name: str, **fields: Unpack[ConstraintFields]) -> None:
        """What each keyword means.

        name: Name of the constraint, unquoted.
        check: CHECK: the condition that each inserted row has to meet, as SQL.
        assume: ASSUME: a condition that the optimizer may take for granted, as SQL.
        """
        self._construct(name, {"name": name, **fields})
        _named(self.noun, name)
        # CHECK is asked of every row that is inserted, ASSUME of none: a constraint is one of the two.
        if (self.check is None) == (self.assume is None):
            raise SpecError(f"constraint {name}", "exactly one of check and assume is needed")
        if not (self.check or self.assume or "").strip():
            raise SpecError(f"constraint {name}", "the expression is empty")


def _named(noun: str, name: str) -> None:
    if not name.strip():
        raise SpecError(noun, "the name is empty")
