"""A schema as it was at an earlier version, made of the lock file: for those who stop on the way to the newest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar, cast

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.reflect import reflect_object
from aaiclick.errors import UnsupportedObjectError, UsageError
from aaiclick.specs.base import Spec
from aaiclick.specs.schema import Schema, SchemaObject
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.tables import Table
from aaiclick.versions.history import read_history
from aaiclick.versions.lockfile import Lock, LockedForm

S = TypeVar("S", bound=Spec)


def schema_until(schema: Schema, version: int) -> Schema:
    """The schema as ``version`` was released, with the migrations up to it.

    What that version says is not there, such as an index that an operator has added, is not managed. Neither are tables
    of families, of which a lock file knows nothing: the code of that version, or the newest, changes them. Raises
    ``UsageError`` where the project does not know that version, or not well enough.
    """
    lock = read_history(schema).lock
    known = [locked.version for locked in lock.versions] if lock is not None else []
    locked = lock.get(version) if lock is not None else None
    if lock is None or locked is None:
        there = f"it has versions {known[0]} to {known[-1]}" if known else "there is none (aaiclick revision writes it)"
        raise UsageError(f"{schema.name} has no version {version} in its lock file: {there}. Run: aaiclick migrate")
    former = _former_names(schema, lock, version)
    objects: list[SchemaObject] = [
        _declared(schema, form, locked.variables.get(name, {}), former) for name, form in locked.forms.items()
    ]
    made = Schema(
        schema.name,
        version=version,
        objects=objects,
        migrations=schema.migrations,
        cluster=schema.cluster,
        replicate=schema.replicate,
        variables=schema.variables,
    )
    return made.given(**schema.given_values).stopped_at(version)


def _declared(
    schema: Schema, form: LockedForm, variables: Mapping[str, tuple[str, ...]], former: Mapping[str, str]
) -> SchemaObject:
    varying = {*variables, *schema.varying(form.name)}
    if isinstance(form, TableForm):
        # The text in a lock file is that of the install that released it. Each install has its own.
        form = _with_holes(form, variables, {variable.name for variable in schema.variables})
        form = replace(form, settings=tuple(pair for pair in form.settings if f"settings.{pair[0]}" not in varying))
    try:
        item = reflect_object(form)
    except UnsupportedObjectError as error:
        raise UsageError(
            f"{schema.name} as it was cannot be made of the lock file ({error}). Stop with the code of that version"
        ) from error
    item = _managed(item)
    now = schema.get(form.name)
    if isinstance(item, NamedCollection) and isinstance(now, NamedCollection):
        # A lock file has no values: those of today are the ones that the server has to have.
        item = item.with_keys({key: now.keys.get(key) for key in item.keys})
    if isinstance(item, Table) and form.name in former:
        item = item.model_copy(update={"renamed_from": former[form.name]})
    return item


def _with_holes(form: TableForm, variables: Mapping[str, tuple[str, ...]], names: Collection[str]) -> TableForm:
    """The form with variables where the lock file has them; without a clause of which it lists texts only."""

    def text(clause: str, own: str) -> str:
        texts = variables.get(clause)
        if texts is None:
            return own
        return next((each for each in texts if any(f"{{{name}}}" in each for name in names)), "")

    def column(own: ColumnForm) -> ColumnForm:
        ttl, codec, comment = (
            text(f"{own.name}.{field}", said)
            for field, said in (("ttl", own.ttl), ("codec", own.codec), ("comment", own.comment))
        )
        return replace(own, ttl=ttl, codec=codec, comment=comment)

    return replace(
        form,
        ttl=text("ttl", form.ttl),
        comment=text("comment", form.comment),
        columns=tuple(column(each) for each in form.columns),
    )


def _managed(spec: S) -> S:
    """The declaration with only those fields set that hold something."""
    kept = {
        field: _part(getattr(spec, field))
        for field in spec.model_fields_set
        # An empty sort key says something, too: that there is none.
        if field == "order_by" or getattr(spec, field) not in (None, "", [], {})
    }
    # Exactly these fields are set: what a declaration leaves unset is not managed.
    return type(spec).model_construct(set(kept), **kept)  # type: ignore[return-value]


def _part(value: object) -> object:
    if isinstance(value, Spec):
        return _managed(value)
    return [_part(each) for each in cast("list[object]", value)] if isinstance(value, list) else value


def _former_names(schema: Schema, lock: Lock, version: int) -> dict[str, str]:
    """Former names of tables of that version, as the declaration has them still. Whether another one was renamed on the
    way, which nothing says, is asked where the database is known (``unsaid_tables`` of the upgrade path)."""
    said = {item.name: item.renamed_from for item in schema.objects if isinstance(item, Table) and item.renamed_from}
    found: dict[str, str] = {}
    for older, newer in pairwise(each for each in lock.versions if each.version <= version):
        tables = [{name for name, form in each.forms.items() if form.kind == "table"} for each in (older, newer)]
        gone, new = tables[0] - tables[1], tables[1] - tables[0]
        found.update((name, str(said[name])) for name in new if said.get(name) in gone)
    return found
