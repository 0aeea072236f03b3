"""What every strategy gets to know about the table it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import LiveObject, ServerFacts, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.render import scratch_unfit
from aaiclick.diff.changes.base import Change
from aaiclick.diff.target import Target, is_prefix
from aaiclick.plan.rehearsal.cache import RehearsalCache
from aaiclick.plan.rehearsal.empty_clone import Clone
from aaiclick.routine import Routine
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import qualified


@dataclass(frozen=True, slots=True)
class TableDiff:
    """One table that differs: where it is, where it should go, what differs, and how to try things out.

    ``make_stage`` makes an empty table of a form in scratch. ``overrides`` are expressions of a migration for copied columns,
    ``where`` its filter, ``back`` its way back; ``forced`` asks for a copy even where ALTER would do. ``replaced`` names views that the plan itself replaces,
    ``rewritten`` all those, materialized ones too, that have another query before a column is dropped;
    ``declared`` is the declaration itself, for what has to be created anew from it. ``looks``:
    how many bytes of live columns may be read before anything is changed (None: any number, 0: no row is looked at).
    ``database_engine``: of the table's database. ``clones``: statements may be tried on clones that hold parts of the live table.
    """

    database: str
    live: LiveObject
    form: TableForm
    target: Target
    changes: tuple[Change, ...]
    server: ServerFacts
    make_clone: Callable[[TableForm, str], Routine[Clone]]
    column_expressions: dict[str, str] = field(default_factory=dict[str, str])
    where: str = ""
    back: dict[str, str] = field(default_factory=dict[str, str])
    must_copy: bool = False
    replaced_views: frozenset[str] = frozenset()
    rewritten_views: frozenset[str] = frozenset()
    declared: Table | None = None
    cache: RehearsalCache = field(default_factory=RehearsalCache)
    database_engine: str = ""
    try_on_parts: bool = True
    max_read_bytes: int | None = None

    @property
    def reads_no_rows(self) -> bool:
        """True where no row is looked at."""
        return self.max_read_bytes == 0

    def name_of(self, data_name: str) -> str:
        """A table of the same database, quoted."""
        return qualified(self.database, data_name)

    @property
    def name(self) -> str:
        """The live table, quoted."""
        return qualified(self.database, self.live.name)

    @property
    def as_spelled(self) -> TableForm:
        """The live table in the spelling that the server has of it."""
        return self.live.form if isinstance(self.live.form, TableForm) else self.form

    @property
    def parenthesise(self) -> bool:
        """Whether this server knows parentheses around the commands of an ALTER (24.8 and later)."""
        return self.server.version >= (24, 8)


def reached(form: object, target: Target) -> bool:
    """True where a form is the target, up to what does not matter: the order of indexes, and a primary key nobody declared."""
    if not isinstance(form, TableForm):
        return False
    if not form.merge_tree:
        # EmbeddedRocksDB writes its defaults down with the first ALTER.
        wanted = dict(target.form.settings)
        form = replace(form, settings=tuple(pair for pair in form.settings if pair[0] in wanted))
    return comparable(form, target) == comparable(target.form, target)


def comparable(form: TableForm, target: Target) -> TableForm:
    """The form with everything that does not matter taken out."""
    form = normal(form)
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
