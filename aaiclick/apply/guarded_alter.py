"""Makes the server refuse rows that would break an ALTER, from the count of such rows until the ALTER.

That no row met a condition is only known of the rows that were there. So the condition becomes a constraint of the live
table: an INSERT that would meet it is refused, every other one goes on. Those that began before are waited for, and
what they wrote is counted again: the rows of parts that are newer than the look. The ALTER that rests on it takes the
constraint away, in the same statement. (A fence could not do that: an ALTER of a table with ``table_readonly`` is
refused also where it resets it.)

Whoever is killed in between leaves constraints behind that begin with ``_aaiclick_guard_``. The next run that takes
the lease of a dead holder drops them, on whichever table they are: somebody else may have exchanged two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.read import real_uuid
from aaiclick.clickhouse.inserts import drain_all
from aaiclick.clickhouse.messages import first_line, raise_uncounted, shortened
from aaiclick.clickhouse.mutations import require_settled
from aaiclick.clickhouse.names import GUARD
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import READ, ask
from aaiclick.clickhouse.storages import add_guards, drop_guards, remove_guards
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.errors import AaiclickError, ApplyError, OutcomeUnknownError, PlanError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import Guard
from aaiclick.printable import rows_that
from aaiclick.routine import Emit, Routine, Rows, number, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

_PATIENCE = "Nothing was changed. Run again when they have ended"


def watch(
    table: Physical,
    guards: Sequence[Guard],
    seen: int,
    options: ApplyOptions,
    settled: Callable[[], Routine[None]] | None = None,
) -> Routine[tuple[str, ...]]:
    """Let the server refuse rows that meet a guard; the names of the constraints, in the order of ``guards``.

    ``settled`` waits for the mutations of now, where merges are stopped and with them mutations.
    Raises ApplyError where a row that came in meanwhile meets one, with count and example; the table is as it was then.
    """
    if not guards:
        return ()
    # The server refuses a row for which a CHECK is NULL, but a condition that is NULL is one that the row does not
    # meet.
    if settled is not None:
        # An ALTER would wait for a RENAME COLUMN that was sent before, and that for merges.
        yield from settled()
    names = yield from add_guards(table, [f"CHECK NOT ifNull(({guard.condition}) != 0, 0)" for guard in guards])
    try:
        # First the constraint, then the wait, then the count: an INSERT that the constraint did not check has ended by
        # the time its rows are counted.
        if options.reach is None:
            yield from drain_all(table, options.drain_seconds, _PATIENCE)
        else:
            from aaiclick.apply.replicated.writers import drain_all_everywhere

            # Every host shows the constraint by now: the step's statements are proved on each of them.
            yield from drain_all_everywhere(options.reach, table, options.drain_seconds, _PATIENCE)
        # An update that was sent before may still be changing rows.
        if settled is not None:
            yield from settled()
        else:
            yield from require_settled(
                table.database,
                table.name,
                stuck_seconds=options.stuck_seconds,
                limit=options.mutation_seconds,
                topology=options.topology,
            )
        if options.topology.shards > 1:
            yield from _count_on_hosts(table, guards, options.topology)
        else:
            yield from count_newer(table, guards, seen)
    except OutcomeUnknownError:
        # The connection is in trouble: the constraints are left to the next run (``drop_left_guards``).
        raise
    except Exception:
        yield from unwatch(names)
        raise
    return names


def unwatch(names: Sequence[str]) -> Routine[None]:
    """Drop the constraints after a failure, on whichever tables they are. An error here is ignored: the next run drops
    them."""
    with suppress(AaiclickError):
        yield from drop_guards(names)


def drop_left_guards(database: str) -> Routine[None]:
    """Drop what killed runs left on any table of the database: the names are ours alone. Only under the lease, where no
    run of ours is between two ALTERs. A table that refuses it keeps them, with a Note."""
    rows = yield from ask(
        "SELECT name, toString(uuid), arrayStringConcat(data_paths, ' '), engine FROM system.tables WHERE database = "
        "unhex({db:String}) AND endsWith(engine, 'MergeTree') AND position(create_table_query, {guard:String}) > 0",
        {"db": hexed(database), "guard": GUARD},
    )
    for name, uuid, paths, engine in (tuple(map(text, row)) for row in rows):
        try:
            # Without them an ALTER that the dead run sends late is refused: it drops the guards by name, in the same
            # statement.
            yield from remove_guards(Physical(database, name, real_uuid(uuid, paths), engine))
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            why = f"a constraint of a killed run stays ({first_line(str(error))}): drop it by hand"
            yield Emit(Note(f"{database}.{name}: {why}", "warning"))


def count_newer(table: Physical, guards: Sequence[Guard], seen: int) -> Routine[None]:
    """Raises ApplyError where rows of parts that are newer than the look meet a guard."""
    present = yield from parts(table)
    # Mutations get their numbers from the sequence that blocks get theirs from: a part whose rows an UPDATE has changed
    # since the look has a higher data version.
    # Without such a number any part may be newer: replicated tables give their first block the number 0.
    newer = [part for part in present if seen <= 0 or max(part.last, part.version) > seen]
    if not newer:
        return
    # The part's own name tells: <partition>_<first>_<last>_<level>[_<mutation>]. What a lightweight update changes lies
    # in parts of all ages.
    name = "splitByChar('_', _part)"
    only = (
        ""
        if seen <= 0 or any(part.patch for part in newer)
        else f" WHERE greatest(toInt64OrZero({name}[3]), toInt64OrZero({name}[5])) > {seen}"
    )
    for guard in guards:
        rows = yield from _met(table, guard, SINGLE, only)
        _require_none(table, guard, number(rows[0][0]), text(rows[0][1]))


def _count_on_hosts(table: Physical, guards: Sequence[Guard], topology: Topology) -> Routine[None]:
    """The same of the rows of all shards. Every host is asked, not one of each shard: a row is on the host that took
    it, whether the others of its shard have fetched it or not."""
    from aaiclick.clickhouse.shared.ask_shards import first_text

    for guard in guards:
        try:
            rows = yield from _met(table, guard, topology.apart)
        except PlanError as error:
            raise ApplyError(f"{table.name}: {error}") from error
        counts: dict[int, int] = {}
        for place, row in enumerate(rows, 1):
            shard = topology.at(place).shard
            # Replicas have the same rows.
            counts[shard] = max(counts.get(shard, 0), number(row[0]))
        _require_none(table, guard, sum(counts.values()), first_text(row[1] for row in rows))


def _met(table: Physical, guard: Guard, hosts: Topology, only: str = "") -> Routine[Rows]:
    """How many rows meet a guard on each of these hosts, and one of them."""
    from aaiclick.clickhouse.shared.ask_shards import ask_shards

    columns = [f"toUInt64(countIf({guard.condition}))", f"anyIf(toString({guard.example}), {guard.condition})"]
    try:
        return (
            yield from ask_shards(
                hosts, columns, f"FROM {qualified(table.database, table.name)}{only}", READ, long=True
            )
        )
    except StatementError as error:
        raise_uncounted(table.name, f"they {guard.problem}", error)


def _require_none(table: Physical, guard: Guard, count: int, example: str) -> None:
    if count:
        raise ApplyError(
            f"{table.name}: {rows_that(count, guard.problem)}, for instance {shortened(example)}: "
            f"{'it' if count == 1 else 'they'} came in after the count. Nothing was changed. Run again"
        )
