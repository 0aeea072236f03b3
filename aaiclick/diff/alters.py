"""From changes to ALTER statements in a safe order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.diff.changes.base import AlterCommand, Change


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands for one ALTER. A batch with ``recovery`` holds one command that can fail on the data."""

    commands: tuple[AlterCommand, ...]
    risky: bool = False
    recovery: str = ""

    def sql(self, table: str, parenthesise: bool) -> str:
        """The statement. From 24.8 on each command of several stands in parentheses: with bare commas some combinations are syntax
        errors (``MODIFY TTL ..., MODIFY SETTING ...``); 23.10 does not know the parentheses."""
        texts = [command.text for command in self.commands]
        if len(texts) == 1 or not parenthesise:
            return f"ALTER TABLE {table} {', '.join(texts)}"
        return f"ALTER TABLE {table} {', '.join(f'({text})' for text in texts)}"


def batches(changes: Sequence[Change]) -> tuple[Batch, ...]:
    """Everything in one ALTER, except commands that can fail on the data: those are sent alone, never beside a DROP or RENAME,
    because killing a stuck mutation would lose the renamed column."""
    commands = sorted((command for change in changes for command in change.commands), key=lambda command: (command.phase, not command.alone))
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
    """The same commands, one ALTER for each phase: some that are refused together are accepted one after the other
    (remove a default and drop the column it used; shorten the sort key and drop that column)."""
    phases = sorted({command.phase for command in batch.commands})
    return tuple(Batch(tuple(command for command in batch.commands if command.phase == phase), batch.risky, batch.recovery) for phase in phases)


def one_by_one(batch: Batch) -> tuple[Batch, ...]:
    """One ALTER for each command."""
    return tuple(Batch((command,), batch.risky, batch.recovery) for command in batch.commands)
