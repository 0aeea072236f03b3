"""Staging tables: one for each chunk, filled, compared, then moved partition by partition.

MOVE PARTITION takes the rows out of staging, so repeating it moves what is left and nothing twice (REPLACE PARTITION would throw away
what another chunk put into the same partition).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.apply.hold import ROOMY, STILL
from aaiclick.apply.identity import need, parts
from aaiclick.apply.names import label, parse_name
from aaiclick.apply.sqltext import hexed
from aaiclick.apply.statements import CREATE, ask, ddl, drop_table, merged, send
from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.catalog.render import form_sql
from aaiclick.errors import ApplyError
from aaiclick.routine import Command, Routine, text
from aaiclick.specs.quoting import qualified, quote_string

_OWN: frozenset[str] = frozenset({"non_replicated_deduplication_window", "table_readonly", *(name for name, _ in STILL), *(name for name, _ in ROOMY)})


def staging_form(form: TableForm) -> TableForm:
    """The structure of the new table, with no merges and no deduplication of blocks, also after a restart."""
    settings: Settings = (*(pair for pair in form.settings if pair[0] not in _OWN), *STILL, *ROOMY)
    return replace(form, settings=settings, comment="")


def create_from(form: TableForm, database: str, name: str, settings: Settings) -> Routine[None]:
    """Make a table of that form; one of that name is dropped first (its run is over, or it is this run's own)."""
    yield from drop_table(database, name)
    yield from send(Command(form_sql(form, database, name), settings=merged(CREATE, dict(settings)), database=database))


def move_all(database: str, staging: str, target: str, settings: Mapping[str, str | int] | None = None) -> Routine[None]:
    """Move every partition of a staging table. Can be repeated after a crash at any point."""
    table = yield from need(database, staging)
    listed = sorted({part.partition for part in (yield from parts(table))})
    for partition in listed:
        moved = f"MOVE PARTITION ID {quote_string(partition)} TO TABLE {qualified(database, target)}"
        yield from ddl(f"ALTER TABLE {qualified(database, staging)} {moved}", settings)
    left = yield from parts(table)
    if left:
        raise ApplyError(f"{target}: {len(left)} parts stay in {staging} after they were moved. Run again")


def stagings(database: str, table: str) -> Routine[tuple[str, ...]]:
    """The staging tables that were made for a table of the user, of any run."""
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND startsWith(name, '_aaiclick_stage_') ORDER BY name",
        {"db": hexed(database)},
    )
    found = [(text(row[0]), parse_name(text(row[0]))) for row in rows]
    return tuple(name for name, ours in found if ours is not None and ours.label == label(table))
