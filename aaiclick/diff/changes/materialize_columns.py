"""MATERIALIZE COLUMN for old parts that do not hold a column, before a change gives their rows another default."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.diff.changes.column_default import default_clause
from aaiclick.printable import count_text, verb_for
from aaiclick.sql.clauses import APPLY_PATCHES, materialize, modify_column, remove_from_column
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class ColumnToWrite:
    """A column whose value is written into the parts that do not hold it.

    ``column`` is the column as it is now, ``parts`` how many parts lack it. ``expression``: what their rows read, ''
    where the column's own DEFAULT says it. ``restored``: whether its present default is put back afterwards.
    """

    column: ColumnForm
    parts: int
    expression: str = ""
    restored: bool = True


@dataclass(frozen=True, slots=True)
class MaterializeColumns(BaseChange):
    """Columns that are written into the parts that do not hold them, under their present names and types.

    MATERIALIZE COLUMN of a DEFAULT writes only into such parts, so explicit values stay. Values of a lightweight
    UPDATE are in patch parts, and would be lost when the part itself gets the default: with ``patched`` they are
    applied first.
    """

    pins: tuple[ColumnToWrite, ...]
    patched: bool = False

    @property
    def words(self) -> str:
        names = ", ".join(
            pin.column.name if pin.restored else f"{pin.column.name} ({default_clause(pin.column).strip()})"
            for pin in self.pins
        )
        parts = max(pin.parts for pin in self.pins)
        return (
            f"values of {names} are written into {count_text(parts, 'part')} that {verb_for(parts, 'do')} not "
            "hold them, before anything else"
        )

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        first = (APPLY_PATCHES,) if self.patched else ()
        texts = (*first, *(text for pin in self.pins for text in _texts(pin)))
        return tuple(AlterCommand(Phase.WRITE_OLD_VALUES, text, alone=True) for text in texts)


def _texts(pin: ColumnToWrite) -> tuple[str, ...]:
    column = pin.column
    name = quote_name(column.name)
    written = materialize("COLUMN", name)
    if not pin.expression:
        return (written,)
    # MATERIALIZE COLUMN writes what the DEFAULT says, so for a moment the DEFAULT is what the old rows read.
    first = (modify_column(name, f"{column.type} DEFAULT {pin.expression}"), written)
    if not pin.restored:
        return first
    return (
        *first,
        modify_column(name, f"{column.type}{default_clause(column)}")
        if column.kind
        else remove_from_column(name, "DEFAULT"),
    )
