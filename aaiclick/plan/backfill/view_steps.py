"""Steps that put a materialized view in place between two inserts: every row goes through it once.

An aggregate's view is filled with the rows of its raw table. A measure that is added later is filled alone: its rows
in the target have no value in the other measures, which adds nothing to these. Any other change empties the target
and fills it again, which has to be allowed by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm, ViewForm
from aaiclick.clickhouse.statements import ask_permissively
from aaiclick.clickhouse.topology import Topology
from aaiclick.clickhouse.write_fence import refusal_code
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import SpecError, StatementError
from aaiclick.plan.backfill.triggers import can_be_fenced, fenced_sources
from aaiclick.plan.dependents.undeclared_of_views import create_again, query_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork, Fill
from aaiclick.plan.steps import create_step
from aaiclick.printable import rows_text
from aaiclick.routine import Query, Routine, number
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.ddl import create_materialized_view_sql
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.ddl import drop, truncate_table
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.sql.types import parse_type

_AGAIN = ("min(", "max(", "any(", "groupBitAnd(")
"""Simple aggregates that stay the same when they meet a row for the second time."""


def require_aggregates(schema: Schema) -> None:
    """Raise ``SpecError`` for an aggregate's view whose tables are not declared."""
    for item in schema.objects:
        if isinstance(item, AggregateView):
            for name in (item.raw, item.to or ""):
                if not any(table.name == name for table in schema.tables):
                    raise SpecError(
                        f"{item.noun} {item.name}", f"its table {name} is not declared: declare both with rollup(...)"
                    )


def require_types(item: AggregateView, view: Form | None, target: Form | None) -> None:
    """Raise ``SpecError`` where the query yields another type than the target's column has: an INSERT would convert the
    value, or fail."""
    if not isinstance(view, ViewForm) or not isinstance(target, TableForm):
        return
    for column in view.columns:
        wanted = target.column(column.name)
        simple = (
            parse_type(wanted.type).arguments[1]
            if wanted is not None and wanted.type.startswith("SimpleAggregateFunction(")
            else ""
        )
        if wanted is not None and column.type not in (wanted.type, simple):
            raise SpecError(
                f"aggregate {item.to}: {column.name}",
                f"is declared as {wanted.type}, but {dict(item.columns)[column.name]} yields {column.type}",
            )


def replaced(
    item: MaterializedView, live: LiveObject, wanted: ViewForm, catalog: Catalog, topology: Topology
) -> Routine[BackfillWork | None]:
    """DROP and CREATE of a view with a target of its own (TO), without missing an INSERT; None where that is not
    possible."""
    before, database = live.form, catalog.database
    # Without TO the rows are in a table that goes with the view; and no INSERT sets off a refreshable view.
    if not isinstance(before, ViewForm) or not (before.to and wanted.to) or before.refresh or wanted.refresh:
        return None
    sources = yield from fenced_sources(catalog, item.name, topology)
    if not sources:
        return None
    statements = (
        # IF EXISTS: a run that goes on where another was killed may find the view dropped.
        drop("VIEW", qualified(database, item.name), if_exists=True),
        create_again(item, before, wanted, database),
    )
    return BackfillWork(item.name, statements, sources, undo=live.text)


def replace_step(item: MaterializedView, words: list[str], work: BackfillWork) -> Routine[Step]:
    """The step for such a DROP and CREATE."""
    hazards = yield from backfill_hazards(work)
    return Step(f"{item.name}:replace", item.name, "; ".join(words), "replace", backfill_lines(work), work, hazards)


def fill_step(
    key: str, words: str, work: BackfillWork, hazards: tuple[Hazard, ...], source: LiveObject | None, blocked: str = ""
) -> Step:
    """The step that fills a view. ``source``: what it is filled from; None where this plan makes that."""
    rows, size = (source.rows, source.bytes) if source is not None else (0, 0)
    return Step(key, work.view, words, "backfill", backfill_lines(work), work, hazards, rows, size, blocked=blocked)


def create_aggregate(
    item: AggregateView, forms: Mapping[str, Form], catalog: Catalog, topology: Topology
) -> Routine[Step]:
    """The step for an aggregate's view that is missing. ``forms`` has the tables that are there."""
    create = create_materialized_view_sql(item, catalog.database)
    raw, live = forms.get(item.raw), catalog.get(item.raw)
    key, words = f"{item.name}:create", f"{item.noun} is missing"
    if raw is None:
        return create_step(item.name, item.noun, create)
    assert isinstance(raw, TableForm)
    # Rows that come in while the fill reads would be counted by the view and by the fill, or by neither.
    if not can_be_fenced(raw.engine, topology):
        lost = (
            f"what {item.raw} holds already is not brought into {item.to}: writers of a table of engine {raw.engine} "
            "cannot be kept out"
        )
        hazard = Hazard("changes-values", lost, f"start-empty {item.to}")
        return Step(
            key,
            item.name,
            words,
            "create",
            [create],
            CreateWork(create),
            # A Null or Kafka table keeps no rows, so none are missing.
            (hazard,) if raw.engine not in ("Null", "Kafka") else (),
        )
    work = BackfillWork(item.name, (create,), (item.raw,), _fill(item, dict(item.columns), empty=True))
    target = catalog.get(item.to or "")
    blocked = ""
    if target is not None and target.rows:
        blocked = (
            f"{item.to} holds {rows_text(target.rows)}, but there is no view that fills it: nobody can tell which "
            f"rows of {item.raw} are in them"
        )
    hazards = yield from backfill_hazards(work)
    return fill_step(key, f"{words}, and is filled from {item.raw}", work, hazards, live, blocked)


def change_aggregate(
    item: AggregateView,
    live: ViewForm,
    wanted: ViewForm,
    forms: Mapping[str, Form],
    catalog: Catalog,
    topology: Topology,
) -> Routine[Step | None]:
    """The step for an aggregate whose query differs; None where an ALTER of the view alone will do, because measures
    were removed."""
    raw, source = forms.get(item.raw), catalog.get(item.raw)
    before, after = selected_columns(live.query), selected_columns(wanted.query)
    columns, behind = before
    added = [name for name in after[0] if name not in columns]
    differing = [name for name, text in columns.items() if name in after[0] and after[0][name] != text]
    same = live.to == wanted.to and not differing and behind == after[1] and set(item.keys) <= set(columns)
    if (same and not added) or not isinstance(raw, TableForm):
        return None
    kept = [name for name in item.measures if name in columns]
    # In these a row without a value would count (0 for min), so they are filled once more beside the new ones.
    again = [name for name in kept if name not in item.neutral]
    held = bool(added) and (yield from _held(item, added, catalog, topology))
    if (
        same
        and not held
        and set(added) <= set(item.neutral)
        and all(item.measures[name].startswith(_AGAIN) for name in again)
    ):
        work, further = _fill_measures(item, live, raw, added, again, catalog.database)
        words = f"{', '.join(added)} is new, and is filled from {item.raw}"
    else:
        work, further = _fill_anew(item, live, wanted, catalog)
        words = f"target {live.to} -> {wanted.to}" if live.to != wanted.to else "the query differs"
    hazards = (*(yield from backfill_hazards(work)), *further)
    if not can_be_fenced(raw.engine, topology):
        return None
    return fill_step(f"{item.name}:replace", words, work, hazards, source)


def _fill_measures(
    item: AggregateView, live: ViewForm, raw: TableForm, added: Sequence[str], again: Sequence[str], database: str
) -> tuple[BackfillWork, tuple[Hazard, ...]]:
    """New measures (``added``) are filled beside those that are there, with the old ones that have to be (``again``);
    what else that does."""
    columns = {name: text for name, text in item.columns if name in item.keys or name in added or name in again}
    # MODIFY QUERY changes the view where it is: an INSERT meets the old query or the new one.
    work = BackfillWork(
        item.name,
        (query_again(database, item.name, item.query, live.columns),),
        (item.raw,),
        _fill(item, columns, empty=False),
    )
    if not raw.ttl:
        return work, ()
    gone = (
        f"{item.raw} has a TTL: {', '.join(added)} of {item.to} begins with the rows that are still there, "
        "the other measures go further back"
    )
    return work, (Hazard("changes-values", gone, f"fill-from-the-rest {item.to}"),)


def _fill_anew(
    item: AggregateView, live: ViewForm, wanted: ViewForm, catalog: Catalog
) -> tuple[BackfillWork, tuple[Hazard, ...]]:
    """The target is emptied and filled again, or another one is filled; what else that does."""
    database, moved = catalog.database, live.to != wanted.to
    # A view with another target fills a new table; the old one stays as it is.
    # All of it while writers are refused: no row comes in between the TRUNCATE and the new view.
    emptied = () if moved else (truncate_table(qualified(database, item.to or "")),)
    statements = (
        drop("VIEW", qualified(database, item.name), if_exists=True),
        *emptied,
        create_again(item, live, wanted, database),
    )
    undo = catalog.objects[item.name].text
    work = BackfillWork(item.name, statements, (item.raw,), _fill(item, dict(item.columns), empty=moved), undo)
    gone = (
        f"{item.to} is emptied and filled again from {item.raw}: what that no longer holds is gone, and readers "
        "see it grow"
    )
    return work, () if moved else (Hazard("loses-rows", gone, f"rebuild-aggregate {item.to}"),)


def _held(item: AggregateView, added: Collection[str], catalog: Catalog, topology: Topology) -> Routine[bool]:
    """True where the target still has values of a measure that is declared again: filled once more, its rows would
    count twice."""
    target = catalog.get(item.to or "")
    if target is None or not isinstance(target.form, TableForm):
        return False
    there = [column for column in target.form.columns if column.name in added]
    if not there:
        return False
    # By their bytes, because states of aggregate functions cannot be compared.
    tests = [
        f"hex({quote_name(column.name)}) != hex(defaultValueOfTypeName({quote_string(column.type)}))"
        for column in there
    ]
    table = qualified(catalog.database, target.name)
    # Other shards have other rows.
    table = topology.everywhere(table) if topology.reached else table
    try:
        rows = yield from ask_permissively(Query(f"SELECT count() FROM {table} WHERE {' OR '.join(tests)}"))
    except StatementError as error:
        if error.code == 0:
            raise
        return True  # this server cannot tell
    return number(rows[0][0]) > 0


def _fill(item: AggregateView, columns: Mapping[str, str], *, empty: bool) -> Fill:
    assert item.to is not None
    return Fill(item.raw, item.to, tuple(columns.items()), tuple(item.keys), item.where, empty)


def backfill_hazards(work: BackfillWork) -> Routine[tuple[Hazard, ...]]:
    """What the step does to writers of the view's sources."""
    code = yield from refusal_code()
    words = f"INSERTs into {', '.join(work.sources)} are refused (error {code}) until those that run have ended"
    return (Hazard("holds-up-writers", words),)


def backfill_lines(work: BackfillWork) -> list[str]:
    """What is sent, for people."""
    listed = ", ".join(work.sources)
    lines = [
        f"-- refuse writers of {listed} and wait for the INSERTs that run",
        *work.statements,
        f"-- let writers of {listed} in again",
    ]
    if work.fill is not None:
        names = ", ".join(name for name, _ in work.fill.columns)
        lines.append(
            f"-- fill {work.fill.target or 'the table that it owns'} ({names}) with what {work.fill.source} held "
            "before, part by part"
        )
    return lines


def selected_columns(query: str) -> tuple[dict[str, str], str]:
    """Columns that the engine's text of a query selects, by name, and the text from FROM on."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return {}, query
    end = 0
    while end < len(tokens) and not tokens.is_word(end, "FROM"):
        end = tokens.after(end)
    if end == len(tokens) or not tokens.is_word(0, "SELECT"):
        return {}, query
    found: dict[str, str] = {}
    for start, stop in tokens.split(1, end):
        last = tokens.items[stop - 1]
        named = stop - start > 2 and tokens.is_word(stop - 2, "AS")
        found[unquote(last.text)] = tokens.slice(start, stop - 2 if named else stop)
    return found, tokens.slice(end, len(tokens))
