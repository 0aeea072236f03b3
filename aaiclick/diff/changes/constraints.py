"""Constraints."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ConstraintForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, DataCheck, Phase
from aaiclick.sql.clauses import add_constraint, drop_constraint
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class ChangeConstraint(BaseChange):
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
        # There is no MODIFY CONSTRAINT. A NULL violates a CHECK, too (469), so the counts ask for it.
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_constraint(quote_name(self.old.name))))
        if self.new is not None:
            added = add_constraint(quote_name(self.new.name), f"{self.new.kind} {self.new.expression}")
            commands.append(AlterCommand(Phase.ADD_OBJECTS, added))
        return tuple(commands)

    @property
    def checks(self) -> tuple[DataCheck, ...]:
        return ()  # the rows as they will be: ``aaiclick/plan/proof/constraints.py``
