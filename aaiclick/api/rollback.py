"""``rollback_schema``: back to an earlier version, with the rows that came since."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from aaiclick.allow import Allow
from aaiclick.api.client import Make, check_arguments, placed, policy_for, run_on_client, run_on_client_async
from aaiclick.commands.report import Report
from aaiclick.lease.owner import this_process
from aaiclick.plan.policy import Policy
from aaiclick.routine import AsyncConnection, Connection, OnEvent, Routine
from aaiclick.specs.schema import Schema


def rollback_schema(
    client: object,
    schema: Schema,
    to: int | None = None,
    database: str | None = None,
    allow: Collection[str | Allow] = (),
    dry_run: bool = False,
    on_event: OnEvent | None = None,
    keep_old: timedelta | None = None,
) -> Report:
    """Go back to the version before, or to an older one, or say why that is not possible; nothing is changed then.

    Tables that a rebuild replaced come back as they were, from the old ones that were kept (``Policy(keep_old=...)``,
    one day by default), and the rows that came since are carried over. ``report.notes`` says what is not put back.
    ``to`` has to be a version that the database came through (the one before by default): however far back, each table
    is made anew once, and everything that is in the way is found before anything is done. ``allow`` takes the names
    that a refusal gives: ``"deletes <table>"`` (rows deleted or changed since are there again as they were),
    ``"values <table>"`` (values that the old columns cannot hold), ``"partial <schema>"`` (some objects stay as they
    are); or what the functions of ``aaiclick.allow`` give.
    ``dry_run`` only looks. ``keep_old``: how long the newer tables are kept in their turn (at least an hour; by default
    what ``AAICLICK_KEEP_OLD`` says, else a day).

    Deploy the code of the older version first: the newer one would migrate forward again at its next start.

    Raises ``UsageError`` for a key that names no hazard, ``SchemaError`` where no rollback is possible,
    ``HazardNotAllowedError`` where something has to be allowed, ``ApplyError`` where carrying it out failed (run
    again).
    """
    check_arguments("rollback_schema", schema)
    return run_on_client(
        client, _make(schema, to, database, allow, dry_run, keep_old), "rollback_schema", on_event, schema=schema
    )


async def rollback_schema_async(
    client: object,
    schema: Schema,
    to: int | None = None,
    database: str | None = None,
    allow: Collection[str | Allow] = (),
    dry_run: bool = False,
    on_event: OnEvent | None = None,
    keep_old: timedelta | None = None,
) -> Report:
    """The async twin of ``rollback_schema``."""
    check_arguments("rollback_schema_async", schema)
    return await run_on_client_async(
        client, _make(schema, to, database, allow, dry_run, keep_old), "rollback_schema_async", on_event, schema=schema
    )


def _make(
    schema: Schema,
    to: int | None,
    database: str | None,
    allow: Collection[str | Allow],
    dry_run: bool,
    keep_old: timedelta | None,
) -> Make[Report]:
    # Before a connection is opened: a key that names no hazard is a mistake of the caller.
    allowed = Policy.check().allow(*allow).allowed

    def make(connection: Connection | AsyncConnection) -> Routine[Report]:
        from aaiclick.commands.rollback.rollback import Rollback, rollback  # a start loads no other verb

        kept = keep_old if keep_old is not None else policy_for(None, connection.embedded).keep_old
        keep = int(kept.total_seconds())
        return rollback(
            Rollback(
                placed(schema),
                database,
                to,
                allowed,
                dry_run,
                this_process(),
                connection.embedded,
                keep,
            )
        )

    return make
