"""What every strategy knows about the table that it is to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from aaiclick.catalog.forms import LiveObject, ServerFacts, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.render import local_family, scratch_unfit
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.diff.changes.base import Change
from aaiclick.diff.target import Target, is_prefix
from aaiclick.plan.clusters.sizes import OWN_ROWS
from aaiclick.plan.rehearsal.cache import RehearsalCache
from aaiclick.plan.rehearsal.empty_clone import Clone
from aaiclick.routine import Routine
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import qualified

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TableDiff:
    """A table that differs from its declaration, and the means to try out changes of it."""

    database: str
    """Its database."""
    live: LiveObject
    """The live table, under the name that it has once earlier steps are done."""
    form: TableForm
    """Its form in normal spelling."""
    target: Target
    """What it is to become."""
    changes: tuple[Change, ...]
    """The differences."""
    server: ServerFacts
    """The server."""
    make_clone: Callable[[TableForm, str], Routine[Clone]]
    """Creates an empty table of a form in scratch, under a label."""
    column_expressions: dict[str, str] = field(default_factory=dict[str, str])
    """Expressions of a migration for columns that the copy fills."""
    where: str = ""
    """Filter of a migration on the rows; '' for all rows."""
    back: dict[str, str] = field(default_factory=dict[str, str])
    """Expressions of a migration for old columns, for a rollback."""
    must_copy: bool = False
    """True where a migration asks for a copy, even where ALTER would do."""
    replaced_views: frozenset[str] = frozenset()
    """Views that the plan replaces, and that break nothing but their readers until then."""
    droppable_views: frozenset[str] = frozenset()
    """Materialized views that the plan may drop before the table changes, and make anew behind it: it gives them
    another query."""
    hidden_defaults: tuple[str, ...] = ()
    """Columns with a default that the server does not show, because it holds a secret; ``form`` and ``target`` have
    something else in its place (``hidden_defaults.py``)."""
    rewritten_views: frozenset[str] = frozenset()
    """Views of any kind that get another query before a column is dropped."""
    declared: Table | None = None
    """The declaration, for what is created anew from it; None where there is none."""
    cache: RehearsalCache = field(default_factory=RehearsalCache)
    """Results for tables of the same form."""
    database_engine: str = ""
    """Engine of the database; '' where it is not known."""
    try_on_parts: bool = True
    """True where statements may be tried on clones with parts of the live table."""
    on_replicas: bool = False
    """True where a new table may take the place of a replicated one on all hosts of its shard."""
    topology: Topology = SINGLE
    """The hosts that have the table."""
    max_read_bytes: int | None = None
    """How many bytes of live columns may be read before anything is changed; None: any number, 0: none."""

    @property
    def hosts(self) -> Topology:
        """The hosts that are asked about its parts. Of a table that is not replicated each has its own: then each is a
        shard of its own."""
        if self.live.predicted or not self.topology.reached:
            return SINGLE  # an earlier step makes it: no host has it yet
        return self.topology.of_table(self.as_spelled.engine)

    @property
    def shards(self) -> Topology:
        """The hosts whose rows are looked at, shard by shard; one host where it has all rows of the table. What stands
        before tables of other hosts shows the rows of all of them by itself."""
        own = self.form.merge_tree or self.form.engine in OWN_ROWS
        return self.hosts if own and self.topology.shards > 1 else SINGLE

    @property
    def reads_no_rows(self) -> bool:
        """True where no row may be read."""
        return self.max_read_bytes == 0

    def labelled(self, prefix: str) -> TableDiff:
        """The same with names of its own for its clones: it is planned beside another one in one scratch database."""

        def make_clone(wanted: TableForm, label: str) -> Routine[Clone]:
            return self.make_clone(wanted, f"{prefix}-{label}")

        return replace(self, make_clone=make_clone)

    def name_of(self, data_name: str) -> str:
        """A table of the same database, quoted."""
        return qualified(self.database, data_name)

    @property
    def name(self) -> str:
        """The live table, quoted."""
        return qualified(self.database, self.live.name)

    @property
    def as_spelled(self) -> TableForm:
        """The form of the live table in the server's own spelling."""
        return self.live.form if isinstance(self.live.form, TableForm) else self.form

    @property
    def parenthesise(self) -> bool:
        """True where this server takes parentheses around the commands of an ALTER (24.8 and later)."""
        return self.server.version >= (24, 8)


def remembered(diff: TableDiff, propose: Callable[[TableDiff], Routine[T]]) -> Routine[T]:
    """What a strategy proposes. In one run it is asked once about the same two definitions.

    Expressions of a migration may call SQL functions that somebody replaces, so with these it is asked each time.
    """
    known = diff.cache.rehearsed.proposals
    if diff.must_copy or diff.cache.rehearsed.server is None:
        return (yield from propose(diff))
    # All that the answer depends on. Rows are none of it: strategies look at definitions alone.
    key = (propose.__name__, diff.live.name, diff.live.text, diff.live.dependents, diff.form, diff.target, diff.changes)
    if key not in known:
        known[key] = yield from propose(diff)
    return cast("T", known[key])


def reaches_target(form: object, target: Target) -> bool:
    """True where a form is the target, but for the order of indexes and a primary key that nobody declared."""
    if not isinstance(form, TableForm):
        return False
    if not form.merge_tree:
        # The first ALTER of an EmbeddedRocksDB table adds the default settings to its definition.
        wanted = dict(target.form.settings)
        form = replace(form, settings=tuple(pair for pair in form.settings if pair[0] in wanted))
    # A clone of a replicated table is one of the local engine. Another engine is no ALTER in any case.
    return comparable(form, target) == comparable(local_family(target.form), target)


def comparable(form: TableForm, target: Target) -> TableForm:
    """The form without what does not matter."""
    form = normal(form)
    # MODIFY ORDER BY writes the former primary key into a definition that had none of its own.
    free = target.free_primary_key and is_prefix(form.primary_key, form.order_by)
    return replace(
        form,
        name="",
        primary_key="" if free else form.primary_key,
        settings=tuple(pair for pair in form.settings if not scratch_unfit(*pair)),
        indexes=tuple(sorted(form.indexes, key=lambda index: index.name)),
        projections=tuple(sorted(form.projections, key=lambda projection: projection.name)),
        constraints=tuple(sorted(form.constraints, key=lambda constraint: constraint.name)),
    )
