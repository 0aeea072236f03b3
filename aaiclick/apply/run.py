"""How steps are carried out, and what each of them answers with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aaiclick.plan.operations import CallableWork, SqlWork
from aaiclick.routine import Routine
from aaiclick.state.step_entries import StepEntries

Runner = Callable[[CallableWork | SqlWork], Routine[None]]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """``keep_old_seconds``: how long the old table of a rebuild stays for the way back (0: dropped at once).

    ``writers_stopped``: tables for which the caller vouches that nobody writes, so that work that needs a fence runs without one on
    servers that have none (``--allow 'writers-stopped <table>'``).
    ``closed``: tables of which writers may be refused for a whole copy, where deletes or updates have spoilt one
    (``--allow 'keep-writers-out <table>'``); ``reapplied`` those of which they may be refused for the last chunks that deletes or updates
    have changed (``--allow 'reapply-deletes <table>'``), ``patient`` those that are copied until there is a moment without any
    (``--allow 'wait-for-deletes <table>'``). ``verify`` compares checksums of every chunk (counts are always compared). ``chunk_rows`` and
    ``chunk_bytes`` (on disk) bound what one staging table holds, except that a part is never split. ``copy_threads``: 0 leaves the number
    of threads to the server. ``drain_seconds`` limits the wait for inserts after the exchange, ``fence_seconds`` the same wait while writers are refused,
    ``mutation_seconds`` the wait for mutations of others (0: no limit), ``stuck_seconds`` how long a mutation may fail before it counts
    as stuck. ``restarts``: how often chunks are filled anew because their rows were deleted or changed. ``disk_factor``: free space
    needed for a rebuild, as a multiple of the table's bytes. ``runner`` carries out the statements and the data move of a migration.
    ``waiting``: tables with a killed rebuild that may go on.
    """

    keep_old_seconds: int = 0
    writers_stopped: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    reapplied: frozenset[str] = frozenset()
    patient: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    verify: bool = True
    chunk_rows: int = 5_000_000
    chunk_bytes: int = 1 << 30
    copy_threads: int = 0
    drain_seconds: float = 3600.0
    fence_seconds: float = 60.0
    mutation_seconds: float = 0.0
    stuck_seconds: float = 5.0
    restarts: int = 3
    disk_factor: float = 1.1
    entries: StepEntries | None = None
    runner: Runner | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where work is carried out: the database, the nonce that scratch names carry, and how."""

    database: str
    nonce: str
    options: ApplyOptions


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A step that was carried out: ``rows`` it copied or attached, ``seconds`` it took, ``kept`` the name of the old table where one was
    kept, ``notes`` what an operator should know (columns that were left out of the checksum and the like)."""

    step: str
    object: str
    strategy: str
    rows: int
    seconds: float
    kept: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What carrying out one piece of work answers with: rows touched, the kept table, notes."""

    rows: int = 0
    kept: str = ""
    notes: tuple[str, ...] = ()
