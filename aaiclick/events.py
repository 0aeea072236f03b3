"""What a run reports to ``on_event=``: plain data, one class for each kind of event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

INTERRUPTED = "interrupted: nothing is lost, the next run goes on from here"
"""The note of a run that was stopped by a signal, or cancelled."""


@dataclass(frozen=True, slots=True)
class PlanReady:
    """A plan was made and passed the gate."""

    schema: str
    """Name of the schema."""
    steps: int
    """How many steps will be carried out."""
    rows: int
    """Rows that have to be copied."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins."""

    index: int
    """Number of the step, from 1."""
    total: int
    """How many steps there are."""
    object: str
    """Name of the table, view or dictionary."""
    change: str
    """What is done to it, in words."""
    strategy: str
    """How: 'alter', 'rebuild', ..."""
    rows: int
    """Rows that have to be copied or rewritten; 0: only metadata changes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step has come."""

    object: str
    """Name of the table."""
    phase: str
    """What is counted: 'copy', 'backfill', 'move' in rows, 'mutation' in parts, ..."""
    done: int
    """How much is done."""
    total: int
    """How much there is in all."""
    seconds: float
    """Seconds since this phase began."""
    shard: int = 0
    """The shard whose rows are counted, where there are several; 0: there is one."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step ended well."""

    index: int
    """Number of the step, from 1."""
    total: int
    """How many steps there are."""
    object: str
    """Name of the table, view or dictionary."""
    strategy: str
    """How: 'alter', 'rebuild', ..."""
    rows: int
    """Rows that were copied or attached; 0: only metadata changed."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits for someone else: another process that migrates, inserts that are still running, a mutation."""

    what: str
    """What it waits for, in words."""
    seconds: float
    """For how long already."""
    ends: str = ""
    """When it is over at the latest, as far as somebody can tell; '' where nobody can."""


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence that an operator should read."""

    text: str
    """The sentence."""
    level: str = "info"
    """'info' or 'warning'."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The database was compared with the declaration. A start whose one query says that all is well compares
    nothing."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    live_version: int | None
    """Version of the database; 0: it is empty, None: nothing is recorded or recognised."""
    code_version: int | None
    """Version of the declaration; None for one without."""
    state: str
    """As in ``Status.state``: 'in sync', 'behind', 'drift', ..."""
    differences: int
    """How many differences there are."""


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A chunk of a copy, or of the fill of a materialized view, is in its staging table."""

    object: str
    """Name of the table whose rows are read."""
    phase: str
    """'copy' or 'backfill'."""
    rows: int
    """Rows that were read and written."""
    bytes: int
    """Size on disk of the parts that were read."""
    seconds: float
    """How long it took, the comparison included."""
    verified: bool
    """Both sides were compared by the checksums of their columns; False: rows were counted only."""
    shard: int = 0
    """The shard whose rows they are, where there are several; 0: there is one."""


@dataclass(frozen=True, slots=True)
class LeaseWaited:
    """A wait for another process that migrates the database has ended."""

    database: str
    """Name of the database."""
    seconds: float
    """How long this process waited for the lease."""
    taken: bool
    """It has the lease now; False: there was nothing left to do, or it gave up."""


@dataclass(frozen=True, slots=True)
class LeaseTakenOver:
    """The lease of a holder that is dead, or was silent for longer than its lease time, is ended by this process."""

    database: str
    """Name of the database."""
    owner: str
    """Who had it: user@host pid."""
    gone: bool
    """Its process is known to have ended; False: its time was over."""


@dataclass(frozen=True, slots=True)
class WritersRefused:
    """The fence is up: the server refuses new writes of the table (error 774) from now on."""

    database: str
    """Name of the database."""
    object: str
    """Name of the table."""


@dataclass(frozen=True, slots=True)
class TableExchanged:
    """The new table has the name. It takes writes, and the fence of the old one is no longer in anybody's way."""

    database: str
    """Name of the database."""
    object: str
    """Name of the table."""
    writers_wait: bool
    """Writers are refused a moment longer, until no INSERT can miss a materialized view."""


@dataclass(frozen=True, slots=True)
class WritersAdmitted:
    """The fence is down: the table takes writes."""

    database: str
    """Name of the database."""
    object: str
    """Name of the table."""


@dataclass(frozen=True, slots=True)
class RefusalsCounted:
    """How often the server has refused a statement with error 774 since it started, whatever the table. Asked for only
    where somebody counts refused writers, when a fence goes up and when it comes down."""

    total: int
    """The server's counter."""


Event: TypeAlias = (
    PlanReady
    | StepStarted
    | Progress
    | StepDone
    | Waiting
    | Note
    | Compared
    | ChunkDone
    | LeaseWaited
    | LeaseTakenOver
    | WritersRefused
    | TableExchanged
    | WritersAdmitted
    | RefusalsCounted
)

FIGURES_WANTED: Final = object()
"""What ``on_event`` answers with where figures are wanted that cost a statement (``clickhouse/write_fence.py``)."""
