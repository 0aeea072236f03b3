"""Remembers which tables have ``enable_block_number_column`` because of us, also if the kept table that says so was
dropped by hand.

The setting carries no name of whoever set it. So it is written into the journal, by the UUID of the storage, when the
old table gets its kept name, and that entry ends with the setting, or with the storage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aaiclick.clickhouse.features import NUMBERS, sets
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.storages import away, storage
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import StatementError
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
    those of which one does. The entry of one that is away stays until it is there again, or gone for good. Only under
    the lease."""
    for uuid in sorted(noted):
        if uuid not in needed and (yield from _reset(database, uuid)):
            # Entered second: after a kill in between the setting is looked for once more, and is not there.
            yield from outcome(database, _action(uuid), "done")


def _reset(database: str, uuid: str) -> Routine[bool]:
    """The old table is gone: new parts need no numbers any more. The storage is found by its UUID: the name it had may
    be another table's by now, whose setting is its owner's. False where it has the setting still, or may come back with
    it."""
    live = yield from storage(database, uuid)
    if live is None:
        return not (yield from away(database, uuid))
    if not sets(live.definition, NUMBERS):
        return True
    try:
        yield from ddl(alter_table(qualified(live.database, live.name), reset_setting(NUMBERS)))
    except StatementError as error:
        if error.code != UNKNOWN_TABLE:
            raise
    # Somebody may have taken the name away between the look and the ALTER.
    live = yield from storage(database, uuid)
    return live is not None and not sets(live.definition, NUMBERS)


def _action(uuid: str) -> Action:
    return Action(RUN, "", "", uuid, 0)
