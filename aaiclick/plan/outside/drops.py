"""Columns that are dropped by name, and what writes or looks them up from outside.

Views that read them are asked beforehand, one by one. The engine accepts the drop of a column that a materialized view writes, and drops its values
from then on without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from aaiclick.catalog.tokens import TokenError, Tokens, unquote
from aaiclick.plan.model import Step
from aaiclick.plan.outside.lookups import read_lookups
from aaiclick.plan.outside.readers import Reader, read_readers, spans
from aaiclick.routine import Routine

_DROP = ":drop-column:"


def guard_drops(steps: Sequence[Step], database: str, replaced: Collection[str]) -> Routine[list[Step]]:
    """The optional steps, those blocked that would break something. ``replaced``: what the plan gives another definition before."""
    tables = tuple(sorted({step.object for step in steps if _DROP in step.id and not step.blocked}))
    if not tables:
        return list(steps)
    views = yield from read_readers(database, materialized=True)
    lookups = yield from read_lookups(database, tables)
    others = [reader for reader in (*views, *lookups) if not (reader.database == database and reader.name in replaced)]
    return [_guarded(step, others, database) for step in steps]


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
