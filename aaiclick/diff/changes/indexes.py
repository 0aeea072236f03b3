"""Skip indexes."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import IndexForm
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.sql.clauses import add_index, drop_index
from aaiclick.sql.quoting import quote_name


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
        # MODIFY INDEX does not parse. Dropped first: two indexes of one name would be refused.
        if self.old is not None:
            commands.append(AlterCommand(Phase.DROP_OBJECTS, drop_index(quote_name(self.old.name))))
        if self.new is not None:
            commands.append(AlterCommand(Phase.ADD_OBJECTS, add_index(quote_name(self.new.name), index_body(self.new))))
        return tuple(commands)


def index_body(index: IndexForm) -> str:
    """An index without its name."""
    granularity = f" GRANULARITY {index.granularity}" if index.granularity else ""
    return f"{index.expression} TYPE {index.type}{granularity}"
