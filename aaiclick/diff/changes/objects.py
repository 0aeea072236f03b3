"""Skip indexes, projections and constraints."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ConstraintForm, IndexForm, ProjectionForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, DataCheck, Phase
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import (
    add_constraint,
    add_index,
    add_projection,
    drop_constraint,
    drop_index,
    drop_projection,
    modify_projection,
)
from aaiclick.sql.quoting import quote_name

_SETTINGS = " WITH SETTINGS "


@dataclass(frozen=True, slots=True)
class ChangeIndex(BaseChange):
    """An index that is added, dropped or different. There is no MODIFY INDEX, so it is dropped and added again."""

    table: str
    old: IndexForm | None
    new: IndexForm | None

    @property
    def words(self) -> str:
        if self.old is None or self.new is None:
            form = self.new or self.old
            return f"index {form.name if form else ''} {'is missing' if self.old is None else 'is no longer declared'}"
        return f"index {self.new.name}: {index_body(self.old)} -> {index_body(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        commands: list[AlterCommand] = []
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_index(quote_name(self.old.name))))
        if self.new is not None:
            commands.append(AlterCommand(Phase.ADD_OBJECTS, add_index(quote_name(self.new.name), index_body(self.new))))
        return tuple(commands)


@dataclass(frozen=True, slots=True)
class ChangeProjection(BaseChange):
    """A projection that is added, dropped or different."""

    table: str
    old: ProjectionForm | None
    new: ProjectionForm | None

    @property
    def words(self) -> str:
        if self.old is None or self.new is None:
            form = self.new or self.old
            return (
                f"projection {form.name if form else ''} "
                f"{'is missing' if self.old is None else 'is no longer declared'}"
            )
        return f"projection {self.new.name}: {self.old.body} -> {self.new.body}"

    @property
    def only_settings(self) -> bool:
        """True where only its settings differ: what it holds of the rows stays as it is."""
        return (
            self.old is not None
            and self.new is not None
            and _query(self.old) == _query(self.new)
            and _SETTINGS in self.new.body
        )

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        commands: list[AlterCommand] = []
        if self.only_settings and self.new is not None:
            return (AlterCommand(Phase.MODIFY, modify_projection(quote_name(self.new.name), self.new.body)),)
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_projection(quote_name(self.old.name))))
        if self.new is not None:
            commands.append(AlterCommand(Phase.ADD_OBJECTS, add_projection(quote_name(self.new.name), self.new.body)))
        return tuple(commands)


@dataclass(frozen=True, slots=True)
class ChangeConstraint:
    """A constraint that is added, dropped or different. The server checks only new rows, so the present ones are
    counted first."""

    table: str
    old: ConstraintForm | None
    new: ConstraintForm | None

    @property
    def words(self) -> str:
        if self.old is None or self.new is None:
            form = self.new or self.old
            return (
                f"constraint {form.name if form else ''} "
                f"{'is missing' if self.old is None else 'is no longer declared'}"
            )
        if (self.old.kind, self.old.expression) == (self.new.kind, self.new.expression):
            return f"constraint {self.new.name} is in another position"
        return (
            f"constraint {self.new.name}: {self.old.kind} {self.old.expression} -> {self.new.kind} "
            f"{self.new.expression}"
        )

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        commands: list[AlterCommand] = []
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_constraint(quote_name(self.old.name))))
        if self.new is not None:
            added = add_constraint(quote_name(self.new.name), f"{self.new.kind} {self.new.expression}")
            commands.append(AlterCommand(Phase.ADD_OBJECTS, added))
        return tuple(commands)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return ()

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()  # the rows as they will be: ``aaiclick/plan/proof/constraints.py``


def _query(projection: ProjectionForm) -> str:
    """The projection without its settings, which can be modified alone."""
    return projection.body.rpartition(_SETTINGS)[0] or projection.body


def index_body(index: IndexForm) -> str:
    """An index without its name."""
    granularity = f" GRANULARITY {index.granularity}" if index.granularity else ""
    return f"{index.expression} TYPE {index.type}{granularity}"
