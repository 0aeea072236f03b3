"""Codec, comment, settings and statistics of a column: metadata, which changes no row."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import Settings
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase, or_none
from aaiclick.sql.clauses import (
    add_statistics,
    comment_column,
    drop_statistics,
    modify_column,
    modify_column_setting,
    modify_statistics,
    remove_from_column,
    reset_column_setting,
)
from aaiclick.sql.quoting import quote_name, quote_string


@dataclass(frozen=True, slots=True)
class ChangeCodec(BaseChange):
    """Another codec. Old parts keep theirs until they are merged."""

    table: str
    """Name of the table."""
    name: str
    """Name of the column."""
    type: str
    """Its type, which MODIFY COLUMN has to repeat."""
    old: str
    """The live codec; '' for none."""
    new: str
    """The declared codec; '' for none."""

    @property
    def words(self) -> str:
        return f"column {self.name}: codec {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.name)
        # MODIFY COLUMN without a codec keeps the old one: only REMOVE takes it away.
        text = modify_column(name, f"{self.type} CODEC({self.new})") if self.new else remove_from_column(name, "CODEC")
        return (AlterCommand(Phase.MODIFY, text),)


@dataclass(frozen=True, slots=True)
class ChangeColumnComment(BaseChange):
    """Another comment of a column."""

    table: str
    name: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"column {self.name}: comment {quote_string(self.old)} -> {quote_string(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        # An empty comment is taken out of the definition by this ALTER.
        return (AlterCommand(Phase.MODIFY, comment_column(quote_name(self.name), self.new)),)


@dataclass(frozen=True, slots=True)
class ChangeColumnSettings(BaseChange):
    """Other settings of a column."""

    table: str
    name: str
    old: Settings
    new: Settings

    @property
    def words(self) -> str:
        changed = [
            f"{key} {dict(self.old).get(key, 'none')} -> {dict(self.new).get(key, 'none')}" for key in self._keys
        ]
        return f"column {self.name}: settings {', '.join(changed)}"

    @property
    def _keys(self) -> list[str]:
        old, new = dict(self.old), dict(self.new)
        return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        new = dict(self.new)
        name = quote_name(self.name)
        listed = ", ".join(f"{key} = {new[key]}" for key in self._keys if key in new)
        gone = ", ".join(key for key in self._keys if key not in new)
        commands: list[AlterCommand] = []
        if listed:
            commands.append(AlterCommand(Phase.MODIFY, modify_column_setting(name, listed)))
        if gone:
            commands.append(AlterCommand(Phase.MODIFY, reset_column_setting(name, gone)))
        return tuple(commands)


@dataclass(frozen=True, slots=True)
class ChangeStatistics(BaseChange):
    """Other statistics. Parts get them when they are written or merged."""

    table: str
    name: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"column {self.name}: statistics {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        name = quote_name(self.name)
        if not self.new:
            return (AlterCommand(Phase.DROP_OBJECTS, drop_statistics(name)),)
        return (
            AlterCommand(
                Phase.ADD_OBJECTS, modify_statistics(name, self.new) if self.old else add_statistics(name, self.new)
            ),
        )
