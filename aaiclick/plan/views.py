"""Views, materialized views and dictionaries: created in order of declaration, replaced where their definition differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaiclick.catalog.canonical import canonical_views
from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, LiveObject, UnsupportedForm, ViewForm
from aaiclick.catalog.normal import normal_form
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.tokens import TokenError, Tokens, unquote
from aaiclick.errors import SpecError
from aaiclick.plan.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.steps import create_step
from aaiclick.plan.work import ReplaceWork
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_dictionary_sql, create_materialized_view_sql, create_view_sql
from aaiclick.specs.quoting import qualified
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import Dictionary, MaterializedView, View

Viewlike = View | MaterializedView | Dictionary


def create_sql(item: Viewlike, database: str) -> str:
    """The CREATE of a view, materialized view or dictionary."""
    match item:
        case View():
            return create_view_sql(item, database)
        case MaterializedView():
            return create_materialized_view_sql(item, database)
        case Dictionary():
            return create_dictionary_sql(item, database)


def create_order(items: Sequence[Viewlike], catalog: Catalog) -> tuple[Step, ...]:
    """CREATE steps for the missing ones: what a definition reads comes before it, otherwise dictionaries, views, materialized views in
    order of declaration. ``SpecError`` names a cycle."""
    rank = {Dictionary.noun: 0, View.noun: 1, MaterializedView.noun: 2}
    waiting = sorted((item for item in items if catalog.get(item.name) is None), key=lambda item: rank[item.noun])
    ordered: list[Viewlike] = []
    while waiting:
        names = {item.name for item in waiting}
        ready = next((item for item in waiting if not (_reads(item) & names) - {item.name}), None)
        if ready is None:
            raise SpecError(f"{waiting[0].noun} {waiting[0].name}", f"these definitions read each other in a circle: {', '.join(sorted(names))}")
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(create_step(item.name, item.noun, create_sql(item, catalog.database)) for item in ordered)


def _reads(item: Viewlike) -> set[str]:
    """Every name in a definition: more than it reads, but an object is not declared under a name that is only a column's elsewhere."""
    text = item.source if isinstance(item, Dictionary) else item.query
    try:
        tokens = Tokens(text)
    except TokenError:
        return set()
    return {unquote(token.text) for token in tokens.items if token.kind in ("word", "name", "string")}


def plan_views(
    schema: Schema, items: Sequence[Viewlike], catalog: Catalog, scratch: Scratch, forms: Mapping[str, Form], notes: list[str]
) -> Routine[tuple[Step, ...]]:
    """Compare the definitions of those that are there; create the missing ones."""
    present = [item for item in items if catalog.get(item.name) is not None]
    wanted = (yield from canonical_views(scratch, present, catalog, schema.tables)) if present else {}
    found: list[Step] = []
    for item in present:
        live, form = catalog.objects[item.name], wanted[item.name]
        if isinstance(live.form, UnsupportedForm):
            notes.append(f"{live.name} is not supported and was left alone: {live.form.reason}")
        elif live.form.kind != form.kind:
            notes.append(f"{live.name} is declared as a {item.noun}, but a {live.form.kind} is there (left alone)")
        else:
            step = _replace(item, live, form, catalog.database)
            if step is not None:
                found.append(step)
    return (*found, *create_order(items, catalog))


def _replace(item: Viewlike, live: LiveObject, form: Form, database: str) -> Step | None:
    name = qualified(database, item.name)
    if isinstance(item, Dictionary):
        if not isinstance(live.form, DictionaryForm) or not isinstance(form, DictionaryForm) or normal_form(live.form) == normal_form(form):
            return None
        sql = create_sql(item, database).replace("CREATE DICTIONARY", "CREATE OR REPLACE DICTIONARY", 1)
        return Step(f"{item.name}:replace", item.name, "definition differs", "replace", [sql], ReplaceWork((sql,)))
    before, after = normal_form(live.form), normal_form(form)
    assert isinstance(before, ViewForm)
    assert isinstance(after, ViewForm)
    words = _differences(item, before, after)
    if not words:
        return None
    if isinstance(item, View):
        sql = create_sql(item, database).replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
        return Step(f"{item.name}:replace", item.name, "; ".join(words), "replace", [sql], ReplaceWork((sql,)))
    if words == ["query differs"] and not after.refresh:
        sql = f"ALTER TABLE {name} MODIFY QUERY {item.query}"
        return Step(f"{item.name}:replace", item.name, "query differs", "replace", [sql], ReplaceWork((sql,)))
    statements = (f"DROP VIEW {name}", create_sql(item, database))
    lost = "inserts between the two statements are not seen by the view" + ("" if item.to else ", and the rows of its inner table are gone")
    hazard = Hazard("loses-rows", lost, f"replace-view {item.name}")
    return Step(f"{item.name}:replace", item.name, "; ".join(words), "replace", list(statements), ReplaceWork(statements), (hazard,))


def _differences(item: View | MaterializedView, live: ViewForm, wanted: ViewForm) -> list[str]:
    words: list[str] = []
    if live.query != wanted.query:
        words.append("query differs")
    if live.to != wanted.to:
        words.append(f"target {live.to or 'an inner table'} -> {wanted.to or 'an inner table'}")
    if isinstance(item, MaterializedView) and item.engine is not None and live.inner != wanted.inner:
        words.append("engine of the inner table differs")
    if live.refresh != wanted.refresh:
        words.append(f"refresh {live.refresh or 'none'} -> {wanted.refresh or 'none'}")
    if item.declares("comment") and live.comment != wanted.comment:
        words.append("comment differs")
    return words
