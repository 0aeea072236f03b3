"""Another type of a column: how values are converted, what would be lost, what has to be counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.changes.base import AlterCommand, Change, DataCheck, Phase
from aaiclick.diff.changes.column_default import default_clause, not_stored
from aaiclick.diff.conversion import values
from aaiclick.diff.conversion.combining import combined_by, combines_alike
from aaiclick.diff.conversion.convert import cast, conversion, in_place
from aaiclick.diff.conversion.labels import enum_pairs, relabelled
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import modify_column, remove_from_column
from aaiclick.sql.quoting import quote_name, quote_string


def is_nullable(type_text: str) -> bool:
    """True where the type itself can hold NULL."""
    return type_text.startswith(("Nullable(", "LowCardinality(Nullable("))


@dataclass(frozen=True, slots=True)
class RetypeColumn:
    """Another type, and in the same command another default where both change: the old default may not convert.

    Rows of parts that do not hold the column read the default of its type, and would read that of the new type.
    ``MaterializeColumns`` writes the old one first.
    """

    table: str
    """Name of the table."""
    old: ColumnForm
    """The live column."""
    new: ColumnForm
    """The declared column."""
    with_default: bool = False
    """True where the command also sets the new default."""
    engine: str = ""
    """Engine of the table: some engines combine rows by a column's type."""
    filled: bool = False
    """True where an expression of a migration says what the new values are."""
    through: tuple[str, ...] = ()
    """The types of versions between, through which the values are converted: directly they would get another
    meaning."""

    @property
    def words(self) -> str:
        default = f", {default_clause(self.new).strip()}" if self.with_default else ""
        return f"column {self.new.name}: type {' -> '.join(self._types)}{default}"

    @property
    def _types(self) -> tuple[str, ...]:
        return (self.old.type, *self.through, self.new.type)

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        if self.old.stored and self.new.stored and (self.through or not in_place(self.old.type, self.new.type)):
            return ()  # the engine's own conversion would change values: only a copy can say how to convert
        name = quote_name(self.new.name)
        clause = default_clause(self.new) if self.with_default else ""
        if self.new.kind == self.old.kind == "EPHEMERAL" and not self.new.expression:
            clause = f" EPHEMERAL defaultValueOfTypeName({quote_string(self.new.type)})"  # else it keeps the old type's
        back = modify_column(name, f"{self.old.type}{default_clause(self.old) if self.with_default else ''}")
        if is_nullable(self.old.type) and not is_nullable(self.new.type) and not self.new.kind:
            # The engine wants a DEFAULT for rows that are NULL. There are none, as was counted, so it is removed again.
            spare = f" DEFAULT defaultValueOfTypeName({quote_string(self.new.type)})"
            return (
                AlterCommand(Phase.MODIFY, modify_column(name, f"{self.new.type}{spare}"), alone=True, recovery=back),
                AlterCommand(Phase.ADD_OBJECTS, remove_from_column(name, "DEFAULT")),
            )
        return (AlterCommand(Phase.MODIFY, modify_column(name, f"{self.new.type}{clause}"), alone=True, recovery=back),)

    @property
    def relabelled(self) -> tuple[str, ...]:
        """Enum labels that are gone and whose number another label has now: ``old -> new``."""
        found = {
            f"{old} -> {new}"
            for types in pairwise(self._types)
            for pair in enum_pairs(*types)
            for old, new in relabelled(*pair).items()
        }
        return tuple(sorted(found))

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return self._hazards(copied=False)

    @property
    def copied_hazards(self) -> tuple[Hazard, ...]:
        return self._hazards(copied=True)

    def _hazards(self, *, copied: bool) -> tuple[Hazard, ...]:
        breaks = Hazard("old-code-breaks", f"code that relies on {self.old.type} for {self.new.name} may fail")
        kept = (self._combines(),) if self.filled else (self._relabels(), self._combines(), self._unproven_pair())
        found = [] if self.new.kind == "EPHEMERAL" else [hazard for hazard in kept if hazard is not None]
        lost = not_stored(self.table, self.old, self.new, copied=copied)
        return (*found, *((lost,) if lost is not None else ()), breaks)

    def _relabels(self) -> Hazard | None:
        if not self.relabelled:
            return None
        message = f"stored values of {self.table}.{self.new.name} get another meaning: {', '.join(self.relabelled)}"
        return Hazard("changes-values", message, f"relabel-enum {self.table}.{self.new.name}")

    def _combines(self) -> Hazard | None:
        """The hazard where merges combine the column by a function of its type."""
        if not self.engine.endswith(
            ("AggregatingMergeTree", "SummingMergeTree", "CoalescingMergeTree")
        ) or combines_alike(self.old.type, self.new.type):
            return None
        name, old, new = f"{self.table}.{self.new.name}", combined_by(self.old.type), combined_by(self.new.type)
        if not old and not new:
            return None
        if old == new:
            return self._by_name(
                f"merges combine {name} by {new} over {self.new.type}, which need not be what {self.old.type} gave"
            )
        return self._by_name(f"merges combine {name} by {new or 'nothing'}, no longer by {old or 'nothing'}")

    def _unproven_pair(self) -> Hazard | None:
        states = next((found for pair in pairwise(self._types) if (found := values.unproven(*pair))), "")
        return (
            self._by_name(f"{states} in {self.table}.{self.new.name}: whether they mean the same cannot be shown")
            if states
            else None
        )

    def _by_name(self, message: str) -> Hazard:
        return Hazard("changes-values", message, f"retype {self.table}.{self.new.name}")

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        readable = self.old.stored or (self.old.kind == "ALIAS" and self.new.kind != "MATERIALIZED")
        return tuple(self._checks()) if readable and self.new.stored else ()

    def _checks(self) -> list[DataCheck]:
        found: list[DataCheck] = []
        value = quote_name(self.new.name)
        for old, new in pairwise(self._types):
            found += self._checks_of(value, old, new)
            value = conversion(value, old, new)
        return found

    def _checks_of(self, value: str, old: str, new: str) -> list[DataCheck]:
        """Of one conversion. ``value``: what is converted, over the live columns."""
        column, name = self.new.name, quote_name(self.new.name)
        found: list[DataCheck] = []
        known = ""
        if values.holds_null(old) and not values.holds_null(new):
            hint = (
                f"a migration's expression can fill them: Rebuild(columns={{{column!r}: {f'ifNull({name}, ...)'!r}}})"
            )
            found.append(DataCheck(f"isNull({value})", name, f"hold NULL in {column}", hint=hint))
            # Counted apart, because such rows need another answer than values that do not fit.
            known = f"isNotNull({value}) AND "
        forward, unproven = f"{known}{_converts(value, new)}", self._unproven(old, new)
        unfit = values.unfit_rows(value, old, new)
        if unfit:
            problem = f"hold a value of {column} that {new} cannot hold"
            found.append(DataCheck(unfit, name, problem, forward, unproven))
        differs = values.altered_rows(value, old, new)
        if differs:
            fits = f"NOT ({unfit}) AND " if unfit else ""
            allowable = self._by_name(f"hold a value of {column} that reads differently as {new}")
            problem = f"hold a value of {column} that does not become {new}"
            found.append(DataCheck(f"{known}{fits}({differs})", name, problem, forward, unproven, allowable))
        return found

    def _unproven(self, old: str, new: str) -> Hazard:
        return self._by_name(
            f"{new} does not convert back to {old}: whether {self.table}.{self.new.name} keeps its values cannot be "
            "shown"
        )


def not_converted(
    changes: Sequence[Change], columns: Collection[str], through: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> tuple[Change, ...]:
    """The changes; a type of one of these columns is not converted, because a migration says what its values are.
    ``through``: the types through which columns are converted."""
    return tuple(
        replace(change, filled=change.new.name not in through, through=through.get(change.new.name, ()))
        if isinstance(change, RetypeColumn) and change.new.name in columns
        else change
        for change in changes
    )


def through_alone(
    table: str, form: TableForm, changes: Sequence[Change], through: Mapping[str, tuple[str, ...]]
) -> tuple[Change, ...]:
    """The columns that are converted although their type is the declared one already: a version between gives their
    values another meaning. ``form``: the declared one."""
    told = {change.new.name for change in changes if isinstance(change, RetypeColumn)}
    return tuple(
        RetypeColumn(table, column, column, engine=form.engine)
        for column in form.columns
        if column.name in through and column.name not in told
    )


def _converts(name: str, type_text: str) -> str:
    """A condition that is false for a row that converts, and an error for one that does not.

    The engine does not compute arguments of ``ignore``, or of a comparison whose result it knows. So the value is
    compared with a text that no value has.
    """
    return f"toString({cast(name, type_text)}) = unhex('00FF00616169636C69636B')"
