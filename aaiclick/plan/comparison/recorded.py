"""What every plan goes by: the live table of each declaration, and whether it is as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm
from aaiclick.catalog.render import has_hidden, scratch_unfit
from aaiclick.plan.model import Step
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.versions.upgrade_path import UpgradePath


@dataclass(frozen=True, slots=True)
class Planned:
    """What was planned."""

    steps: tuple[Step, ...]
    """The steps, in the order in which they are carried out."""
    notes: tuple[str, ...]
    """Sentences for people."""
    forms: Mapping[str, Form]
    """Canonical forms of declared objects, as far as they were worked out."""
    targets: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """The new forms of tables that differ."""
    readers: frozenset[tuple[str, str, str]] | None = None
    """Everything that was looked at because it may read or feed these: database, name, UUID; None: nothing was."""


def seen_by_all(*looks: frozenset[tuple[str, str, str]] | None) -> frozenset[tuple[str, str, str]] | None:
    """What all of these looks have seen; None where there was none. What one of them does not know has come since."""
    found: frozenset[tuple[str, str, str]] | None = None
    for each in looks:
        if each is not None:
            found = each if found is None else found & each
    return found


def live_source(table: Table, catalog: Catalog, path: UpgradePath | None = None) -> LiveObject | None:
    """The live table of a declaration: by its name, else by the newest former name that is there."""
    return next(
        (live for name in (table.name, *earlier_names(table, path)) if (live := catalog.get(name)) is not None), None
    )


def live_sources(tables: Sequence[Table], catalog: Catalog, path: UpgradePath) -> dict[str, LiveObject]:
    """The live table of each declaration that has one. A name that is given up to another declared table, by a
    migration that renames, is free for a new table, or for the next of a chain. Statements of a migration on the way
    find the tables under the names of its own version (``scripted/order.py``)."""
    declared = {table.name for table in tables}
    given: set[str] = set()
    while True:
        found: dict[str, LiveObject] = {}
        for table in tables:
            names = [*(() if table.name in given else (table.name,)), *earlier_names(table, path)]
            if live := next((there for name in names if (there := catalog.get(name)) is not None), None):
                found[table.name] = live
        # A chain of renames frees one name after the other (b becomes c, a becomes b), so this goes on until nothing
        # more is freed.
        free = {name for name in given_up(found) if name in declared and _can_be_free(name, tables)}
        if free <= given:
            return found
        given |= free


def given_up(sources: Mapping[str, LiveObject]) -> dict[str, str]:
    """The new names of live tables that are declared under another one, by the old names."""
    return {live.name: name for name, live in sources.items() if live.name != name}


def _can_be_free(name: str, tables: Sequence[Table]) -> bool:
    """False where the new table would have the path in Keeper that the renamed one keeps."""
    engine = next(table.engine for table in tables if table.name == name)
    replicated = engine.replicated if isinstance(engine, MergeTree) else None
    return not replicated or "{uuid}" in replicated


def earlier_names(table: Table, path: UpgradePath | None) -> list[str]:
    """The names that a table had before, the newest first."""
    former = path.former_names.get(table.name, ()) if path is not None else ()
    return [*former, *([table.renamed_from] if table.renamed_from is not None else [])]


def declared_views(schema: Schema) -> list[View | MaterializedView | Dictionary]:
    """The declared views and dictionaries, in order of declaration."""
    return [item for item in schema.objects if isinstance(item, View | MaterializedView | Dictionary)]


def plain_views(schema: Schema) -> frozenset[str]:
    """The declared plain views. They hold no rows, so one that breaks while its table changes is simply replaced."""
    return frozenset(item.name for item in schema.objects if isinstance(item, View))


def known_form(table: Table, live: LiveObject, path: UpgradePath) -> TableForm | None:
    """The recorded form of a declaration, where the live table equals it. Where it does not, the declaration is created
    in scratch: a record is never a reason to change a table."""
    form = path.recorded_forms.get(table.name)
    if form is None or live.name != table.name or not isinstance(live.form, TableForm) or not repeatable(table, form):
        return None
    return None if differs(table, form, live, path) else form


def repeatable(table: Table, form: TableForm) -> bool:
    """True for a form that scratch would give again: without a secret, and without settings that scratch cannot
    have."""
    engine = table.engine
    plain = isinstance(engine, MergeTree) and engine.replicated is None
    return (
        plain
        and not has_hidden(form)
        and not any(scratch_unfit(name, str(value)) for name, value in engine.settings.items())
    )


def differs(table: Table, declared: TableForm, live: LiveObject, path: UpgradePath) -> bool:
    """Whether there is anything to do about a table, or to tell."""
    if live.form == declared and not path.changes_of(table.name):
        return False  # word for word: most starts end here, and load nothing that compares
    from aaiclick.diff.compare import diff_table
    from aaiclick.diff.target import make_target
    from aaiclick.versions.jumps.compose import compose

    assert isinstance(live.form, TableForm)
    composed = compose(live.form, path.changes_of(table.name), declared, path.reached.get(live.uuid))
    target = make_target(table, declared, live.form, dict(composed.renames))
    return bool(diff_table(live.form, target) or target.undeclared or target.notes or composed.fills)
