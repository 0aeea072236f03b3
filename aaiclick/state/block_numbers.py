"""Remembers which tables have ``enable_block_number_column`` because of us, also if the kept table that says so was
dropped by hand.

The setting carries no name of whoever set it. So it is written into the journal, by the UUID of the storage, when the
old table gets its kept name, and that entry ends with the setting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aaiclick.clickhouse.features import NUMBERS, sets
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.tables import physical
from aaiclick.routine import Routine
from aaiclick.sql.clauses import reset_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.journal import Action, Entry, ensure_journal, intent, last_entries, outcome

RUN = "numbered"


def note_block_numbers(database: str, table: str, uuid: str) -> Routine[None]:
    """Say that a storage has the setting because of us."""
    yield from ensure_journal(database)
    yield from intent(database, _action(uuid), {"table": table})


def noted_block_numbers(database: str) -> Routine[dict[str, str]]:
    """``block_numbers_in`` for what the journal says now; nothing where there is none."""
    return block_numbers_in((yield from last_entries(database, f"run = '{RUN}'", {})))


def block_numbers_in(entries: Iterable[Entry]) -> dict[str, str]:
    """The storages that have it, by UUID, with the name that each had then."""
    return {
        entry.action.step: str(entry.details.get("table", ""))
        for entry in entries
        if entry.action.run == RUN and entry.state == "intent"
    }


def reset_unneeded_block_numbers(database: str, noted: Mapping[str, str], needed: Collection[str]) -> Routine[None]:
    """Take the setting away where no kept table needs it any more. ``noted``: the storages that have it, ``needed``
    those of which one does."""
    for uuid, table in sorted(noted.items()):
        if uuid not in needed:
            yield from _reset(database, table, uuid)
            # Entered second: after a kill in between the setting is looked for once more, and is not there.
            yield from outcome(database, _action(uuid), "done")


def _reset(database: str, table: str, uuid: str) -> Routine[None]:
    """The old table is gone: new parts need no numbers any more. Nothing happens where the table is another one by
    now."""
    live = yield from physical(database, table)
    # The name may have another table by now, whose setting is its owner's.
    if live is not None and live.uuid == uuid and sets(live.definition, NUMBERS):
        yield from ddl(alter_table(qualified(database, table), reset_setting(NUMBERS)))


def _action(uuid: str) -> Action:
    return Action(RUN, "", "", uuid, 0)
