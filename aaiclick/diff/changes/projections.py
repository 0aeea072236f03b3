"""Projections."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import ProjectionForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.sql.clauses import add_projection, drop_projection, modify_projection
from aaiclick.sql.quoting import quote_name

_SETTINGS = " WITH SETTINGS "


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
        # The server takes nothing else in a MODIFY PROJECTION (36).
        if self.only_settings and self.new is not None:
            return (AlterCommand(Phase.MODIFY, modify_projection(quote_name(self.new.name), self.new.body)),)
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_projection(quote_name(self.old.name))))
        if self.new is not None:
            commands.append(AlterCommand(Phase.ADD_OBJECTS, add_projection(quote_name(self.new.name), self.new.body)))
        return tuple(commands)


def _query(projection: ProjectionForm) -> str:
    """The projection without its settings, which can be modified alone."""
    return projection.body.rpartition(_SETTINGS)[0] or projection.body
