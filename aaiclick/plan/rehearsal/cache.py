"""Keeps what rehearsals found out: for other tables of the same form (tables of a family differ only in their names),
and for the next plan of the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import Form, ListedView, ServerFacts, Settings, TableForm

if TYPE_CHECKING:
    from aaiclick.diff.alters import Batch
    from aaiclick.diff.target import Target

Key = tuple[TableForm, TableForm, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """A row policy: whose table it is on, and which rows it shows."""

    name: str
    """Its name."""
    table: str
    """Its table; '' for all of the database."""
    condition: str
    """What a row has to fulfil to be read; '' where nothing is said."""


@dataclass(frozen=True, slots=True)
class ListedPolicies:
    """The row policies of a database."""

    policies: tuple[RowPolicy, ...]
    """Those that are known."""
    complete: bool
    """False where this user may not list them."""


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch of commands that the engine accepted on an empty clone, whether it started a mutation, and settings that
    it needed."""

    batch: Batch
    mutates: bool
    settings: Settings = ()


@dataclass(slots=True)
class Rehearsed:
    """What a server made of definitions alone. A run plans before the lease and under it: what was tried before need
    not be tried again.

    Each answer stands under all that it follows from, so a table that was changed in between is tried anew. Nothing
    here is about rows, parts, or other objects of the database.
    """

    server: ServerFacts | None = None
    """Whose answers these are; None: nobody was asked yet."""
    permissive: Mapping[str, str | int] | None = None
    """The permissive settings that it has; None: not asked yet."""
    declared: dict[tuple[str, str], TableForm] = field(default_factory=dict[tuple[str, str], TableForm])
    """Canonical forms of declared tables, by the text of their CREATE and that of the live table."""
    rewritten: dict[TableForm, Form] = field(default_factory=dict[TableForm, Form])
    """Forms of live tables in this server's own words, by the form that it shows."""
    creatable: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    """Objects that are missing and that it creates, tried together, by the texts of their CREATEs."""
    proposals: dict[tuple[object, ...], object] = field(default_factory=dict[tuple[object, ...], object])
    """What a strategy proposed after it was tried on empty clones, by the strategy and all that it looks at."""

    def of(self, server: ServerFacts) -> Rehearsed:
        """These answers, where they are this server's; else none."""
        return self if self.server in (None, server) else Rehearsed()


@dataclass(slots=True)
class RehearsalCache:
    """Results within one run of the planner."""

    alters: dict[Key, tuple[AcceptedBatch, ...]] = field(default_factory=dict[Key, tuple[AcceptedBatch, ...]])
    """Accepted batches, by form and target."""
    dependents: dict[tuple[str, ...], list[tuple[str, str, str]]] = field(
        default_factory=dict[tuple[str, ...], list[tuple[str, str, str]]]
    )
    """Views of the database, by what the server lists as dependents of a table."""
    views: Sequence[ListedView] | None = None
    """Views of the database, as they were read with its tables; None: they were not."""
    tried_on_parts: dict[tuple[str, Key], int] = field(default_factory=dict[tuple[str, Key], int])
    """For how many tables of a form a strategy was tried on parts."""
    dropped_first: set[str] = field(default_factory=set[str])
    """Materialized views that would refuse INSERTs once a table has changed, and that the plan makes anew."""
    renamed_columns: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Columns that get another name, by the names that they have now; for each table by its new name."""
    row_policies: ListedPolicies | None = None
    """Those of the database; None: not asked yet."""
    rehearsed: Rehearsed = field(default_factory=Rehearsed)
    """What outlives the plan."""


def key_without_names(form: TableForm, target: Target) -> Key:
    """A key that is equal for tables which differ only in their names."""
    # Neither a form nor the commands between two forms depend on the name of the table.
    return replace(form, name=""), replace(target.form, name=""), target.renames
