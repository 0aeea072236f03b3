"""Plans are made by the engine itself, once for each state of the tables that they are made of, and remembered.

A plan depends on the definitions, on what is declared and on what the journal says is done; that is the key. The
scratch database is made and dropped in the schedule as well, since a run may be killed beside it; what the planner asks
inside is asked of chdb.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clients.opening import Opened
from aaiclick.commands import execute, migrate
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.planning import PlannedMigration, make_plan
from aaiclick.commands.start import inspecting
from aaiclick.plan.planner import basis_of
from aaiclick.routine import Command, Routine, run
from aaiclick.sql.quoting import quote_name
from tests.simulation.remembered import remember


class Planner:
    """``connection`` is the engine. ``live``: the tables are there already, in the same form."""

    def __init__(self, connection: Opened) -> None:
        self.connection = connection
        self.live = False
        self.known: dict[tuple[object, ...], PlannedMigration] = {}

    def plan(
        self,
        found: Inspection,
        max_read_bytes: int | None = None,
        clones: bool = True,
        before: PlannedMigration | None = None,
    ) -> Routine[PlannedMigration]:
        """In place of ``make_plan``."""
        del before
        key = _key(found, max_read_bytes, clones)
        made = self.known.get(key)
        if made is None:
            if not self.live:
                self._lay_out(found)
            made = self.known[key] = run(make_plan(found, max_read_bytes, clones), self.connection)
        yield from with_scratch(_nothing, found.catalog.database)
        return PlannedMigration(found, replace(made.plan, basis=basis_of(found.catalog)), made.forms)

    def _lay_out(self, found: Inspection) -> None:
        database = quote_name(found.catalog.database)
        self.connection.command(Command(f"DROP DATABASE IF EXISTS {database} SYNC"))
        self.connection.command(Command(f"CREATE DATABASE {database}"))
        for live in found.catalog.objects.values():
            self.connection.command(Command(live.text))
            if live.rows:
                self.connection.command(
                    Command(
                        f"INSERT INTO {database}.{quote_name(live.name)} SELECT number + 1, number + 1 FROM numbers(3)"
                    )
                )


def _nothing(scratch: Scratch) -> Routine[None]:
    del scratch
    yield from ()


def _key(found: Inspection, max_read_bytes: int | None, clones: bool) -> tuple[object, ...]:
    tables = tuple((live.name, live.text, bool(live.rows)) for live in found.catalog.objects.values())
    record = found.record
    recorded = (record.version, record.state, record.spec, record.forms) if record is not None else ()
    owners = tuple(sorted(found.owners.items(), key=lambda pair: pair[0]))
    # Of what an operator says only what he says of this state; of statements only those that are asked about.
    sent = {key: each for key, each in found.progress.sent.items() if key in found.progress.outcome_unknown}
    allowed = frozenset(key for key in found.allowed if not key.startswith(("rerun ", "skip ")))
    # Sets in order: each process of Python has another one.
    progress = repr(
        [
            replace(found.progress, done=frozenset(), outcome_unknown=frozenset(), sent=sent),
            *map(sorted, (found.progress.done, found.progress.outcome_unknown)),
        ]
    )
    return (
        id(found.schema),
        tables,
        recorded,
        repr(found.live),
        progress,
        allowed,
        found.undeclared,
        owners,
        max_read_bytes,
        clones,
    )


@contextmanager
def planned_by(planner: Planner) -> Iterator[None]:
    """As long as this is open."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (inspecting, migrate, execute):
            patch.setattr(module, "make_plan", planner.plan)
        # A copy of several chunks, of tables of a few rows.
        patch.setattr(migrate, "ApplyOptions", partial(ApplyOptions, chunk_rows=8))
        remember(patch)
        yield
