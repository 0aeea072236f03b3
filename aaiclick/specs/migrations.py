"""A versioned migration: what no diff between two declarations can know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal, TypedDict

from pydantic import ConfigDict, Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import MAX_VERSION, Spec
from aaiclick.specs.renames import circle, is_new_name, plain_name, renamed_parts


class Rebuild(Spec):
    """A copy of the table in which columns get the values of SQL expressions."""

    noun: ClassVar[str] = "rebuild"
    columns: dict[str, str] = Field(default_factory=dict[str, str])
    """Expression over the old columns for each column that it fills, as SQL."""
    where: str | None = None
    """Condition on the old rows, as SQL: rows that do not meet it are not copied. None for all rows."""
    back: dict[str, str] = Field(default_factory=dict[str, str])
    """Expression over the new columns for an old column, as SQL: what that column held. A rollback needs it for rows
    written since, where the new values do not tell by themselves."""


class MigrationFields(TypedDict, total=False):
    """Keywords of ``Migration``; what each means is said at the field of that name in ``Migration``."""

    title: str
    """A line for people; it has no effect."""
    rebuild: Mapping[str, Rebuild]
    """For each table to be copied with expressions of its own: how its columns are filled."""
    renames: Mapping[str, str]
    """Former and new names: ``{"table.column": "new column"}`` or ``{"table": "new table"}``. A table whose name has a
    dot stands in backticks, and so does a new name with one: ``{"`a.b`.`n.x`": "`n.y`"}``."""
    strategy: Mapping[str, Literal["alter", "rebuild"]]
    """For a table ``alter`` (changed in place, or the plan is blocked) or ``rebuild`` (copied, even where ALTER would
    do)."""
    sql: Sequence[str]
    """SQL statements, sent in this order before the function."""
    move: Callable[..., object] | None
    """Function that moves data, sync or async, called with a ``MoveContext`` or ``AsyncMoveContext``. None for none."""
    oldest_code: int | None
    """The oldest version of the code that still runs on the result; None: only code of this version and later does."""
    allow: Sequence[str]
    """What the release decides that a policy would ask for: names of hazards, as a plan gives them (``drop-column
    events.props``). They are allowed on the way to this version only, and under a policy that may rewrite data."""


class Migration(Spec):
    """What has to happen between version - 1 and ``version`` beyond the difference of the two declarations. Every part
    is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    noun: ClassVar[str] = "migration"
    version: int = Field(ge=1, le=MAX_VERSION)
    """The version that the migration leads to, from 1."""
    title: str = ""
    """A line for people; it has no effect."""
    rebuild: dict[str, Rebuild] = Field(default_factory=dict[str, Rebuild])
    """For each table to be copied with expressions of its own: how its columns are filled."""
    renames: dict[str, str] = Field(default_factory=dict[str, str])
    """Former and new names: ``{"table.column": "new column"}`` or ``{"table": "new table"}``. A table whose name has a
    dot stands in backticks, and so does a new name with one: ``{"`a.b`.`n.x`": "`n.y`"}``."""
    strategy: dict[str, Literal["alter", "rebuild"]] = Field(default_factory=dict[str, Literal["alter", "rebuild"]])
    """For a table ``alter`` (changed in place, or the plan is blocked) or ``rebuild`` (copied, even where ALTER would
    do)."""
    sql: list[str] = Field(default_factory=list[str])
    """SQL statements, sent in this order before the function."""
    move: Callable[..., object] | None = Field(default=None, exclude=True)
    """Function that moves data, sync or async, called with a ``MoveContext`` or ``AsyncMoveContext``. None for none."""
    oldest_code: int | None = Field(default=None, ge=1, le=MAX_VERSION)
    """The oldest version of the code that still runs on the result; None: only code of this version and later does."""

    allow: list[str] = Field(default_factory=list[str])
    """What the release decides that a policy would ask for: names of hazards, as a plan gives them (``drop-column
    events.props``). They are allowed on the way to this version only, and under a policy that may rewrite data."""

    def __init__(self, version: int, **fields: Unpack[MigrationFields]) -> None:
        """What each keyword means.

        version: The version that the migration leads to, from 1.
        title: A line for people; it has no effect.
        rebuild: For each table to be copied with expressions of its own: how its columns are filled.
        renames: Former and new names: ``{"table.column": "new column"}`` or ``{"table": "new table"}``. A table whose
            name has a dot stands in backticks, and so does a new name with one: ``{"`a.b`.`n.x`": "`n.y`"}``.
        strategy: For a table ``alter`` (changed in place, or the plan is blocked) or ``rebuild`` (copied, even where
            ALTER would do).
        sql: SQL statements, sent in this order before the function.
        move: Function that moves data, sync or async, called with a ``MoveContext`` or ``AsyncMoveContext``. None for
            none.
        oldest_code: The oldest version of the code that still runs on the result; None: only code of this version and
            later does.
        allow: What the release decides that a policy would ask for: names of hazards, as a plan gives them
            (``drop-column events.props``). They are allowed on the way to this version only, and under a policy that
            may rewrite data.
        """
        self._construct(version, {"version": version, **fields})
        if self.oldest_code is not None and self.oldest_code > version:
            raise SpecError(
                f"migration {version}", f"oldest_code {self.oldest_code} is newer than the migration itself"
            )
        both = sorted(table for table, way in self.strategy.items() if way == "alter" and table in self.rebuild)
        if both:
            raise SpecError(f"migration {version}: {both[0]}", "has a rebuild, and the strategy alter")
        wrong = sorted(new for old, new in self.renames.items() if not is_new_name(old, new))
        if wrong:
            raise SpecError(
                f"migration {version}: renames",
                f"{wrong[0]!r} is no new name: write the name alone, without its table, and in backticks where it has "
                "a dot",
            )
        self._check_renames()

    def _check_renames(self) -> None:
        """Names that go round in a circle would be renamed again by a run that goes on after a kill: nothing shows that
        it was done."""
        by_table: dict[str, dict[str, str]] = {}
        for old, new in self.renames.items():
            table, column = renamed_parts(old)
            by_table.setdefault(table if column else "", {})[column or table] = plain_name(new)
        for table, renames in sorted(by_table.items()):
            where = f"migration {self.version}: renames" + (f" of {table}" if table else "")
            twice = sorted(new for new in renames.values() if list(renames.values()).count(new) > 1)
            if twice:
                raise SpecError(where, f"{twice[0]} is the new name of two")
            places = circle(renames)
            if places:
                way = f'rebuild={{"{table}": Rebuild(columns={{...}})}}' if table else "two migrations"
                raise SpecError(where, f"{', '.join(places)} swap names: say it as {way}")

    @property
    def rebuilds(self) -> dict[str, Rebuild]:
        """Every table that is to be rebuilt, those without an expression included."""
        return {**{table: Rebuild() for table, way in self.strategy.items() if way == "rebuild"}, **self.rebuild}

    @property
    def explicit(self) -> bool:
        """True where it does something of its own: statements or a function."""
        return bool(self.sql) or self.move is not None
