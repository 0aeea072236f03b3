"""Columns and the small objects that live inside a table."""

from __future__ import annotations

from typing import ClassVar, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec

SettingValue = str | int | float | bool | None


class ColumnFields(TypedDict, total=False):
    """Keywords of ``Column``."""

    default: str | None
    materialized: str | None
    alias: str | None
    ephemeral: str | bool | None
    codec: str | None
    comment: str | None
    ttl: str | None
    settings: dict[str, SettingValue]
    statistics: str | None
    renamed_from: str | None


class Column(Spec):
    """One column.

    ``type`` is any ClickHouse type as text; ``default``, ``materialized``, ``alias`` and ``ephemeral`` are SQL expressions (at most
    one of them; ``ephemeral=True`` has none); ``codec`` is what stands inside ``CODEC(...)``; ``ttl`` an expression such as
    ``created_at + INTERVAL 1 DAY``; ``renamed_from`` the column's former name, which is renamed where it is found.
    """

    noun: ClassVar[str] = "column"
    name: str
    type: str
    default: str | None = None
    materialized: str | None = None
    alias: str | None = None
    ephemeral: str | bool | None = None
    codec: str | None = None
    comment: str | None = None
    ttl: str | None = None
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    statistics: str | None = None
    renamed_from: str | None = None

    def __init__(self, name: str, type: str, **fields: Unpack[ColumnFields]) -> None:
        self._construct(name, {"name": name, "type": type, **fields})
        if not name.strip():
            raise SpecError("column", "the name is empty")
        if not type.strip():
            raise SpecError(f"column {name}", "the type is empty")
        kinds = [kind for kind in ("default", "materialized", "alias", "ephemeral") if getattr(self, kind) not in (None, False)]
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
    """Keywords of ``Index``."""

    expr: str
    type: str
    granularity: int


class Index(Spec):
    """A data skipping index; ``granularity`` in granules (the engine's default is 1)."""

    noun: ClassVar[str] = "index"
    name: str
    expr: str
    type: str = "minmax"
    granularity: int | None = Field(default=None, ge=1)

    def __init__(self, name: str, **fields: Unpack[IndexFields]) -> None:
        self._construct(name, {"name": name, **fields})
        _named(self.noun, name)


class ProjectionFields(TypedDict, total=False):
    """Keywords of ``Projection``."""

    settings: dict[str, SettingValue]
    index: str | None
    type: str | None


class Projection(Spec):
    """A projection; ``query`` is its SELECT without FROM, ``settings`` those behind WITH SETTINGS.

    A projection that is only an index has no query, but ``index`` (an expression) and its ``type`` (``basic``).
    """

    noun: ClassVar[str] = "projection"
    name: str
    query: str = ""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    index: str | None = None
    type: str | None = None

    def __init__(self, name: str, query: str = "", **fields: Unpack[ProjectionFields]) -> None:
        self._construct(name, {"name": name, **({"query": query} if query else {}), **fields})
        _named(self.noun, name)
        if (self.index is None) != (self.type is None):
            raise SpecError(f"projection {name}", "index and type belong together")
        if self.index is None and not query.strip():
            raise SpecError(f"projection {name}", "the query is empty")
        if self.index is not None and query.strip():
            raise SpecError(f"projection {name}", "query and index exclude each other")


class ConstraintFields(TypedDict, total=False):
    """Keywords of ``Constraint``."""

    check: str | None
    assume: str | None


class Constraint(Spec):
    """A constraint: ``check`` is enforced on inserts, ``assume`` is only trusted by the optimizer."""

    noun: ClassVar[str] = "constraint"
    name: str
    check: str | None = None
    assume: str | None = None

    def __init__(self, name: str, **fields: Unpack[ConstraintFields]) -> None:
        self._construct(name, {"name": name, **fields})
        _named(self.noun, name)
        if (self.check is None) == (self.assume is None):
            raise SpecError(f"constraint {name}", "exactly one of check and assume is needed")
        if not (self.check or self.assume or "").strip():
            raise SpecError(f"constraint {name}", "the expression is empty")


def _named(noun: str, name: str) -> None:
    if not name.strip():
        raise SpecError(noun, "the name is empty")
