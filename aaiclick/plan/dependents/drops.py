"""Columns that are dropped by name, and what writes or looks them up from outside.

Views that read them are asked beforehand, one by one. The engine accepts the drop of a column that a materialized view writes, and drops its values
from then on without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.lookups import read_lookups
from aaiclick.plan.dependents.plain import called
from aaiclick.plan.dependents.readers import Reader, made_anew, read_readers, spans
from aaiclick.plan.dependents.world import After, Outcome, affected, outcomes
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Routine
from aaiclick.server.messages import told
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_DROP = ":drop-column:"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the plan does before a column is dropped: ``targets`` are the tables that differ, as they are then, ``views`` the steps that give views
    another definition, ``queries`` the queries that they get."""

    targets: Mapping[str, TableForm]
    views: Sequence[Step]
    queries: Mapping[str, str]

    def anew(self, readers: Sequence[Reader], database: str) -> dict[str, Step]:
        """Plain views that are replaced, each with its step."""
        plain = {reader.name for reader in readers if reader.noun == "view" and reader.database == database}
        return {step.object: step for step in self.views if step.strategy == "replace" and step.object in plain and self.queries.get(step.object)}


def guard_drops(steps: Sequence[Step], catalog: Catalog, ahead: Ahead) -> Routine[list[Step]]:
    """The optional steps, those blocked that would break something; behind them what makes views anew that show such a column with all others."""
    database = catalog.database
    tables = tuple(sorted({step.object for step in steps if _DROP in step.id and not step.blocked}))
    if not tables:
        return list(steps)
    readers = yield from read_readers(database)
    lookups = yield from read_lookups(database, tables)
    replaced = {step.object for step in ahead.views}
    anew = ahead.anew(readers, database)
    others = [reader for reader in (*readers, *lookups) if not (reader.database == database and reader.name in replaced)]
    views = [reader for reader in readers if reader.noun == "view" and (reader in others or (reader.database == database and reader.name in anew))]
    found: list[Step] = []
    for step in steps:
        guarded = _guarded(step, others, database)
        again = (yield from _shown(guarded, views, catalog, ahead, anew)) if _DROP in step.id and not guarded.blocked else ()
        found += [next((each for each in again if each.blocked), guarded), *(each for each in again if not each.blocked)]
    return found


def _shown(step: Step, views: Sequence[Reader], catalog: Catalog, ahead: Ahead, anew: Mapping[str, Step]) -> Routine[tuple[Step, ...]]:
    """``SELECT *`` goes on without the column, but a view names it in its list. Its step, or the drop's own with the reason against it."""
    table, _, column = step.id.partition(_DROP)
    live = catalog.get(table)
    form = ahead.targets.get(table) or (live.form if live is not None else None)
    if not isinstance(form, TableForm):
        return ()
    queries = {name: query for name, query in ahead.queries.items() if name in anew}
    before = After(catalog, {**ahead.targets, table: form}, queries, frozenset(anew))
    after = replace(before, tables={**before.tables, table: replace(form, columns=tuple(each for each in form.columns if each.name != column))})
    chosen = affected(views, after)
    if not any(each.name == column for reader in chosen for each in reader.columns) and not any(reader.name in anew for reader in chosen):
        return ()
    shown = {outcome.reader.place: _names(outcome) for outcome in (yield from outcomes(chosen, before))}
    found: list[Step] = []
    for outcome in (yield from outcomes(chosen, after)):
        reader = outcome.reader
        remade = anew.get(reader.name) if reader.database == catalog.database else None
        stored = {each.name for each in reader.columns}
        held = [name for name in shown.get(reader.place, ()) if remade is not None or name in stored]
        left = _names(outcome)
        gone = [name for name in held if name not in left]
        name = called(reader, catalog.database)
        if outcome.refusal and remade is None:
            return (replace(step, blocked=f"the {reader.noun} {name} would fail ({told(outcome.refusal)})"),)
        if not outcome.fresh or not gone:
            continue
        if remade is None and any(outcome.now.get(each.name) != each.type for each in reader.columns):
            return (replace(step, blocked=f"the {reader.noun} {name} names {', '.join(gone)} in a list of its own"),)
        statements = list(remade.sql) if remade is not None else [made_anew(reader, None)]
        hazards = tuple(Hazard("old-code-breaks", f"{name} no longer shows {', '.join(gone)}", hazard.allow) for hazard in step.hazards if hazard.allow)
        words = f"{reader.noun} as its query gives it: column {', '.join(gone)} is gone"
        found.append(Step(f"{name}:without:{table}.{column}", name, words, "replace", statements, ReplaceWork(tuple(statements)), hazards, optional=True))
    return tuple(found)


def _names(outcome: Outcome) -> list[str]:
    return [each.name for each in outcome.fresh]


def _guarded(step: Step, readers: Sequence[Reader], database: str) -> Step:
    _, found, column = step.id.partition(_DROP)
    if not found or step.blocked:
        return step
    place = (database, step.object)
    writing = [reader for reader in readers if reader.target == place and any(each.name == column for each in reader.columns)]
    asking = [reader for reader in readers if reader.noun == "dictionary" and spans(reader.query, {place}) and column in _words(reader.query)]
    said = [f"the materialized view {reader.name} writes {column}" for reader in writing]
    said += [f"the dictionary {reader.name} asks for {column}" for reader in asking]
    return replace(step, blocked="; ".join(said)) if said else step


def _words(query: str) -> set[str]:
    try:
        return {unquote(token.text) for token in Tokens(query).items if token.kind in ("word", "name")}
    except TokenError:
        return set()
