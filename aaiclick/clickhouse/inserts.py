"""Waits for INSERTs that began before an exchange or a fence.

EXCHANGE never waits for a running INSERT: it resolved its table before, and its rows land in the old storage whenever
it ends. Every INSERT is waited for, whatever table it names: through a materialized view it may write into any. A
lightweight UPDATE is one of them: it inserts patch parts.
"""

from __future__ import annotations

from aaiclick.clickhouse.background_inserts import find_background_inserts
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.names import GUARD
from aaiclick.clickhouse.statements import MUTATION, ask, send
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import UNKNOWN_TABLE, VIOLATED_CONSTRAINT
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note, Waiting
from aaiclick.printable import count_that
from aaiclick.routine import Command, Emit, Peer, Routine, text
from aaiclick.sql.ddl import optimize_table, system

_POLL = 0.02
_LONGEST_POLL = 1.0
"""Pauses between two looks grow up to this, in seconds."""
_WRITES = "query_kind IN ('Insert', 'AsyncInsertFlush', 'Update') AND query_id != queryID()"
_UNBEGUN = f"{_WRITES} AND read_rows = 0 AND written_rows = 0"


def drain(table: str, seconds: float, reason: str) -> Routine[None]:
    """Wait until the INSERTs that run now are gone.

    Raises ApplyError after ``seconds``; ``reason`` says what state that leaves.
    """
    pending, waited = yield from _outlast(_WRITES, seconds, _POLL, f"running inserts to end before {table} is complete")
    if pending:
        raise ApplyError(
            f"{table}: {count_that(len(pending), 'insert', 'are')} still running after {waited:.0f} s "
            f"({', '.join(sorted(pending)[:3])}). {reason}"
        )


def drain_unbegun(table: str, seconds: float) -> Routine[None]:
    """Wait until the INSERTs that run now have begun to read or write, or are gone. By then the server has looked up
    the views of their tables, and whether these are read-only.

    An INSERT that takes longer than ``seconds`` waits for rows of its client, and has passed both.
    """
    yield from _outlast(
        _UNBEGUN, seconds, _POLL / 4, f"new inserts to be refused or to begin before writers of {table} go on"
    )


def drain_all(table: Physical, seconds: float, reason: str) -> Routine[None]:
    """The same, and the flushes of Buffer tables in front of this one, which are no queries.

    A flush holds the lock of its buffer for as long as it writes, and ``OPTIMIZE`` takes that lock: when it returns, no
    flush is under way that resolved its table before. Behind a fence it is refused and the rows stay in the
    buffer. ``table`` by the name that writers use.
    """
    # INSERTs first: one that still runs may write into the buffer that is flushed next.
    yield from drain(table.name, seconds, reason)
    if (yield from flush_fronts(table)):
        # What the queues sent are inserts like others.
        yield from drain(table.name, seconds, reason)


def flush_fronts(table: Physical) -> Routine[bool]:
    """Flush the Buffer and Distributed tables in front of this one; whether there are Distributed ones."""
    found = yield from find_background_inserts(table.database, table.name)
    for name in found.buffers:
        yield Emit(Waiting(f"{name} to be flushed before {table.name} is complete", 0.0))
        yield from flushed(name, optimize_table(name))
    for name in found.queues:
        yield from flushed(name, system("FLUSH DISTRIBUTED", name))
    return bool(found.queues)


def flushed(name: str, sql: str, at: Peer | None = None) -> Routine[None]:
    """Flush a Buffer table. A flush that is refused has ended too: its rows wait in the buffer for the next one.
    ``at``: the host that is to do it, which may lack the table; None: the one that is connected to.

    Raises ApplyError where a guard refuses it: a later flush would convert rows that nobody has looked at.
    """
    try:
        yield from send(Command(sql, settings=MUTATION, at=at))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        # A Buffer or Distributed table is no replicated one: an operator may have made it on some hosts only.
        if at is not None and error.code == UNKNOWN_TABLE:
            return
        if error.code == VIOLATED_CONSTRAINT and GUARD in str(error):
            raise ApplyError(
                f"{name} holds rows that the table would not take any more: {first_line(str(error))}. Nothing was "
                "changed"
            ) from error
        yield Emit(Note(f"{sql}: {error}"))


def _listed(condition: str) -> Routine[tuple[str, ...]]:
    """The ids of queries that run now. An INSERT that has resolved its table is among them already."""
    rows = yield from ask(f"SELECT query_id FROM system.processes WHERE {condition} ORDER BY query_id")
    return tuple(text(row[0]) for row in rows)


def _outlast(condition: str, seconds: float, pause: float, what: str) -> Routine[tuple[set[str], float]]:
    """Wait for the queries that meet a condition now; those that still meet it at the end, and the seconds waited.

    ``seconds``: the longest wait. ``pause``: the first pause, in seconds.
    """
    # By id: the server gives no two queries that run at the same time the same one.
    wait, pending = Wait(pause, _LONGEST_POLL), set((yield from _listed(condition)))
    while pending and wait.waited < seconds:
        wait = yield from rest(wait, f"{len(pending)} {what}")
        # Only those of the first look: with busy writers there is always some INSERT.
        pending &= set((yield from _listed(condition)))
    return pending, wait.waited
