"""Compares a column as an ALTER would leave it with what a copy would make of it."""

from __future__ import annotations

from aaiclick.diff.conversion.convert import conversion, in_place, other_parameters
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.proof.bytes_on_disk import keeps_bytes, same_order
from aaiclick.plan.proof.changed import ChangedColumn
from aaiclick.plan.proof.comparisons import Comparison, ComparisonResult
from aaiclick.printable import rows_text
from aaiclick.sql.quoting import quote_name, quote_string


def by_copy(each: ChangedColumn) -> bool:
    """True where the engine's own conversion gives other values than the copy."""
    return each.old.stored and each.new.stored and not in_place(each.old.type, each.new.type)


def never_in_place(each: ChangedColumn) -> str:
    """Why the column is not converted in place, in words."""
    if other_parameters(each.old.type, each.new.type):
        return f"states of {each.new.name} that are there would answer by the parameters they have until a merge"
    what = (
        "cuts no FixedString, not even zero bytes,"
        if "FixedString" in each.old.type
        else "goes by the numbers of labels, or refuses,"
    )
    return f"the engine {what} where {each.new.name} changes in place"


def has_to_be_compared(each: ChangedColumn) -> bool:
    """True where rows have to be read: without a mutation the bytes stay, and need not be those that the copy would
    write."""
    if each.old.kind == "ALIAS" and each.new.kind == "MATERIALIZED":
        return each.same_expression  # another one is by name anyway
    if by_copy(each) or each.how not in ("zone", "type") or not (each.old.stored and each.new.stored):
        return False
    # A type of another order is converted by a mutation, as a copy would; where the bytes stay right nothing has to be
    # read.
    return same_order(each.old.type, each.new.type) and not keeps_bytes(each.old.type, each.new.type)


def column_comparison(each: ChangedColumn) -> Comparison:
    """The column as it is, and as it will be."""
    source = quote_name(each.old.name)
    if (
        each.old.kind == "ALIAS"
    ):  # it is computed, in place as by a copy, over columns and aliases that may change themselves
        computed = conversion(source, each.old.type, each.new.type)
        return Comparison((computed,), (f"CAST({each.new.expression}, {quote_string(each.new.type)})",))
    return Comparison((source,), (quote_name(each.new.name),))


def once_stored(table: str, each: ChangedColumn, seen: ComparisonResult) -> tuple[Hazard, ...]:
    """The hazard where an ALIAS becomes MATERIALIZED and has another value from then on."""
    if seen.in_order:
        return ()
    what = (
        f"cannot be compared ({seen.failed})"
        if seen.failed
        else f"is another value in {rows_text(seen.differs)}, for instance {seen.example}"
    )
    message = f"what rows of {table} read as {each.new.name} before and after it is MATERIALIZED {what}"
    return (Hazard("changes-values", message, f"change-default {table}.{each.new.name}"),)
