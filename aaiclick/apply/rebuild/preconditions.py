"""Checks before anything is changed whether a table can be rebuilt, or have its parts attached."""

from __future__ import annotations

from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.background_inserts import BackgroundInserts, find_background_inserts
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine, text
from aaiclick.sql.hex_text import hexed


def require_rebuildable(source: Physical, form: TableForm) -> Routine[None]:
    """Raise ApplyError where the copy by parts cannot work, before anything is touched."""
    for engine in (source.engine, form.engine):
        if engine.startswith(("Replicated", "Shared")):
            raise ApplyError(
                f"{source.name}: {engine} is replicated, and a copy on one replica is not safe. Nothing was changed"
            )
        if not engine.endswith("MergeTree"):
            raise ApplyError(
                f"{source.name}: a rebuild between {source.engine} and {form.engine} is not possible: both have to "
                "be of the MergeTree family"
            )
    if source.fenced:
        raise ApplyError(
            f"{source.name} is read-only ({FENCE}): lift that first (ALTER TABLE ... RESET SETTING {FENCE})"
        )
    # All that follows tells the two tables apart by UUID, never by name: an EXCHANGE swaps the names.
    if not source.uuid:
        raise ApplyError(
            f"{source.name} has no UUID, so its storage cannot be told apart from its copy. Nothing was changed"
        )
    rows = yield from ask(
        "SELECT name FROM system.columns WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "name IN ('_part', '_partition_id')",
        {"db": hexed(source.database), "name": hexed(source.name)},
    )
    if rows:
        raise ApplyError(
            f"{source.name}: a column is called {text(rows[0][0])}, which hides the part a row is in. Rename it first"
        )


def require_resting_streams(source: Physical, options: ApplyOptions) -> Routine[None]:
    """Raise ApplyError where a stream brings rows into the table and nobody has said that it is stopped."""
    if source.name not in options.writers_stopped:
        found = yield from find_background_inserts(source.database, source.name, topology=options.topology)
        require_resting(source, found, options)


def require_resting(source: Physical, found: BackgroundInserts, options: ApplyOptions) -> None:
    """The same of what was ``found`` to bring rows into the table.

    Rows that a stream brings during the exchange would land in the old table, and nothing shows when the last of them
    did.
    """
    if found.streams and source.name not in options.writers_stopped:
        raise ApplyError(
            f"{', '.join(found.streams)} {'brings' if len(found.streams) == 1 else 'bring'} rows into {source.name} "
            f"all the time, and nobody can wait for them{found.doubt}."
            f" Stop them (DETACH TABLE) and run: aaiclick migrate --allow 'writers-stopped {source.name}'"
        )
