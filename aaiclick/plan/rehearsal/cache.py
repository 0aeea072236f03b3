"""What was found out for one table and holds for every other of the same form: thousands of tables of a family differ in names only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.diff.alters import Batch
from aaiclick.diff.target import Target

Key = tuple[TableForm, TableForm, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch that the engine accepted on an empty clone, whether it started a mutation, and the settings that it needed."""

    batch: Batch
    mutates: bool
    settings: Settings = ()


@dataclass(slots=True)
class RehearsalCache:
    """For one run of the planner. ``alters``: accepted batches by the form of the table and its target. ``readers``: views of the
    database by what was asked for. ``looked``: of how many tables of a form parts were looked at, by strategy."""

    alters: dict[Key, tuple[AcceptedBatch, ...]] = field(default_factory=dict[Key, tuple[AcceptedBatch, ...]])
    dependents: dict[tuple[str, ...], list[tuple[str, str, str]]] = field(default_factory=dict[tuple[str, ...], list[tuple[str, str, str]]])
    looked: dict[tuple[str, Key], int] = field(default_factory=dict[tuple[str, Key], int])


def alike(form: TableForm, target: Target) -> Key:
    """Equal for tables that differ in their names only, so that the same commands lead from one form to the other."""
    return replace(form, name=""), replace(target.form, name=""), target.renames
