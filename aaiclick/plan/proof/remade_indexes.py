"""Drops and adds a skip index or projection that would no longer fit the rows."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import IndexForm, ProjectionForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.diff.changes.indexes import index_body
from aaiclick.sql.clauses import (
    add_index,
    add_projection,
    drop_index,
    drop_projection,
    fill_projection,
    materialize,
)
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class RemakeIndex(BaseChange):
    """Drop the index before its columns change, add it afterwards, and fill it from the rows.

    Its files are gone when the mutation of the drop has ended.
    """

    table: str
    index: IndexForm
    why: str

    @property
    def words(self) -> str:
        return f"index {self.index.name} is made anew ({self.why})"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.index.name)
        return (
            AlterCommand(Phase.DROP_OBJECTS, drop_index(name)),
            AlterCommand(Phase.ADD_OBJECTS, add_index(name, index_body(self.index))),
            AlterCommand(Phase.MATERIALIZE, materialize("INDEX", name), alone=True),
        )


@dataclass(frozen=True, slots=True)
class RemakeProjection(BaseChange):
    """Drop the projection before its columns change, add it afterwards, and fill it from the rows."""

    table: str
    projection: ProjectionForm
    why: str

    @property
    def words(self) -> str:
        return f"projection {self.projection.name} is made anew ({self.why})"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.projection.name)
        return (
            AlterCommand(Phase.DROP_OBJECTS, drop_projection(name)),
            AlterCommand(Phase.ADD_OBJECTS, add_projection(name, self.projection.body)),
            *(AlterCommand(Phase.MATERIALIZE, text, alone=True) for text in fill_projection(name)),
        )
