"""Trying statements on an empty clone: the server itself says what it accepts and what it would rewrite."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.clauses import split_create
from aaiclick.catalog.forms import Form
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Routine, number, text
from aaiclick.specs.quoting import qualified

# Waits for its own mutations, so that the count below sees them; TTL is never materialised by a change of it.
REHEARSE = {"mutations_sync": 1, "alter_sync": 1, "materialize_ttl_after_modify": 0, "flatten_nested": 0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``mutates`` where an accepted statement started a mutation; otherwise the server's code and sentence."""

    accepted: bool
    mutates: bool = False
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """An empty table in scratch on which statements are tried. ``settings`` are the permissive ones."""

    database: str
    table: str
    settings: dict[str, str | int]

    @property
    def name(self) -> str:
        """The quoted name."""
        return qualified(self.database, self.table)


def attempt(stage: Stage, sql: str) -> Routine[Outcome]:
    """Send one statement about the stage; a refusal is an answer, not an error."""
    before = yield from mutation_count(stage)
    try:
        yield Command(sql, settings={**stage.settings, **REHEARSE})
    except StatementError as error:
        if error.code == 0:
            raise
        return Outcome(False, code=error.code, message=str(error))
    after = yield from mutation_count(stage)
    return Outcome(True, mutates=after > before)


def mutation_count(stage: Stage) -> Routine[int]:
    """How many mutations the stage has seen."""
    rows = yield Query(
        "SELECT count() FROM system.mutations WHERE database = {database:String} AND table = {table:String}",
        {"database": stage.database, "table": stage.table},
    )
    return number(rows[0][0])


def stage_form(stage: Stage) -> Routine[Form]:
    """What the stage looks like now."""
    rows = yield Query(
        "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": stage.database, "table": stage.table},
    )
    return split_create(text(rows[0][0]), stage.database)
