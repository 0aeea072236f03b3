"""DEFAULT, MATERIALIZED, ALIAS and EPHEMERAL."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.base import AlterCommand, DataCheck, Phase, shown
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.quoting import quote_name, quote_string


def default_clause(column: ColumnForm) -> str:
    """`` DEFAULT now()``; '' where the column has none."""
    return f" {column.kind} {column.expression}".rstrip() if column.kind else ""


def not_stored(table: str, old: ColumnForm, new: ColumnForm) -> Hazard | None:
    """What readers lose where a column is stored no longer, or where it was an ALIAS and is computed in another way from now on (one that
    becomes an ordinary column keeps what its rows read: that is pinned, or copied)."""
    key = f"change-default {table}.{new.name}"
    if old.stored and not new.stored:
        return Hazard("changes-values", f"the stored values of {table}.{new.name} are no longer read, and go with the next merge", key)
    if old.kind == "ALIAS" and new.kind in ("MATERIALIZED", "EPHEMERAL") and old.expression != new.expression:
        return Hazard("changes-values", f"rows of {table} no longer read {old.expression} as {new.name}", key)
    return None


@dataclass(frozen=True, slots=True)
class ChangeDefault:
    """Another default kind or expression. Rows of parts that do not hold the column read it, and are pinned first (``PinColumns``)."""

    table: str
    old: ColumnForm
    new: ColumnForm

    @property
    def words(self) -> str:
        return f"column {self.new.name}: {shown(default_clause(self.old).strip())} -> {shown(default_clause(self.new).strip())}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.new.name)
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
        lost = not_stored(self.table, self.old, self.new)
        return (lost,) if lost is not None else ()

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()
