"""Chunks of a replicated table: which of them still hold what is there, in an order in which they may be attached, and
no row in them that the change would break."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.apply.rebuild.chunks import Chunk
from aaiclick.apply.rebuild.copy_chunk import Job, condition
from aaiclick.clickhouse.messages import shortened
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.statements import READ, ask_permissively, merged
from aaiclick.errors import ApplyError
from aaiclick.printable import rows_that
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.quoting import qualified
from aaiclick.state.staged_chunks import StagedChunk, covered, divide


def divide_in_order(
    job: Job, staged: Sequence[StagedChunk], present: Sequence[Part]
) -> tuple[tuple[StagedChunk, ...], tuple[StagedChunk, ...]]:
    """Chunks that hold what is there, and those that do not. Where the order of rows matters, a chunk with a later
    block than one that is still missing in its partition has to be filled after it, so it counts as one that does not:
    numbers are given out before a block is there, so an earlier one may come later."""
    good, stale = divide(staged, present)
    # Until nothing changes: a chunk that is left out is missing in its turn.
    while job.work.ordered:
        missing = covered(good, present)[1]
        first: dict[str, int] = {}
        for part in missing:
            first[part.partition] = min(part.first, first.get(part.partition, part.first))
        # Attached now, its rows would get lower numbers than those of the block that is still missing.
        late = {
            filled.name
            for filled in good
            if any(block > first.get(partition, block) for partition, block, _, _ in filled.parts)
        }
        if not late:
            break
        stale = (*stale, *(filled for filled in good if filled.name in late))
        good = tuple(filled for filled in good if filled.name not in late)
    return good, stale


def require_guards(job: Job, chunk: Chunk) -> Routine[None]:
    """Raises ApplyError where rows that are about to be copied meet a condition that no row met when it was counted.
    All rows pass through here, whenever and by whatever host they came in."""
    for guard in job.work.guards:
        where = condition(job, chunk.parts)
        sql = (
            f"SELECT toUInt64(countIf({guard.condition})), anyIf(toString({guard.example}), {guard.condition}) FROM "
            f"{qualified(job.site.database, job.source.name)} WHERE {where}"
        )
        rows = yield from ask_permissively(
            Query(sql, {}, merged(READ, {"max_query_size": 2 * len(sql) + 262144}), long=True)
        )
        if count := number(rows[0][0]):
            raise ApplyError(
                f"{job.work.table}: {rows_that(count, guard.problem)}, for instance "
                f"{shortened(text(rows[0][1]))}: {'it' if count == 1 else 'they'} came in since it was looked at. "
                "The table is as it was. Run again"
            )
