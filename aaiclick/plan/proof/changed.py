"""Which columns another definition gives other values, or other bytes for the same values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.diff.target import Target
from aaiclick.plan.proof.bytes_on_disk import extends, same_kind

How: TypeAlias = Literal["labels", "zone", "type", "expression"]
"""``labels``: an Enum gets new labels, and nothing else. ``zone``: the same type but for time zones and labels.
``expression``: an ALIAS. Rows of parts without the column keep their value:
``aaiclick/plan/old_parts`` writes it first."""


@dataclass(frozen=True, slots=True)
class ChangedColumn:
    """A column that changes: ``old`` is the live column, ``new`` what it becomes, with its new name."""

    old: ColumnForm
    new: ColumnForm
    how: How
    same_expression: bool = False
    """Its default is the same but for new names of what it reads."""


def changed_columns(form: TableForm, target: Target) -> tuple[ChangedColumn, ...]:
    """The columns that are in both tables and change, in the order of the target. A new name alone is no change."""
    renamed = renamed_form(form, target.renames)
    found: list[ChangedColumn] = []
    for place, column in enumerate(renamed.columns):
        wanted = target.form.column(column.name)
        if wanted is None:
            continue
        how = _how(column, wanted)
        if how is not None:
            found.append(ChangedColumn(form.columns[place], wanted, how, column.expression == wanted.expression))
    order = {column.name: place for place, column in enumerate(target.form.columns)}
    return tuple(sorted(found, key=lambda changed: order[changed.new.name]))


def _how(old: ColumnForm, new: ColumnForm) -> How | None:
    aliases = "ALIAS" in (old.kind, new.kind)
    if aliases and (old.kind, old.expression) != (new.kind, new.expression):
        return "expression"
    if old.type != new.type:
        # An ALIAS stores no bytes: another type is another value of its expression.
        if aliases:
            return "expression"
        # Before the zone: with its labels left out an Enum with new labels is the same type as well.
        if extends(old.type, new.type):
            return "labels"
        return "zone" if same_kind(old.type, new.type) else "type"
    return None
