"""Removing the old tables that are kept for a rollback."""

from __future__ import annotations

import os
from collections.abc import Collection

from aaiclick.api.client import CLUSTER, run_on_client
from aaiclick.commands.rollback.prune import prune
from aaiclick.routine import OnEvent
from aaiclick.state.kept_tables import KeptRow


def prune_kept(
    client: object,
    database: str | None = None,
    tables: Collection[str] = (),
    dry_run: bool = False,
    on_event: OnEvent | None = None,
    shown: Collection[KeptRow] | None = None,
) -> tuple[tuple[KeptRow, bool], ...]:
    """Drop the tables that were kept when they were replaced; each that there is, with whether it was dropped.

    ``tables``: those of these tables alone. What stays until somebody has looked at it is dropped by its own name only.
    ``shown``: what a dry run listed and somebody has agreed to; what is kept since then, or otherwise, stays.
    After that, no rollback to the versions of these tables is possible. On a cluster they are dropped on all hosts.

    Raises ``UsageError`` where nothing of a name is kept, where a migration is unfinished, and where nothing tells
    which hosts keep them (``AAICLICK_CLUSTER``); ``ApplyError`` where one of them is away.
    """
    cluster = os.environ.get(CLUSTER, "")
    return run_on_client(
        client,
        lambda connection: prune(database, tables, dry_run, connection.embedded, cluster, shown),
        "prune_kept",
        on_event,
    )
