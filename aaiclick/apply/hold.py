"""Holding a table's parts still while they are copied.

``SYSTEM STOP MERGES`` also stops running merges, but a restart forgets it; then late rows could be merged with rows that are copied
already and nobody could tell them apart. So three table settings hold merges persistently as well (checked: 30 parts of expired rows
stay 30 parts). Writers go on meanwhile, so the limits on the number of parts are lifted for as long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aaiclick.apply.identity import Physical, need
from aaiclick.apply.sqltext import hexed
from aaiclick.apply.statements import ask, ddl, system_merges
from aaiclick.catalog.forms import Settings
from aaiclick.errors import ApplyError
from aaiclick.events import Waiting
from aaiclick.plan.parts.loaded import STILL
from aaiclick.routine import Emit, Routine, Sleep, number
from aaiclick.specs.quoting import qualified

ROOMY: Settings = (("parts_to_delay_insert", "1000000"), ("parts_to_throw_insert", "1000000"), ("max_parts_in_total", "10000000"))
"""Writers are neither slowed down nor refused for the parts that pile up."""

HELD = STILL + ROOMY
FENCE = "table_readonly"
_POLL = 0.05
_LONGEST_POLL = 1.0


def originals(table: Physical) -> Settings:
    """What the settings of ``HELD`` were; '' where the table did not set them."""
    found = dict(_settings(table))
    return tuple((name, found.get(name, "")) for name, _ in HELD)


def hold(table: Physical, seconds: float = 600.0) -> Routine[None]:
    """Begin no merge any more and wait until none is running."""
    changed = ", ".join(f"{name} = {value}" for name, value in HELD)
    yield from ddl(f"ALTER TABLE {qualified(table.database, table.name)} MODIFY SETTING {changed}")
    yield from system_merges(table.database, table.name, "STOP MERGES")
    wait, waited = _POLL, 0.0
    while (yield from _merging(table)):
        if waited > seconds:
            raise ApplyError(f"{table.name}: a merge is still running {waited:.0f} s after merges were stopped. Run again when it has ended")
        yield Emit(Waiting(f"a merge of {table.name} to end", waited))
        yield Sleep(wait)
        waited += wait
        wait = min(2 * wait, _LONGEST_POLL)


def release(database: str, name: str, uuid: str, saved: Settings) -> Routine[None]:
    """Put the settings of a held table back, lift its fence and let merges go on."""
    yield from restore_settings(database, name, uuid, saved)
    yield from start_merges(database, name)


def restore_settings(database: str, name: str, uuid: str, saved: Settings) -> Routine[None]:
    """Lift the fence of a held table and put its settings back; merges that were stopped stay so."""
    table = yield from need(database, name, uuid)
    target = qualified(database, name)
    if FENCE in dict(_settings(table)):
        # Everything else is refused (774) as long as the fence is up.
        yield from ddl(f"ALTER TABLE {target} RESET SETTING {FENCE}")
    back = ", ".join(f"{key} = {value}" for key, value in saved if value)
    if back:
        yield from ddl(f"ALTER TABLE {target} MODIFY SETTING {back}")
    unset = ", ".join(_present([key for key, value in saved if not value], table))
    if unset:
        yield from ddl(f"ALTER TABLE {target} RESET SETTING {unset}")


def start_merges(database: str, name: str) -> Routine[None]:
    """Let every kind of merge go on."""
    yield from system_merges(database, name, "START MERGES")
    yield from system_merges(database, name, "START TTL MERGES")


def _settings(table: Physical) -> Settings:
    clause = table.definition.rpartition(" SETTINGS ")[2]
    return tuple((match[1], match[2]) for match in re.finditer(r"(?:^|, )(\w+) = ('(?:[^'\\]|\\.)*'|[^,]+)", clause))


def _present(names: Sequence[str], table: Physical) -> list[str]:
    there = dict(_settings(table))
    return [name for name in names if name in there]


def _merging(table: Physical) -> Routine[bool]:
    rows = yield from ask(
        "SELECT count() FROM system.merges WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND NOT is_mutation"
        " AND position(result_part_path, {uuid:String}) > 0",
        {"db": hexed(table.database), "name": hexed(table.name), "uuid": table.uuid},
    )
    return number(rows[0][0]) > 0
