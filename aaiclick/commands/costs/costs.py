"""The plan with what each step costs. Asked for by those who look at a plan; a start does not ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, LiveObject
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clickhouse.shared.bookkeeping import with_bookkeeping
from aaiclick.commands.costs.disks import disks_of, least_free, part_sizes
from aaiclick.commands.costs.estimate import estimated
from aaiclick.commands.costs.expiring import Expiring, counted_step, live_of
from aaiclick.commands.costs.measure import measure
from aaiclick.commands.costs.rates import WORTH_REMEMBERING, Rate, StepDuration, measured_rate, middle_rate
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Routine
from aaiclick.state.step_times import steps_taken

WORTH_MEASURING = 32 << 20
"""Smaller steps are over in seconds."""
MOST_MEASURED = 3
"""Tables of which a sample is copied: the largest."""
READING = frozenset({"rebuild", "mutate", "backfill"})
"""The strategies that read rows."""


def with_costs(planned: PlannedMigration, max_read_bytes: int | None, keep_seconds: float) -> Routine[Plan]:
    """The plan with seconds, room and expiring rows. ``max_read_bytes``: 0 where no row may be read: then nothing is
    measured. ``keep_seconds``: how long old tables will be kept."""
    if not planned.plan.steps:
        return planned.plan
    return (
        yield from with_bookkeeping(_with_costs(planned, max_read_bytes, keep_seconds), planned.inspection.where.books)
    )


def _with_costs(planned: PlannedMigration, max_read_bytes: int | None, keep_seconds: float) -> Routine[Plan]:
    found, plan = planned.inspection, planned.plan
    catalog = found.catalog
    tables = {step.id: live for step in plan.steps if (live := live_of(step, planned)) is not None}
    names = sorted({live.name for live in tables.values()})
    disks = yield from disks_of(catalog.database, names)
    if found.topology.reached:
        disks = yield from least_free(disks, found.topology)
    mutated = sorted({tables[step.id].name for step in plan.steps if step.strategy == "mutate" and step.id in tables})
    # A mutation writes each part anew beside the old one: the room that it needs goes by the parts, not by the table.
    sizes = yield from part_sizes(catalog.database, mutated)
    rates = yield from _rates(plan.steps, tables, catalog, max_read_bytes, found.topology.single)
    steps: list[Step] = []
    counted: dict[str, Expiring] = {}
    for step in plan.steps:
        live = tables.get(step.id)
        priced = estimated(
            step,
            rates.get(step.id),
            live.bytes if live is not None else 0,
            disks.get(live.name) if live is not None else None,
            keep_seconds,
            sizes.get(live.name) if live is not None else None,
            planned.sizes[live.name].largest(found.topology)
            if live is not None and live.name in planned.sizes
            else 1.0,
        )
        steps.append((yield from counted_step(priced, planned, counted, max_read_bytes != 0)))
    return replace(plan, steps=tuple(steps))


def _rates(
    steps: Sequence[Step], tables: dict[str, LiveObject], catalog: Catalog, max_read_bytes: int | None, single: bool
) -> Routine[dict[str, Rate]]:
    """The rate of each step that reads rows."""
    reading = [step for step in steps if step.strategy in READING and not step.blocked]
    large = [step for step in reading if step.bytes >= WORTH_MEASURING]
    if not large:
        return {step.id: middle_rate(()) for step in reading}
    taken = [StepDuration(*each) for each in (yield from steps_taken(catalog.database, WORTH_REMEMBERING))]
    known = {step.id: rate for step in reading if (rate := measured_rate(taken, step.strategy)) is not None}
    # The largest ones: for these the estimate matters most.
    missing = sorted((step for step in large if step.id not in known), key=lambda step: -step.bytes)[:MOST_MEASURED]
    # On several hosts nothing is copied, and mutations run on each at its own pace.
    if missing and max_read_bytes != 0 and single:

        def body(scratch: Scratch) -> Routine[dict[str, Rate]]:
            found: dict[str, Rate] = {}
            for step in missing:
                work = step.work if isinstance(step.work, RebuildWork) else None
                if (live := tables.get(step.id)) is not None:
                    rate = yield from measure(scratch, catalog.database, live, work)
                    if rate is not None:
                        found[step.id] = rate
            return found

        known |= yield from with_scratch(body, fallback=catalog.database)
    others = [rate for rate in known.values() if rate.origin == "measured"]
    return {step.id: known.get(step.id) or middle_rate(others) for step in reading}
