"""Views, materialized views, dictionaries and families of tables that are made at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.specs.columns import Column, SettingValue
from aaiclick.specs.engines import AnyEngine
from aaiclick.specs.tables import without_sort_key
from aaiclick.sql.security import read_security


class ViewFields(TypedDict, total=False):
    """Keywords of ``View``; what each means is said at the field of that name there."""

    query: str
    """The SELECT behind AS."""
    comment: str | None
    """COMMENT of the view. Unset: it is not managed."""
    security: str | None
    """As whom the view reads, as SQL: ``SQL SECURITY INVOKER``, ``DEFINER = reporting SQL SECURITY DEFINER``. None: it
    is not managed."""


class View(Spec):
    """A plain view; ``query`` is its SELECT."""

    noun: ClassVar[str] = "view"
    name: str
    """Name of the view, unquoted."""
    query: str
    """The SELECT behind AS."""
    comment: str | None = None
    """COMMENT of the view. Unset: it is not managed."""
    security: str | None = None
    """As whom the view reads, as SQL: ``SQL SECURITY INVOKER``, ``DEFINER = reporting SQL SECURITY DEFINER``. None: it
    is not managed."""

    def __init__(self, name: str, **fields: Unpack[ViewFields]) -> None:
        """What each keyword means.

        name: Name of the view, unquoted.
        query: The SELECT behind AS.
        comment: COMMENT of the view. Unset: it is not managed.
        security: As whom the view reads, as SQL: ``SQL SECURITY INVOKER``, ``DEFINER = reporting SQL SECURITY
            DEFINER``. None: it is not managed.
        """
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.query, "query")
        _require_security(self.noun, name, self.security)


class MaterializedViewFields(TypedDict, total=False):
    """Keywords of ``MaterializedView``; what each means is said at the field of that name in ``MaterializedView``."""

    query: str
    """The SELECT behind AS."""
    to: str | None
    """TO: the table that the view writes into, ``table`` or ``database.table``. None: the view owns an inner table."""
    engine: AnyEngine | None
    """ENGINE of the inner table; None where ``to`` is given."""
    refresh: str | None
    """What stands behind REFRESH of a refreshable view: ``EVERY 1 HOUR``. None: the view is set off by inserts."""
    comment: str | None
    """COMMENT of the view. Unset: it is not managed."""
    backfill: bool
    """True: when the view is created it is also filled with the rows that its source holds already. Where that cannot
    be done safely, the plan is blocked."""
    security: str | None
    """As whom the view reads and writes, as SQL: ``SQL SECURITY NONE``, ``DEFINER = reporting SQL SECURITY DEFINER``.
    None: it is not managed."""


class MaterializedView(Spec):
    """A materialized view: it writes what its query yields for each inserted block into a table.

    Exactly one of ``to`` and ``engine`` is needed. Raises ``SpecError`` otherwise.
    """

    noun: ClassVar[str] = "materialized view"
    name: str
    """Name of the view, unquoted."""
    query: str
    """The SELECT behind AS."""
    to: str | None = None
    """TO: the table that the view writes into, ``table`` or ``database.table``. None: the view owns an inner table."""
    engine: AnyEngine | None = None
    """ENGINE of the inner table; None where ``to`` is given."""
    refresh: str | None = None
    """What stands behind REFRESH of a refreshable view: ``EVERY 1 HOUR``. None: the view is set off by inserts."""
    comment: str | None = None
    """COMMENT of the view. Unset: it is not managed."""
    backfill: bool = False
    """True: when the view is created it is also filled with the rows that its source holds already. Where that cannot
    be done safely, the plan is blocked."""
    security: str | None = None
    """As whom the view reads and writes, as SQL: ``SQL SECURITY NONE``, ``DEFINER = reporting SQL SECURITY DEFINER``.
    None: it is not managed."""

    def __init__(self, name: str, **fields: Unpack[MaterializedViewFields]) -> None:
        """What each keyword means.

        name: Name of the view, unquoted.
        query: The SELECT behind AS.
        to: TO: the table that the view writes into, ``table`` or ``database.table``. None: the view owns an inner
            table.
        engine: ENGINE of the inner table; None where ``to`` is given.
        refresh: What stands behind REFRESH of a refreshable view: ``EVERY 1 HOUR``. None: the view is set off by
            inserts.
        comment: COMMENT of the view. Unset: it is not managed.
        backfill: True: when the view is created it is also filled with the rows that its source holds already. Where
            that cannot be done safely, the plan is blocked.
        security: As whom the view reads and writes, as SQL: ``SQL SECURITY NONE``, ``DEFINER = reporting SQL SECURITY
            DEFINER``. None: it is not managed.
        """
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.query, "query")
        _require_security(self.noun, name, self.security)
        if (self.to is None) == (self.engine is None):
            raise SpecError(f"materialized view {name}", "exactly one of to and engine is needed")
        if self.engine is not None and (wrong := without_sort_key(self.engine)):
            raise SpecError(f"materialized view {name}: engine", wrong)
        if self.backfill and self.refresh is not None:
            raise SpecError(
                f"materialized view {name}: backfill", "a refreshable view reads everything at each refresh"
            )


class DictionaryFields(TypedDict, total=False):
    """Keywords of ``Dictionary``; what each means is said at the field of that name in ``Dictionary``."""

    columns: Sequence[Column]
    """The attributes, the key's own included."""
    primary_key: Sequence[str]
    """PRIMARY KEY: names of attributes."""
    source: str
    """What stands inside ``SOURCE(...)``: ``CLICKHOUSE(TABLE 'shops')``."""
    layout: str
    """What stands inside ``LAYOUT(...)``: ``HASHED()``."""
    lifetime: str | None
    """What stands inside ``LIFETIME(...)``: ``MIN 300 MAX 600``, in seconds. None: no such clause."""
    range: str | None
    """What stands inside ``RANGE(...)``: ``MIN starts MAX ends``. None: no such clause."""
    settings: Mapping[str, SettingValue]
    """SETTINGS of the dictionary, by name."""
    comment: str | None
    """COMMENT of the dictionary; None or '': none."""


class Dictionary(Spec):
    """A dictionary. Raises ``SpecError`` where its key names no attribute."""

    noun: ClassVar[str] = "dictionary"
    name: str
    """Name of the dictionary, unquoted."""
    columns: list[Column]
    """The attributes, the key's own included."""
    primary_key: list[str]
    """PRIMARY KEY: names of attributes."""
    source: str
    """What stands inside ``SOURCE(...)``: ``CLICKHOUSE(TABLE 'shops')``."""
    layout: str = "FLAT()"
    """What stands inside ``LAYOUT(...)``: ``HASHED()``."""
    lifetime: str | None = None
    """What stands inside ``LIFETIME(...)``: ``MIN 300 MAX 600``, in seconds. None: no such clause."""
    range: str | None = None
    """What stands inside ``RANGE(...)``: ``MIN starts MAX ends``. None: no such clause."""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    """SETTINGS of the dictionary, by name."""
    comment: str | None = None
    """COMMENT of the dictionary; None or '': none."""

    def __init__(self, name: str, **fields: Unpack[DictionaryFields]) -> None:
        """What each keyword means.

        name: Name of the dictionary, unquoted.
        columns: The attributes, the key's own included.
        primary_key: PRIMARY KEY: names of attributes.
        source: What stands inside ``SOURCE(...)``: ``CLICKHOUSE(TABLE 'shops')``.
        layout: What stands inside ``LAYOUT(...)``: ``HASHED()``.
        lifetime: What stands inside ``LIFETIME(...)``: ``MIN 300 MAX 600``, in seconds. None: no such clause.
        range: What stands inside ``RANGE(...)``: ``MIN starts MAX ends``. None: no such clause.
        settings: SETTINGS of the dictionary, by name.
        comment: COMMENT of the dictionary; None or '': none.
        """
        self._construct(name, {"name": name, **fields})
        _require(self.noun, name, self.source, "source")
        names = {column.name for column in self.columns}
        for key in self.primary_key:
            if key not in names:
                raise SpecError(f"dictionary {name}: primary_key", f"unknown column {key}")


class TableFamilyFields(TypedDict, total=False):
    """Keywords of ``TableFamily``."""

    columns: Sequence[Column]
    """Columns that each of the tables has to have as declared here; others stay as they are."""
    engine: AnyEngine | None
    """Keys, TTL and settings for each of the tables; None: the engine is not managed."""
    comment: str | None
    """COMMENT of each of the tables; unset: it is not managed."""


class TableFamily(Spec):
    """A partial declaration for all tables whose names match a pattern, such as tables that are made at run time.

    It never creates or drops a table, and leaves alone what it does not mention.
    """

    noun: ClassVar[str] = "table family"
    pattern: str
    """``*`` stands for any text and ``?`` for one character, as in a shell."""
    columns: list[Column] = Field(default_factory=list[Column])
    """Columns that each of the tables has to have as declared here; others stay as they are."""
    engine: AnyEngine | None = None
    """Keys, TTL and settings for each of the tables; None: the engine is not managed."""
    comment: str | None = None
    """COMMENT of each of the tables; unset: it is not managed."""

    def __init__(self, pattern: str, **fields: Unpack[TableFamilyFields]) -> None:
        """What each keyword means.

        pattern: ``*`` stands for any text and ``?`` for one character, as in a shell.
        columns: Columns that each of the tables has to have as declared here; others stay as they are.
        engine: Keys, TTL and settings for each of the tables; None: the engine is not managed.
        comment: COMMENT of each of the tables; unset: it is not managed.
        """
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


def _require_security(noun: str, name: str, text: str | None) -> None:
    if text is None:
        return
    read = read_security(text)
    if read is None:
        problem = "one of SQL SECURITY INVOKER, SQL SECURITY NONE, DEFINER = name SQL SECURITY DEFINER is wanted"
        raise SpecError(f"{noun} {name}: security", problem)
    if noun == "materialized view" and read.kind == "INVOKER":
        raise SpecError(f"{noun} {name}: security", "nobody invokes a materialized view: DEFINER or NONE is wanted")
