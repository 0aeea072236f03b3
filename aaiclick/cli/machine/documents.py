"""What the commands print with ``--json``, as types: their JSON Schemas are made of these (``schemas``)."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict


class HazardDocument(TypedDict):
    """What a step may do to rows, values, readers and writers."""

    kind: str
    """Which kind of hazard."""
    message: str
    """What it does, in words."""
    allow: str
    """The key for --allow; '' where nothing has to be allowed."""


class RoomDocument(TypedDict):
    """Room on disks that a step takes."""

    disk: str
    """Names of the disks; '' where the user may not see them."""
    bytes: int
    """Bytes that have to be free when the step begins."""
    free: int | None
    """Bytes that are free there now; null where there is no limit, and where it is not known."""
    kept_bytes: int
    """Bytes that stay taken after the step, at most."""
    kept_seconds: float
    """For how long, in seconds after the step."""


class StepDocument(TypedDict):
    """One step of a plan, without its internals."""

    id: str
    """Name of the step, unique in its plan."""
    object: str
    """Name of the object that it is about."""
    change: str
    """What differs, in words."""
    strategy: str
    """How it is carried out: 'create', 'alter', 'rebuild', ..."""
    sql: list[str]
    """What is sent, for people; a line that begins with -- is no statement."""
    hazards: list[HazardDocument]
    """What it may do."""
    rows: int
    """Rows that it has to read; 0 where it reads none."""
    bytes: int
    """Bytes that it has to read, compressed."""
    seconds: float | None
    """Estimated duration in seconds; null where there is no estimate."""
    seconds_range: list[float] | None
    """The shortest and the longest duration that is expected; null as for seconds."""
    seconds_from: str
    """What the estimate comes from: 'measured', 'remembered', 'assumed', 'statements'; '' for none."""
    room: RoomDocument | None
    """Room that it takes on disks; null for none, and where there is no estimate."""
    expiring: int | None
    """Rows that a new TTL deletes, or clears values of, at once; null where no TTL changes, or they were not
    counted."""
    uncounted: str
    """Why rows that a new TTL deletes, combines or clears are not in expiring; '' where all of them are."""
    diff: list[str]
    """Where the query of a view changes: its lines that differ, with - and + in front."""
    optional: bool
    """True for a clean-up that is carried out only where it is allowed by name."""
    blocked: str
    """Why rows or other objects do not allow the step; '' where they do."""
    reads: str
    """Columns of live rows that are read before the step; '' for none."""
    read_bytes: int
    """Compressed size of those columns."""
    unlooked: list[str]
    """What these reads would have shown, where no row was read."""
    behind: str
    """Label of the pending script behind which rows are counted; '' for none."""


class PendingDocument(StepDocument):
    """A step that was not carried out."""

    reason: str
    """Why not."""


class ReportDocument(TypedDict):
    """What ``migrate`` and ``rollback`` print."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    from_version: int | None
    """Version before; 0: none of the objects was there, null: nothing was recorded or recognised."""
    to_version: int | None
    """Version after; null for a declaration without one."""
    in_sync: bool
    """The database is as declared."""
    steps: list[StepDocument]
    """Steps that were carried out."""
    pending: list[PendingDocument]
    """Steps that were not."""
    notes: list[str]
    """Differences that need no work, and what else an operator should know."""
    duration: float
    """How long it took, in seconds."""


class KeptDocument(TypedDict):
    """An old table that is kept after a rebuild, for a rollback."""

    name: str
    """What it is called now."""
    table: str
    """The table that it was."""
    rows: int
    """Its rows."""
    bytes: int
    """Its size on disk."""
    expires: str
    """When it is dropped, an ISO time in UTC; '': it stays until somebody decides."""


class HostDocument(TypedDict):
    """One host of a cluster."""

    host: str
    """Its name."""
    shard: int
    """The shard that it belongs to, from 1."""
    replica: int
    """Its place in the shard, from 1."""
    trouble: str
    """Why it cannot carry out now what is sent to all; '' for nothing."""
    differs: list[str]
    """What it lacks, or has otherwise than most hosts."""
    fewer: list[str]
    """Where it has fewer rows than others of its shard."""


class StatusDocument(TypedDict):
    """What ``status`` prints."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    place: str
    """The directory or the server's address."""
    server: str
    """Version of the server; '' where there is no database yet."""
    live_version: int | None
    """Version of the database; 0: it is empty, null: nothing is recorded or recognised."""
    code_version: int | None
    """Version of the declaration; null for one without."""
    state: str
    """'in sync', 'behind', 'ahead', 'drift', 'changed', 'empty', 'unrecognised' or 'foreign' (another schema's)."""
    in_sync: bool
    """The state is 'in sync'."""
    differences: list[str]
    """What has to be migrated."""
    notes: list[str]
    """Harmless differences, such as undeclared columns."""
    kept_tables: list[KeptDocument]
    """Old tables that are kept for a rollback."""
    unfinished: str
    """What a killed run left for the next one to finish; '' for nothing."""
    hosts: list[HostDocument]
    """The hosts of a cluster; empty on one host."""
    fenced: list[str]
    """Tables that refuse writers because a run keeps them out, or left them so."""
    next: str | None
    """The command that brings it into sync; null where none does."""


class LedgerDocument(TypedDict):
    """What the ledger of another tool said when a database was taken over from it."""

    tool: str
    """The tool: 'golang-migrate', 'dbmate', 'goose' or 'clickhouse-migrations'."""
    table: str
    """Its table."""
    version: str
    """Its newest version that was applied, as that tool calls it."""


class RecordDocument(TypedDict):
    """One transition of a schema."""

    version: int | None
    """After the transition; null: developed without versions."""
    from_version: int | None
    """Before the transition; null: none was recorded."""
    state: str
    """'applied', 'adopted', 'rolled back' or 'failed'."""
    forced: bool
    """It was recorded against what was found (adopt --force)."""
    at: str
    """When it ended, UTC: YYYY-MM-DD hh:mm:ss."""
    who: str
    """user@host pid."""
    seconds: float
    """How long it took."""
    library: str
    """Version of aaiclick."""
    server: str
    """Version of the server."""
    oldest_code: int | None
    """The oldest version of the code that can run on the result; null: only that of its version."""
    ledger: LedgerDocument | None
    """For a database that was taken over from another tool; null for every other transition."""


class HistoryDocument(TypedDict):
    """What ``history`` prints."""

    schema: str
    """Name of the schema."""
    records: list[RecordDocument]
    """Every transition, oldest first."""


class AdoptedDocument(RecordDocument):
    """What ``adopt --version`` and ``adopt --from`` print."""

    schema: str
    """Name of the schema."""


TakenOverTable = TypedDict("TakenOverTable", {"table": str, "from": str})
"""A table that belongs to this schema from now on, and the schema that it was of."""


class TakeOverDocument(TypedDict):
    """What ``adopt --take-over`` prints."""

    schema: str
    """Name of the schema."""
    taken_over: list[TakenOverTable]
    """The tables."""


class PrunedOnHost(TypedDict):
    """An old table on one host of a cluster."""

    host: str
    """The host."""
    rows: int
    """Its rows there."""
    bytes: int
    """Its size on that host's disk."""


class PrunedTable(TypedDict):
    """An old table that is, or was, kept for a rollback."""

    name: str
    """What it is called."""
    table: str
    """The table that it was."""
    rows: int
    """Its rows."""
    bytes: int
    """Its size on disk."""
    dropped: bool
    """It was dropped, or would be (``dry_run``)."""
    reason: str
    """Why it stays until somebody has looked at it; '' where its time runs out by itself."""
    hosts: list[PrunedOnHost]
    """What each host of a cluster has of it; empty on one host."""


class PrunedDocument(TypedDict):
    """What ``prune`` prints."""

    dry_run: bool
    """Nothing was changed."""
    tables: list[PrunedTable]
    """Every table that was kept."""


class ErrorFields(TypedDict):
    """What went wrong, and what helps."""

    type: str
    """Its class in aaiclick.errors; 'Interrupted' and 'Terminated' for Ctrl-C and SIGTERM."""
    message: str
    """What happened, in one line."""
    next: str | None
    """A command line that helps; null where there is none."""
    details: dict[str, object]
    """The error's own fields."""
    explanation: NotRequired[str | None]
    """What the server's code means, and what to do; null where the server did not refuse anything."""


class ErrorDocument(TypedDict):
    """What every command prints instead of its answer where it fails."""

    error: ErrorFields
    """The error."""
