"""Steps for the database itself."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import Catalog, DatabaseForm
from aaiclick.catalog.server_objects.databases import (
    EMBEDDED_DEFAULT,
    comment_sql,
    declared_database,
    engine_words,
    live_database,
    other_arguments,
    other_comment,
    other_engine,
    takes_comment,
)
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.plan.steps import blocked_step
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.databases import DATABASE, Database


@dataclass(frozen=True, slots=True)
class PlannedDatabase:
    """Steps, notes and form of the database, where it is declared."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    form: DatabaseForm | None = None


def plan_database(schema: Schema, catalog: Catalog) -> Routine[PlannedDatabase]:
    """Compare the declared database with the live one. Its comment is changed in place; its engine never is."""
    declared = next((item for item in schema.objects if isinstance(item, Database)), None)
    if declared is None:
        return PlannedDatabase()
    form, live = declared_database(declared), live_database(catalog)
    steps: list[Step] = []
    notes: list[str] = []
    if other_engine(form, live):
        steps.append(_engine_step(form, live, catalog.database))
    elif other_arguments(form, live):
        notes.append(
            f"database {catalog.database} has engine {live.database_engine}, {form.database_engine} is declared, and "
            "no statement changes that (left alone)"
        )
    if words := other_comment(form, live):
        if (yield from takes_comment(catalog)):
            sql = comment_sql(catalog.database, form.database_comment or "")
            steps.append(Step(f"{DATABASE}:comment", DATABASE, words, "alter", [sql], ReplaceWork((sql,))))
        else:
            why = (
                "the database default of the embedded engine takes none"
                if catalog.database_engine == EMBEDDED_DEFAULT
                else f"ClickHouse {catalog.server.version_text} has no statement that changes it"
            )
            notes.append(f"database {catalog.database}: {words}: {why} (left alone)")
    return PlannedDatabase(tuple(steps), tuple(notes), form)


def _engine_step(wanted: DatabaseForm, live: DatabaseForm, database: str) -> Step:
    reason = (
        "no statement changes the engine of a database. Make another database with that engine (aaiclick migrate "
        f"--create-database) and bring the rows there, or declare the engine that {database} has"
    )
    return blocked_step(f"{DATABASE}:engine", DATABASE, engine_words(wanted, live), reason, "alter")
