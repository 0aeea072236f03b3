"""Waiting for inserts that began before an exchange or a fence.

EXCHANGE never waits for a running INSERT: it resolved its table before, and its rows land in the old storage whenever it ends. Every
INSERT is waited for, whatever table it names: through a materialized view it may write into any. A lightweight UPDATE is one of them: it
inserts patch parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from aaiclick.apply.statements import ask
from aaiclick.errors import ApplyError
from aaiclick.events import Waiting
from aaiclick.routine import Emit, Routine, Sleep, text
from aaiclick.specs.quoting import quote_string

_POLL = 0.02
_LONGEST_POLL = 1.0
_WRITES = "query_kind IN ('Insert', 'AsyncInsertFlush', 'Update') AND query_id != queryID()"


def running_inserts() -> Routine[tuple[str, ...]]:
    """The query ids of the INSERTs that run now. One that has resolved its table is in this list already."""
    rows = yield from ask(f"SELECT query_id FROM system.processes WHERE {_WRITES} ORDER BY query_id")
    return tuple(text(row[0]) for row in rows)


def drain(table: str, seconds: float, reason: str) -> Routine[None]:
    """Wait until the INSERTs that run now are gone.

    Raises ApplyError after ``seconds``; ``reason`` says what state that leaves.
    """
    pending = set((yield from running_inserts()))
    wait, waited = _POLL, 0.0
    while pending:
        if waited >= seconds:
            raise ApplyError(f"{table}: {len(pending)} inserts are still running after {waited:.0f} s ({', '.join(sorted(pending)[:3])}). {reason}")
        yield Emit(Waiting(f"{len(pending)} running inserts to end before {table} is complete", waited))
        yield Sleep(wait)
        waited += wait
        wait = min(2 * wait, _LONGEST_POLL)
        pending &= yield from _still(pending)


def _still(ids: Iterable[str]) -> Routine[set[str]]:
    listed = ", ".join(quote_string(each) for each in sorted(ids))
    rows = yield from ask(f"SELECT query_id FROM system.processes WHERE query_id IN ({listed}) AND query_id != queryID()")
    return {text(row[0]) for row in rows}
