"""Forms compared by what they mean."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.forms import TableForm


def unordered(form: TableForm) -> TableForm:
    """The order of indexes, projections and constraints carries no meaning."""
    return replace(
        form,
        indexes=tuple(sorted(form.indexes, key=lambda item: item.name)),
        projections=tuple(sorted(form.projections, key=lambda item: item.name)),
        constraints=tuple(sorted(form.constraints, key=lambda item: item.name)),
    )
