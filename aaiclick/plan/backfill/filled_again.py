"""``backfill=True`` of a view that is there by the time it is to be filled: it takes the place of another one, gets
another query, or another table to write into.

Where its target holds nothing, it is filled as a new one is, with the change itself behind the same fence. Where the
target holds rows, nobody can tell which rows of the source are in them: that is asked for by name, with their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, Form, LiveObject, ViewForm
from aaiclick.catalog.normalize import normal_form
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.backfill.fill import Fillable, fill_of, own_source, split_query
from aaiclick.plan.backfill.triggers import fenced_sources
from aaiclick.plan.backfill.view_steps import backfill_hazards, fill_step
from aaiclick.plan.dependents.undeclared_of_views import create_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, Fill, ReplaceWork
from aaiclick.plan.steps import statements_step
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Routine
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.cluster import head_of
from aaiclick.sql.ddl import drop, rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.versions.upgrade_path import TakenPlace, UpgradePath


@dataclass(frozen=True, slots=True)
class _Change:
    """The view, and how it becomes what is declared."""

    item: MaterializedView
    """As declared."""
    before: ViewForm
    """As it is."""
    after: ViewForm
    """As it will be."""
    step: Step | None
    """What changes it; None for nothing."""
    taken: TakenPlace | None
    """What it takes the place of; None for nothing."""

    @property
    def anew(self) -> bool:
        """The view is dropped and made."""
        return any(head is not None and head.verb == "DROP" for head in map(head_of, self.statements))

    @property
    def statements(self) -> tuple[str, ...]:
        """What is sent for the change."""
        work = self.step.work if self.step is not None else None
        return work.statements if isinstance(work, BackfillWork | ReplaceWork) else ()

    @property
    def fresh(self) -> bool:
        """The view gets another table to write into, or its own one is made anew."""
        return self.before.to != self.after.to or (self.anew and not self.after.to)


def filled_again(
    item: MaterializedView,
    live: LiveObject,
    wanted: Form,
    step: Step | None,
    path: UpgradePath | None,
    known: Fillable,
) -> Routine[Step | None]:
    """The step of a view, with its fill, or with the question about the rows that it lacks. ``step``: what changes the
    view itself; None for nothing."""
    before, after = normal_form(live.form), normal_form(wanted)
    if not isinstance(before, ViewForm) or not isinstance(after, ViewForm) or not before.materialized or item.refresh:
        return step
    taken = path.took_places.get(item.name) if path is not None else None
    change = _Change(item, before, after, step, taken)
    if (step is not None and step.blocked) or not (taken or before.query != after.query or change.fresh):
        return step
    assert isinstance(wanted, ViewForm)
    parsed = split_query(wanted.query)
    source = own_source(parsed, known.catalog) if not isinstance(parsed, str) else None
    # On a cluster other hosts may have rows where this one has none.
    if source is not None and not source.rows and not known.topology.reached:
        return step
    fill = yield from fill_of(wanted, known)
    if fill is None:
        return step
    sources = yield from fenced_sources(known.catalog, item.name, known.topology)
    why = fill if isinstance(fill, str) else _why_not(change, fill, sources, known.catalog)
    if why or isinstance(fill, str):
        return _asked(change, source, why, known.catalog.database)
    return (yield from _filled(change, fill, tuple(dict.fromkeys((*sources, fill.source))), live, known.catalog))


def _why_not(change: _Change, fill: Fill, sources: Sequence[str], catalog: Catalog) -> str:
    """Why it cannot be known which rows are to be brought in; '' where it can."""
    if not sources:
        return f"writers of what sets off {change.item.name} cannot be kept out meanwhile"
    if change.taken is not None and not change.taken.alone:
        return f"{change.taken.view} is renamed in a step of its own"
    if not fill.target:
        return "" if change.fresh else f"nobody can tell which rows of {fill.source} are in the table that it owns"
    there = catalog.get(fill.target)
    rows = there.rows if there is not None else 0
    held = f"{fill.target} holds {rows_text(rows)}, and nobody can tell which rows of {fill.source} are in them"
    return f"{held}. Were it empty, it would be filled" if rows else ""


def _asked(change: _Change, source: LiveObject | None, why: str, database: str) -> Step:
    """The step, where it has to be allowed by name that rows are not brought in."""
    name, into = change.item.name, change.after.to or f"the table that {change.item.name} owns"
    held = f"the {rows_text(source.rows)} that {source.name} holds" if source is not None else "what its source holds"
    verb = verb_for(source.rows, "are") if source is not None else "is"
    writer = change.taken.view if change.taken is not None else "the old query"
    hazard = Hazard(
        "changes-values",
        f"{held} {verb} not brought into {into}, though backfill=True says so: {writer} has written what it saw of "
        f"{'it' if source is None or source.rows == 1 else 'them'}; {why}",
        f"start-empty {name}",
    )
    step = change.step or statements_step(f"{name}:fill", name, "is not filled", ())
    return replace(step, hazards=(*step.hazards, hazard))


def _filled(change: _Change, fill: Fill, sources: tuple[str, ...], live: LiveObject, catalog: Catalog) -> Routine[Step]:
    """The change of the view and its fill, behind one fence."""
    item, database, step = change.item, catalog.database, change.step
    name, statements = qualified(database, item.name), change.statements
    if change.anew:
        # Each may be sent again behind a kill.
        again = create_again(item, change.before, change.after, database)
        statements = (drop("VIEW", name, if_exists=True), again)
    if change.taken is not None:
        renaming = rename_table(qualified(database, change.taken.view), name, if_exists=True)
        statements = (renaming, *statements)
    work = BackfillWork(item.name, statements, sources, fill, undo=live.text if change.anew else "")
    kept = step.hazards if step is not None else ()
    if change.anew and not change.after.to:
        gone = (
            f"its inner table is made anew, and filled with what {fill.source} holds: what that no longer has is gone"
        )
        kept = (Hazard("loses-rows", gone, f"replace-view {item.name}"),)
    hazards = (*(each for each in kept if each.kind != "holds-up-writers"), *(yield from backfill_hazards(work)))
    words = f"{step.change}, and is filled from {fill.source}" if step is not None else f"is filled from {fill.source}"
    key = step.id if step is not None else f"{item.name}:fill"
    return fill_step(key, words, work, hazards, catalog.get(fill.source))


def with_their_fills(
    renames: Sequence[Step], steps: Sequence[Step], taken: Mapping[str, TakenPlace]
) -> tuple[Step, ...]:
    """All steps, where a view that takes the place of another one is renamed behind the fence of its fill: a run that
    is killed between the two would leave a view of that name, of which nobody knows that it was to be filled."""
    left, rest = list(renames), list(steps)
    for step in renames:
        about = [each for each in rest if each.object == step.object] if step.object in taken else []
        fills = [each for each in about if isinstance(each.work, BackfillWork) and each.work.fill is not None]
        asked = next((each for each in about if each.id == f"{step.object}:fill" and each not in fills), None)
        if asked is not None:
            rest.remove(asked)
            left[left.index(step)] = replace(step, hazards=(*step.hazards, *asked.hazards))
        if not fills:
            continue
        left.remove(step)
        other = f"{taken[step.object].view} is renamed, changed and filled: do that in versions of their own"
        blocked = step.blocked or fills[0].blocked or (other if len(about) > 1 else "")
        hazards = (*step.hazards, *fills[0].hazards)
        changes = (step.change, fills[0].change)
        rest[rest.index(fills[0])] = replace(
            fills[0], id=step.id, change="; ".join(changes), changes=changes, hazards=hazards, blocked=blocked
        )
    return (*left, *rest)
