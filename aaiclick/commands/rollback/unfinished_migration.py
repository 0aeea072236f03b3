"""Rolls back a migration that is not finished: what its runs did, as far as journal and tables show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.apply.rollback.path import Transition, VersionStep, attempted, earlier_of
from aaiclick.catalog.forms import Form
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.errors import SchemaError
from aaiclick.plan.model import Step
from aaiclick.state.kept_tables import KeptRow
from aaiclick.state.progress import version_of
from aaiclick.state.record import Record
from aaiclick.state.transition import UnfinishedMigration
from aaiclick.versions.live_version import rebuild_key
from aaiclick.versions.recognition import differences

_NEVER_ENDED = 2**62
"""Later than every table that is kept."""


def unfinished_step(
    found: Inspection, way: UnfinishedMigration, records: Sequence[Record], kept: Sequence[KeptRow]
) -> VersionStep:
    """The step back from the version that was not reached. Raises SchemaError where nothing says from which it came."""
    schema = found.schema
    if not way.before:
        said = f"{schema.name} is on its way to v{way.version}, and nothing says which version it came from"
        raise SchemaError(f"{said}: aaiclick adopt --version N records it, without changing any table")
    earlier = earlier_of(records, way.before)
    end = _unrecorded(schema.name, way)
    # What was replaced since the first attempt is the work of this migration.
    begun = way.attempts[0].at if way.attempts else way.at
    forms = load_forms(earlier.forms) if earlier is not None else {}
    done = tuple(_traced(each, found, forms, kept, begun) for each in attempted(way.attempts, end))
    return VersionStep(way.version, way.before, done, earlier, begun)


def _unrecorded(schema: str, way: UnfinishedMigration) -> Record:
    return Record(
        schema, way.version, "applied", "", "", "", "", way.who, 0.0, "", from_version=way.before, at=_NEVER_ENDED
    )


def _traced(
    transition: Transition, found: Inspection, forms: Mapping[str, Form], kept: Sequence[KeptRow], begun: int
) -> Transition:
    """The transition without the steps that no run has begun."""
    if transition.plan is None:
        return transition
    replaced = {row.kept.table for row in kept if not row.kept.back and row.kept.latest >= begun}
    steps = tuple(step for step in transition.plan.steps if _left_a_trace(step, found, forms, replaced))
    return replace(transition, plan=replace(transition.plan, steps=steps))


def _left_a_trace(step: Step, found: Inspection, forms: Mapping[str, Form], replaced: set[str]) -> bool:
    begun = {
        entry.action.step.partition(":")[2].partition(":")[0]
        for entry in found.entries
        if version_of(entry) in step.migrations and entry.state != "failed"
    }
    if step.strategy in ("sql", "callable"):
        return ("sql" if step.strategy == "sql" else "move") in begun
    live = found.catalog.get(step.object)
    # A CREATE is either done or not: its table tells.
    if step.strategy == "create":
        return live is not None
    done = any(
        rebuild_key(version, step.object) in found.progress.done | found.progress.displaced.keys()
        for version in step.migrations
    )
    recorded = forms.get(step.object)
    same = (
        live is not None
        and recorded is not None
        and recorded.kind != "unsupported"
        and not differences(live.form, recorded)
    )
    return step.object in replaced or done or not same
