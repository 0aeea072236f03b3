"""What rows of older parts read is written into those parts, before anything makes them read something else."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.diff.changes.column_default import default_clause
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class Pin:
    """One column as it is now, and ``parts`` that do not hold it. ``expression``: what their rows read, where the column does not say it
    by a DEFAULT; ``restored``: what it was is put back afterwards."""

    column: ColumnForm
    parts: int
    expression: str = ""
    restored: bool = True


@dataclass(frozen=True, slots=True)
class PinColumns(BaseChange):
    """Columns that some parts do not hold are written into them, under the names and types that they have now.

    MATERIALIZE COLUMN of a DEFAULT writes only into parts that do not hold the column: explicit values are kept. What a lightweight
    update wrote would be lost (it is in a patch part, and the part it belongs to gets the default): ``patched`` ones are applied first.
    """

    pins: tuple[Pin, ...]
    patched: bool = False

    @property
    def words(self) -> str:
        names = ", ".join(pin.column.name if pin.restored else f"{pin.column.name} ({default_clause(pin.column).strip()})" for pin in self.pins)
        parts = max(pin.parts for pin in self.pins)
        return f"what rows read of {names}, which {parts} parts do not hold, is written into them first"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        first = ("APPLY PATCHES",) if self.patched else ()
        texts = (*first, *(text for pin in self.pins for text in _texts(pin)))
        return tuple(AlterCommand(Phase.PIN, text, alone=True) for text in texts)


def _texts(pin: Pin) -> tuple[str, ...]:
    column = pin.column
    name = quote_name(column.name)
    written = f"MATERIALIZE COLUMN {name}"
    if not pin.expression:
        return (written,)
    first = (f"MODIFY COLUMN {name} {column.type} DEFAULT {pin.expression}", written)
    if not pin.restored:
        return first
    return (*first, f"MODIFY COLUMN {name} {column.type}{default_clause(column)}" if column.kind else f"MODIFY COLUMN {name} REMOVE DEFAULT")
