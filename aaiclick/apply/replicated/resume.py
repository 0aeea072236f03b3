"""Continues a copy on replicas that was killed: chunks that the hosts which copied still have are not copied again, if
the same copy is wanted and the same hosts make it.

    next run: everything is undone but filled staging tables, and the note that names them -> plan
        -> the same rebuild: filled chunks are taken over
        -> anything else: they are dropped, before the first step

Taking over is a rename into the database of the new run, whose note is there before: a statement of the dead run that
is still on its way meets no table that is in use, and a kill in between leaves two notes, which name both databases.
Between the two runs the table has its own settings, so merges and mutations go on: a chunk counts only while the parts
that it was read from are there, with the same content.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from aaiclick.apply.rebuild.copy_chunk import Job
from aaiclick.apply.rebuild.resume import first_on, is_same
from aaiclick.apply.replicated.clear import (
    clear_everywhere,
    give_up_everywhere,
    undo_everywhere,
    withdraw_everywhere,
)
from aaiclick.apply.replicated.hosts import reached_workers
from aaiclick.apply.replicated.shards import Replicas, Shard, at_host, workers
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import NUMBERS
from aaiclick.clickhouse.names import parse_name
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import ddl
from aaiclick.errors import AaiclickError
from aaiclick.events import Note
from aaiclick.plan.model import Step
from aaiclick.plan.operations import RebuildWork, Work
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Emit, Routine
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.owned import read_owned
from aaiclick.state.replicated.mark import ReplicatedMark
from aaiclick.state.staged_chunks import StagedChunk, covered, divide, filled_chunks


def suspend_everywhere(database: str, mark: ReplicatedMark, reach: Reach, seconds: float) -> Routine[bool]:
    """Prepare a copy that was killed before its exchange for a new plan; False where none of its chunks can be used,
    and then nothing was done. Writers are let in, and the table is as it was on all hosts.

    Raises ApplyError as ``undo_everywhere``.
    """
    if not isinstance(mark.work, RebuildWork) or mark.apart or mark.back_to is not None:
        return False
    places = workers(reach)
    # What one host has copied no other one has: with another worker the copy is begun anew.
    if mark.worker != worker_labels(reach, list(places.values())):
        return False
    peers = yield from reached_workers(reach)
    held = 0
    for place in places.values():
        held += len((yield from at_host(filled_chunks(mark.staged_in), None if place == reach.here else peers[place])))
    if not held:
        return False
    if (yield from withdraw_everywhere(database, mark, reach, seconds)):
        return True
    # The table is another one by now, of which nothing was copied.
    yield from give_up_everywhere(database, mark, reach)
    return True


def worker_labels(reach: Reach, places: Sequence[int]) -> str:
    """The hosts that copy, one of each shard, as the mark says them."""
    return ", ".join(reach.topology.at(place).label for place in places)


def keep_wanted_everywhere(steps: Sequence[Step], database: str, options: ApplyOptions) -> Routine[None]:
    """As ``keep_wanted``, on all hosts."""
    for mark in (yield from _waiting(database, options)):
        first = first_on(steps, mark.table)
        if first is None or not is_same(_plain(first.work), _plain(mark.work)):
            yield from _undo(database, mark, options)


def abandon_everywhere(database: str, options: ApplyOptions) -> Routine[None]:
    """As ``abandon``, on all hosts."""
    for mark in (yield from _waiting(database, options)):
        yield from _undo(database, mark, options)


def abandon_everywhere_quietly(database: str, options: ApplyOptions) -> Routine[None]:
    """The same after a failure. An error here is ignored: the first one counts, and the next run undoes the copies."""
    with suppress(AaiclickError):
        yield from abandon_everywhere(database, options)


def marks_to_resume(replicas: Replicas, options: ApplyOptions) -> Routine[tuple[ReplicatedMark, ...]]:
    """The marks of killed copies of this table that may go on."""
    found = yield from _waiting(replicas.source.database, options)
    return tuple(mark for mark in found if mark.table == replicas.source.name and mark.sources == replicas.sources)


def bytes_held(shards: Sequence[Shard], earlier: Sequence[ReplicatedMark]) -> Routine[dict[int, int]]:
    """About how many bytes of the copy are on the disks of hosts already, by their places."""
    found: dict[int, int] = {}
    for shard in shards if earlier else ():
        staged = yield from at_host(_all_filled(earlier), shard.peer)
        there, _ = covered(staged.values(), (yield from at_host(parts(shard.source), shard.peer)))
        found[shard.worker] = sum(part.bytes for part in there)
    return found


def take_over_everywhere(
    jobs: Sequence[Job], replicas: Replicas, earlier: Sequence[ReplicatedMark]
) -> Routine[tuple[tuple[StagedChunk, ...], ...]]:
    """Give the staging tables that the killed runs filled to this one, where they hold what this copy wants; for each
    shard those that it has now. All else that those runs left is dropped."""
    if not earlier:
        return tuple(() for _ in jobs)
    taken: list[tuple[StagedChunk, ...]] = []
    for job, shard in zip(jobs, replicas.shards, strict=True):
        taken.append((yield from at_host(_take_over(job, earlier), shard.peer)))
    for mark in earlier:
        # The mark goes last: until then it names what its run has made.
        yield from clear_everywhere(replicas.source.database, mark, replicas.reach)
    rows = sum(filled.rows for chunks in taken for filled in chunks)
    yield Emit(
        Note(
            f"{replicas.source.name}: {rows_text(rows)} that a killed run has copied {verb_for(rows, 'are')} taken over"
        )
    )
    return tuple(taken)


def _take_over(job: Job, earlier: Sequence[ReplicatedMark]) -> Routine[tuple[StagedChunk, ...]]:
    """On the host that has them."""
    found = yield from _all_filled(earlier)
    fitting = [
        replace(filled, name=f"{staged_in}.{name}")
        for (staged_in, name), filled in found.items()
        if filled.source == job.source.uuid and filled.digest == job.digest
    ]
    # Writers, deletes, updates and merges went on between the two runs: a chunk counts only while its parts are as they
    # were.
    good, _ = divide(fitting, (yield from parts(job.source)))
    if job.work.ordered:
        good = rising(sorted(good, key=_number))
    taken: list[StagedChunk] = []
    for filled in good:
        ours = job.staging()
        # Our names have no dot in them.
        yield from ddl(rename_table(qualified(*filled.name.split(".")), qualified(job.place, ours)))
        taken.append(replace(filled, name=ours))
    return tuple(taken)


def _number(filled: StagedChunk) -> tuple[str, int]:
    """The order in which the chunks of one run were filled: by their numbers, which stand in their names."""
    staged_in, _, name = filled.name.partition(".")
    ours = parse_name(name)
    return staged_in, ours.chunk if ours is not None and ours.chunk is not None else 0


def rising(staged: Sequence[StagedChunk]) -> tuple[StagedChunk, ...]:
    """Without those that hold an earlier block of a partition than one before them: they are attached in this order, in
    which the later of two rows has to come later. What is left out is missing, and ``divide_in_order`` sees to the
    rest."""
    highest: dict[str, int] = {}
    kept: list[StagedChunk] = []
    for filled in staged:
        if all(first > highest.get(partition, -1) for partition, first, _, _ in filled.parts):
            kept.append(filled)
            for partition, _, last, _ in filled.parts:
                highest[partition] = max(last, highest.get(partition, -1))
    return tuple(kept)


def _all_filled(earlier: Sequence[ReplicatedMark]) -> Routine[dict[tuple[str, str], StagedChunk]]:
    """The filled staging tables of these copies on the host that is asked, by database and name."""
    found: dict[tuple[str, str], StagedChunk] = {}
    for mark in earlier:
        for name, filled in (yield from filled_chunks(mark.staged_in)).items():
            found[mark.staged_in, name] = filled
    return found


def _plain(work: Work) -> Work:
    """Without the setting by which rows keep the number of their block: where it is ours, the mark leaves it out."""
    if not isinstance(work, RebuildWork):
        return work
    return replace(
        work, form=replace(work.form, settings=tuple(pair for pair in work.form.settings if pair[0] != NUMBERS))
    )


def _waiting(database: str, options: ApplyOptions) -> Routine[tuple[ReplicatedMark, ...]]:
    if not options.resumable:
        return ()
    marks = (yield from read_owned(database)).replicated_marks()
    # Those before the exchange alone: nobody takes back one that has begun.
    return tuple(mark for mark in marks if mark.table in options.resumable and mark.phase == "copy")


def _undo(database: str, mark: ReplicatedMark, options: ApplyOptions) -> Routine[None]:
    assert options.reach is not None, "copies on all hosts are waiting"
    yield from undo_everywhere(database, mark, options.reach, options.fence_seconds)
