"""The write-ahead journal: what a run is about to do, and what came of it.

An *action* is one thing that either happened or did not (a statement, the move of a chunk). Its intent is written
before it begins, its outcome after it ended; between the two a probe has to ask the catalogue. Rows are only ever
added, each by one INSERT (about 4 ms) under the lease; ``seq`` orders them, counted by the server, whose clock may be
set back. What the entries of a run mean to later ones, and for how long, is in ``progress``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from aaiclick.clickhouse.messages import in_the_way
from aaiclick.clickhouse.names import JOURNAL
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping, read_ready, write_line
from aaiclick.clickhouse.shared.tables import SharedTable
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Command, Query, Routine, Row, number, text
from aaiclick.sql.ddl import create_table
from aaiclick.sql.hex_text import hex_literal, hexed, size_setting
from aaiclick.sql.quoting import qualified

Outcome: TypeAlias = Literal["done", "failed", "undone"]
State: TypeAlias = Literal["intent", "done", "failed", "undone"]
Details: TypeAlias = Mapping[str, object]
"""What a probe needs: UUIDs, data paths, staging names, counts. Plain JSON values under string keys."""


TABLE = SharedTable(
    JOURNAL,
    "`seq` UInt64, `run` LowCardinality(String), `schema` LowCardinality(String), `plan` String, `step` String, "
    "`action` UInt32,"
    " `state` LowCardinality(String), `details` String CODEC(ZSTD(3)), `at` DateTime64(6, 'UTC')",
    "ORDER BY seq",
    "aaiclick: intent and outcome of each migration step",
    ("seq", "run", "schema", "plan", "step", "action", "state", "details", "at"),
)
_READ = "run, schema, plan, step, action, state, details, seq, toUnixTimestamp64Milli(at)"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a run does."""

    run: str
    """The nonce of the run, or what it does belongs to."""
    schema: str
    """Of which schema; '' for what belongs to the database."""
    plan: str
    """Of which plan."""
    step: str
    """The step of that plan, or the key of what is done once."""
    number: int
    """Of the action in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The last word on an action."""

    action: Action
    """What it is about."""
    state: State
    """How it stands."""
    details: Details = field(default_factory=dict[str, object])
    """Those of that row."""
    seq: int = 0
    """Orders the rows; counted by the server."""
    at: int = 0
    """The server's time, Unix milliseconds."""


def ensure_journal(database: str) -> Routine[None]:
    """Make the table where it is missing. On a cluster whoever has the lease has made it (``open_tables``)."""
    if (yield from read_bookkeeping(database)).shared:
        return
    engine = f"ENGINE = MergeTree {TABLE.tail}"
    yield Command(create_table(qualified(database, JOURNAL), TABLE.columns, engine, TABLE.comment, if_not_exists=True))


def intent(database: str, action: Action, details: Details | None = None) -> Routine[None]:
    """Say that an action is about to begin. Once this has returned, a crash cannot make the action go unnoticed."""
    yield from _write(database, action, "intent", details)


def outcome(database: str, action: Action, state: Outcome, details: Details | None = None) -> Routine[None]:
    """Say how an action ended."""
    yield from _write(database, action, state, details)


def last_entries(database: str, condition: str, parameters: Mapping[str, str | int]) -> Routine[tuple[Entry, ...]]:
    """The last entry of each action that meets a condition, in the order in which they were written; none where there
    is no journal.

    Rows in state ``closed``, with which an earlier release ended its runs, are passed over.
    """
    books = yield from read_bookkeeping(database)
    yield from read_ready(books, JOURNAL)
    sql = (
        f"SELECT {_READ} FROM {qualified(books.home, JOURNAL)} WHERE state != 'closed' AND {condition}"
        # The last row of each action counts.
        " ORDER BY seq DESC LIMIT 1 BY run, schema, plan, step, action"
    )
    try:
        rows = yield Query(sql, parameters)
    except StatementError as error:
        if error.code != UNKNOWN_TABLE or books.shared:
            raise in_the_way(books.home, JOURNAL, error) from error
        return ()
    # The server gave the newest first, as LIMIT 1 BY needs them; who reads them goes by their order.
    return tuple(sorted((_entry(row) for row in rows), key=lambda entry: entry.seq))


def _entry(row: Row) -> Entry:
    run, schema, plan, step, action, state, details, seq, at = row
    return Entry(
        Action(text(run), text(schema), text(plan), text(step), number(action)),
        cast("State", text(state)),
        _details(text(details), number(seq)),
        number(seq),
        number(at),
    )


def _details(body: str, seq: int) -> Details:
    try:
        raw: object = json.loads(body)
    except ValueError:
        raw = None
    if isinstance(raw, dict):
        return cast("dict[str, object]", raw)
    # Passed over, it could be the one word on an action that a killed run has begun.
    raise ApplyError(f"row {seq} of {JOURNAL} was not written by aaiclick: its details are no JSON object")


def _write(database: str, action: Action, state: State, details: Details | None) -> Routine[None]:
    books = yield from read_bookkeeping(database)
    table = qualified(books.home, JOURNAL)
    # Sorted and without spaces: the same details are the same text, whichever release writes them.
    body = json.dumps(_plain(details or {}), sort_keys=True, allow_nan=False, separators=(",", ":"))
    sql = (
        f"INSERT INTO {table} (seq, run, schema, plan, step, action, state, details, at)"
        # The server counts in the INSERT itself. Under the lease there is one writer, so no number is given twice.
        " SELECT max(seq) + 1, unhex({run:String}), unhex({schema:String}), unhex({plan:String}), "
        "unhex({step:String}), {action:UInt32},"
        f" unhex({{state:String}}), {hex_literal(body)}, now64(6, 'UTC') FROM {table}"
    )
    parameters: dict[str, str | int] = {
        "run": hexed(action.run),
        "schema": hexed(action.schema),
        "plan": hexed(action.plan),
        "step": hexed(action.step),
        "action": action.number,
        "state": hexed(state),
    }
    try:
        # The details may hold a whole plan, which is longer than a statement may be by default.
        yield from write_line(books, Command(sql, parameters, size_setting(sql)), JOURNAL)
    except StatementError as error:
        raise in_the_way(books.home, JOURNAL, error) from error


def _plain(value: object) -> object:
    """JSON values only: anything else is a mistake of the caller and raises TypeError before a statement is sent."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        if not all(isinstance(key, str) for key in fields):
            raise TypeError("keys of journal details are strings")
        return {str(key): _plain(item) for key, item in fields.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    raise TypeError(f"journal details hold JSON values, not {type(value).__name__}")
