"""Views, materialized views, dictionaries and families of tables that are made at run time."""

from __future__ import annotations

from typing import ClassVar, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.specs.columns import Column, SettingValue
from aaiclick.specs.engines import AnyEngine


class ViewFields(TypedDict, total=False):
    """Keywords of ``View``."""

    query: str
    comment: str | None


class View(Spec):
    """A plain view; ``query`` is its SELECT."""

    noun: ClassVar[str] = "view"
    name: str
    query: str
    comment: str | None = None

    def __init__(self, name: str, **fields: Unpack[ViewFields]) -> None:
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.query, "query")


class MaterializedViewFields(TypedDict, total=False):
    """Keywords of ``MaterializedView``."""

    query: str
    to: str | None
    engine: AnyEngine | None
    refresh: str | None
    comment: str | None
    backfill: bool


class MaterializedView(Spec):
    """A materialized view: writes what ``query`` yields for each inserted block into the table ``to``.

    Without ``to`` the view owns an inner table, for which ``engine`` is needed. ``refresh`` makes it refreshable
    (``EVERY 1 HOUR``), as ClickHouse writes it behind REFRESH. ``backfill`` brings what its source holds already into a view that is made.
    """

    noun: ClassVar[str] = "materialized view"
    name: str
    query: str
    to: str | None = None
    engine: AnyEngine | None = None
    refresh: str | None = None
    comment: str | None = None
    backfill: bool = False

    def __init__(self, name: str, **fields: Unpack[MaterializedViewFields]) -> None:
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.query, "query")
        if (self.to is None) == (self.engine is None):
            raise SpecError(f"materialized view {name}", "exactly one of to and engine is needed")
        if self.backfill and self.refresh is not None:
            raise SpecError(f"materialized view {name}: backfill", "a refreshable view reads everything at each refresh")


class DictionaryFields(TypedDict, total=False):
    """Keywords of ``Dictionary``."""

    columns: list[Column]
    primary_key: list[str]
    source: str
    layout: str
    lifetime: str | None
    range: str | None
    settings: dict[str, SettingValue]
    comment: str | None


class Dictionary(Spec):
    """A dictionary; ``source``, ``layout``, ``lifetime`` and ``range`` are what stands between the parentheses of their clauses."""

    noun: ClassVar[str] = "dictionary"
    name: str
    columns: list[Column]
    primary_key: list[str]
    source: str
    layout: str = "FLAT()"
    lifetime: str | None = None
    range: str | None = None
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    comment: str | None = None

    def __init__(self, name: str, **fields: Unpack[DictionaryFields]) -> None:
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.source, "source")
        names = {column.name for column in self.columns}
        for key in self.primary_key:
            if key not in names:
                raise SpecError(f"dictionary {name}: primary_key", f"unknown column {key}")


class TableFamilyFields(TypedDict, total=False):
    """Keywords of ``TableFamily``."""

    columns: list[Column]
    engine: AnyEngine | None
    comment: str | None


class TableFamily(Spec):
    """A partial declaration for every table whose name matches ``pattern`` (``*`` and ``?`` as in a shell).

    What it does not mention is not its business; it never creates or drops a table.
    """

    noun: ClassVar[str] = "table family"
    pattern: str
    columns: list[Column] = Field(default_factory=list[Column])
    engine: AnyEngine | None = None
    comment: str | None = None

    def __init__(self, pattern: str, **fields: Unpack[TableFamilyFields]) -> None:
        self._construct(pattern, {"pattern": pattern, **fields})
        if not pattern.strip():
            raise SpecError(self.noun, "the pattern is empty")

    @property
    def name(self) -> str:
        """The pattern, so that every object of a schema has a name."""
        return self.pattern


def _require(noun: str, name: str, value: str, field: str) -> None:
    if not name.strip():
        raise SpecError(noun, "the name is empty")
    if not value.strip():
        raise SpecError(f"{noun} {name}", f"{field} is empty")
