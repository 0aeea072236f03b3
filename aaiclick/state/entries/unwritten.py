"""Columns that a cluster adds by one statement and writes by the next one (``sql/cluster.py`` says why).

A run that is killed in between leaves a column whose default, ``rand()`` or ``now()``, is another value at every read,
and nothing in the definitions shows it. So the columns are in the journal before the first of the two statements, until
the step is through; what a killed run left is written by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork
from aaiclick.routine import Routine
from aaiclick.sql.tokens import Tokens, identifier
from aaiclick.state.journal import Entry
from aaiclick.state.progress import UNWRITTEN, JournalScope, begun, enter_end, enter_start


def unwritten(scope: JournalScope, entries: Iterable[Entry]) -> Mapping[str, tuple[str, ...]]:
    """Columns that were about to be added and written, by tables."""
    return {
        entry.action.step.partition(UNWRITTEN)[2]: tuple(cast("list[str]", entry.details.get("columns") or []))
        for entry in begun(scope, entries, UNWRITTEN)
    }


def enter_unwritten(scope: JournalScope, step: Step) -> Routine[None]:
    """Before a step that adds columns and writes them."""
    if columns := added_and_written(step):
        yield from enter_start(scope, f"0{UNWRITTEN}{step.object}", {"columns": columns})


def enter_written(scope: JournalScope, step: Step) -> Routine[None]:
    """Behind such a step."""
    if added_and_written(step):
        yield from enter_settled(scope, step.object)


def enter_settled(scope: JournalScope, table: str) -> Routine[None]:
    """All that was entered of the table is written, or there is nothing to write any more."""
    yield from enter_end(scope, f"0{UNWRITTEN}{table}")


def added_and_written(step: Step) -> list[str]:
    """The columns of a step that one of its ALTERs adds and writes."""
    if not isinstance(step.work, AlterWork):
        return []
    found: list[str] = []
    for alter in step.work.alters:
        tokens = Tokens(alter.sql)
        named: dict[str, set[str]] = {"ADD": set(), "MATERIALIZE": set()}
        for place in range(len(tokens) - 1):
            word = next((word for word in named if tokens.is_word(place, word)), "")
            if word and tokens.is_word(place + 1, "COLUMN"):
                # The name of a part of a Nested is one with a point in it.
                named[word].add(".".join(identifier(tokens, place + 2)[0]))
        found += sorted(named["ADD"] & named["MATERIALIZE"])
    return found
