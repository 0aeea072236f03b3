"""Materialized views over tables that change: where their rows go, and the columns that they store themselves.

The rows go into a target, or into the view's inner table. Its columns stay as they are, so a wider value would be
silently cut off there. The view stores a list of columns, too, and converts to it at every read. ``MODIFY QUERY``
with the same query makes that list anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.declared_tables import create_clone
from aaiclick.catalog.forms import Catalog, LiveObject, TableForm, UnsupportedForm
from aaiclick.catalog.read import NIL_UUID, read_catalog
from aaiclick.catalog.render import form_sql
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clickhouse.tables import own_table
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import StatementError, UnsupportedObjectError
from aaiclick.plan.declaration.materialized_views import target_columns, writable
from aaiclick.plan.dependents.database_after import Effect, Read
from aaiclick.plan.dependents.dependents import Dependent
from aaiclick.plan.dependents.lossless_conversions import fits
from aaiclick.plan.dependents.plain_views import blocked_dependent, display_name
from aaiclick.plan.dependents.undeclared_of_views import query_again
from aaiclick.plan.model import Step, Strategy
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.rehearsal.empty_clone import Clone, attempt
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Routine
from aaiclick.sql.ddl import alter_table, drop
from aaiclick.sql.quoting import qualified, quote_name

Steps = tuple[tuple[Step, ...], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column whose target cannot hold what the query yields.

    ``kept`` is the type of the column that it is written into; '' where there is none. ``yields`` is the type that
    the query yields.
    """

    column: str
    kept: str
    yields: str

    @property
    def words(self) -> str:
        """What differs."""
        return (
            f"{self.column} is {self.kept} there, and the query yields {self.yields}"
            if self.kept
            else f"it has no column {self.column}"
        )


def materialized_steps(
    effect: Effect, catalog: Catalog, tables: Mapping[str, Read], declared: bool, back: bool = False
) -> Routine[Steps]:
    """Steps before and after those of the tables. ``tables``: the forms that tables of the database will have.
    ``back``: what is stored in wider types may stay."""
    dependent = effect.dependent
    assert dependent.form is not None
    if not effect.fresh or not dependent.columns:
        return (), ()
    if not dependent.form.to:
        return (yield from _owner(effect, catalog, declared, back))
    place = dependent.target
    assert place is not None
    kept = yield from _columns_of(place, catalog, tables)
    today = yield from target_columns(place)
    # Only what the plan changes counts: a conversion that the view has had before was meant so.
    found = [
        each
        for each in misfits(effect, kept)
        if each.yields != effect.now.get(each.column)
        or (each.kept != today.get(each.column) and fits(each.yields, today.get(each.column, "")))
    ]
    # The types of a declared view were compared with its target before (require_fit).
    if declared:
        found = [each for each in found if not each.kept]
    if found:
        name = place[1] if place[0] == catalog.database else ".".join(place)
        why = (
            f"values would be changed on their way into its target {name}: "
            f"{'; '.join(each.words for each in found)}. Change {name} as well, or first"
        )
        return (blocked_dependent(dependent, catalog.database, why),), ()
    return (), _refreshed(effect, catalog.database, back)


def misfits(effect: Effect, kept: Mapping[str, str]) -> list[Misfit]:
    """The columns of the query that do not fit."""
    return [
        Misfit(column.name, kept.get(column.name, ""), column.type)
        for column in effect.fresh
        if column.name not in kept or not fits(column.type, kept[column.name])
    ]


def _refreshed(effect: Effect, database: str, back: bool = False) -> tuple[Step, ...]:
    """The step that makes the view's own list of columns anew, by which it is read. ``back``: not where that holds what
    the query yields."""
    dependent, fresh = effect.dependent, {column.name: column.type for column in effect.fresh}
    stale = [
        column
        for column in dependent.columns
        if _differs(column.type, fresh.get(column.name, column.type), effect.now.get(column.name, ""))
        and not (back and fits(fresh[column.name], column.type))
    ]
    if not stale:
        return ()
    return (
        _query_step(
            dependent, database, [f"column {column.name}: {column.type} -> {fresh[column.name]}" for column in stale]
        ),
    )


def _differs(kept: str, yields: str, now: str) -> bool:
    """True where a stored type has to follow the query: the query yields a new type, or values would be changed."""
    return kept != yields and (now != yields or not fits(yields, kept))


def _query_step(dependent: Dependent, database: str, words: Sequence[str]) -> Step:
    # The same query again: the server then works out the types of the view's columns anew.
    sql = query_again(dependent.database, dependent.name, dependent.query, dependent.columns)
    lines = tuple(f"{dependent.noun} as its query gives it: {each}" for each in words)
    name = display_name(dependent, database)
    return statements_step(f"{name}:types", name, "; ".join(lines), (sql,), changes=lines)


def _columns_of(place: tuple[str, str], catalog: Catalog, tables: Mapping[str, Read]) -> Routine[dict[str, str]]:
    """Types of a target's columns as they will be; empty where it does not exist."""
    if place[0] == catalog.database and place[1] in tables:
        return writable(tables[place[1]])
    return (yield from target_columns(place))


def _owner(effect: Effect, catalog: Catalog, declared: bool, back: bool) -> Routine[Steps]:
    """Steps for a view with an inner table. The inner table can be altered, but not exchanged: the view finds it by its
    UUID."""
    dependent = effect.dependent
    live = yield from _inner_table(dependent)
    if live is None or not isinstance(live.form, TableForm):
        return (_unknown(effect, catalog.database, live) if _refreshed(effect, catalog.database) else ()), ()
    kept = {column.name: column.type for column in live.form.columns}
    # One that nobody declares only follows what this plan changes: any other difference was there before.
    found = [
        Misfit(column.name, kept.get(column.name, ""), column.type)
        for column in effect.fresh
        if _differs(kept.get(column.name, ""), column.type, effect.now.get(column.name, ""))
        and (declared or column.type != effect.now.get(column.name))
        and not (back and fits(column.type, kept.get(column.name, "")))
    ]
    if not found:
        return _as_stored(dependent, kept, catalog.database), ()
    commands = [_command(each) for each in found]
    refused = yield from _why_not_altered(dependent, live, live.form, found, commands, catalog.database)
    why = "; ".join(each.words for each in found)
    if refused and declared:
        # Behind the steps of the tables: its query is read over their new form.
        return (), (_by_name(dependent, why),)
    if refused:
        return (), (_impossible(effect, catalog.database, why, refused),)
    # The inner table first, the view's own list second: in between the view converts the wider values to the old types
    # when it is read, as it did before.
    changes = [f"column {each.column}: {each.kept or 'none'} -> {each.yields}" for each in found]
    # In front of the steps of the tables: rows of the old types fit into the wider columns, not the other way round.
    widened = _alter_inner(dependent, live, found, commands, changes)
    return (widened, _query_step(dependent, catalog.database, changes)), ()


def _inner_table(dependent: Dependent) -> Routine[LiveObject | None]:
    named = f".inner_id.{dependent.uuid}"
    # chdb's default database shows no UUIDs; there the table is found by where its rows are.
    inner = named if dependent.uuid != NIL_UUID else (yield from own_table(*dependent.place))
    return (yield from read_catalog(dependent.database, (inner,))).get(inner) if inner else None


def _as_stored(dependent: Dependent, kept: Mapping[str, str], database: str) -> tuple[Step, ...]:
    """The step for a view that lists other types than its inner table has: a run leaves it so that is killed when the
    inner table is wide already."""
    stale = [
        column
        for column in dependent.columns
        if kept.get(column.name, column.type) != column.type and not fits(kept[column.name], column.type)
    ]
    words = [f"column {column.name}: {column.type} -> {kept[column.name]}" for column in stale]
    return (_query_step(dependent, database, words),) if stale else ()


def _why_not_altered(
    dependent: Dependent,
    live: LiveObject,
    form: TableForm,
    found: Sequence[Misfit],
    commands: Sequence[str],
    database: str,
) -> Routine[str]:
    """Why the inner table cannot be altered; '' where it can."""
    if any(each.kept and not fits(each.kept, each.yields) for each in found):
        return "what it holds would change"
    # Tried on an empty table of its form: the server says at the ALTER what a key or an index of it forbids.
    if refused := (yield from _refused(form, commands, database)):
        return refused
    if dependent.database != database:
        inner = qualified(dependent.database, live.name)
        return f"it is in another database: ALTER TABLE {inner} {', '.join(commands)} would do"
    return ""


def _alter_inner(
    dependent: Dependent, live: LiveObject, found: Sequence[Misfit], commands: Sequence[str], changes: Sequence[str]
) -> Step:
    """The step that gives the inner table the columns that the query yields."""
    sql = alter_table(qualified(dependent.database, live.name), *commands)
    lines = tuple(f"own table of the materialized view: {each}" for each in changes)
    written = f"columns of the table that {dependent.name} owns are written anew"
    hazards = (Hazard("rewrites-data", written),) if any(each.kept for each in found) else ()
    work = AlterWork(live.name, (Alter(sql, mutates=bool(hazards)),))
    strategy: Strategy = "mutate" if hazards else "alter"
    return Step(
        f"{dependent.name}:inner",
        dependent.name,
        "; ".join(lines),
        strategy,
        [sql],
        work,
        hazards,
        live.rows,
        live.bytes,
        changes=lines,
    )


def _unknown(effect: Effect, database: str, live: LiveObject | None) -> tuple[Step, ...]:
    """A blocked step: what is not known of the table could cut values off."""
    reason = live.form.reason if live is not None and isinstance(live.form, UnsupportedForm) else "it is not found"
    said = f"the table that it owns would have to follow, and nothing can be said of it ({reason})"
    return (blocked_dependent(effect.dependent, database, f"{said}. Give the view a table to write to (to=)"),)


def _command(misfit: Misfit) -> str:
    return f"{'MODIFY' if misfit.kept else 'ADD'} COLUMN {quote_name(misfit.column)} {misfit.yields}"


def _refused(form: TableForm, commands: Sequence[str], database: str) -> Routine[str]:
    """Why the engine does not change such a table; '' where it does."""

    def body(scratch: Scratch) -> Routine[str]:
        try:
            name = yield from create_clone(scratch, replace(form, name="own"), "own")
        except (StatementError, UnsupportedObjectError) as error:
            return str(error)
        clone = Clone(scratch.database, name, dict(scratch.settings))
        return (yield from attempt(clone, alter_table(clone.name, *commands))).message

    return (yield from with_scratch(body, fallback=database))


def _by_name(dependent: Dependent, why: str) -> Step:
    assert dependent.form is not None
    # Without its list of columns, which the server works out from the query.
    create = form_sql(replace(dependent.form, columns=()), dependent.database, dependent.name)
    statements = (drop("VIEW", qualified(dependent.database, dependent.name)), create)
    lost = (
        f"the table that {dependent.name} owns cannot follow its query ({why}): it is made anew, and the rows in it "
        "are gone"
    )
    hazard = Hazard("loses-rows", lost, f"replace-view {dependent.name}")
    return statements_step(f"{dependent.name}:replace", dependent.name, f"its own table: {why}", statements, (hazard,))


def _impossible(effect: Effect, database: str, why: str, refused: str) -> Step:
    dependent = effect.dependent
    said = f"the table that it owns cannot follow: {why} ({refused.splitlines()[0].rstrip('.')})"
    return blocked_dependent(
        dependent, database, f"{said}. Give the view a table to write to (to=), or cast in its query"
    )
