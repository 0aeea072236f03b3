"""Columns added, dropped, renamed and moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm
from aaiclick.catalog.render import column_form_sql
from aaiclick.diff.changes.base import AlterCommand, BaseChange, DataCheck, Phase
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.types import named, parse_type


def place(after: str) -> str:
    """`` AFTER x``, or `` FIRST`` for ''."""
    return f" AFTER {quote_name(after)}" if after else " FIRST"


@dataclass(frozen=True, slots=True)
class AddColumn(BaseChange):
    """A declared column that is not there; it goes behind ``after`` ('' for the first place). ``freed``: a rename has just given up its name.
    ``written``: its default gives something else at every read (``now()``, ``rand()``), so the rows that are there get theirs in the same ALTER."""

    table: str
    column: ColumnForm
    after: str
    freed: bool = False
    written: bool = False

    @property
    def words(self) -> str:
        return f"column {self.column.name} is missing"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        column = self.column
        if column.kind == "EPHEMERAL" and not column.expression:  # EPHEMERAL AFTER x does not parse
            column = replace(column, expression=f"defaultValueOfTypeName({quote_string(column.type)})")
        # In one ALTER with the rename the mutation would take the old column for the new one (LOGICAL_ERROR about its statistics).
        added = AlterCommand(Phase.ADD_COLUMNS, f"ADD COLUMN {column_form_sql(column)}{place(self.after)}", alone=self.freed)
        return (added, AlterCommand(Phase.ADD_COLUMNS, f"MATERIALIZE COLUMN {quote_name(column.name)}")) if self.written else (added,)


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column that the code no longer declares. Only carried out where it is asked for."""

    table: str
    column: ColumnForm

    @property
    def words(self) -> str:
        return f"column {self.column.name} is no longer declared"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (AlterCommand(Phase.DROP_COLUMNS, f"DROP COLUMN {quote_name(self.column.name)}"),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        name = self.column.name
        if not self.column.stored:
            return (Hazard("old-code-breaks", f"code that reads {name} fails", f"drop-column {self.table}.{name}"),)
        return (
            Hazard("changes-values", f"the values of {self.table}.{name} are gone{self._parts()}", f"drop-column {self.table}.{name}"),
            Hazard("old-code-breaks", f"code that reads or writes {name} fails"),
            Hazard("cannot-be-undone", f"a dropped column cannot be brought back: {name}"),
        )

    def _parts(self) -> str:
        """A Nested that was made with ``flatten_nested = 0`` is one column, and not what the same declaration makes: a column for each part."""
        if not self.column.type.startswith("Nested("):
            return ""
        name, part = self.column.name, named(parse_type(self.column.type).arguments[0])[0]
        example = f"{name}.{part}"
        return (
            f": it is one column (flatten_nested = 0), and its parts ({example} ...) are columns of their own."
            f" A migration takes their values along: Rebuild(columns={{{example!r}: {example!r}, ...}})"
        )

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class RenameColumn(BaseChange):
    """A column that is declared under a new name (a hint of the declaration or of a migration)."""

    table: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"column {self.old} is renamed to {self.new}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (AlterCommand(Phase.RENAME, f"RENAME COLUMN {quote_name(self.old)} TO {quote_name(self.new)}"),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return (Hazard("old-code-breaks", f"code that reads or writes {self.old} fails"),)


@dataclass(frozen=True, slots=True)
class MoveColumn(BaseChange):
    """A column in another place; the whole type has to be said again (``MODIFY COLUMN c FIRST`` alone does not parse)."""

    table: str
    name: str
    type: str
    after: str

    @property
    def words(self) -> str:
        return f"column {self.name} stands elsewhere (wanted: {'after ' + self.after if self.after else 'first'})"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {quote_name(self.name)} {self.type}{place(self.after)}"),)
