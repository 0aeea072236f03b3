"""What the application calls at start-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaiclick.oplog.schema import OPLOG

if TYPE_CHECKING:
    from aaiclick.commands.report import Report
    from aaiclick.plan.policy import Policy
    from aaiclick.routine import OnEvent


def init_oplog_tables(
    client: object,
    *,
    policy: Policy | None = None,
    database: str | None = None,
    once: bool = False,
    on_event: OnEvent | None = None,
) -> Report:
    """Bring the oplog of the client's current database (or of ``database``) to version 5, keeping every row.

    ``ensure_schema`` with ``OPLOG``: same keywords, same report, same errors. What later versions no longer declare
    (``args``, ``level``, ``table_registry`` and so on) is left alone.
    """
    from aaiclick.api.ensure import ensure_schema

    return ensure_schema(client, OPLOG, policy=policy, database=database, once=once, on_event=on_event)


async def init_oplog_tables_async(
    client: object,
    *,
    policy: Policy | None = None,
    database: str | None = None,
    once: bool = False,
    on_event: OnEvent | None = None,
) -> Report:
    """The same for an async client."""
    from aaiclick.api.ensure import ensure_schema_async

    return await ensure_schema_async(client, OPLOG, policy=policy, database=database, once=once, on_event=on_event)
