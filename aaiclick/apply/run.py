"""Options for carrying out steps, and the result of each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aaiclick.catalog.forms import LiveObject
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.plan.operations import CallableWork, SqlWork
from aaiclick.routine import Emit, Routine
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.sql.cluster import head_of
from aaiclick.state.entries.step_entries import StepEntries

if TYPE_CHECKING:
    from aaiclick.apply.replicated.shards import CheckedReplicas
    from aaiclick.clickhouse.every_host import Reach

T = TypeVar("T")
Runner = Callable[[CallableWork | SqlWork], Routine[None]]
NewReaders = Callable[[str], Routine[tuple[str, ...]]]
"""What reads or feeds a table and was not there when the plan was made, in words."""

SameRows = Callable[[str], Routine[tuple[str, ...]]]
"""A sentence for each other view that writes the same rows as that one into its target."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How steps are carried out."""

    keep_old_seconds: int = 0
    """How long the old table of a rebuild stays for a rollback; 0: dropped at once."""
    writers_stopped: frozenset[str] = frozenset()
    """Tables for which the caller vouches that no stream brings rows, which nobody can wait for (``--allow
    'writers-stopped <table>'``)."""
    keep_writers_out: frozenset[str] = frozenset()
    """Tables of which writers may be refused for a whole copy, where deletes or updates have spoilt one (``--allow
    'keep-writers-out <table>'``)."""
    reapply_deletes: frozenset[str] = frozenset()
    """Those of which they may be refused for the last chunks that deletes or updates have changed (``--allow
    'reapply-deletes <table>'``)."""
    wait_for_deletes: frozenset[str] = frozenset()
    """Those that are copied until there is a moment without any (``--allow 'wait-for-deletes <table>'``)."""
    resumable: frozenset[str] = frozenset()
    """Tables with a killed rebuild that may go on."""
    verify: bool = True
    """Checksums of every chunk are compared; counts always are."""
    chunk_rows: int = 5_000_000
    """How many rows one staging table holds at most, except that a part is never split. Smaller tables have smaller
    chunks."""
    chunk_bytes: int = 1 << 30
    """How many bytes (on disk) it holds at most, with the same exception."""
    copy_threads: int = 0
    """0 leaves the number of threads to the server."""
    drain_seconds: float = 3600.0
    """Limit of the wait for inserts after the exchange."""
    fence_seconds: float = 60.0
    """Limit of the wait for inserts while writers are refused."""
    # No limit: mutations of a table end in the order in which they were sent, so what is sent behind one of somebody
    # else waits for it in any case.
    mutation_seconds: float = 0.0
    """Limit of the wait for mutations of others; 0: none."""
    stuck_seconds: float = 5.0
    """How long a mutation may fail before it counts as stuck."""
    restarts: int = 3
    """How often chunks are filled anew because their rows were deleted or changed."""
    # The copy and the old table are both on the disk until the old one is dropped. Merges of the new table need some
    # room beside that.
    disk_factor: float = 1.1
    """Free space needed for a rebuild, as a multiple of the table's bytes."""
    entries: StepEntries | None = None
    """What is entered in the journal of the steps; None: nothing."""
    runner: Runner | None = None
    """Carries out the statements and the data move of a migration."""
    new_readers: NewReaders | None = None
    """Is asked around each ALTER that takes a column or its type away, and around each RENAME; None: the plan has
    looked at no readers."""
    same_rows: SameRows | None = None
    """Is asked behind the CREATE of a materialized view; None: nobody asks."""
    collections: Mapping[str, NamedCollection] = field(default_factory=dict[str, NamedCollection])
    """The declared named collections, whose values stand in what is sent."""
    reach: Reach | None = None
    """The hosts that statements are sent to; None: the one that is connected to."""
    planned: Mapping[str, LiveObject] = field(default_factory=dict[str, LiveObject])
    """Tables as the plan found them, but for those that an earlier step was about."""
    leave_detached: bool = False
    """Detached parts of the table stay behind: the step has said so, and it was allowed by name."""
    looked: CheckedReplicas | None = None
    """What was looked at of all hosts for the first step, just before it; None: nothing."""

    @property
    def topology(self) -> Topology:
        """The hosts."""
        return self.reach.topology if self.reach is not None else SINGLE


@dataclass(frozen=True, slots=True)
class Site:
    """Where work is carried out: the database, the nonce that scratch names carry, and how."""

    database: str
    nonce: str
    options: ApplyOptions


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A step that was carried out."""

    step: str
    """Id of the step."""
    object: str
    """Name of the table, view or dictionary."""
    strategy: str
    """How it was done: 'alter', 'rebuild', ..."""
    rows: int
    """Rows that were copied or attached; 0: only metadata changed."""
    seconds: float
    """How long it took."""
    kept: str = ""
    """Name of the old table where it is kept; '' where it is not."""
    notes: tuple[str, ...] = ()
    """What an operator should know, such as columns that the checksum leaves out."""


@dataclass(frozen=True, slots=True)
class Done:
    """What carrying out one piece of work returns: rows touched, the kept table, and notes."""

    rows: int = 0
    kept: str = ""
    notes: tuple[str, ...] = ()


def require_known_readers(options: ApplyOptions, table: str, sql: str) -> Routine[None]:
    """Raise ApplyError where something reads or feeds a table that the plan does not know: behind ``sql`` a Buffer
    table would leave out values that it has acknowledged, and a materialized view refuse every INSERT."""
    if options.new_readers is not None and (new := (yield from options.new_readers(table))):
        there = "reads or feeds it, and was" if len(new) == 1 else "read or feed it, and were"
        raise ApplyError(
            f"{table}: {', '.join(new)} {there} not there when the plan was made. {sql} was not sent. Run again: the "
            "next plan looks at them too"
        )


def told_of_readers(options: ApplyOptions, table: str, sql: str) -> Routine[tuple[str, ...]]:
    """A sentence for each that came between that look and the statement itself."""
    new = (yield from options.new_readers(table)) if options.new_readers is not None else ()
    said = tuple(
        f"{reader} was made in the moment of {sql}: where it has the names and columns of before, what goes through it "
        "fails, or is left out. Change or drop it"
        for reader in new
    )
    for note in said:
        yield Emit(Note(note, "warning"))
    return said


def told_of_same_rows(options: ApplyOptions, statements: Sequence[str]) -> Routine[tuple[str, ...]]:
    """Notes on views that somebody made meanwhile, and that write the same rows as one that these have just made."""
    if options.same_rows is None:
        return ()
    said: tuple[str, ...] = ()
    for head in (head_of(sql) for sql in statements if " VIEW " in sql):
        if head and (head.verb, head.kind) == ("CREATE", "MATERIALIZED VIEW"):
            said += yield from options.same_rows(head.names[0][-1])
    for note in said:
        yield Emit(Note(note, "warning"))
    return said


def on_all_hosts(work: Routine[T], reach: Reach | None) -> Routine[T]:
    """Carry out the routine of a step on all hosts; one host (None) loads nothing that only many need."""
    if reach is None:
        return (yield from work)
    from aaiclick.apply.everywhere import everywhere

    return (yield from everywhere(work, reach))
