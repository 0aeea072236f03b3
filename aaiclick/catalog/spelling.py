"""Writes a form in the spelling of the live table.

ATTACH PARTITION compares the texts of two definitions: ``(k DESC)`` and ``k DESC`` are the same sort key, but the
server says "Tables have different ordering".
"""

from __future__ import annotations

import dataclasses

from aaiclick.catalog.forms import ConstraintForm, IndexForm, TableForm
from aaiclick.catalog.normalize import bare, normal, normal_index


def spelled_as(form: TableForm, live: TableForm) -> TableForm:
    """``form`` with the clauses of ``live`` wherever the two mean the same."""
    wanted, found = normal(form), normal(live)
    alike = {key: getattr(live, key) for key in _KEYS if getattr(wanted, key) == getattr(found, key)}
    if "order_by" not in alike:
        # A primary key can be left out only beside the sort key that it equals.
        alike.pop("primary_key", None)
    indexes = {index.name: index for index in live.indexes}
    constraints = {constraint.name: constraint for constraint in live.constraints}
    return dataclasses.replace(
        form,
        **alike,
        indexes=tuple(_index(index, indexes.get(index.name)) for index in form.indexes),
        constraints=tuple(_constraint(entry, constraints.get(entry.name)) for entry in form.constraints),
    )


_KEYS = ("partition_by", "primary_key", "order_by", "sample_by")


def _index(index: IndexForm, live: IndexForm | None) -> IndexForm:
    return live if live is not None and normal_index(index) == normal_index(live) else index


def _constraint(entry: ConstraintForm, live: ConstraintForm | None) -> ConstraintForm:
    same = live is not None and (entry.kind, bare(entry.expression)) == (live.kind, bare(live.expression))
    return live if live is not None and same else entry
