"""Turns changes into ALTER statements, in a safe order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.diff.changes.base import AlterCommand, Change
from aaiclick.sql.ddl import alter_table


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that are sent in one ALTER. One with ``recovery`` holds a single command that can fail on the data."""

    commands: tuple[AlterCommand, ...]
    risky: bool = False
    recovery: str = ""

    def sql(self, table: str, parenthesise: bool) -> str:
        """The ALTER TABLE statement.

        From 24.8 on each of several commands stands in parentheses. With bare commas some combinations are syntax
        errors (``MODIFY TTL ..., MODIFY SETTING ...``). Older servers do not know the parentheses.
        """
        return alter_table(table, *(command.text for command in self.commands), parentheses=parenthesise)


def batches(changes: Sequence[Change]) -> tuple[Batch, ...]:
    """All commands in one ALTER, except those that can fail on the data: each of these is sent alone.

    Where such a command fails inside its mutation, the mutation has to be killed. A RENAME or DROP in the same ALTER
    would be killed with it, and the renamed column would be lost.
    """
    # Those that go alone come first in their phase, so that the others stay together with the next one.
    commands = sorted(
        (command for change in changes for command in change.commands),
        key=lambda command: (command.phase, not command.alone, command.place),
    )
    found: list[Batch] = []
    open_batch: list[AlterCommand] = []
    for command in commands:
        if not command.alone:
            open_batch.append(command)
            continue
        if open_batch:
            found.append(Batch(tuple(open_batch)))
            open_batch = []
        found.append(Batch((command,), risky=bool(command.recovery), recovery=command.recovery))
    if open_batch:
        found.append(Batch(tuple(open_batch)))
    return tuple(found)


def by_phase(batch: Batch) -> tuple[Batch, ...]:
    """One ALTER for each phase. Some commands are refused together and accepted one after the other: REMOVE DEFAULT and
    DROP of the column that it read; a shorter sort key and DROP of the column that it lost."""
    phases = sorted({command.phase for command in batch.commands})
    return tuple(
        Batch(tuple(command for command in batch.commands if command.phase == phase), batch.risky, batch.recovery)
        for phase in phases
    )


def one_by_one(batch: Batch) -> tuple[Batch, ...]:
    """One ALTER for each command."""
    return tuple(Batch((command,), batch.risky, batch.recovery) for command in batch.commands)
