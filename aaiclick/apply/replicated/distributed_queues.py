"""What Distributed tables have taken and not sent yet, before columns of their local table change.

Such rows wait in files with the columns of the moment in which they came. One with a column that is gone is refused for
ever. Where the Distributed table has lost the column by then, in a step before, no new file has it; so what is there is
sent now, by every host.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from aaiclick.apply.replicated.hosts import AGAIN, hosts_that_have, reachable_peers
from aaiclick.apply.replicated.writers import drain_everywhere
from aaiclick.apply.run import Site
from aaiclick.clickhouse.background_inserts import find_background_inserts
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.statements import MUTATION, ask, send
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import UNKNOWN_DATABASE, UNKNOWN_TABLE
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import AlterWork, RebuildWork, Work
from aaiclick.printable import count_text
from aaiclick.routine import Command, Routine, number, text
from aaiclick.sql.ddl import system
from aaiclick.sql.hex_text import hexed

_CHANGES = re.compile(r"\b(DROP|RENAME|MODIFY|ALTER) COLUMN\b", re.IGNORECASE)
_SECONDS = 20.0
"""Seconds for which a host is asked again to send what waits in its files."""


def flush_before(work: Work, site: Site, reach: Reach) -> Routine[None]:
    """Send what waits before columns are taken away or get another type; nothing where none is.

    Raises ApplyError where a host cannot send it: the change would leave it there for ever.
    """
    found = yield from _queues(work, site, reach)
    if found:
        # An INSERT that began before the Distributed table was changed writes its file when it ends.
        reason = "This step has changed nothing. Run again when they have ended"
        yield from drain_everywhere(reach, found[0], site.options.fence_seconds, reason)
        yield from _flush_all(*found, reach, "This step has changed nothing. Run again when it is well")


def flush_now(work: Work, site: Site, reach: Reach) -> Routine[None]:
    """The same before the first step: a host that cannot send is found while the Distributed tables are as they were.
    What comes in behind this is seen to by the step itself."""
    found = yield from _queues(work, site, reach)
    if found:
        yield from _flush_all(*found, reach, AGAIN)


def _queues(work: Work, site: Site, reach: Reach) -> Routine[tuple[str, tuple[str, ...]] | None]:
    """The table, and the Distributed tables in front of it; None where it loses no column, or has none in front."""
    if not isinstance(work, AlterWork | RebuildWork):
        return None
    if isinstance(work, AlterWork) and not any(_CHANGES.search(alter.sql) for alter in work.alters):
        return None
    if isinstance(work, RebuildWork) and not (yield from _loses_columns(work, site.database)):
        return None
    found = yield from find_background_inserts(site.database, work.table, topology=reach.topology)
    return (work.table, found.queues) if found.queues else None


def _flush_all(table: str, queues: Sequence[str], reach: Reach, again: str) -> Routine[None]:
    """``again``: what has been changed, and what to do then."""
    there = yield from hosts_that_have(reach, queues, table)
    for queue in queues:
        yield from _flush(table, queue, there[queue], reach, again)


def _loses_columns(work: RebuildWork, database: str) -> Routine[bool]:
    rows = yield from ask(
        "SELECT name, type FROM system.columns WHERE database = unhex({db:String}) AND table = unhex({name:String})",
        {"db": hexed(database), "name": hexed(work.table)},
    )
    after = {(column.name, column.type) for column in work.form.columns}
    return any((text(name), text(kind)) not in after for name, kind in rows)


def _flush(table: str, queue: str, there: Collection[int], reach: Reach, again: str) -> Routine[None]:
    """``there``: the hosts that have it."""
    # FLUSH DISTRIBUTED sends the files of the host that it is sent to, and of no other.
    peers = yield from reachable_peers(reach)
    for place in sorted(reach.places & peers.keys()) or [reach.here]:
        if place and place not in there:
            continue
        label, wait = reach.topology.at(place).label if place else "that is connected to", Wait(0.2, 2.0)
        while True:
            try:
                yield from send(Command(system("FLUSH DISTRIBUTED", queue), settings=MUTATION, at=peers.get(place)))
                break
            except OutcomeUnknownError:
                raise
            except StatementError as error:
                if error.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE):
                    break  # somebody has just dropped it
                if wait.waited > _SECONDS:
                    raise ApplyError(
                        f"{table}: host {label} has inserts into {queue} that wait to be sent and cannot be "
                        f"({error.message}); after the change they would be refused for ever. {again}"
                    ) from error
            wait = yield from rest(wait, f"host {label} to send what waits in {queue}")
    broken = (
        "SELECT toInt64(sum(broken_data_files)) AS files FROM system.distribution_queue WHERE "
        "concat('`', database, '`.`', table, '`') = unhex({queue:String})"
    )
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num), files FROM {reach.topology.aggregated(broken)} WHERE files > 0 ORDER BY ALL",
        {"queue": hexed(queue)},
        table,
    )
    for row in rows:
        raise ApplyError(
            f"{table}: host {reach.topology.at(number(row[0])).label} has set "
            f"{count_text(number(row[1]), 'file')} of {queue} aside "
            "as broken, with rows that are nowhere else. Look at them (SELECT * FROM "
            f"system.distribution_queue). {again}"
        )
