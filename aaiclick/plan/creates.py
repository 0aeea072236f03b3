"""CREATE steps for missing tables. Secrets in a definition are not shown."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.scratch_objects import instantiable, masked
from aaiclick.plan.model import Step
from aaiclick.plan.operations import CreateWork
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_settings, create_table_sql, setting_literal, takes_its_columns
from aaiclick.specs.engines import Engine
from aaiclick.specs.tables import Table


def create_tables(tables: Sequence[Table], catalog: Catalog) -> Routine[tuple[Step, ...]]:
    """A step for each table. Where a definition may hold a secret, the engine is asked for the text that it
    would show."""
    found: list[Step] = []
    for table in sorted(tables, key=takes_its_columns):  # behind those whose columns they take
        sql = create_table_sql(table, catalog.database)
        shown = sql
        if _reaches_out(table):
            hidden = yield from masked(sql)
            # An engine that this server does not know, or a server that shows secrets: better nothing than too much.
            shown = (
                " ".join(hidden.split("\n"))
                if hidden
                else f"-- CREATE TABLE {table.name}, as declared (its definition may hold a secret)"
            )
        settings = tuple((key, str(value)) for key, value in create_settings(table).items())
        work = CreateWork(sql, settings, secret=shown != sql)
        found.append(Step(f"{table.name}:create", table.name, "table is missing", "create", [shown], work))
    return tuple(found)


def _reaches_out(table: Table) -> bool:
    engine = table.engine
    # A setting disk = disk(type = s3, ...) can name the keys of a bucket.
    if any(
        value is not None and setting_literal(value).startswith("disk")
        for name, value in engine.settings.items()
        if name == "disk"
    ):
        return True
    # What cannot be made in scratch reaches out (MySQL, S3, Kafka), and its arguments may hold a password.
    return (
        isinstance(engine, Engine) and not takes_its_columns(table) and not instantiable(engine.name, engine.arguments)
    )
