"""Copying the rows of parts into staging tables, chunk by chunk, in memory that does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aaiclick.apply.rebuild.checksum import differing, mismatch, sums
from aaiclick.apply.rebuild.chunks import SMALL_ROWS, Chunk, inserts, pieces, sequences
from aaiclick.apply.rebuild.columns import Projected
from aaiclick.apply.rebuild.staging import create_from, may_merge, staging_form
from aaiclick.apply.run import Site
from aaiclick.clickhouse.messages import violating_row
from aaiclick.clickhouse.mutations import mutations
from aaiclick.clickhouse.names import staging_table
from aaiclick.clickhouse.parts import Part, parts, rows_in_reach
from aaiclick.clickhouse.statements import BLOCKS, COPY, Sent, drop_table, insert_permissively, merged
from aaiclick.clickhouse.tables import Physical
from aaiclick.clock import clock
from aaiclick.error_codes import MEMORY_LIMIT_EXCEEDED, VIOLATED_CONSTRAINT
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError, VerificationError
from aaiclick.events import ChunkDone, Progress
from aaiclick.plan.operations import RebuildWork
from aaiclick.printable import count_text, rows_text
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.staged_chunks import StagedChunk, sources, write_staged_chunk


class SourceChanged(ApplyError):  # noqa: N818 - reads as a sentence
    """Rows of the old table were deleted or changed while they were copied."""


@dataclass(slots=True)
class BlockSize:
    """How small the blocks of a copy are, an index of ``BLOCKS``. It only grows: the next chunk would fail as well."""

    level: int = 0


@dataclass(slots=True)
class Tally:
    """How far a pass has come: rows of the chunks before this one, and of all. ``total`` is 0 where nobody counts."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A copy of a table that is under way."""

    site: Site
    """Where and how it is carried out."""
    work: RebuildWork
    """What is copied into which form."""
    source: Physical
    """The old storage, under the name that it has now."""
    columns: tuple[Projected, ...]
    """The columns that are written, each with what it is read from."""
    known: frozenset[str]
    """Mutations and patch parts that the old storage had when the copy began."""
    numbers: Iterator[int]
    """Counts the staging tables, for their names."""
    started: float
    """When the copy began; Unix seconds, by this machine's clock."""
    digest: str = ""
    """What is copied, as a digest: chunks with another one are not used; '' where none is looked for."""
    block_size: BlockSize = field(default_factory=BlockSize)
    """How small the blocks have to be for the memory that there is."""
    tally: Tally = field(default_factory=Tally)
    """How far the copy has come."""
    staged_in: str = ""
    """The database of the staging tables; '' where it is that of the table."""
    shard: int = 0
    """The shard whose rows are copied, where there are several; 0: there is one."""

    @property
    def place(self) -> str:
        """The database of the staging tables."""
        return self.staged_in or self.site.database

    def staging(self) -> str:
        """The name of the next staging table."""
        return staging_table(self.site.nonce, next(self.numbers), self.work.table)


def changes(table: Physical) -> Routine[frozenset[str]]:
    """What has changed rows of a table so far: its mutations and patch parts."""
    listed = yield from mutations(table.database, table.name)
    present = yield from parts(table)
    return frozenset([each.id for each in listed] + [part.name for part in present if part.patch])


def fill_chunk(job: Job, chunk: Chunk) -> Routine[StagedChunk]:
    """Fill a staging table with a chunk and write that into its comment.

    Raises VerificationError, and SourceChanged after dropping the staging table.
    """
    staging, rows = yield from fill(job, chunk)
    filled = StagedChunk(staging, job.source.uuid, job.digest, sources(chunk.parts), rows)
    # Only now, when it was compared: a staging table without this comment is dropped by whoever comes next.
    yield from write_staged_chunk(job.place, filled, merge=rows > SMALL_ROWS and may_merge(job.work.form))
    return filled


def fill(job: Job, chunk: Chunk) -> Routine[tuple[str, int]]:
    """Fill a new staging table with a chunk and compare it; its name and rows. Raises VerificationError,
    SourceChanged."""
    begun = yield from clock()
    while True:
        staging = job.staging()
        yield from create_from(staging_form(job.work.form, job.source.uuid), job.place, staging, job.work.settings)
        try:
            yield from _insert(job, chunk, staging, _settings(job))
            break
        except OutcomeUnknownError:
            # The INSERT may still be writing. The next run ends that statement first, and drops the table then.
            raise
        except StatementError as error:
            if error.code == VIOLATED_CONSTRAINT and (row := violating_row(error.message)):
                # The plan has counted such rows, and found none.
                raise ApplyError(
                    f"{job.work.table}: {row}. It came in since rows were looked at. The table is as it was. "
                    "Run again: that says how many there are"
                ) from error
            if error.code != MEMORY_LIMIT_EXCEEDED or job.block_size.level + 1 == len(BLOCKS):
                raise
        # Some blocks of the failed INSERT may be in the table: a second INSERT would double them.
        yield from drop_table(job.place, staging)
        job.block_size.level += 1
    try:
        rows = yield from _compare(job, chunk, staging)
    except SourceChanged:
        yield from drop_table(job.place, staging)
        raise
    seconds = (yield from clock()) - begun
    yield Emit(ChunkDone(job.work.table, "copy", rows, chunk.bytes, seconds, job.site.options.verify, job.shard))
    return staging, rows


def _insert(job: Job, chunk: Chunk, staging: str, settings: Sent) -> Routine[None]:
    targets = ", ".join(quote_name(column.target) for column in job.columns)
    reads = ", ".join(column.read for column in job.columns)
    source = qualified(job.site.database, job.source.name)
    # Where the order of rows matters the INSERTs follow it one by one, so that block numbers do.
    runs = sequences(chunk) if job.work.ordered else inserts(chunk)
    listed = [(selected, piece) for selected in runs for piece in pieces(selected)]
    written = 0
    for place, (selected, piece) in enumerate(listed, 1):
        sql = (
            f"INSERT INTO {qualified(job.place, staging)} ({targets}) SELECT {reads} FROM {source} WHERE "
            f"{condition(job, selected)}"
        )
        if piece is not None:
            # Offsets count the rows that are hidden, too, so the ranges cover the part whatever was deleted.
            sql += f" AND _part_offset >= {piece[0]} AND _part_offset < {piece[1]}"
        elif job.work.ordered:
            sql += _in_order(selected)
        # The names of up to a thousand parts stand in the statement. 262144 is what the server allows by itself.
        size: Sent = {"max_query_size": 2 * len(sql) + 262144}
        yield from insert_permissively(Command(sql, settings=merged(settings, size), long=True))
        rows = sum(part.rows for part in selected)
        written += rows if piece is None else min(piece[1], rows) - piece[0]
        if job.tally.total and place < len(listed):
            yield Emit(
                Progress(
                    job.work.table,
                    "copy",
                    job.tally.done + written,
                    job.tally.total,
                    (yield from clock()) - job.started,
                    job.shard,
                )
            )


def _compare(job: Job, chunk: Chunk, staging: str) -> Routine[int]:
    """Rows in staging, once both sides were found equal."""
    source, target = qualified(job.site.database, job.source.name), qualified(job.place, staging)
    checked = [column for column in job.columns if column.checked] if job.site.options.verify else []
    # The limit that the INSERT met is the same for the comparison.
    threads: Sent = {"max_threads": 1} if job.block_size.level else {}
    where = condition(job, chunk.parts)
    room = 2 * (len(where) + sum(len(column.read) for column in job.columns)) + 262144
    settings = merged(dict(job.work.settings), threads, {"max_query_size": room})
    # The source is read a second time: what the INSERT wrote is not taken from its own answer.
    expected = yield from sums(source, where, [column.read for column in checked], settings)
    found = yield from sums(target, "", [quote_name(column.target) for column in checked], settings)
    names: tuple[str, ...] = ()
    if expected != found and expected.rows == found.rows:
        # A second reading of both sides, for the message only.
        names = yield from differing(source, where, target, job.columns, settings)
    # Asked last: a part that is still there with the same content did not change while both sides were read.
    present = {part.name: part.content for part in (yield from parts(job.source))}
    gone = [part.name for part in chunk.parts if present.get(part.name) != part.content]
    if gone:
        raise SourceChanged(
            f"{job.work.table}: rows were deleted or changed while they were copied ({count_text(len(gone), 'part')}: "
            f"{', '.join(gone[:3])})"
        )
    if expected != found:
        raise mismatch(job.work.table, chunk.partitions, expected, found, names)
    # A count of rows that a delete or a filter leaves out says nothing of those that are hidden from this user.
    told = chunk.exact and not job.work.where
    reach = expected.rows if told else (yield from rows_in_reach(source, _of_parts(chunk.parts), room))
    if reach != chunk.rows:
        raise VerificationError(
            f"{job.work.table}: partition {', '.join(chunk.partitions[:5])} holds {rows_text(chunk.rows)}, but "
            f"{reach} can be read:"
            " a row policy or a setting of this user hides the others. Nothing was exchanged: the table is as it was"
        )
    return found.rows


def _in_order(selected: Sequence[Part]) -> str:
    """ORDER BY for several parts, in the order of their blocks. One thread reads a single part in its order anyway."""
    if len(selected) == 1:
        return ""
    names = ", ".join(quote_string(part.name) for part in selected)
    places = ", ".join(str(place) for place in range(len(selected)))
    return f" ORDER BY transform(toString(_part), [{names}], [{places}], {len(selected)}), _part_offset"


def condition(job: Job, selected: Sequence[Part]) -> str:
    """Selects the rows of these parts, by names that no merge or mutation gives to other rows."""
    where = f" AND ({job.work.where})" if job.work.where else ""
    return f"{_of_parts(selected)}{where}"


def _of_parts(selected: Sequence[Part]) -> str:
    partitions = ", ".join(quote_string(each) for each in sorted({part.partition for part in selected}))
    names = ", ".join(quote_string(part.name) for part in selected)
    return f"_partition_id IN ({partitions}) AND _part IN ({names})"


def _settings(job: Job) -> Sent:
    settings = merged(COPY, dict(job.work.settings))
    materialized = {column.name for column in job.work.form.columns if column.kind == "MATERIALIZED"}
    if any(column.target in materialized for column in job.columns):
        # The server refuses a MATERIALIZED column in an INSERT otherwise (44), and would compute it anew where it is
        # left out.
        settings["insert_allow_materialized_columns"] = 1
    if job.site.options.copy_threads:
        settings.update(
            {"max_threads": job.site.options.copy_threads, "max_insert_threads": job.site.options.copy_threads}
        )
    if job.work.ordered:
        # Several threads write their blocks, and so give out block numbers, in any order.
        settings.update({"max_threads": 1, "max_insert_threads": 1})
    return merged(settings, BLOCKS[job.block_size.level])
