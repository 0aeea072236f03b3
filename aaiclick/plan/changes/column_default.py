"""DEFAULT, MATERIALIZED, ALIAS and EPHEMERAL."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.plan.changes.base import AlterCommand, DataCheck, Phase, shown
from aaiclick.plan.hazards import Hazard
from aaiclick.specs.quoting import quote_name, quote_string


def default_clause(column: ColumnForm) -> str:
    """`` DEFAULT now()``; '' where the column has none."""
    return f" {column.kind} {column.expression}".rstrip() if column.kind else ""


def zero_default(type_text: str) -> str:
    """`` DEFAULT`` the type's own default: what rows without the column read anyway."""
    return f" DEFAULT defaultValueOfTypeName({quote_string(type_text)})"


def not_stored(table: str, old: ColumnForm, new: ColumnForm) -> Hazard | None:
    """What readers lose where a column is stored no longer, or where it was an ALIAS and its rows begin with another value."""
    key = f"change-default {table}.{new.name}"
    if old.stored and not new.stored:
        return Hazard("changes-values", f"the stored values of {table}.{new.name} are no longer read, and go with the next merge", key)
    if old.kind == "ALIAS" and new.kind != "ALIAS" and old.expression != new.expression:
        return Hazard("changes-values", f"rows of {table} no longer read {old.expression} as {new.name}", key)
    return None


@dataclass(frozen=True, slots=True)
class ChangeDefault:
    """Another default kind or expression. ``absent_parts``: active parts that do not hold the column, whose rows read the default."""

    table: str
    old: ColumnForm
    new: ColumnForm
    absent_parts: int = 0

    @property
    def words(self) -> str:
        return f"column {self.new.name}: {shown(default_clause(self.old).strip())} -> {shown(default_clause(self.new).strip())}"

    @property
    def pins(self) -> bool:
        """True where rows that were never written read the default: it has to be written into their parts first."""
        return self.absent_parts > 0 and self.old.stored and self.new.stored

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.new.name)
        return (*self._pinning(name), *self._change(name))

    def _pinning(self, name: str) -> tuple[AlterCommand, ...]:
        """Write what the rows read now into their parts, before they would read something else. Explicit values are kept: MATERIALIZE
        COLUMN of a DEFAULT only fills parts that do not hold the column."""
        if not self.pins or self.old.kind == "MATERIALIZED":
            return ()
        zero = zero_default(self.old.type)
        first = () if self.old.kind else (AlterCommand(Phase.REMOVE_DEFAULT, f"MODIFY COLUMN {name} {self.old.type}{zero}", alone=True),)
        return (*first, AlterCommand(Phase.REMOVE_DEFAULT, f"MATERIALIZE COLUMN {name}", alone=True))

    def _change(self, name: str) -> tuple[AlterCommand, ...]:
        if self.new.kind:
            return (AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} {self.new.type}{default_clause(self.new)}"),)
        if self.old.kind == "EPHEMERAL":  # REMOVE EPHEMERAL does not parse: by way of a DEFAULT
            return (
                AlterCommand(
                    Phase.REMOVE_DEFAULT, f"MODIFY COLUMN {name} {self.old.type} DEFAULT defaultValueOfTypeName({quote_string(self.old.type)})", alone=True
                ),
                AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} REMOVE DEFAULT"),
            )
        return (AlterCommand(Phase.REMOVE_DEFAULT, f"MODIFY COLUMN {name} REMOVE {self.old.kind}"),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        name = self.new.name
        lost = not_stored(self.table, self.old, self.new)
        if lost is not None:
            return (lost,)
        if self.pins and self.old.kind == "MATERIALIZED":
            message = f"rows in {self.absent_parts} parts were written before {name} existed: they would read the new default"
            return (Hazard("changes-values", message, f"change-default {self.table}.{name}"),)
        return ()

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()
