"""Families of tables that are made at run time: each table gets a declaration of its own, which says only what the family says."""

from __future__ import annotations

from fnmatch import fnmatchcase

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.reflect import reflect_table
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table, TableFields
from aaiclick.specs.views import TableFamily


def family_tables(family: TableFamily, catalog: Catalog, taken: frozenset[str]) -> tuple[Table, ...]:
    """A declaration for every live table that the pattern matches and nobody declared by name."""
    names = sorted(name for name in catalog.objects if name not in taken and fnmatchcase(name, family.pattern))
    found: list[Table] = []
    for name in names:
        form = catalog.objects[name].form
        if isinstance(form, TableForm):
            found.append(_declaration(family, form))
    return tuple(found)


def _declaration(family: TableFamily, form: TableForm) -> Table:
    own = reflect_table(form)
    wanted = {column.name: column for column in family.columns}
    columns = [wanted.pop(column.name, column) for column in own.columns]
    fields: TableFields = {"engine": _engine(family, own)}
    if family.declares("comment"):
        fields["comment"] = family.comment
    return Table(form.name, [*columns, *(Column(**column.model_dump(exclude_unset=True)) for column in wanted.values())], **fields)


def _engine(family: TableFamily, own: Table) -> MergeTree:
    """The live engine, with the keys, TTL and settings that the family declares laid over it."""
    live = own.engine
    if family.engine is None or not isinstance(family.engine, MergeTree) or not isinstance(live, MergeTree):
        return live if isinstance(live, MergeTree) else MergeTree()
    said = {name: getattr(family.engine, name) for name in family.engine.model_fields_set}
    kept = {name: getattr(live, name) for name in live.model_fields_set if name not in said and name in type(family.engine).model_fields}
    return type(family.engine)(**{**kept, **said})
