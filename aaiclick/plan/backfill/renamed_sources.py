"""Renames of tables that set off materialized views.

The server keeps the views of a table under its name: behind a RENAME the table has none, and its rows pass by them in
silence until a view names it anew. So writers are refused while the table gets its name and its views follow it, each
with the query that it has. What else becomes of these views is left to steps of their own, behind those of the tables.
A target that is renamed needs no such thing: INSERTs are refused (60) until the view writes into the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, TableForm, ViewForm
from aaiclick.catalog.render import form_sql, printed_name, settings_sql, target_parts, target_text
from aaiclick.clickhouse.features import is_fenced
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.backfill.triggers import can_be_fenced
from aaiclick.plan.backfill.view_steps import backfill_hazards, backfill_lines
from aaiclick.plan.dependents.undeclared_of_views import query_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, ReplaceWork
from aaiclick.routine import Routine
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_BEFORE = ("FROM", "JOIN", "IN")
_BEHIND = frozenset(
    {"FINAL", "SAMPLE", "PREWHERE", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT"}
    | {"SETTINGS", "ARRAY", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "ANY", "ALL", "ASOF", "SEMI", "ANTI"}
    | {"GLOBAL", "LOCAL", "ON", "USING", "WINDOW", "QUALIFY", "OFFSET", "PASTE", "OUTER", "ONLY"}
)
"""Words behind a table that are no name for it."""


def with_their_views(
    steps: Sequence[Step], renamed: Mapping[str, str], catalog: Catalog, topology: Topology
) -> Routine[tuple[Step, ...]]:
    """The steps, in the order in which they are carried out, where each rename takes the views of its table along, and
    what names these tables later does so by the names that they have then. ``renamed``: new names by the old ones."""
    views = {
        name: live.form
        for name, live in catalog.objects.items()
        if isinstance(live.form, ViewForm) and live.form.materialized and not live.form.refresh
    }
    if not renamed or not views:
        return tuple(steps)
    former = {new: old for old, new in renamed.items()}
    dropped = {step.object for step in steps if step.id.endswith(":drop-first")}
    called: dict[str, str] = {}
    """What the tables are called by then, where that is another name than now."""
    found: list[Step] = []
    for each in steps:
        step, old = each, former.get(each.object, "")
        if old and step.id == f"{step.object}:rename" and isinstance(step.work, ReplaceWork):
            set_off = [
                name
                for name in views
                if f"{catalog.database}.{name}" in catalog.objects[old].dependents and name not in dropped
            ]
            if set_off:
                step = yield from _taken_along(step, step.work, old, set_off, views, catalog, topology)
            called[old] = step.object
            views = {name: following(form, old, step.object, catalog.database) for name, form in views.items()}
        elif isinstance(step.work, BackfillWork) and step.work.undo and called:
            step = yield from _by_new_names(step, step.work, called, views, catalog.database)
        found.append(step)
    return tuple(found)


def _taken_along(
    step: Step,
    work: ReplaceWork,
    old: str,
    set_off: Sequence[str],
    views: Mapping[str, ViewForm],
    catalog: Catalog,
    topology: Topology,
) -> Routine[Step]:
    """The step of a rename, with the views that INSERTs into the table set off."""
    database, live = catalog.database, catalog.objects[old]
    followed = {name: following(views[name], old, step.object, database).query for name in set_off}
    fenced = isinstance(live.form, TableForm) and is_fenced(settings_sql(live.form.settings))
    # On a cluster the constraint that refuses writers is lifted by the name of its table.
    if topology.reached or work.settings or fenced or not can_be_fenced(live.engine, topology):
        lost = f"what is inserted into {step.object} until the view names it is not seen by {{}}"
        hazards = tuple(Hazard("loses-rows", lost.format(name), f"replace-view {name}") for name in set_off)
        return replace(step, hazards=(*step.hazards, *hazards))
    statements = (
        # Each may be sent again behind a kill. The views last: their queries are refused before the table has its name.
        rename_table(qualified(database, old), qualified(database, step.object), if_exists=True),
        *(query_again(database, name, query, views[name].columns) for name, query in followed.items()),
    )
    feeding = BackfillWork(set_off[0], statements, (old,))
    hazards = (*step.hazards, *(yield from backfill_hazards(feeding)))
    return replace(step, work=feeding, sql=backfill_lines(feeding), hazards=hazards)


def _by_new_names(
    step: Step, work: BackfillWork, called: Mapping[str, str], views: Mapping[str, ViewForm], database: str
) -> Routine[Step]:
    """The step that drops a view and makes it anew, over tables that have other names by then."""
    form = views.get(work.view)
    undo = form_sql(form, database, work.view) if form is not None else work.undo
    # Those of a fill are as declared, so they have their new names already.
    sources = work.sources if work.fill is not None else tuple(called.get(name, name) for name in work.sources)
    again = replace(work, undo=undo, sources=sources)
    kept = [hazard for hazard in step.hazards if hazard.kind != "holds-up-writers"]
    return replace(step, work=again, sql=backfill_lines(again), hazards=(*(yield from backfill_hazards(again)), *kept))


def following(form: ViewForm, old: str, new: str, database: str) -> ViewForm:
    """The view with another name for a table that it reads or writes into."""
    target, name = target_parts(form.to)
    to = target_text(target, new) if form.to and target in (None, database) and name == old else form.to
    return replace(form, query=_with_table(form.query, old, new, database), to=to)


def _with_table(query: str, old: str, new: str, database: str) -> str:
    """The query over the table under its new name. The old one stays as an alias: columns may be named by it."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return query
    meant, alias = ((old,), (database, old)), printed_name(old)
    pieces: list[str] = []
    behind = position = 0
    while position < len(tokens):
        parts, after = identifier(tokens, position)
        if not parts:
            position += 1
            continue
        start, end = tokens.items[position].start, tokens.items[after - 1].end
        said = ""
        if parts in meant and _stands_as_table(tokens, position):
            named = tokens.is_word(after, "AS") or (
                tokens.is_kind(after, "word", "name") and tokens.items[after].text.upper() not in _BEHIND
            )
            membership = tokens.is_word(position - 1, "IN")
            said = printed_name(new) if named or membership else f"{printed_name(new)} AS {alias}"
        elif parts[:2] == (database, old) and len(parts) > 2:
            said = ".".join(map(printed_name, parts[1:]))
        if said:
            pieces += [query[behind:start], said]
            behind = end
        position = after
    return "".join((*pieces, query[behind:]))


def _stands_as_table(tokens: Tokens, position: int) -> bool:
    """Whether a table stands there: behind FROM, JOIN or IN, or a comma of such a list."""
    while position > 0:
        if any(tokens.is_word(position - 1, word) for word in _BEFORE):
            return not tokens.is_word(position - 2, "ARRAY")
        if not tokens.is_op(position - 1, ","):
            return False
        position = _first_of_item(tokens, position - 1)
    return False


def _first_of_item(tokens: Tokens, comma: int) -> int:
    """The first token of what stands before a comma: a table with its alias, or a subquery."""
    opened = {close: start for start, close in tokens.match.items()}
    position = comma
    while position > 0:
        before = opened.get(position - 1, position - 1)
        if tokens.is_op(before, ",") or any(tokens.is_word(before, word) for word in (*_BEFORE, "SELECT", "BY")):
            return position
        if before == position - 1 and tokens.is_kind(before, "open"):
            return position
        position = before
    return position
