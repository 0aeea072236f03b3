"""Compares the tables with the declaration after a plan was carried out, and a declaration with the recorded one of the
same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, Form, TableForm, ViewForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.secrets import hidden_form
from aaiclick.commands.inspection.given_values import as_given_here
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.plan.comparison.recorded import live_source
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily
from aaiclick.sql.security import same_security


def residual(schema: Schema, catalog: Catalog, forms: Mapping[str, Form]) -> tuple[tuple[str, ...], dict[str, Form]]:
    """What still differs after a plan was carried out, in words, and the canonical form of every declared object. Needs
    no scratch: an object that was just created is its own canonical form."""
    differences: list[str] = []
    known: dict[str, Form] = {}
    outside = schema.server_objects
    for item in schema.objects:
        live = catalog.get(item.name)
        if item in outside and item.name in forms:
            known[item.name] = forms[item.name]
        if isinstance(item, TableFamily) or item in outside:
            continue
        if live is None:
            differences.append(f"{item.name}: {item.noun} is missing")
            continue
        known[item.name] = forms.get(item.name, live.form)
    for table in schema.tables:
        live, declared = live_source(table, catalog), known.get(table.name)
        if (
            live is not None
            and isinstance(live.form, TableForm)
            and isinstance(declared, TableForm)
            and declared is not live.form
        ):
            # A start that only makes tables compares none.
            from aaiclick.diff.compare import diff_table
            from aaiclick.diff.target import make_target

            changes = diff_table(live.form, make_target(table, declared, live.form))
            differences.extend(f"{table.name}: {change.words}" for change in changes)
    return tuple(differences), known


def spec_differences(found: Inspection, forms: Mapping[str, Form]) -> tuple[str, ...]:
    """How the declaration differs from the one that was recorded for the same version, on canonical forms; empty where
    only the encoding of the fingerprint (or what is managed, or the value of a variable) differs."""
    from aaiclick.diff.compare import diff_table
    from aaiclick.diff.guessed_format import with_guessed_format
    from aaiclick.diff.target import Target

    assert found.record is not None
    recorded = {name: hidden_form(form) for name, form in load_forms(found.record.forms).items()}
    forms = {name: hidden_form(form) for name, form in forms.items()}
    declared = {item.name for item in found.schema.objects if not isinstance(item, TableFamily)}
    words = [f"{name}: is no longer declared" for name in sorted(set(recorded) - declared)]
    # A record may have no forms (of a version that was adopted without a lock file): then nothing is new.
    words += [f"{name}: is new in the declaration" for name in sorted(declared - set(recorded))] if recorded else []
    for name in sorted(declared & set(recorded)):
        old, new = recorded[name], forms.get(name)
        if isinstance(old, TableForm) and isinstance(new, TableForm):
            old = as_given_here(old, new, found.schema.varying(name))
            target = Target(with_guessed_format(normal(new), normal(old)), (), (), (), free_primary_key=False)
            words += [f"{name}: {change.words}" for change in diff_table(old, target)]
            kept = {column.name for column in new.columns}
            words += [
                f"{name}: column {column.name} is no longer declared"
                for column in old.columns
                if column.name not in kept
            ]
        elif new is not None and old != new and not _same_view(old, new):
            words.append(f"{name}: the definition differs")
    return tuple(words)


def _same_view(old: Form, new: Form) -> bool:
    """The record has who it is that a view reads as; a declaration may leave that open."""
    return (
        isinstance(old, ViewForm)
        and isinstance(new, ViewForm)
        and same_security(new.security, old.security)
        and replace(old, security=new.security) == new
    )
