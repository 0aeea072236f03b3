"""Columns that are added, dropped, renamed or moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm
from aaiclick.catalog.render import column_form_sql
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import add_column, drop_column, materialize, modify_column, rename_column
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.types import element_name, parse_type


def position_clause(after: str) -> str:
    """`` AFTER x``, with a space in front; `` FIRST`` for ''."""
    return f" AFTER {quote_name(after)}" if after else " FIRST"


@dataclass(frozen=True, slots=True)
class AddColumn(BaseChange):
    """A declared column that the table does not have."""

    table: str
    """Name of the table."""
    column: ColumnForm
    """The column."""
    after: str
    """The column in front of it; '' for the first place."""
    freed: bool = False
    """True where a rename in the same plan gives up its name."""
    written: bool = False
    """True where its default is another value at every read (``now()``, ``rand()``), or reads a column that parts lack:
    the same ALTER then writes it for the rows that are there."""
    behind: bool = False
    """True where its expression reads a column that the same plan changes, or its place is behind such a column: it is
    added when those are what they will be."""
    reads: int = 0
    """How many columns its expression reads, directly or through others: what is read by another reads less than that
    one."""

    @property
    def words(self) -> str:
        return f"column {self.column.name} is missing"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        column = self.column
        if column.kind == "EPHEMERAL" and not column.expression:  # EPHEMERAL AFTER x does not parse
            column = replace(column, expression=f"defaultValueOfTypeName({quote_string(column.type)})")
        # In one ALTER with the rename the mutation would take the old column for the new one (LOGICAL_ERROR about its
        # statistics).
        add, write = (
            (Phase.ADD_READERS, Phase.WRITE_READERS) if self.behind else (Phase.ADD_COLUMNS, Phase.WRITE_COLUMNS)
        )
        added = AlterCommand(
            add, add_column(f"{column_form_sql(column)}{position_clause(self.after)}"), alone=self.freed
        )
        if not self.written:
            return (added,)
        # In one mutation a column reads what the commands before its own have written.
        return (added, AlterCommand(write, materialize("COLUMN", quote_name(column.name)), place=self.reads))


@dataclass(frozen=True, slots=True)
class DropColumn(BaseChange):
    """A column that is no longer declared. It is dropped only where that is allowed by name."""

    table: str
    column: ColumnForm

    @property
    def words(self) -> str:
        return f"column {self.column.name} is no longer declared"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        # The server drops no column of a key (524) and none that a default reads (44): those phases come before.
        return (AlterCommand(Phase.DROP_COLUMNS, drop_column(quote_name(self.column.name))),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        name = self.column.name
        if not self.column.stored:
            return (Hazard("old-code-breaks", f"code that reads {name} fails", f"drop-column {self.table}.{name}"),)
        return (
            Hazard(
                "changes-values",
                f"the values of {self.table}.{name} are gone{self._parts()}",
                f"drop-column {self.table}.{name}",
            ),
            Hazard("old-code-breaks", f"code that reads or writes {name} fails"),
            Hazard("cannot-be-undone", f"a dropped column cannot be brought back: {name}"),
        )

    def _parts(self) -> str:
        """A Nested of ``flatten_nested = 0`` is one column. The declaration makes a column for each of its parts, so
        these do not take over its values."""
        if not self.column.type.startswith("Nested("):
            return ""
        name, part = self.column.name, element_name(parse_type(self.column.type).arguments[0])[0]
        example = f"{name}.{part}"
        return (
            f": it is one column (flatten_nested = 0), and its parts ({example} ...) are columns of their own."
            f" A migration takes their values along: Rebuild(columns={{{example!r}: {example!r}, ...}})"
        )


@dataclass(frozen=True, slots=True)
class RenameColumn(BaseChange):
    """A column that is declared under a new name, by the declaration or by a migration."""

    table: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"column {self.old} is renamed to {self.new}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        # Renames of one ALTER may not follow one another (48): a chain goes out as several.
        return (AlterCommand(Phase.RENAME, rename_column(quote_name(self.old), quote_name(self.new))),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        # The engine checks neither views nor dictionaries before a RENAME: they fail afterwards.
        return (Hazard("old-code-breaks", f"code that reads or writes {self.old} fails"),)


@dataclass(frozen=True, slots=True)
class MoveColumn(BaseChange):
    """A column in another position. The command has to repeat its type: ``MODIFY COLUMN c FIRST`` does not parse."""

    table: str
    name: str
    type: str
    after: str

    @property
    def words(self) -> str:
        return f"column {self.name} is in another position (wanted: {'after ' + self.after if self.after else 'first'})"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (
            AlterCommand(Phase.MOVE, modify_column(quote_name(self.name), f"{self.type}{position_clause(self.after)}")),
        )
