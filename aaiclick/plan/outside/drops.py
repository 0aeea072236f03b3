"""Columns that are dropped by name, and what writes or looks them up from outside.

Views that read them are asked beforehand, one by one. The engine accepts the drop of a column that a materialized view writes, and drops its values
from then on without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.tokens import TokenError, Tokens, unquote
from aaiclick.plan.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.outside.lookups import read_lookups
from aaiclick.plan.outside.plain import called
from aaiclick.plan.outside.readers import Reader, made_anew, read_readers, spans
from aaiclick.plan.outside.world import After, affected, outcomes
from aaiclick.plan.wording import told
from aaiclick.plan.work import ReplaceWork
from aaiclick.routine import Routine

_DROP = ":drop-column:"


def guard_drops(steps: Sequence[Step], catalog: Catalog, replaced: Collection[str]) -> Routine[list[Step]]:
    """The optional steps, those blocked that would break something; behind them what makes views anew that show such a column with all others.
    ``replaced``: what the plan gives another definition before."""
    database = catalog.database
    tables = tuple(sorted({step.object for step in steps if _DROP in step.id and not step.blocked}))
    if not tables:
        return list(steps)
    readers = yield from read_readers(database)
    lookups = yield from read_lookups(database, tables)
    others = [reader for reader in (*readers, *lookups) if not (reader.database == database and reader.name in replaced)]
    found: list[Step] = []
    for step in steps:
        guarded = _guarded(step, others, database)
        again = (yield from _shown(guarded, others, catalog)) if _DROP in step.id and not guarded.blocked else ()
        found += [next((each for each in again if each.blocked), guarded), *(each for each in again if not each.blocked)]
    return found


def _shown(step: Step, readers: Sequence[Reader], catalog: Catalog) -> Routine[tuple[Step, ...]]:
    """``SELECT *`` goes on without the column, but a view names it in its list. Its step, or the drop's own with the reason against it."""
    table, _, column = step.id.partition(_DROP)
    live = catalog.get(table)
    if live is None or not isinstance(live.form, TableForm):
        return ()
    form = live.form
    after = After(catalog, {table: replace(form, columns=tuple(each for each in form.columns if each.name != column))})
    chosen = affected([reader for reader in readers if reader.noun == "view"], after)
    if not any(each.name == column for reader in chosen for each in reader.columns):
        return ()
    found: list[Step] = []
    for outcome in (yield from outcomes(chosen, after)):
        reader = outcome.reader
        left = {each.name for each in outcome.fresh}
        gone = [each.name for each in reader.columns if each.name not in left]
        if outcome.refusal:
            return (replace(step, blocked=f"the {reader.noun} {called(reader, catalog.database)} would fail ({told(outcome.refusal)})"),)
        if not outcome.fresh or not gone:
            continue
        if any(outcome.now.get(each.name) != each.type for each in reader.columns):
            return (replace(step, blocked=f"the {reader.noun} {called(reader, catalog.database)} names {', '.join(gone)} in a list of its own"),)
        sql, name = made_anew(reader, None), called(reader, catalog.database)
        hazards = tuple(Hazard("old-code-breaks", f"{name} no longer shows {', '.join(gone)}", hazard.allow) for hazard in step.hazards if hazard.allow)
        words = f"{reader.noun} as its query gives it: column {', '.join(gone)} is gone"
        found.append(Step(f"{name}:without:{table}.{column}", name, words, "replace", [sql], ReplaceWork((sql,)), hazards, optional=True))
    return tuple(found)


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
