"""DEFAULT, MATERIALIZED, ALIAS and EPHEMERAL."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase, or_none
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import modify_column, remove_from_column
from aaiclick.sql.quoting import quote_name, quote_string


def default_clause(column: ColumnForm) -> str:
    """`` DEFAULT now()``, with a space in front; '' where the column has no default."""
    return f" {column.kind} {column.expression}".rstrip() if column.kind else ""


def not_stored(table: str, old: ColumnForm, new: ColumnForm, *, copied: bool = False) -> Hazard | None:
    """The hazard for readers of a column that is no longer stored, or of an ALIAS that is computed differently.
    ``copied``: rows are copied into a new table.

    An ALIAS that becomes an ordinary column keeps what its rows read: those values are written first, or copied.
    """
    key = f"change-default {table}.{new.name}"
    if old.stored and not new.stored:
        # A copy leaves them out; behind an ALTER parts hold them until they are written anew.
        gone = "with the copy" if copied else "with the next merge"
        return Hazard(
            "changes-values", f"the stored values of {table}.{new.name} are no longer read, and go {gone}", key
        )
    if old.kind == "ALIAS" and new.kind in ("MATERIALIZED", "EPHEMERAL") and old.expression != new.expression:
        return Hazard("changes-values", f"rows of {table} no longer read {old.expression} as {new.name}", key)
    return None


def _is_part_of_nested(column: ColumnForm) -> bool:
    return "." in column.name and column.type.startswith("Array(")


@dataclass(frozen=True, slots=True)
class ChangeDefault(BaseChange):
    """Another kind of default, or another expression.

    Rows of parts that do not hold the column read the default, so they would read another value. ``MaterializeColumns``
    writes the old one first.
    """

    table: str
    old: ColumnForm
    new: ColumnForm

    @property
    def words(self) -> str:
        words = (
            f"column {self.new.name}: {or_none(default_clause(self.old).strip())} -> "
            f"{or_none(default_clause(self.new).strip())}"
        )
        # Neither an ALTER nor a copy works out anew what a row holds: MATERIALIZED speaks of INSERTs from here on.
        return f"{words}, for new rows" if self.old.stored and self.new.kind == "MATERIALIZED" else words

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.new.name)
        if self.old.stored and self.new.kind == "EPHEMERAL":
            # Parts in one file (compact ones) would still list it, and then the server ends no mutation that writes
            # them anew, such as the next DROP COLUMN or UPDATE (code 16).
            return ()
        if self.old.stored and self.new.kind == "ALIAS" and _is_part_of_nested(self.old):
            # Its parts still hold the sizes of its arrays, and give them to each array of that Nested which they lack.
            return ()
        if self.new.kind:
            return (AlterCommand(Phase.MODIFY, modify_column(name, f"{self.new.type}{default_clause(self.new)}")),)
        if self.old.kind == "EPHEMERAL":  # REMOVE EPHEMERAL does not parse: by way of a DEFAULT
            return (
                AlterCommand(
                    Phase.REMOVE_DEFAULT,
                    modify_column(
                        name, f"{self.old.type} DEFAULT defaultValueOfTypeName({quote_string(self.old.type)})"
                    ),
                    alone=True,
                ),
                AlterCommand(Phase.MODIFY, remove_from_column(name, "DEFAULT")),
            )
        # MODIFY COLUMN with a type alone keeps the default: only REMOVE takes it away.
        return (AlterCommand(Phase.REMOVE_DEFAULT, remove_from_column(name, self.old.kind)),)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        lost = not_stored(self.table, self.old, self.new)
        return (lost,) if lost is not None else ()

    @property
    def copied_hazards(self) -> tuple[Hazard, ...]:
        lost = not_stored(self.table, self.old, self.new, copied=True)
        return (lost,) if lost is not None else ()
