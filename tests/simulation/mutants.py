"""The protocol with one precaution taken away. Each has to be found by the schedules: what takes care of nothing is not
needed, or not looked at.

``seed`` is the first one that found it when it was written down; the schedules behind it are played until one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from aaiclick.apply import executor
from aaiclick.apply.rebuild import attach, concurrent_mutations, exchange, finish, rebuild, resume
from aaiclick.clickhouse import inserts, merges, storages, write_fence
from aaiclick.clickhouse.inserts import drain_all
from aaiclick.clickhouse.statements import ddl, drop_table
from aaiclick.clickhouse.tables import Physical
from aaiclick.commands.start import recording
from aaiclick.lease import acquire, entering, guard, renew
from aaiclick.lease.renew import Lease
from aaiclick.plan.model import Step
from aaiclick.routine import Command, Effect, Routine
from aaiclick.sql.quoting import qualified
from aaiclick.state import records
from aaiclick.state.entries.step_entries import StepEntries, enter_begun, enter_done, enter_exchanged
from aaiclick.state.journal import ensure_journal
from aaiclick.state.rebuild_mark import Mark
from aaiclick.state.record import Record
from tests.simulation.schedule import Bounds
from tests.simulation.stories import STORIES

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """``why``: what goes wrong without the precaution. ``quick``: a few schedules are enough."""

    name: str
    why: str
    patch: Patch
    seed: int
    bounds: Bounds = field(default_factory=Bounds)
    quick: bool = False


def _only(*names: str, **fields: Any) -> Bounds:
    return Bounds(stories=tuple(story for story in STORIES if story.name.startswith(names)), **fields)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    def raise_fence(table: Physical, seconds: float, unless: object = None) -> Routine[bool]:
        yield from drain_all(table, seconds, "")
        return True

    for module in (write_fence, concurrent_mutations):
        patch.setattr(module, "raise_fence", raise_fence)


def _no_drain(patch: pytest.MonkeyPatch) -> None:
    def nothing(table: str, seconds: float, reason: str) -> Routine[None]:
        yield from ()

    patch.setattr(inserts, "drain", nothing)


def _no_look_at_the_uuid(patch: pytest.MonkeyPatch) -> None:
    def by_name(table: Physical, commands: Sequence[str]) -> Routine[None]:
        yield from ddl(
            f"ALTER TABLE {qualified(table.database, table.name)} {', '.join(f'({command})' for command in commands)}"
        )

    for module in (storages, merges, write_fence):
        patch.setattr(module, "alter_storage", by_name)


def _exchange_by_name(patch: pytest.MonkeyPatch) -> None:
    def exchange(database: str, mark: Mark) -> Routine[None]:
        yield from ddl(f"EXCHANGE TABLES {qualified(database, mark.table)} AND {qualified(database, mark.shadow_name)}")

    for module in (rebuild, attach):
        patch.setattr(module, "exchange", exchange)


def _journal_late(patch: pytest.MonkeyPatch) -> None:
    def begun(entries: StepEntries, step: Step) -> Routine[Step]:
        if step.work.kind != "rebuild":
            return (yield from enter_begun(entries, step))
        yield from ensure_journal(entries.scope.database)
        return step

    def exchange(entries: StepEntries, table: str, before: str, new: str) -> Routine[None]:
        yield from ensure_journal(entries.scope.database)

    def exchanged(entries: StepEntries, table: str, new: str) -> Routine[None]:
        made[table] = new
        yield from ()

    def done(entries: StepEntries, step: Step) -> Routine[None]:
        if step.object in made:
            yield from enter_exchanged(entries, step.object, made.pop(step.object))
        yield from enter_done(entries, step)

    made: dict[str, str] = {}
    patch.setattr(executor, "enter_begun", begun)
    patch.setattr(rebuild, "enter_exchange", exchange)
    patch.setattr(rebuild, "enter_exchanged", exchanged)
    patch.setattr(executor, "enter_done", done)


def _lease_not_checked(patch: pytest.MonkeyPatch) -> None:
    def keep(held: Any, proven: float, effect: Effect) -> Routine[tuple[Any, float]]:
        yield from ()
        return held, proven

    patch.setattr(guard, "_renew_or_check", keep)


def _no_late_rows(patch: pytest.MonkeyPatch) -> None:
    def late(database: str, mark: Mark, old: Physical, fill: object) -> Routine[tuple[int, Mark, str]]:
        yield from ()
        return 0, mark, ""

    patch.setattr(finish, "_move_late_rows", late)


def released_by_drop(patch: pytest.MonkeyPatch) -> None:
    """A lock is ended by a DROP, which leaves no tombstone."""

    def end_lock(database: str, nonce: str, by: str) -> Routine[int | None]:
        yield Command(f"DROP TABLE IF EXISTS `{database}`.`_aaiclick_lock`")
        return 0

    for module in (renew, acquire):
        patch.setattr(module, "end_lock", end_lock)


def _nobody_expelled(patch: pytest.MonkeyPatch) -> None:
    def end_former_statements(held: Any, max_wait: float) -> Routine[Any]:
        yield from ()
        return held

    patch.setattr(entering, "end_former_statements", end_former_statements)


def line_anyway(patch: pytest.MonkeyPatch) -> None:
    """The server writes a line of the journal or the records also where the lock is another's."""

    def no(effect: Effect, held: Lease) -> bool:
        del effect, held
        return False

    patch.setattr(guard, "_is_line", no)


def record_anyway(patch: pytest.MonkeyPatch) -> None:
    """Two precautions keep a version from being recorded twice, and each is enough: the lock is looked at, and the
    record that this run has read has to be the last one still (where a lock was dropped by hand, or an earlier release
    holds it). So both are taken away."""

    def append(
        database: str, record: Record, after: int | None = None, standing: Mapping[str, str] | None = None
    ) -> Routine[None]:
        del after, standing
        yield from records.append(database, record)

    patch.setattr(recording, "append", append)
    line_anyway(patch)


def dropped_by_name(patch: pytest.MonkeyPatch) -> None:
    """The new table is dropped by the name that its run knows."""

    def drop_shadow(database: str, mark: Mark, *, sync: bool = False) -> Routine[None]:
        yield from drop_table(database, mark.shadow_name, sync=sync)

    for module in (exchange, resume):
        patch.setattr(module, "drop_shadow", drop_shadow)


def nothing_taken_back(patch: pytest.MonkeyPatch) -> None:
    def take_back(sent: Sequence[str], nonce: str) -> Routine[None]:
        yield from ()

    patch.setattr(guard, "_undo_last", take_back)


def _another_storage_recorded(patch: pytest.MonkeyPatch) -> None:
    def replaced_since(
        found: object, catalog: object, steps: object
    ) -> Routine[tuple[tuple[str, ...], dict[str, str]]]:
        yield from ()
        return (), {}

    patch.setattr(recording, "replaced_since", replaced_since)


_CALM = partial(_only, operators=0)
# What a statement that is sent in one certain moment takes is found by the sweep instead (``test_belated_sweep.py``):
# ``line_anyway``, ``record_anyway``, ``dropped_by_name``, ``nothing_taken_back``; and ``released_by_drop`` by
# ``test_late_contenders.py``.
MUTANTS = (
    Mutant(
        "no fence",
        "a row that came late takes the place of one that was written after it",
        _no_fence,
        33,
        _CALM("prices behind a fence"),
    ),
    Mutant(
        "no drain", "what a running INSERT brings goes with the old table", _no_drain, 0, _CALM("prices"), quick=True
    ),
    Mutant(
        "no look at the UUID",
        "a fence or a setting meets another table",
        _no_look_at_the_uuid,
        61,
        _only("prices", "parts"),
    ),
    Mutant(
        "an exchange by name alone",
        "the operator's table is taken away",
        _exchange_by_name,
        9,
        _only("prices", operators=100),
    ),
    Mutant(
        "the journal is written late",
        "a killed run's conversion is done again",
        _journal_late,
        0,
        _CALM("prices"),
        quick=True,
    ),
    Mutant("the lease is not checked", "two runs do the same", _lease_not_checked, 1, _CALM("prices", rough=True)),
    Mutant(
        "late rows are not looked for",
        "what came between the copy and the exchange is gone",
        _no_late_rows,
        1,
        _CALM("prices"),
        quick=True,
    ),
    Mutant(
        "nobody is expelled",
        "a dead run's INSERT lands in what its successor makes",
        _nobody_expelled,
        70,
        Bounds(rough=True, clocks=False),
        quick=True,
    ),
    Mutant(
        "a version is recorded over another table",
        "its rows are not converted, and nothing says so",
        _another_storage_recorded,
        277,
        _only("prices", operators=100),
    ),
)
