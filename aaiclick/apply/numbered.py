"""Which tables have ``enable_block_number_column`` because of us, also when the kept table that says so was dropped by hand.

The setting carries no name of whoever set it. So it is written into the journal, by the UUID of the storage, when the old table gets its kept name,
and that entry ends with the setting.
"""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.apply.journal import Action, ensure_journal, intent, last_words, outcome
from aaiclick.apply.sqltext import hexed
from aaiclick.apply.way_back import forget_blocks
from aaiclick.routine import Routine

_RUN = "numbered"


def note_numbered(database: str, table: str, uuid: str) -> Routine[None]:
    """Say that a storage has the setting because of us."""
    yield from ensure_journal(database)
    yield from intent(database, _action(uuid), {"table": table})


def read_numbered(database: str) -> Routine[dict[str, str]]:
    """The storages that have it, by UUID, with the name that each had then."""
    entries = yield from last_words(database, "run = unhex({run:String})", {"run": hexed(_RUN)})
    return {entry.action.step: str(entry.details.get("table", "")) for entry in entries if entry.state == "intent"}


def forget_numbered(database: str, needed: Collection[str]) -> Routine[None]:
    """Take the setting away where no kept table needs it any more. ``needed``: the storages of which one does."""
    for uuid, table in sorted((yield from read_numbered(database)).items()):
        if uuid not in needed:
            yield from forget_blocks(database, table, uuid)
            yield from outcome(database, _action(uuid), "done")


def _action(uuid: str) -> Action:
    return Action(_RUN, "", "", uuid, 0)
