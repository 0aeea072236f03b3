"""Settings and comment of a table."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase
from aaiclick.sql.clauses import modify_comment, modify_setting, reset_setting
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.secrets import HIDDEN, secret_setting


@dataclass(frozen=True, slots=True)
class ChangeSetting(BaseChange):
    """One setting of the table; '' for absent. The rehearsal finds out which ones the server lets an ALTER change
    (error 472)."""

    table: str
    name: str
    old: str
    new: str

    @property
    def words(self) -> str:
        if secret_setting(self.name):
            return f"setting {self.name} differs"
        return f"setting {self.name} {self.old or 'none'} -> {self.new or 'none'}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        if HIDDEN in self.new:
            return ()  # what is hidden is never written from that text
        text = modify_setting(self.name, self.new) if self.new else reset_setting(self.name)
        return (AlterCommand(Phase.SETTINGS, text),)


@dataclass(frozen=True, slots=True)
class ChangeComment(BaseChange):
    """Another comment of the table."""

    table: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"comment {quote_string(self.old)} -> {quote_string(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (AlterCommand(Phase.COMMENT, modify_comment(self.new)),)
