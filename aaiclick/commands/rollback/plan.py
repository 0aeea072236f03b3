"""Planning a rollback: which kept tables can be put back, and what stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.apply.rollback.inspect import Restore, inspect_kept
from aaiclick.apply.rollback.not_restored import NotRestored, find_not_restored, former_name
from aaiclick.apply.rollback.on_shards import RestoreOnShards, inspect_on_shards, reach_back
from aaiclick.apply.rollback.path import VersionStep, linked, replacing_transition, transitions, version_steps
from aaiclick.apply.rollback.since_then import combined_words
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.tables import physicals
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.rollback.altered_before import altered_before
from aaiclick.commands.rollback.readers import ReadersBack, find_readers
from aaiclick.commands.rollback.renames import Renames, find_renames, step_of
from aaiclick.commands.rollback.unfinished_migration import unfinished_step
from aaiclick.errors import SchemaError, SpecError
from aaiclick.plan.model import Step
from aaiclick.printable import rows_text
from aaiclick.routine import Routine
from aaiclick.state.kept_tables import KeptRow
from aaiclick.state.record import Record
from aaiclick.state.records import all_records
from aaiclick.state.transition import read_attempts


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """A rollback to an earlier version: what comes back, and what has to be allowed."""

    found: Inspection
    """What is there."""
    live: int
    """Version that is rolled back."""
    to: int
    """Version that is rolled back to."""
    earlier: Record | None
    """Record of the version that is rolled back to; None where this database has none."""
    restores: tuple[Restore, ...]
    """Tables that are put back."""
    done: tuple[KeptRow, ...]
    """Kept tables that an unfinished rollback has put in place already."""
    refusals: tuple[tuple[str, str], ...]
    """What has to be allowed by name, as (key, reason)."""
    notes: tuple[str, ...]
    """What else does not survive, in sentences."""
    renames: Renames = field(default_factory=Renames)
    """Tables that get the names back that they had at the older version, after all others are put back."""
    reach: Reach | None = None
    """The hosts on which tables are put back; None: one host, or there are none to put back."""
    readers: ReadersBack = field(default_factory=ReadersBack)
    """What reads or feeds the tables that are put back."""

    @property
    def database(self) -> str:
        """Name of the database."""
        return self.found.catalog.database

    @property
    def steps(self) -> tuple[Step, ...]:
        """One step for each table that comes back, with those around it for what reads it, and one for each that is
        renamed back."""
        renamed = (step_of(self.database, each) for each in self.renames.back)
        restored = (_step(restore, self.to) for restore in self.restores)
        return (*self.readers.before, *restored, *self.readers.behind, *renamed)


@dataclass(frozen=True, slots=True)
class _KeptTables:
    """The kept tables of a database.

    ``behind``: for each live table the kept ones that it replaced, one after the other, the newest first. ``begun``:
    tables that an unfinished rollback has put in place already, with the kept tables that they were made of.
    ``targets``: versions that such a rollback was on its way to. ``renamed``: sentences on kept tables whose successor
    has another name now.
    """

    behind: Mapping[str, tuple[KeptRow, ...]]
    begun: Mapping[str, tuple[KeptRow, ...]]
    targets: frozenset[int]
    renamed: tuple[str, ...]


def find_rollback(found: Inspection, to: int | None) -> Routine[RollbackPlan]:
    """Plan a rollback. Raises SchemaError where none is possible, SpecError where the database did not come
    through ``to``."""
    schema, database = found.schema, found.catalog.database
    live, path = yield from _path(found)
    kept = yield from _look(found, _names(found, path), found.record.at if found.record is not None else -1)
    # Behind the look at what is kept: a rollback that was killed goes on to the version that it was on its way to, and
    # to no other.
    target = _target(schema.name, live, path, to, kept.targets, given_up=found.unfinished_migration is not None)
    covered = path[: 1 + next(place for place, step in enumerate(path) if step.before == target)]
    listed = transitions(covered)
    restores: list[Restore] = []
    reach: Reach | None = None
    for _, rows in sorted(kept.behind.items()):
        used = _used(rows, covered[-1])
        if used:
            chain = linked(used[::-1], listed)
            # Only where a table comes back at all, and once for all of them.
            if reach is None and not found.topology.single:
                reach = yield from reach_back(found.topology, database, sorted(kept.behind))
            if reach is not None:
                restores.append((yield from inspect_on_shards(database, chain, reach)))
                continue
            restores.append((yield from inspect_kept(database, chain)))
    renames = yield from find_renames(
        found, listed, covered[-1].earlier, [*kept.begun, *(restore.kept.table for restore in restores)]
    )
    readers = yield from find_readers(found, listed, covered[-1].earlier, restores)
    # A view that is written into by what another one reads is put back before that one.
    restores.sort(key=lambda each: _place(each.kept.table, readers.first))
    left = _left(found, kept, covered, renames.answers, {*readers.following, *left_to_send(found, target)})
    # A table is renamed back by itself only where that makes all of the older version again.
    alone = bool(renames.back or renames.done) and not left.words
    if not restores and not kept.begun and not alone and found.unfinished_migration is None:
        said = f": {'; '.join((*left.words, *kept.renamed))}" if left.words or kept.renamed else ""
        raise SchemaError(
            f"{schema.name} is at v{live}, and no table of v{target} is kept{said}. {_furthest(found, kept, path)}"
        )
    noticed, harmless = altered_before(restores, covered[-1].earlier, {each.now: each.before for each in renames.back})
    words = (*left.words, *kept.renamed, *noticed)
    refusals: list[tuple[str, str]] = []
    if words:
        further = f". {_furthest(found, kept, path)}" if left.gone else ""
        refusals.append((f"partial {schema.name}", f"not put back: {'; '.join(words)}{further}"))
    for restore in restores:
        refusals += _refusals(restore)
    refusals += readers.asked
    notes = [
        *left.notes,
        *harmless,
        *readers.notes,
        *(note for restore in restores for note in restore.notes),
        *_lost(kept, covered, path),
    ]
    done = tuple(row for rows in kept.begun.values() for row in _used(rows, covered[-1]))
    earlier = covered[-1].earlier
    return RollbackPlan(
        found, live, target, earlier, tuple(restores), done, tuple(refusals), tuple(notes), renames, reach, readers
    )


def _path(found: Inspection) -> Routine[tuple[int, tuple[VersionStep, ...]]]:
    """The version that is rolled back, and the versions before it. An unfinished migration is rolled back first: it is
    not recorded."""
    schema, database = found.schema, found.catalog.database
    way = found.unfinished_migration
    if way is not None:
        records = yield from all_records(database, schema.name)
        return way.version, (unfinished_step(found, way, records, found.owned.kept()),)
    if found.numbered is not None and found.record is not None and found.record.version is None:
        at = found.numbered.version
        raise SchemaError(
            f"code without a version (version=None) started on {schema.name} in {database} since v{at}. Start the code "
            f"of v{at}, then roll back"
        )
    if found.record is None or found.record.version is None:
        raise SchemaError(f"{schema.name} has no version record in {database}: there is nothing to roll back")
    live = found.record.version
    path = version_steps(
        (yield from all_records(database, schema.name)), live, (yield from read_attempts(database, schema.name))
    )
    if not path:
        raise SchemaError(
            f"{schema.name} has been at v{live} since it was made in {database}: there is no earlier version to "
            "roll back to"
        )
    return live, path


def _target(
    schema: str, live: int, path: Sequence[VersionStep], to: int | None, begun: frozenset[int], *, given_up: bool
) -> int:
    versions = [step.before for step in path]
    # Some tables are at that version already: another target would leave tables of two versions.
    if begun and to is not None and to not in begun:
        unfinished = ", ".join(f"v{version}" for version in sorted(begun))
        raise SchemaError(
            f"a rollback of {schema} to {unfinished} was not finished. Run: aaiclick rollback --to {min(begun)}"
        )
    target = to if to is not None else min(begun) if begun else versions[0]
    if target not in versions:
        if given_up:
            said = f"a migration of {schema} from v{versions[0]} to v{live} is not finished"
            raise SpecError(
                "to", f"{said}: roll that back first (--to {versions[0]}), then {schema} can roll back to v{target}"
            )
        if len(versions) == 1:
            raise SpecError(
                "to",
                f"{schema} came to v{live} from v{versions[0]} in one step: it can only roll back to v{versions[0]}, "
                f"not to v{target}",
            )
        listed = ", ".join(f"v{version}" for version in versions)
        raise SpecError(
            "to",
            f"{schema} came to v{live} by way of {listed}: it can only roll back to one of these, not to v{target}",
        )
    return target


def _names(found: Inspection, path: Sequence[VersionStep]) -> frozenset[str]:
    """The objects of the schema: those that this code declares, and those that other versions changed. The code of the
    older version knows nothing of a table that was made, or got its name, since."""
    steps = [step for each in transitions(path) for step in each.steps]
    changed = {step.object for step in steps} | {former for step in steps if (former := former_name(step))}
    return frozenset(changed | {item.name for item in found.schema.objects})


def _look(found: Inspection, declared: Collection[str], recorded: int) -> Routine[_KeptTables]:
    """``declared``: names of the schema's objects. ``recorded``: when the last record was written, Unix
    milliseconds."""
    database = found.catalog.database
    rows = found.owned.kept()
    live = yield from physicals(database, tuple(sorted({*declared, *(row.kept.table for row in rows)})))
    # By the storage that took its place: a name may be another table's by now.
    # Without those that a rollback replaced: their way leads forward.
    older = {row.kept.replaced_by: row for row in rows if not row.kept.back}

    def behind(uuid: str, table: str) -> tuple[KeptRow, ...]:
        listed: list[KeptRow] = []
        # Each once, whatever comments of tables say: the search has to end.
        while (row := older.get(uuid)) is not None and row.kept.table == table and row not in listed:
            listed.append(row)
            uuid = row.kept.uuid
        return tuple(listed)

    chains = {name: chain for name, table in live.items() if name in declared and (chain := behind(table.uuid, name))}
    # Put in place since the last record was written: the run that did it was killed before its end.
    begun = [
        row
        for row in rows
        if row.kept.back
        and row.kept.table in declared
        # Under whichever of its names: it may have got its former one already.
        and any(table.uuid == row.kept.replaced_by for table in live.values())
        and row.kept.latest > recorded
    ]
    renamed = [
        f"{name}: was called {row.kept.table} when it was replaced ({row.name} is kept; rename the table back first)"
        for name, table in sorted(live.items())
        if name in declared and (row := older.get(table.uuid)) is not None and row.kept.table != name
    ]
    targets = frozenset(row.kept.back_to for row in begun if row.kept.back_to is not None)
    return _KeptTables(
        chains, {row.kept.table: behind(row.kept.uuid, row.kept.table) for row in begun}, targets, tuple(renamed)
    )


def _used(rows: Sequence[KeptRow], last: VersionStep) -> tuple[KeptRow, ...]:
    """Those that were replaced since the older version was there, the newest first."""
    return tuple(row for row in rows if row.kept.latest >= last.since)


def left_to_send(found: Inspection, to: int) -> Mapping[str, tuple[str, ...]]:
    """What a killed rollback to that version was about to send once its tables were back."""
    going = found.unfinished_rollback
    return going.views if going is not None and going.to == to else {}


def _place(name: str, first: Sequence[str]) -> int:
    return first.index(name) if name in first else len(first)


def _left(
    found: Inspection,
    kept: _KeptTables,
    covered: Sequence[VersionStep],
    renames: Mapping[str, str] | None = None,
    following: Collection[str] = (),
) -> NotRestored:
    listed = transitions(covered)
    restored: dict[str, int] = {}
    for table, rows in kept.behind.items():
        used = _used(rows, covered[-1])
        made = replacing_transition(used[-1], listed) if used else None
        if used:
            restored[table] = listed.index(made) if made is not None else 0
    # The oldest of the tables that these were made of may be dropped already: they are where they should be.
    restored |= dict.fromkeys(kept.begun, 0)
    return find_not_restored(listed, restored, found.catalog, renames, following)


def _furthest(found: Inspection, kept: _KeptTables, path: Sequence[VersionStep]) -> str:
    """How far back every table that was replaced is kept."""
    whole = [
        step.before for place, step in enumerate(path) if kept.behind and not _left(found, kept, path[: place + 1]).gone
    ]
    if not whole:
        return "Only a backup brings it back"
    return (
        f"v{whole[-1]} is the oldest version of which everything that was replaced is kept: aaiclick rollback --to "
        f"{whole[-1]}"
    )


def _lost(kept: _KeptTables, covered: Sequence[VersionStep], path: Sequence[VersionStep]) -> tuple[str, ...]:
    """A sentence on kept tables of still older versions: after this rollback they cannot be put back any more."""
    further = sorted(
        table for table, rows in kept.behind.items() if len(_used(rows, covered[-1])) < len(_used(rows, path[-1]))
    )
    if not further or len(path) == len(covered):
        return ()
    oldest = path[-1].before
    return (
        (
            f"after this {', '.join(further)} cannot be rolled back any further: to reach v{oldest}, roll back to it "
            f"directly (--to {oldest})"
        ),
    )


def _refusals(restore: Restore) -> list[tuple[str, str]]:
    table = restore.kept.table
    found: list[tuple[str, str]] = []
    if restore.deleted:
        found.append(
            (
                f"deletes {table}",
                f"{table}: {restore.deleted} since it was replaced; they would be there again as they were",
            )
        )
    if restore.combined:
        found.append((f"deletes {table}", f"{table}: {combined_words(restore.combined)}"))
    found += [(f"values {table}", f"{table}: {words}") for words in restore.unproven]
    if restore.unfit:
        found.append(
            (
                f"values {table}",
                (
                    f"{table}: {rows_text(restore.unfit)} that came since "
                    f"{'holds' if restore.unfit == 1 else 'hold'} values that the old columns cannot"
                ),
            )
        )
    if restore.detached:
        found.append((f"leave-detached-parts {table}", f"{table}: {restore.detached}"))
    return found


def _step(restore: Restore, to: int) -> Step:
    work = restore.work
    table = work.table
    sql = [f"-- a new table of v{to}'s form takes over the {rows_text(restore.rows)} of {restore.name} by hard links"]
    live = restore.since
    for each in restore.between:
        listed = ", ".join(f"{column.expression} AS {column.target}" for column in each.columns)
        sql.append(
            f"-- and {rows_text(each.rows)} that came while a table was live that is kept as well: SELECT "
            f"{listed} FROM "
            f"{each.name} WHERE {each.where}"
        )
        live -= each.rows
    listed = ", ".join(f"{column.expression} AS {column.target}" for column in work.columns)
    if isinstance(restore, RestoreOnShards):
        out = "are refused on every host (469)"
        sql[0] += ", on one host of each shard"
    else:
        out = "are locked out (table_readonly)"
    sql += [
        f"-- and the {rows_text(live)} that came since: SELECT {listed} FROM {table} WHERE {work.where}",
        f"-- writers {out} for the last part of the copy, then the new table is exchanged with {table}",
    ]
    words = f"the table of v{to} is put back, with {rows_text(restore.since)} that came since"
    return Step(f"restore-{table}", table, words, "rebuild", sql, work, (), restore.since, 0)
