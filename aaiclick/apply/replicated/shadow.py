"""The new table of a copy on replicas while it is put together: one on all hosts, with one UUID, that refuses writers
from its first moment and knows no equal blocks.

ATTACH PARTITION FROM takes a part that equals one of before for a repetition, and drops it without an error: so the new
table remembers nothing (``replicated_deduplication_window`` is 0) until it is in place. The statement is sent to the
host that has the staging tables and to no other; the rest fetch the parts, or link their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.everywhere import everywhere, shortly
from aaiclick.apply.replicated.shards import Replicas, Shard, at_host, has_several_shards
from aaiclick.apply.replicated.stop_merges import set_everywhere
from aaiclick.catalog.forms import ConstraintForm, Settings, TableForm
from aaiclick.catalog.normalize import arguments_beside
from aaiclick.catalog.render import form_sql
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import NUMBERS
from aaiclick.clickhouse.merges import NO_MERGES, ROOMY
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.shared.ask_all import is_long, require_all
from aaiclick.clickhouse.shared.replicas import parts_on_hosts, tables_by_name, tables_everywhere
from aaiclick.clickhouse.statements import CREATE, DDL, ask, drop_table, merged, send, send_permissively
from aaiclick.clickhouse.tables import require_table
from aaiclick.clickhouse.topology import named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clock import clock
from aaiclick.error_codes import TOO_MANY_SIMULTANEOUS_QUERIES
from aaiclick.errors import ApplyError, VerificationError
from aaiclick.printable import rows_that
from aaiclick.routine import Command, Nonce, Routine, Rows, number, text
from aaiclick.sql.clauses import attach_partition_from
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.mark import ReplicatedMark, update_replicated_mark

WINDOW: Settings = (
    ("replicated_deduplication_window", "0"),
    ("replicated_deduplication_window_for_async_inserts", "0"),
)
"""It takes no part for a repetition of an earlier one."""
UNTIL_SWAPPED: Settings = (*WINDOW, *NO_MERGES, *ROOMY)
"""What the new table has beside its own settings until it is in place."""
_NAMES = frozenset(name for name, _ in UNTIL_SWAPPED)
_TOGETHER = 20
"""How many partitions are added by one ALTER."""
_BEFORE_ALL = frozenset({TOO_MANY_SIMULTANEOUS_QUERIES})
"""What the server answers before it has done anything of a statement."""
_SECONDS = 3600.0
"""Seconds that hosts may take to fetch the parts of the new table, which may be all of its bytes."""


def make_shadow_everywhere(replicas: Replicas, mark: ReplicatedMark) -> Routine[ReplicatedMark]:
    """Make it, empty, instead of one that is there; the mark with its UUID. Raises ApplyError where hosts have made
    several."""
    database, reach, work = replicas.source.database, replicas.reach, mark.work
    if mark.shadow:
        # That of an earlier turn of this run. Its name has this run's nonce, so it is nobody else's, and before the
        # first turn nobody has it.
        yield from drop_everywhere(database, mark.shadow_name, reach)
    # Its path in Keeper holds a word of this table alone: that of one that was just dropped may still be there.
    command = Command(
        form_sql(shadow_form(_counting(work.form, mark), text((yield Nonce())[0][0])), database, mark.shadow_name),
        settings=merged(CREATE, dict(work.settings)),
        database=database,
    )
    # Its name is that of this run alone: one that is there by then is this one.
    yield from everywhere(send_permissively(command), reach, repeatable=True)
    found = yield from tables_everywhere(reach, database, (mark.shadow_name,), mark.table)
    uuids = {tables[mark.shadow_name].uuid for tables in found.values() if mark.shadow_name in tables}
    # With another UUID it would be another storage, and the mark knows one.
    if len(uuids) != 1:
        raise ApplyError(f"{mark.table}: the new table is not one and the same on all hosts. Nothing was exchanged")
    return (yield from update_replicated_mark(database, replace(mark, shadow=uuids.pop())))


def _counting(form: TableForm, mark: ReplicatedMark) -> TableForm:
    """With the setting by which rows keep the number of their block, where it is ours."""
    others = tuple(pair for pair in form.settings if pair[0] != NUMBERS)
    return replace(form, settings=(*others, (NUMBERS, "1"))) if mark.numbered else form


def shadow_form(form: TableForm, run: str) -> TableForm:
    """The new table until it is in place. Its path in Keeper is its own; ``run`` stands in it where it is written
    out."""
    settings = (*(pair for pair in form.settings if pair[0] not in _NAMES), *UNTIL_SWAPPED)
    fence = ConstraintForm(FENCE_CONSTRAINT, "CHECK", "0")
    others = tuple(each for each in form.constraints if each.name != FENCE_CONSTRAINT)
    return replace(form, arguments=arguments_beside(form, run), settings=settings, constraints=(*others, fence))


def settle_settings(database: str, name: str, form: TableForm, reach: Reach) -> Routine[None]:
    """Give the new table, which is in place, the settings that are declared."""
    own = dict(form.settings)
    yield from set_everywhere(database, name, tuple((key, own.get(key, "")) for key, _ in UNTIL_SWAPPED), reach)


def drop_everywhere(database: str, name: str, reach: Reach) -> Routine[None]:
    """Drop a table of ours on every host that has it, with its replica in Keeper. By a name that no other run uses."""
    found = yield from tables_by_name(reach.topology, database, (name,))
    if any(name in tables for tables in found.values()):
        yield from drop_on_all(database, name, reach)


def drop_on_all(database: str, name: str, reach: Reach) -> Routine[None]:
    """The same of one that some host is known to have."""
    # SYNC: its replica in Keeper is gone as well when this returns.
    # To all hosts: one that lacks it takes the DROP IF EXISTS for done.
    yield from everywhere(drop_table(database, name, sync=True), reach)


def attach_staged(shard: Shard, mark: ReplicatedMark, names: Sequence[str], settings: Settings) -> Routine[None]:
    """Add the parts of staging tables of a shard's worker to the new table, in the order of the names. Not to be
    repeated: after any error the new table is made anew."""
    # Asked of the worker alone: no other host has its staging tables.
    rows = yield from at_host(_staged_partitions(mark), shard.peer)
    listed: dict[str, list[str]] = {}
    for name, partition in rows:
        listed.setdefault(text(name), []).append(text(partition))
    taken = [(partition, qualified(mark.staged_in, name)) for name in names for partition in listed.get(name, ())]
    yield from attach_in_order(shard, mark, taken, settings)


def _staged_partitions(mark: ReplicatedMark) -> Routine[Rows]:
    return (
        yield from ask(
            "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND rows > 0 AND database = "
            "unhex({db:String}) ORDER BY table, partition_id",
            {"db": hexed(mark.staged_in)},
        )
    )


def attach_in_order(
    shard: Shard, mark: ReplicatedMark, taken: Sequence[tuple[str, str]], settings: Settings
) -> Routine[None]:
    """Add partitions, each of a table that the worker of a shard has, to which that is sent by itself. Not to be
    repeated, as above."""
    for first in range(0, len(taken), _TOGETHER):
        several = taken[first : first + _TOGETHER]
        yield from at_host(_attach(shard.source.database, mark, several, settings), shard.peer)


def _attach(
    database: str, mark: ReplicatedMark, several: Sequence[tuple[str, str]], settings: Settings
) -> Routine[None]:
    # By UUID: ATTACH takes a name, and what another table got could not be taken out again.
    yield from require_table(database, mark.shadow_name, mark.shadow)
    # The server carries them out in this order. One that fails leaves those before it: sent again, the same ALTER
    # would add them a second time.
    attached = [attach_partition_from(partition, source) for partition, source in several]
    sql = alter_table(qualified(database, mark.shadow_name), *attached)
    command = Command(sql, settings=merged(DDL, dict(settings)), long=True)
    yield from shortly(send(command, _BEFORE_ALL))


def _shadow_rows(database: str, mark: ReplicatedMark) -> Routine[int]:
    """The rows of its parts on the host that answers."""
    rows = yield from ask(
        "SELECT toInt64(sum(rows)) FROM system.parts WHERE active AND database = unhex({db:String}) AND table = "
        "unhex({name:String})",
        {"db": hexed(database), "name": hexed(mark.shadow_name)},
    )
    return number(rows[0][0])


def require_shadow_rows(shard: Shard, mark: ReplicatedMark, rows: int) -> Routine[None]:
    """Raise VerificationError where it has not as many rows in a shard as were copied and compared there."""
    found = yield from at_host(_shadow_rows(shard.source.database, mark), shard.peer)
    if found != rows:
        where = f" in shard {shard.number}" if has_several_shards(shard.reach) else ""
        raise VerificationError(
            f"{mark.table}: {rows_that(rows, 'were copied and compared')}{where}, but the new table holds "
            f"{found}. Nothing was "
            "exchanged"
        )


def until_complete(shard: Shard, name: str, seconds: float = _SECONDS) -> Routine[None]:
    """Wait until every host of a shard has the same parts of a table as its worker, with the same content.

    Raises ApplyError with the hosts that do not after so many ``seconds``.
    """
    database, reach = shard.source.database, shard.reach
    wait, began, whole = Wait(0.02, 1.0), (yield from clock()), True
    while True:
        seen = yield from parts_on_hosts(reach.topology, database, name, whole=whole)
        if seen.alike(reach):
            return
        # Where one does not answer it takes seconds to find that out, and once each time is enough.
        whole = reach.places <= seen.hosts.keys()
        # A host that does not answer is not waited for as long as one that is fetching.
        if (yield from is_long(wait, began)):
            require_all(reach, seen.hosts, shard.source.name)
        behind = named(reach.topology, seen.differing(reach, shard.worker))
        if wait.waited > seconds:
            raise ApplyError(
                f"{shard.source.name}: host {behind} does not have the same parts of {name} after "
                f"{wait.waited:.0f} s. Run again when its replication works (SELECT * FROM system.replication_queue)"
            )
        wait = yield from rest(wait, f"host {behind} to fetch the parts of {name}" if wait.waited > 1 else "")
