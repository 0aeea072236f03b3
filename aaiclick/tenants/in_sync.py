"""Databases in which there is nothing to do are found many at a time, instead of by a question each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic

from aaiclick.commands.ensure import nothing_to_do
from aaiclick.commands.inspection.warm import Warm
from aaiclick.commands.inspection.warm_many import AT_ONCE, warm_many
from aaiclick.commands.report import Report
from aaiclick.errors import AaiclickError
from aaiclick.plan.policy import Policy
from aaiclick.routine import Connection, run
from aaiclick.specs.schema import Schema

_FRESH = 5.0
"""Seconds for which an answer counts: while others migrate, somebody may drop a table of one that is still to come."""


class InSync:
    """Looks ahead, a hundred databases at a time, in the order in which they are worked on."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._databases: tuple[str, ...] = ()
        self._place: dict[str, int] = {}
        self._lock = threading.Lock()
        self._asked: frozenset[str] = frozenset()
        self._found: dict[str, Warm] = {}
        self._at = 0.0

    def expect(self, databases: Sequence[str]) -> None:
        """These will be worked on, in this order."""
        self._databases = tuple(databases)
        self._place = {name: place for place, name in enumerate(self._databases)}

    def report(self, connection: Connection, database: str, policy: Policy) -> Report | None:
        """The report for one in which there is nothing to do; None where its own start has to look."""
        begun = monotonic()
        with self._lock:
            if database not in self._asked or begun - self._at > _FRESH:
                place = self._place[database]
                chunk = self._databases[place : place + AT_ONCE]
                # Noted before the answer: a question that fails is not asked again for each of these databases.
                self._at, self._asked = begun, frozenset(chunk)
                try:
                    self._found = run(warm_many(self._schema, chunk, policy), connection)
                except AaiclickError:
                    self._found = {}  # the start of each says what is wrong
            seen = self._found.get(database)
        return nothing_to_do(self._schema, seen, monotonic() - begun) if seen is not None else None
