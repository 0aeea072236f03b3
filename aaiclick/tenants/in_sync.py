"""Databases in which there is nothing to do are found many at a time, instead of by a question each."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Generic, TypeVar

from aaiclick.commands.ensure import nothing_to_do
from aaiclick.commands.inspection.warm import Warm
from aaiclick.commands.report import Report, Status
from aaiclick.commands.tenants.alike import holds_for_others, in_sync_databases
from aaiclick.commands.tenants.warm import AT_ONCE, warm_tenants
from aaiclick.errors import AaiclickError
from aaiclick.plan.policy import Policy
from aaiclick.routine import Connection, Routine, run
from aaiclick.specs.schema import Schema

T = TypeVar("T")
_FRESH = 5.0
"""Seconds for which an answer counts: while others migrate, somebody may drop a table of one that is still to come."""


class _Ahead(Generic[T]):
    """Looks ahead, a hundred databases at a time, in the order in which they are worked on."""

    def __init__(self) -> None:
        self._databases: tuple[str, ...] = ()
        self._place: dict[str, int] = {}
        self._asked: frozenset[str] = frozenset()
        self._found: Mapping[str, T] = {}
        self._at = 0.0
        self._lock = threading.Lock()

    def expect(self, databases: Sequence[str]) -> None:
        """These will be worked on, in this order."""
        self._databases = tuple(databases)
        self._place = {name: place for place, name in enumerate(self._databases)}

    def _ask(self, databases: Sequence[str], policy: Policy) -> Routine[dict[str, T]]:
        raise NotImplementedError

    def _seen(self, connection: Connection, database: str, policy: Policy) -> T | None:
        with self._lock:
            # Under the lock: threads that come meanwhile wait for this one answer, and send no question of their own.
            if database not in self._asked or monotonic() - self._at > _FRESH:
                place = self._place[database]
                chunk = self._databases[place : place + AT_ONCE]
                # Noted before the answer: a question that fails is not asked again for each of these databases.
                self._at, self._asked = monotonic(), frozenset(chunk)
                try:
                    self._found = run(self._ask(chunk, policy), connection)
                except AaiclickError:
                    self._found = {}  # the look at each says what is wrong
            return self._found.get(database)


class InSync(_Ahead[Warm]):
    """Reports of those in which there is nothing to do."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._schema = schema

    def _ask(self, databases: Sequence[str], policy: Policy) -> Routine[dict[str, Warm]]:
        return warm_tenants(self._schema, databases, policy)

    def report(self, connection: Connection, database: str, policy: Policy) -> Report | None:
        """The report for one in which there is nothing to do; None where its own start has to look."""
        begun = monotonic()
        seen = self._seen(connection, database, policy)
        return nothing_to_do(self._schema, seen, monotonic() - begun) if seen is not None else None


class Alike(_Ahead[str]):
    """Statuses of those that stand as one does that was looked at."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._schema = schema
        self._known: dict[str, Status] = {}

    def _ask(self, databases: Sequence[str], policy: Policy) -> Routine[dict[str, str]]:
        return in_sync_databases(self._schema, databases)

    def status(self, connection: Connection, database: str) -> Status | None:
        """The status of one that stands as another one did; None where it has to be looked at."""
        seen = self._seen(connection, database, Policy.check())
        found = self._known.get(seen) if seen is not None else None
        return replace(found, database=database) if found is not None else None

    def learn(self, found: Status) -> None:
        """What was found of a database, for those that stand alike."""
        seen = self._found.get(found.database)
        # What one of them has to itself (kept tables, an unfinished run) is never told of another.
        if seen is not None and holds_for_others(found):
            self._known[seen] = found
