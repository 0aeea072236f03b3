"""Steps for what no database's catalogue lists. They come first: whatever is in the database may rest on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import Catalog, Form
from aaiclick.plan.model import Step
from aaiclick.plan.server_objects.collections import plan_collections
from aaiclick.plan.server_objects.database import plan_database
from aaiclick.plan.server_objects.functions import plan_functions
from aaiclick.routine import Routine
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import Schema
from aaiclick.versions.upgrade_path import UpgradePath


@dataclass(frozen=True, slots=True)
class PlannedServerObjects:
    """What is planned of the declared ones."""

    steps: tuple[Step, ...]
    """The steps, in the order in which they are carried out."""
    dropped: tuple[Step, ...]
    """Optional steps that come last of all: nothing names any more what they drop."""
    notes: tuple[str, ...]
    """Differences that are reported and left alone."""
    forms: Mapping[str, Form]
    """The canonical forms, by name."""
    changed: tuple[Function, ...]
    """Functions whose result changes, because they or functions that they call do."""
    makes: bool
    """True where a step makes or changes what the definition of a table may name."""


def plan_server_objects(schema: Schema, catalog: Catalog, path: UpgradePath) -> Routine[PlannedServerObjects]:
    """Compare all of it with what is there."""
    named = yield from plan_collections(schema, path.requested, path.once_collections)
    functions = yield from plan_functions(schema)
    home = yield from plan_database(schema, catalog)
    forms: dict[str, Form] = {**(functions.forms or {}), **named.forms}
    if home.form is not None:
        forms[home.form.name] = home.form
    return PlannedServerObjects(
        steps=(*home.steps, *named.steps, *functions.steps),
        dropped=named.dropped,
        notes=(*home.notes, *named.notes),
        forms=forms,
        changed=functions.changed,
        makes=bool(named.steps or functions.steps),
    )
