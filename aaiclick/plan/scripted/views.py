"""Views that a migration script may read: they exist, in the form of its version, before it runs.

A plain view costs nothing, so each one that a statement names is brought to the version first; before a function all
are. A materialized view changes what an INSERT does: it is created before a script only where an earlier version has
it, or a statement names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from aaiclick.catalog.declared_tables import canonical_views
from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.reflect import reflect_object
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clickhouse.topology import Topology
from aaiclick.errors import SpecError, UnsupportedObjectError
from aaiclick.plan.dependents.undeclared_of_views import form_keeping
from aaiclick.plan.model import Step
from aaiclick.plan.views import plan_views
from aaiclick.routine import Routine
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import MaterializedView, View
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.upgrade_path import PendingScript

AnyView = View | MaterializedView


@dataclass(frozen=True, slots=True)
class ViewSteps:
    """The steps, and the catalogue as they leave it. ``blocked``: why a statement cannot have a view that it names; ''
    where it can."""

    steps: tuple[Step, ...]
    catalog: Catalog
    notes: tuple[str, ...] = ()
    blocked: str = ""


def plan_script_views(
    schema: Schema, catalog: Catalog, found: ReleaseHistory, first: PendingScript, topology: Topology
) -> Routine[ViewSteps]:
    """Bring the views that a script may use to its version. ``catalog`` is what the steps before it leave."""
    wanted = _wanted(schema, catalog, found, first)
    if not wanted:
        return ViewSteps((), catalog)

    def body(scratch: Scratch) -> Routine[ViewSteps]:
        steps: list[Step] = []
        notes: list[str] = []
        blocked: list[str] = []
        objects = dict(catalog.objects)
        for item in wanted:
            # With the views that were made before: one may read another.
            known = replace(catalog, objects=objects)
            try:
                forms = yield from canonical_views(scratch, [item], known)
                planned = (
                    yield from plan_views(schema, [item], known, scratch, _tables_in(objects), {}, [], topology)
                ).steps
            except SpecError as error:
                message = f"{item.noun} {item.name} cannot be made before {first.label}: {error.problem}"
                # A statement names the view. A function may do without it, so that is only told.
                (notes if first.move is not None else blocked).append(message)
                continue
            steps += [replace(step, id=f"{step.id}@{first.version:04d}") for step in planned]
            form = forms[item.name]
            if planned and isinstance(form, ViewForm):
                live = known.get(item.name)
                if live is not None and isinstance(live.form, ViewForm):
                    form = form_keeping(item, form, live.form)
                engine = "MaterializedView" if form.materialized else "View"
                objects[item.name] = LiveObject(
                    catalog.database, item.name, form, f"-- {item.name} as it will be", engine
                )
        return ViewSteps(tuple(steps), replace(catalog, objects=objects), tuple(notes), "; ".join(blocked))

    return (yield from with_scratch(body, fallback=catalog.database))


def named_in_views(schema: Schema, catalog: Catalog, found: ReleaseHistory, first: PendingScript) -> frozenset[str]:
    """The names in views that are made before a script: their tables have to be there, too."""
    names: set[str] = set()
    for item in _wanted(schema, catalog, found, first):
        with suppress(TokenError):
            names |= {unquote(token.text) for token in Tokens(item.query).items if token.kind in ("word", "name")}
        if isinstance(item, MaterializedView) and item.to:
            names.add(item.to.removeprefix(f"{catalog.database}."))
    return frozenset(names)


def _wanted(schema: Schema, catalog: Catalog, found: ReleaseHistory, first: PendingScript) -> list[AnyView]:
    before = {item.name for item in _views_of(schema, found, first.version - 1)}
    listed: list[AnyView] = []
    for item in _views_of(schema, found, first.version):
        named = _named(first, item.name)
        if isinstance(item, View):
            if first.move is not None or named:
                listed.append(item)
        elif named or (item.name in before and catalog.get(item.name) is None):
            listed.append(item)
    return listed


def _views_of(schema: Schema, found: ReleaseHistory, version: int) -> Sequence[AnyView]:
    """The views of a version: as declared for the newest one, else as in the lock file."""
    if version == schema.version:
        return [item for item in schema.objects if isinstance(item, AnyView)]
    locked = found.lock.get(version) if found.lock is not None else None
    listed: list[AnyView] = []
    for form in (form for _, form in sorted(locked.forms.items())) if locked is not None else ():
        if isinstance(form, ViewForm):
            with suppress(UnsupportedObjectError):
                item = reflect_object(form)
                if isinstance(item, AnyView):
                    listed.append(_filled(item, schema))
    if locked is None and version > 0:
        return [item for item in schema.objects if isinstance(item, View)]
    return listed


def _filled(item: AnyView, schema: Schema) -> AnyView:
    """The view of a release as it was declared: no lock file says that a new view is filled with the rows that its
    source holds, so that is taken from its present declaration."""
    if not isinstance(item, MaterializedView):
        return item
    now = next((each for each in schema.objects if each.name == item.name), None)
    fills = isinstance(now, MaterializedView) and (now.backfill or isinstance(now, AggregateView))
    return item.model_copy(update={"backfill": fills and item.refresh is None})


def _tables_in(objects: Mapping[str, LiveObject]) -> dict[str, Form]:
    return {name: live.form for name, live in objects.items() if isinstance(live.form, TableForm)}


def _named(first: PendingScript, name: str) -> bool:
    for sql in first.statements:
        with suppress(TokenError):
            if any(token.kind in ("word", "name") and unquote(token.text) == name for token in Tokens(sql).items):
                return True
    return False
