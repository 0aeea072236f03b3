"""Results for one table that hold for every table of the same form. The thousands of tables of a family differ only in
their names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.diff.alters import Batch
from aaiclick.diff.target import Target

Key = tuple[TableForm, TableForm, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch of commands that the engine accepted on an empty clone, whether it started a mutation, and settings that
    it needed."""

    batch: Batch
    mutates: bool
    settings: Settings = ()


@dataclass(slots=True)
class RehearsalCache:
    """Results within one run of the planner.

    ``alters``: accepted batches, by form and target. ``dependents``: views of the database. ``tried_on_parts``: for how
    many tables of a form a strategy was tried on parts.
    """

    alters: dict[Key, tuple[AcceptedBatch, ...]] = field(default_factory=dict[Key, tuple[AcceptedBatch, ...]])
    dependents: dict[tuple[str, ...], list[tuple[str, str, str]]] = field(
        default_factory=dict[tuple[str, ...], list[tuple[str, str, str]]]
    )
    tried_on_parts: dict[tuple[str, Key], int] = field(default_factory=dict[tuple[str, Key], int])


def alike(form: TableForm, target: Target) -> Key:
    """A key that is equal for tables which differ only in their names."""
    # Neither a form nor the commands between two forms depend on the name of the table.
    return replace(form, name=""), replace(target.form, name=""), target.renames
