"""Steps of a plan that would change objects of another schema in the same database. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from aaiclick.plan.model import Plan, Step
from aaiclick.specs.schema import Schema


def changed_objects(step: Step, schema: Schema) -> frozenset[str]:
    """Names of the present objects that a step changes."""
    # An object that is created did not exist, and what a migration does is its author's affair.
    if step.strategy in ("create", "sql", "callable"):
        return frozenset()
    # A rename also changes the object with the former name.
    former = {table.name: table.renamed_from for table in schema.tables if table.renamed_from}
    table = getattr(step.work, "table", "")
    return frozenset(name for name in (step.object, table, former.get(step.object, "")) if name)


def without_foreign(plan: Plan, schema: Schema, owners: Mapping[str, str]) -> Plan:
    """The plan without clean-ups of another schema's objects, and with a note on each object that both declare.

    ``owners``: for each such object who declares it, in words.
    """
    if not owners:
        return plan
    steps = tuple(step for step in plan.steps if not (step.optional and changed_objects(step, schema) & owners.keys()))
    declared = {item.name for item in schema.objects}
    shared = tuple(
        f"{name} belongs to {owners[name]} and is declared here as well; nothing differs"
        for name in sorted(declared & owners.keys() - changed(plan, schema, owners))
    )
    # The other schema declares what this one leaves alone there: to call that undeclared would be wrong.
    said = {note for note in plan.notes if note.partition(":")[0] in owners and note.endswith("(left alone)")}
    return replace(plan, steps=steps, notes=(*(note for note in plan.notes if note not in said), *shared))


def changed(plan: Plan, schema: Schema, owners: Collection[str]) -> frozenset[str]:
    """Objects of other schemas that the required steps would change."""
    return frozenset(name for step in plan.required for name in changed_objects(step, schema) if name in owners)
