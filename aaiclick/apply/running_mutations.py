"""Waits for mutations that a killed run has left running, before anything is recorded as done."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import reads_rows, require_settled
from aaiclick.clickhouse.topology import LOOK
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed


def wait_for_running_mutations(database: str, tables: Collection[str], options: ApplyOptions) -> Routine[None]:
    """Wait until no table is being changed by an ALTER any more, with a message.

    The definition of a table shows an ALTER as soon as it was sent, long before its parts do. Deletes and updates are
    none of ours. Raises ApplyError with the engine's reason and a safe way out where a mutation cannot go on.
    """
    topology = options.topology
    source = "system.mutations" if topology.single else topology.everywhere("system.mutations")
    rows = yield Query(
        f"SELECT table, command FROM {source} WHERE database = unhex({{db:String}}) AND NOT is_done",
        {"db": hexed(database)},
        {} if topology.single else LOOK,
    )
    for table in sorted(
        {text(name) for name, command in rows if text(name) in tables and not reads_rows(text(command))}
    ):
        yield from require_settled(
            database, table, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds, topology=topology
        )
