"""``attach``: a new table takes over the parts by hard link (engine, index granularity, what else parts can carry)."""

from __future__ import annotations

from aaiclick.plan.rehearsal import Outcome, attempt
from aaiclick.plan.strategies.alter import accepted_changes
from aaiclick.plan.strategies.context import TableCase
from aaiclick.plan.work import AttachWork
from aaiclick.routine import Routine
from aaiclick.specs.quoting import qualified


def propose_attach(case: TableCase) -> Routine[AttachWork | None]:
    """In-place changes first, on a clone; then ask the engine whether a table of the target's form would take over the clone's parts.

    The engine compares the two tables before it looks at parts, so an empty clone tells (errors 36 and 122).
    """
    if not case.form.merge_tree or not case.target.form.merge_tree:
        return None
    stage = yield from case.make_stage(case.form, "attach")
    alters, _refused = yield from accepted_changes(case, stage, case.changes)
    if any(alter.risky for alter in alters):
        return None  # a mutation that can fail on the data and a swap do not belong into one step
    wanted = yield from case.make_stage(case.target.form, "attached")
    outcome: Outcome = yield from attempt(wanted, f"ALTER TABLE {wanted.name} ATTACH PARTITION ID 'all' FROM {qualified(stage.database, stage.table)}")
    if not outcome.accepted:
        return None
    return AttachWork(case.live.name, case.target.form, alters)
