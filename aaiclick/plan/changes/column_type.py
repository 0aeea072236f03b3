"""A column's type: what converts, what would be lost, what has to be counted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.plan.changes.base import AlterCommand, DataCheck, Phase
from aaiclick.plan.changes.column_default import default_clause, not_stored, zero_default
from aaiclick.plan.changes.come_back import compared_as, text_differs
from aaiclick.plan.hazards import Hazard
from aaiclick.specs.quoting import quote_name, quote_string

_ENUM = re.compile(r"(?:Nullable\()?Enum(?:8|16)\((.*)\)\)?\Z", re.DOTALL)
_FIXED = re.compile(r"FixedString\((\d+)\)\Z")
_LABEL = re.compile(r"'((?:[^'\\]|\\.)*)' = (-?\d+)")


def enum_labels(type_text: str) -> dict[str, int] | None:
    """Labels and numbers of an Enum type (or a Nullable of one) in the engine's own text; None for any other type."""
    match = _ENUM.match(type_text)
    return {label: int(value) for label, value in _LABEL.findall(match.group(1))} if match else None


def is_nullable(type_text: str) -> bool:
    """True where the type itself can hold NULL."""
    return type_text.startswith(("Nullable(", "LowCardinality(Nullable("))


def is_text(type_text: str) -> bool:
    """String, LowCardinality(String) and their Nullables: anything converts to them and back by its text."""
    return type_text in ("String", "Nullable(String)", "LowCardinality(String)", "LowCardinality(Nullable(String))")


def _combined_by(type_text: str) -> str:
    """The function by which an aggregating engine combines the column; '' for none."""
    return type_text.partition("(")[2].partition(",")[0] if type_text.startswith("SimpleAggregateFunction(") else ""


def _cut_off(name: str, old: int, new: int) -> str:
    """True for a FixedString that has more than zero bytes behind the new end; '' where nothing is cut off."""
    return f"replaceAll(substring(CAST({name}, 'String'), {new + 1}), unhex('00'), '') != ''" if new < old else ""


def _converts(name: str, type_text: str) -> str:
    """False for every row that converts, an error for one that does not. It has to look at the values: the engine does not compute the
    arguments of ``ignore`` or of a comparison whose result it knows."""
    return f"toString(CAST({name}, {quote_string(type_text)})) = unhex('00FF00616169636C69636B')"


def plain(type_text: str) -> str:
    """The type without Nullable and LowCardinality around it."""
    while True:
        for wrapper in ("Nullable(", "LowCardinality("):
            if type_text.startswith(wrapper):
                type_text = type_text[len(wrapper) : -1]
                break
        else:
            return type_text


def quote_literal(escaped: str) -> str:
    """A label as it stands in the engine's text (already escaped), in quotes."""
    return f"'{escaped}'"


def conversion(source: str, old: str, new: str) -> str:
    """``source`` (an expression of type ``old``) as ``new``. Enum to Enum goes by label: by number it would relabel rows."""
    if old == new:
        return source
    if enum_labels(old) is not None and enum_labels(new) is not None:
        source = f"toString({source})"
    widths = _FIXED.match(old), _FIXED.match(new)
    if widths[0] and widths[1] and int(widths[1][1]) < int(widths[0][1]):
        source = f"substring(CAST({source}, 'String'), 1, {widths[1][1]})"  # the engine does not cut by itself, not even padding
    return f"CAST({source}, {quote_string(new)})"


@dataclass(frozen=True, slots=True)
class RetypeColumn:
    """Another type, perhaps with another default in the same command (the old default may not convert).

    ``absent_parts``: active parts that do not hold the column. Their rows read what the type gives by default, and would read that of
    the new type (a missing UUID is 0000..., a missing String ''). ``engine`` is the table's: some combine rows by a column's type.
    """

    table: str
    old: ColumnForm
    new: ColumnForm
    with_default: bool = False
    absent_parts: int = 0
    engine: str = ""

    @property
    def words(self) -> str:
        default = f", {default_clause(self.new).strip()}" if self.with_default else ""
        return f"column {self.new.name}: type {self.old.type} -> {self.new.type}{default}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.new.name)
        clause = default_clause(self.new) if self.with_default else ""
        back = f"MODIFY COLUMN {name} {self.old.type}{default_clause(self.old) if self.with_default else ''}"
        if is_nullable(self.old.type) and not is_nullable(self.new.type) and not self.new.kind:
            # The engine wants a DEFAULT to put in place of NULLs; there are none (they were counted), so it is taken away again.
            spare = f" DEFAULT defaultValueOfTypeName({quote_string(self.new.type)})"
            return (
                AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} {self.new.type}{spare}", alone=True, recovery=back),
                AlterCommand(Phase.ADD_OBJECTS, f"MODIFY COLUMN {name} REMOVE DEFAULT"),
            )
        pinning = self._pinning(name) if self.absent_parts and self.old.stored and self.new.stored else ()
        return (
            *pinning,
            AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} {self.new.type}{clause}", alone=True, recovery=back),
        )

    def _pinning(self, name: str) -> tuple[AlterCommand, ...]:
        """Rows of parts that do not hold the column are written as they read now, before the type says otherwise."""
        written = AlterCommand(Phase.MODIFY, f"MATERIALIZE COLUMN {name}", alone=True)
        if self.old.kind:
            return (written,) if self.old.kind == "DEFAULT" else ()
        zero = AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} {self.old.type}{zero_default(self.old.type)}", alone=True)
        return (zero, written, AlterCommand(Phase.MODIFY, f"MODIFY COLUMN {name} REMOVE DEFAULT", alone=True))

    @property
    def relabelled(self) -> tuple[str, ...]:
        """Labels whose number another label takes over: by metadata alone, stored rows would silently change their meaning."""
        old, new = enum_labels(self.old.type), enum_labels(self.new.type)
        if old is None or new is None:
            return ()
        taken = {value: label for label, value in new.items()}
        return tuple(f"{label} -> {taken[value]}" for label, value in sorted(old.items()) if value in taken and taken[value] != label and label not in new)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        breaks = Hazard("old-code-breaks", f"code that relies on {self.old.type} for {self.new.name} may fail")
        if self.relabelled:
            message = f"stored values of {self.table}.{self.new.name} get another meaning: {', '.join(self.relabelled)}"
            return (Hazard("changes-values", message, f"relabel-enum {self.table}.{self.new.name}"), breaks)
        if self.engine.endswith(("AggregatingMergeTree", "SummingMergeTree")) and _combined_by(self.old.type) != _combined_by(self.new.type):
            old, new = _combined_by(self.old.type) or "nothing", _combined_by(self.new.type) or "nothing"
            message = f"merges combine {self.table}.{self.new.name} by {new}, no longer by {old}"
            return (Hazard("changes-values", message, f"retype {self.table}.{self.new.name}"), breaks)
        lost = not_stored(self.table, self.old, self.new)
        return (lost, breaks) if lost is not None else (breaks,)

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        if not self.old.stored or not self.new.stored or self.relabelled:
            return ()
        return tuple(self._checks())

    def _checks(self) -> list[DataCheck]:
        name, kind = quote_name(self.new.name), self.new.type
        found: list[DataCheck] = []
        if is_nullable(self.old.type) and not is_nullable(kind):
            found.append(DataCheck(f"isNull({name})", name, f"hold NULL in {self.new.name}"))
        condition = self._failing(name)
        if condition:
            known = f"isNotNull({name}) AND " if is_nullable(self.old.type) else ""
            problem = f"hold a value of {self.new.name} that {kind} cannot hold"
            found.append(DataCheck(known + condition, name, problem, f"{known}{_converts(name, kind)}", self._unproven))
        differs = self._differing(name)
        if differs:
            problem = f"hold a value of {self.new.name} that reads differently as {kind}"
            allowable = Hazard("changes-values", problem, f"retype {self.table}.{self.new.name}")
            found.append(DataCheck(differs, name, problem, allowable=allowable))
        return found

    def _differing(self, name: str) -> str:
        """A condition that is true for values the new type takes, but does not give back as they were; '' where there are none."""
        width = _FIXED.match(plain(self.old.type))
        if is_text(self.new.type):
            return f"length(CAST({name}, {quote_string(self.new.type)})) != {width[1]}" if width else ""
        return text_differs(name, plain(self.new.type)) if is_text(self.old.type) else ""

    @property
    def _unproven(self) -> Hazard:
        message = f"{self.new.type} does not convert back to {self.old.type}: whether {self.table}.{self.new.name} keeps its values cannot be shown"
        return Hazard("changes-values", message, f"retype {self.table}.{self.new.name}")

    def _failing(self, name: str) -> str:
        """A condition that is true for values the new type cannot hold; '' where it holds everything."""
        if is_text(self.new.type):
            return ""
        labels = enum_labels(self.new.type)
        if labels is not None and (is_text(self.old.type) or enum_labels(self.old.type) is not None):
            return f"toString({name}) NOT IN ({', '.join(quote_literal(label) for label in labels)})"
        widths = _FIXED.match(self.old.type), _FIXED.match(self.new.type)
        if widths[0] and widths[1]:
            return _cut_off(name, int(widths[0][1]), int(widths[1][1]))
        if is_text(self.old.type):
            return f"isNull(accurateCastOrNull(toString({name}), {quote_string(plain(self.new.type))}))"
        # There and back again: a value that comes back different has lost something (range, fraction, time of day).
        value = f"assumeNotNull({name})" if is_nullable(self.old.type) else name
        # Whole numbers are compared as numbers: a sign that turns over comes back.
        old, new = plain(self.old.type), plain(self.new.type)
        seen = quote_string(compared_as(old, new))
        return f"cityHash64(tuple(CAST(CAST({value}, {quote_string(new)}), {seen}))) != cityHash64(tuple(CAST({value}, {seen})))"
