"""Collects from the migrations between two versions what the difference of the declarations does not tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.versions.version_changes import VersionChange

EVERY = ""
"""Stands for the name of every table."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that may have happened or not, and about which an operator decides. A decision holds for this doubt
    alone: the key that says it ends with a mark that no other doubt has."""

    what: str
    """``migration 2:1``: the migration and the statement's number, or the table's name."""
    mark: str
    """Tells it from others about the same."""
    first: bool
    """Nobody has decided about the same before. Then a key without a mark counts too, as earlier releases gave it."""
    times: int = 1
    """How often it was begun."""

    @property
    def again(self) -> str:
        """Allows to do it again."""
        return f"rerun {self.what}#{self.mark}"

    @property
    def skipped(self) -> str:
        """Allows to take it for done."""
        return f"skip {self.what}#{self.mark}"

    def given(self, key: str, allowed: Collection[str]) -> str:
        """Which of the allowed keys says that; '' where none does."""
        plain = key.rpartition("#")[0] if self.first else key
        return next((each for each in (key, plain) if each in allowed), "")


@dataclass(frozen=True, slots=True)
class PendingScript:
    """What is left to run of a migration's own statements and function."""

    version: int
    """The version that the migration leads to."""
    label: str
    """What people call the migration: ``0002_sort_key.sql``."""
    statements: tuple[str, ...] = ()
    """SQL statements that are still to be sent, in order."""
    move: Callable[..., object] | None = None
    """The migration's function; None where it has none or that ran already."""
    name: str = ""
    """Name of the function; '' for none."""
    doubt: Doubt | None = None
    """Whether the first of the statements happened; None where it was not begun."""
    rerun: str = ""
    """What the operator allowed so that it is sent again; '' where nothing was."""
    checksum: str = ""
    """The checksum of the migration: a plan that was approved is about this function, not about a later one."""


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """All that the planner has to know about the versions between the live database and the declaration."""

    changes: Mapping[str, tuple[VersionChange, ...]] = field(default_factory=dict[str, tuple[VersionChange, ...]])
    """For each declared table what each version on the way does to it, oldest first."""
    former_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For each declared table the names that it had before, newest first."""
    pending_scripts: tuple[PendingScript, ...] = ()
    """Statements and functions of migrations that still have to run, in the order of their versions."""
    once_declared: frozenset[str] = frozenset()
    """Names of objects that earlier versions declared. What is no longer declared may be dropped by name."""
    oldest_code: Mapping[int, int | None] = field(default_factory=dict[int, "int | None"])
    """For each migration the oldest version of the code that runs on its result; None where it does not say."""
    recorded_forms: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """Canonical forms that were recorded for this very declaration by this release on this server. They save a scratch
    table."""
    dropped: Mapping[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """Objects that migrations before the newest one allow to drop: version, and what people call it."""
    replaced_views: frozenset[str] = frozenset()
    """Views that the plan replaces, plain or refreshable: that such a view breaks in the meantime does not block a
    table's change."""
    droppable_views: frozenset[str] = frozenset()
    """Materialized views that the plan may drop before it changes tables, and make anew behind that."""
    rewritten_views: frozenset[str] = frozenset()
    """Views of any kind that get another query by the plan, before a column is dropped."""
    try_on_parts: bool = True
    """True: statements are also tried on clones that hold some parts of the live tables."""
    max_read_bytes: int | None = None
    """How many bytes of a table's columns may be read to find out what a change does; None: any number, 0: none."""
    on_replicas: bool = False
    """True: a new table may take the place of a replicated one on all hosts of its shard."""
    topology: Topology = SINGLE
    """The hosts that are asked about rows and parts: what one has says nothing of what the others have."""
    unread: Mapping[str, str] = field(default_factory=dict[str, str])
    """Tables of which the host that is connected to has not all rows, and what it lacks, in words: none of them is
    read."""
    requested: frozenset[str] = frozenset()
    """Keys of what the policy allows by name: ``materialize t.i``."""
    changed_later: Mapping[str, str] = field(default_factory=dict[str, str])
    """For tables whose rows a pending script may change (``EVERY``: all) the label of that script. Their rows are only
    counted after it."""
    stopped_views: frozenset[str] = frozenset()
    """Refreshable views that were stopped before a killed run made them anew, by their quoted names."""
    once_collections: frozenset[str] = frozenset()
    """Names of named collections that earlier versions declared."""

    def waits_for(self, names: Iterable[str]) -> str:
        """Label of the pending script after which a table with one of these names can be counted; '' for none."""
        return next((self.changed_later[name] for name in (EVERY, *names) if name in self.changed_later), "")

    def changes_of(self, table: str) -> tuple[VersionChange, ...]:
        """The changes that versions make to a declared table, oldest first."""
        return self.changes.get(table, ())
