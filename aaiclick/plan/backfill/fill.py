"""``MaterializedView(..., backfill=True)``: fills a new view with what its query yields for the rows that its source
holds.

A view sees one INSERT at a time. What it computes of each row alone can be computed later just as well, and so can
sums in an aggregating target: such views are filled part by part. Everything else depends on which rows were
inserted together, and is refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.normalize import inner_form
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import order_matters
from aaiclick.plan.backfill.triggers import can_be_fenced
from aaiclick.plan.backfill.view_steps import backfill_hazards, fill_step
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork, Fill
from aaiclick.plan.proof.nondeterministic import called, nondeterministic_functions
from aaiclick.plan.steps import blocked_step
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.ddl import create_materialized_view_sql
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_DEPENDS_ON_OTHER_ROWS = (
    *(
        "JOIN",
        "DISTINCT",
        "LIMIT",
        "HAVING",
        "OVER",
        "WINDOW",
        "QUALIFY",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "TOTALS",
        "ROLLUP",
        "CUBE",
    ),
    *("FINAL", "SAMPLE", "PREWHERE", "ORDER", "SETTINGS", "OFFSET", "FETCH"),
)
_BRANCH = re.compile(r"^[\s│├└─]*")
_ADDING = ("AggregatingMergeTree", "SummingMergeTree")


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """The query of a view over one table, split at its condition: ``before`` WHERE ``where`` ``behind``. ``where`` is
    '' for none."""

    source: tuple[str, ...]
    before: str
    where: str
    behind: str


def split_query(query: str) -> ViewQuery | str:
    """The parts of a view's query, or why it cannot be run later for the rows that are there."""
    try:
        tokens = Tokens(query)
    except TokenError as error:
        return str(error)
    # Counted anywhere in the text: a subquery may also stand in a WITH, an IN or an expression.
    selects = sum(tokens.is_word(place, "SELECT") for place in range(len(tokens)))
    if selects != 1:
        return "it has a subquery" if selects else "it is no SELECT"
    end = len(tokens)
    found = next((word for word in _DEPENDS_ON_OTHER_ROWS for place in range(end) if tokens.is_word(place, word)), "")
    # ARRAY JOIN makes rows of one row alone: it is the only JOIN that depends on no other row.
    array = any(tokens.is_word(place, "ARRAY", "JOIN") for place in range(end))
    joins = [place for place in range(end) if tokens.is_word(place, "JOIN") and not tokens.is_word(place - 1, "ARRAY")]
    if found and not (found == "JOIN" and array and not joins):
        return (
            f"{found} depends on which rows came together"
            if found != "JOIN"
            else "which rows the joined table held at that time is not known"
        )
    if looked_up := _looked_up(tokens):
        return f"which rows {looked_up} held at that time is not known"
    start = _top(tokens, "FROM", 0)
    if start is None:
        return "it reads no table"
    source, behind = identifier(tokens, start + 1)
    # A table function, or tables behind a comma.
    if not source or tokens.is_op(behind, "(") or tokens.is_op(behind, ","):
        return "it does not read one table"
    where, group = _top(tokens, "WHERE", behind), _top(tokens, "GROUP", behind)
    stop = group if group is not None else end
    return ViewQuery(
        source,
        tokens.slice(0, where if where is not None else stop),
        tokens.slice(where + 1, stop) if where is not None else "",
        tokens.slice(stop, end),
    )


_VALUES = frozenset({"NULL", "TRUE", "FALSE"})


def _looked_up(tokens: Tokens) -> str:
    """The table behind an IN (``k IN other``); '' for none. The server writes it in parentheses, with its database."""
    for place in range(len(tokens)):
        if tokens.is_word(place, "IN"):
            position = place + 1 + tokens.is_op(place + 1, "(")
            parts, behind = identifier(tokens, position)
            if (
                parts
                and parts[0].upper() not in _VALUES
                and (behind == len(tokens) or not tokens.is_kind(behind, "op", "open"))
            ):
                return ".".join(parts)
    return ""


def _top(tokens: Tokens, word: str, position: int) -> int | None:
    """The first position of a word outside of brackets."""
    while position < len(tokens):
        if tokens.is_word(position, word):
            return position
        position = tokens.after(position)
    return None


def create_filled_view(
    item: MaterializedView,
    create: Step,
    wanted: Form | None,
    forms: Mapping[str, Form],
    targets: Mapping[str, Form],
    catalog: Catalog,
    scratch: Scratch,
    declared: Collection[str],
    topology: Topology,
    filled: Collection[str] = (),
) -> Routine[Step]:
    """The step for a missing materialized view. ``create`` is the step that only creates it.

    ``forms`` are declared tables that are there or that this plan fills before, ``targets`` tables that views write
    into, ``declared`` the names of all declared tables, ``filled`` those of the tables that this plan fills before.
    """
    # A refreshable view is filled by its first refresh.
    if item.refresh is not None or not isinstance(wanted, ViewForm):
        return create
    if not item.backfill:
        parsed = split_query(wanted.query)
        if isinstance(parsed, str):
            return create
        return _without_backfill(create, own_source(parsed, catalog), item)
    known = Fillable(forms, targets, catalog, scratch, declared, topology, filled)
    fill = yield from fill_of(wanted, known)
    if fill is None:
        return create
    return _refused(create, item, fill) if isinstance(fill, str) else (yield from _filled(item, create, fill, catalog))


@dataclass(frozen=True, slots=True)
class Fillable:
    """What has to be known to fill a view."""

    forms: Mapping[str, Form]
    """Of declared tables that are there, or that this plan fills before."""
    targets: Mapping[str, Form]
    """Of tables that views write into."""
    catalog: Catalog
    """What is there."""
    scratch: Scratch
    """Where the views are, as they are declared."""
    declared: Collection[str]
    """The names of all declared tables."""
    topology: Topology
    """The hosts."""
    filled: Collection[str] = ()
    """The tables that this plan fills before."""


def fill_of(wanted: ViewForm, known: Fillable) -> Routine[Fill | str | None]:
    """What a view would have made of the rows that its source holds, or why that cannot be told; None where this plan
    makes the source, which holds no rows."""
    parsed = split_query(wanted.query)
    if isinstance(parsed, str):
        return parsed
    catalog, source = known.catalog, parsed.source[-1]
    ours = _is_ours(parsed, catalog)
    live = own_source(parsed, catalog)
    if live is None and ours and source in known.declared and source not in known.filled:
        return f"{source} gets its name in the same run: fill it in the next" if source in known.forms else None
    raw = known.forms.get(source) if ours else None
    form = raw or (live.form if live is not None else None)
    if not isinstance(form, TableForm):
        return f"{'.'.join(parsed.source)} is no table of this database"
    target = known.targets.get(wanted.to) if wanted.to else inner_form(wanted)
    why = yield from _unfit(form, wanted, target, catalog, known.scratch, known.topology)
    if why:
        return why
    columns = tuple((column.name, column.name) for column in wanted.columns)
    return Fill(source, wanted.to, columns, (), parsed.where, True, parsed.before, parsed.behind)


def _is_ours(parsed: ViewQuery, catalog: Catalog) -> bool:
    return parsed.source in (parsed.source[-1:], (catalog.database, parsed.source[-1]))


def own_source(parsed: ViewQuery, catalog: Catalog) -> LiveObject | None:
    """The table of this database that the query reads; None for none."""
    return catalog.get(parsed.source[-1]) if _is_ours(parsed, catalog) else None


def _filled(item: MaterializedView, create: Step, fill: Fill, catalog: Catalog) -> Routine[Step]:
    """The step that makes the view and fills it."""
    source = fill.source
    work = BackfillWork(item.name, (create_materialized_view_sql(item, catalog.database),), (source,), fill)
    blocked = ""
    there = catalog.get(fill.target) if fill.target else None
    # Without a mark of a run that fills it: those are settled before anything is planned.
    if there is not None and there.rows:
        blocked = (
            f"{fill.target} holds {rows_text(there.rows)} already, and nobody can tell which rows of {source} are in "
            "them"
        )
    hazards = yield from backfill_hazards(work)
    words = f"{item.noun} is missing, and is filled from {source}"
    return fill_step(create.id, words, work, hazards, catalog.get(source), blocked)


def _without_backfill(create: Step, live: LiveObject | None, item: MaterializedView) -> Step:
    """The plain CREATE, with a hazard that names the rows that the view will not show."""
    if live is None or not live.rows or not isinstance(create.work, CreateWork):
        return create
    message = (
        f"the {rows_text(live.rows)} that {live.name} holds already {verb_for(live.rows, 'are')} not in it: "
        "backfill=True "
        f"would bring {'it' if live.rows == 1 else 'them'} in"
    )
    hazard = Hazard("readers-see-gap", message)
    return Step(create.id, item.name, create.change, "create", create.sql, create.work, (hazard,))


def _refused(create: Step, item: MaterializedView, why: str) -> Step:
    reason = (
        f"it cannot be filled with what is there: {why}. Leave backfill out, and fill it with a statement of a "
        "migration"
    )
    return blocked_step(create.id, item.name, create.change, reason, "backfill")


def _unfit(
    source: TableForm,
    wanted: ViewForm,
    target: Form | None,
    catalog: Catalog,
    scratch: Scratch,
    topology: Topology,
) -> Routine[str]:
    """Why the fill would yield something else than the view had; '' where it would not."""
    if not can_be_fenced(source.engine, topology):
        return f"writers of a table of engine {source.engine} cannot be kept out"
    if not isinstance(target, TableForm) or not can_be_fenced(target.engine, topology):
        kind = "replicated table" if topology.reached else "table"
        return f"its target {wanted.to or '(its own table)'} is no {kind} of the MergeTree family in this database"
    # Rows of the fill would be inserted last, though they are the oldest.
    if order_matters(target):
        return f"{target.engine} keeps rows by the order in which they were inserted, and these would be the last"
    functions = called(wanted.query)
    changing = sorted(functions & (yield from nondeterministic_functions())) if functions else []
    if changing:
        return f"{', '.join(changing)} returns another value at every call"
    # The fill aggregates part by part, as the view would INSERT by INSERT. Only merges that add up make one result of
    # the pieces.
    if (yield from _aggregates(wanted, scratch)) and not target.engine.endswith(_ADDING):
        return f"it aggregates each INSERT by itself, and {target.engine} does not add the pieces up"
    listening = (yield from _views_on(catalog.database, wanted.to)) if catalog.get(wanted.to) is not None else ""
    return f"{listening} reads {wanted.to}, and would not see these rows" if listening else ""


def _views_on(database: str, target: str) -> Routine[str]:
    """The materialized views on the target: an INSERT would set them off, and the fill is no INSERT into it."""
    rows = yield Query(
        "SELECT arrayStringConcat(arrayMap((d, n) -> concat(d, '.', n), dependencies_database, dependencies_table), "
        "', ') FROM system.tables"
        " WHERE database = {database:String} AND name = {name:String}",
        {"database": database, "name": target},
    )
    return text(rows[0][0]) if rows else ""


def _aggregates(wanted: ViewForm, scratch: Scratch) -> Routine[bool]:
    """True where the query aggregates, as the engine's plan of it shows."""
    # Without that setting a count() is answered from metadata, and the plan of the query shows no aggregation.
    # EXPLAIN reads no rows. The view is not there yet, so its query is asked in scratch.
    rows = yield from rows_or_refusal(
        Query(f"EXPLAIN SELECT * FROM {scratch.sql_name(wanted.name)} SETTINGS optimize_trivial_count_query = 0")
    )
    if rows is None:
        return True
    return any(_BRANCH.sub("", text(row[0])).startswith(("Aggregating", "MergingAggregated")) for row in rows)
