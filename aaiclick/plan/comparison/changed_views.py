"""How a declared view that differs is changed: where it is, or dropped and made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.normalize import inner_as_live, normal_form
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.backfill.view_steps import change_aggregate, replace_step, replaced
from aaiclick.plan.declaration.dictionaries import loads, trial
from aaiclick.plan.dependents.declared_reads import Declared
from aaiclick.plan.dependents.dependent_steps import DependentSteps
from aaiclick.plan.dependents.undeclared_of_views import create_again, keeping, query_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Routine
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.ddl import create_sql
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.clauses import modify_comment, modify_refresh, modify_security
from aaiclick.sql.ddl import alter_table, drop, is_alter, replacing
from aaiclick.sql.quoting import qualified
from aaiclick.sql.secrets import without_secrets
from aaiclick.sql.security import same_security


def with_difference(step: Step, live: Form, wanted: Form) -> Step:
    """The step with what differs in the query of a view."""
    if not isinstance(live, ViewForm) or not isinstance(wanted, ViewForm) or step.blocked:
        return step
    old, new = normal_form(live), normal_form(wanted)
    assert isinstance(old, ViewForm)
    assert isinstance(new, ViewForm)
    if old.query == new.query:
        return step
    from aaiclick.sql.query_lines import query_diff  # where a query differs, and nowhere else

    return replace(step, diff=query_diff(old.query, new.query))


def view_changes(live: LiveObject | None, wanted: Form | None) -> bool:
    """One that is there and does not change is left alone, even if it was at odds with its table before."""
    if live is None:
        return True
    return (
        isinstance(live.form, DictionaryForm)
        and isinstance(wanted, DictionaryForm)
        and normal_form(live.form) != normal_form(wanted)
    )


def step_of_changed(
    item: Declared, live: LiveObject, form: Form, catalog: Catalog, forms: Mapping[str, Form], topology: Topology
) -> Routine[Step | None]:
    """The step by which it becomes what is declared; None where it is that already. ``forms``: of tables."""
    database = catalog.database
    name = qualified(database, item.name)
    if isinstance(item, Dictionary):
        if (
            not isinstance(live.form, DictionaryForm)
            or not isinstance(form, DictionaryForm)
            or normal_form(live.form) == normal_form(form)
        ):
            return None
        sql = replacing(create_sql(item, database))
        shown = without_secrets(sql)
        load = [text] if (text := loads(item, database)) else []
        work = ReplaceWork((sql, *load), secret=shown != sql, trial=trial(item, database) if load else "")
        return Step(f"{item.name}:replace", item.name, "definition differs", "replace", [shown, *load], work)
    before, after = normal_form(live.form), normal_form(form)
    assert isinstance(before, ViewForm)
    assert isinstance(after, ViewForm)
    after = inner_as_live(after, before)
    words = _differences(item, before, after)
    if not words:
        return None
    # Nothing else differs, and MODIFY SQL SECURITY leaves no moment without the view.
    if words == [_reads_as(before, after)]:
        alter = alter_table(name, modify_security(after.security))
        return statements_step(f"{item.name}:replace", item.name, words[0], (alter,))
    if before.materialized != after.materialized:
        return _of_another_kind(item, before, after, "; ".join(words), database)
    if isinstance(item, View):
        # CREATE OR REPLACE, so that no reader finds the name missing: a plain view holds no rows that could be lost.
        sql = replacing(create_again(item, before, after, database))
        return statements_step(f"{item.name}:replace", item.name, "; ".join(words), (sql,))
    aggregate_step = (
        (yield from change_aggregate(keeping(item, before), before, after, forms, catalog, topology))
        if isinstance(item, AggregateView)
        else None
    )
    if aggregate_step is not None:
        return aggregate_step
    # In place where that is possible, then between two INSERTs, and with a gap only where neither is.
    alters = _in_place(item, before, after, database)
    if alters:
        blocked = _unwritten(item, after, forms, catalog)
        return statements_step(f"{item.name}:replace", item.name, "; ".join(words), alters, blocked=blocked)
    backfill = yield from replaced(item, live, after, catalog, topology)
    if backfill is not None:
        return (yield from replace_step(item, words, backfill))
    statements = (drop("VIEW", name), create_again(item, before, after, database))
    lost = "inserts between the two statements are not seen by the view" + (
        "" if item.to else ", and its inner table is gone, with its rows and what was changed in it by hand"
    )
    hazard = Hazard("loses-rows", lost, f"replace-view {item.name}")
    return statements_step(f"{item.name}:replace", item.name, "; ".join(words), statements, (hazard,))


def _of_another_kind(
    item: View | MaterializedView, live: ViewForm, wanted: ViewForm, words: str, database: str
) -> Step:
    """A materialized view becomes a plain one, or a plain one a materialized one: what the one has is not in the
    other."""
    lost, blocked = "", ""
    if isinstance(item, View):
        gone = "nothing that is inserted is written by it any more"
        lost = (
            gone if live.to else f"its own table is gone, with its rows and what was changed in it by hand, and {gone}"
        )
    else:
        lost = "it has only what is inserted from then on" if item.refresh is None else "it is empty until its refresh"
        if item.backfill or isinstance(item, AggregateView):
            blocked = (
                f"a plain view {item.name} is there, and a view is filled only where there is none: drop that one in a "
                "version of its own, or by hand"
            )
    statements = (
        drop("VIEW", qualified(database, item.name)),
        create_again(item, live, wanted, database),
    )
    hazard = Hazard("loses-rows", lost, f"replace-view {item.name}")
    return statements_step(f"{item.name}:replace", item.name, words, statements, (hazard,), blocked=blocked)


def _in_place(item: MaterializedView, live: ViewForm, wanted: ViewForm, database: str) -> tuple[str, ...]:
    """ALTERs that change a materialized view where it is, so that no INSERT misses it; () where that is not
    possible."""
    appends = [" APPEND" in f" {form.refresh.upper()} " for form in (live, wanted)]
    if (
        live.to != wanted.to
        or (item.engine is not None and live.inner != wanted.inner)
        or bool(live.refresh) != bool(wanted.refresh)
        or appends[0] != appends[1]
    ):
        return ()
    if not live.to and not {column.name for column in wanted.columns} <= {column.name for column in live.columns}:
        return ()  # its own table lacks a column, and takes no ALTER that adds one
    name = qualified(database, item.name)
    alters: list[str] = []
    if live.query != wanted.query:
        # No moment without the view: an INSERT meets the old query or the new one.
        alters.append(query_again(database, item.name, item.query, live.columns))
    if item.refresh is not None and live.refresh != wanted.refresh:
        alters.append(alter_table(name, modify_refresh(item.refresh)))
    if item.declares("comment") and live.comment != wanted.comment:
        alters.append(alter_table(name, modify_comment(item.comment or "")))
    if not same_security(wanted.security, live.security):
        alters.append(alter_table(name, modify_security(wanted.security)))
    return tuple(alters)


def altered_in_place(step: Step) -> bool:
    """True for a step that only sends ALTERs to a view, which stays the object that it was."""
    return isinstance(step.work, ReplaceWork) and all(is_alter(sql) for sql in step.work.statements)


def made_anew(
    around: DependentSteps,
    altered: Sequence[Step],
    items: Sequence[Declared],
    catalog: Catalog,
    shapes: Mapping[str, ViewForm],
) -> tuple[DependentSteps, tuple[Step, ...]]:
    """One step for a view that has to be dropped for its table of its own and would be altered behind that: it is made
    as declared, with what nobody declares of it as it is. ``shapes``: what views become."""
    declared = {item.name: item for item in items if isinstance(item, MaterializedView)}
    alters = {step.object: step for step in altered if altered_in_place(step)}
    behind: list[Step] = []
    for step in around.behind:
        alter = alters.get(step.object)
        if step.id != f"{step.object}:replace" or alter is None:
            behind.append(step)
            continue
        live = catalog.objects[step.object].form
        assert isinstance(live, ViewForm)
        statements = (
            drop("VIEW", qualified(catalog.database, step.object)),
            create_again(declared[step.object], live, shapes[step.object], catalog.database),
        )
        changes = (alter.change, *(step.changes or (step.change,)))
        words = "; ".join(changes)
        behind.append(replace(step, change=words, changes=changes, sql=list(statements), work=ReplaceWork(statements)))
        del alters[step.object]
    rest = tuple(step for step in altered if not altered_in_place(step) or step.object in alters)
    return replace(around, behind=tuple(behind)), rest


def _unwritten(item: MaterializedView, wanted: ViewForm, forms: Mapping[str, Form], catalog: Catalog) -> str:
    """Why the target cannot take the query's columns; '' where it can. The engine would silently discard the values."""
    if item.to is None:
        return ""
    live = catalog.get(wanted.to)
    target = forms.get(wanted.to) or (live.form if live is not None else None)
    if not isinstance(target, TableForm):
        return ""
    missing = [column.name for column in wanted.columns if target.column(column.name) is None]
    return (
        f"its target {wanted.to} has no column {', '.join(missing)}: what the query yields for it would be lost"
        if missing
        else ""
    )


def _differences(item: View | MaterializedView, live: ViewForm, wanted: ViewForm) -> list[str]:
    words: list[str] = []
    if live.materialized != wanted.materialized:
        words.append(f"is a {'materialized' if live.materialized else 'plain'} view, a {item.noun} is declared")
    if live.query != wanted.query:
        words.append("query differs")
    # Of another kind nothing more can be compared: a plain view has neither target nor refresh.
    if live.materialized != wanted.materialized:
        return words
    if live.to != wanted.to:
        words.append(f"target {live.to or 'an inner table'} -> {wanted.to or 'an inner table'}")
    if isinstance(item, MaterializedView) and item.engine is not None and live.inner != wanted.inner:
        words.append("engine of the inner table differs")
    if live.refresh != wanted.refresh:
        words.append(f"refresh {live.refresh or 'none'} -> {wanted.refresh or 'none'}")
    if item.declares("comment") and live.comment != wanted.comment:
        words.append("comment differs")
    if not same_security(wanted.security, live.security):
        words.append(_reads_as(live, wanted))
    return words


def _reads_as(live: ViewForm, wanted: ViewForm) -> str:
    return f"{live.security or 'no SQL SECURITY'} -> {wanted.security}"
