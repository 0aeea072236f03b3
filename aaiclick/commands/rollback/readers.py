"""What reads or feeds the tables that a rollback puts back, whoever made it: looked at with the eyes of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rollback.inspect import Restore
from aaiclick.apply.rollback.path import Transition
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.rollback.older_views import older_views
from aaiclick.plan.dependents.buffer_merge_distributed import emptied_first
from aaiclick.plan.dependents.dependent_steps import PlannedChanges, plan_dependents
from aaiclick.plan.dependents.read import Reader
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.state.record import Record


@dataclass(frozen=True, slots=True)
class ReadersBack:
    """What is done about them."""

    before: tuple[Step, ...] = ()
    """Steps before the tables are put back."""
    behind: tuple[Step, ...] = ()
    """Steps behind that."""
    first: tuple[str, ...] = ()
    """Tables that are put back before the others."""
    notes: tuple[str, ...] = ()
    """Sentences for people."""
    older: frozenset[str] = frozenset()
    """Declared views, dictionaries and tables in front of others that get their older form back."""
    seen: frozenset[Reader] | None = None
    """What was looked at; None: nothing."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return *self.before, *self.behind

    @property
    def blocked(self) -> tuple[str, ...]:
        """What stands in the way, in sentences."""
        return tuple(dict.fromkeys(f"{step.object}: {step.blocked}" for step in self.steps if step.blocked))

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What has to be allowed by name, as (key, reason)."""
        hazards = ((step.object, each) for step in self.steps for each in step.hazards if each.allow)
        return list(dict.fromkeys((each.allow, f"{name}: {each.message}") for name, each in hazards))

    @property
    def following(self) -> frozenset[str]:
        """What gets a form back that goes with the tables."""
        return self.older | {step.object for step in self.steps if not step.blocked}

    @property
    def statements(self) -> dict[str, tuple[str, ...]]:
        """What is sent once the tables are back, by objects: it can be sent again."""
        found: dict[str, tuple[str, ...]] = {}
        for step in self.behind:
            if isinstance(step.work, ReplaceWork) and not step.blocked:
                found[step.object] = (*found.get(step.object, ()), *step.work.statements)
        return found


def find_readers(
    found: Inspection, listed: Sequence[Transition], earlier: Record | None, restores: Sequence[Restore]
) -> Routine[ReadersBack]:
    """``listed``: what was done since the older version, of which ``earlier`` is the record; ``restores``: the tables
    that come back."""
    if not restores:
        return ReadersBack()
    targets = {restore.kept.table: restore.work.form for restore in restores}
    catalog = yield from _with_tables(found.catalog, targets)
    older = yield from older_views(catalog, listed, earlier, targets, found.topology)
    moved = {restore.kept.table: _moved(restore, catalog) for restore in restores}
    changed = PlannedChanges(
        {**targets, **older.fronts},
        queries=older.queries,
        replaced=older.anew,
        lookups=older.lookups,
        topology=found.topology,
        columns=moved,
        back=True,
    )
    around = yield from plan_dependents(catalog, changed, older.behind)
    emptied = emptied_first(older.behind, catalog, {**older.shapes, **targets}, {}, moved, around.through)
    # First what Buffer tables hold: it may go through a view that is dropped.
    before = (*emptied[: len(emptied) - len(older.behind)], *older.before, *around.before)
    return ReadersBack(before, (*older.behind, *around.behind), around.first, around.notes, older.names, around.readers)


def _with_tables(catalog: Catalog, targets: Mapping[str, TableForm]) -> Routine[Catalog]:
    """The catalogue, with these tables: code of another version may not know them."""
    unread = sorted(targets.keys() - catalog.objects.keys())
    if not unread:
        return catalog
    more = yield from read_catalog(catalog.database, tuple(unread))
    return replace(catalog, objects={**catalog.objects, **more.objects})


def _moved(restore: Restore, catalog: Catalog) -> frozenset[str]:
    """Columns whose values go into one of another name, by the names that they have now."""
    live = catalog.objects[restore.kept.table].form if restore.kept.table in catalog.objects else None
    names = {column.name for column in live.columns} if isinstance(live, TableForm) else set[str]()
    read = {each.target: mentioned(each.expression, names) for each in restore.work.columns}
    stays = {target for target, sources in read.items() if target in sources}
    return frozenset(name for sources in read.values() for name in sources) - stays
