"""What no difference between two declarations can tell, gathered from the migrations on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aaiclick.catalog.forms import TableForm
from aaiclick.versions.compose import VersionChange

EVERY = ""
"""Stands for the name of every table."""


@dataclass(frozen=True, slots=True)
class PendingScript:
    """What a migration does by itself: statements that are still to be sent, then its function, where it has one that did not run yet. ``doubtful``: the
    number of the statement that was begun and of which nobody knows whether it ended (0: none)."""

    version: int
    label: str
    statements: tuple[str, ...] = ()
    move: Callable[..., object] | None = None
    name: str = ""
    outcome_unknown: int = 0


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """``stages``: for each declared table what every version on the way does to it, oldest first. ``names``: the names that a declared
    table had before, newest first. ``explicit``: statements and functions in the order of their versions. ``former``: names of objects
    that earlier versions declared. ``promises``: for the label of each migration on the way the oldest code that runs on its result.
    ``known``: canonical forms that this release wrote down for the very same declaration on this release of the server. ``replaced``:
    plain views that the plan itself brings to their declared form, ``rewritten`` views of every kind that get another query by it. ``clones``: statements
    are tried on clones that hold parts of the live tables. ``looks``: how many bytes of live columns may be read for each table before
    anything is changed (None: any number, 0: no row is looked at). ``asked``: what the policy allows by name. ``later``: names of tables (``EVERY`` for all)
    whose rows an explicit part, which has not run yet, may change, with its label: they are looked at when it has."""

    changes: Mapping[str, tuple[VersionChange, ...]] = field(default_factory=dict[str, tuple[VersionChange, ...]])
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pending_scripts: tuple[PendingScript, ...] = ()
    former: frozenset[str] = frozenset()
    oldest_code: Mapping[int, int | None] = field(default_factory=dict[int, "int | None"])
    known: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    replaced: frozenset[str] = frozenset()
    rewritten: frozenset[str] = frozenset()
    try_on_parts: bool = True
    looks: int | None = None
    requested: frozenset[str] = frozenset()
    later: Mapping[str, str] = field(default_factory=dict[str, str])

    def behind(self, names: Iterable[str]) -> str:
        """The explicit part behind which a table of one of these names is looked at; '' where nothing is to come."""
        return next((self.later[name] for name in (EVERY, *names) if name in self.later), "")

    def changes_of(self, table: str) -> tuple[VersionChange, ...]:
        """The stages of a declared table."""
        return self.changes.get(table, ())
