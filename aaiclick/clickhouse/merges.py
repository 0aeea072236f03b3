"""Stops the merges of a table while its parts are copied, and starts them again.

``SYSTEM STOP MERGES`` also stops running merges, but a restart forgets it. Late rows could then be merged with rows
that are copied already, and nobody could tell them apart. So three settings of the table stop merges as well (checked:
30 parts of expired rows stay 30 parts). Writers go on meanwhile, so the limits on the number of parts are lifted too.
"""

from __future__ import annotations

import re

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.mutations import let_renames_end
from aaiclick.clickhouse.names import PREFIX
from aaiclick.clickhouse.statements import ask, system_merges
from aaiclick.clickhouse.storages import alter_storage, remove_guards, storage
from aaiclick.clickhouse.tables import CONSTRAINED, Physical, physical, require_table
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clickhouse.write_fence import lift_fence, remove_fence
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine, Rows, number, text
from aaiclick.sql.clauses import modify_settings, reset_setting
from aaiclick.sql.hex_text import hexed

# No merge begins: neither an ordinary one, of whatever size, nor one by TTL.
NO_MERGES: Settings = (
    ("max_bytes_to_merge_at_max_space_in_pool", "1"),
    ("max_bytes_to_merge_at_min_space_in_pool", "1"),
    ("max_number_of_merges_with_ttl_in_pool", "0"),
)
ROOMY: Settings = (
    ("parts_to_delay_insert", "1000000"),
    ("parts_to_throw_insert", "1000000"),
    ("max_parts_in_total", "10000000"),
)
"""Writers are neither slowed down nor refused for the parts that pile up."""

MERGES_STOPPED = NO_MERGES + ROOMY
_POLL = 0.05
_LONGEST_POLL = 1.0
"""Pauses between two looks grow up to this, in seconds."""
_TRIES = 5
"""How often a storage is looked for that somebody renames at the same time."""


def saved_settings(table: Physical) -> Settings:
    """What the settings of ``MERGES_STOPPED`` were; '' where the table did not set them."""
    found = dict(_settings(table))
    return tuple((name, found.get(name, "")) for name, _ in MERGES_STOPPED)


def stop_merges(table: Physical, seconds: float = 600.0) -> Routine[Physical]:
    """Stop merges, and wait at most ``seconds`` for those that run; the table as it was when they had been stopped.

    Raises ApplyError where one still runs then, and where the name holds another table by now.
    """
    # The settings first: what SYSTEM STOP MERGES does ends with a restart, and when the table is detached.
    if tuple((name, dict(_settings(table)).get(name, "")) for name, _ in MERGES_STOPPED) != MERGES_STOPPED:
        yield from alter_storage(table, (modify_settings(MERGES_STOPPED),))
    yield from system_merges(table.database, table.name, "STOP MERGES")
    there = yield from physical(table.database, table.name)
    if there is None or there.uuid != table.uuid:
        # SYSTEM takes a name, so it stopped the merges of the table that has the name now.
        yield from system_merges(table.database, table.name, "START MERGES")
        there = yield from require_table(table.database, table.name, table.uuid)
    # A merge that runs is told to stop, which takes it a moment. Until then it may still put its part in place.
    wait = Wait(_POLL, _LONGEST_POLL)
    while (yield from _merging(table)):
        if wait.waited > seconds:
            raise ApplyError(
                f"{table.name}: a merge is still running {wait.waited:.0f} s after merges were stopped. Run again "
                "when it has ended"
            )
        wait = yield from rest(wait, f"a merge of {table.name} to end")
    return there


def restart_merges(database: str, uuid: str, saved: Settings) -> Routine[bool]:
    """Put the settings of a storage back, lift its fence and start its merges, whatever it is called now; False where
    it is not there."""
    table = yield from restore_settings(database, uuid, saved, stopped=False)
    if table is not None:
        # By name: somebody may have renamed it since it was looked for.
        yield from start_merges_of(table.database, table.name, uuid)
    return table is not None


def restore_settings(database: str, uuid: str, saved: Settings, *, stopped: bool = True) -> Routine[Physical | None]:
    """Lift the fence of a storage and put its settings back. ``stopped``: with ``SYSTEM STOP MERGES`` in force, which
    stays so; else mutations go on from the beginning.

    The table under its present name; None where it is gone. Raises ApplyError where it is renamed again and again.
    """
    for attempt in range(_TRIES):
        table = yield from storage(database, uuid)
        if table is None:
            return None
        if not stopped:
            # Until they are put back, the settings stop merges.
            yield from system_merges(table.database, table.name, "START MERGES")
        if (yield from let_renames_end(table.database, table.name)) and stopped:
            yield from system_merges(table.database, table.name, "STOP MERGES")
        try:
            yield from _restore(table, saved)
        except ApplyError:
            # It was renamed between two statements: where it is now is asked again.
            if attempt + 1 == _TRIES:
                raise
        else:
            return table
    raise AssertionError


def release_copies(database: str, since: int, saved: Settings) -> Routine[None]:
    """Put the settings of tables back that somebody created ``AS`` the one whose merges are stopped: they have its
    settings and its fence, and nobody else would remove them.

    ``since``: before merges were stopped, in Unix seconds by the server's clock. A copy has all settings of
    ``MERGES_STOPPED``.
    """
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND endsWith(engine, 'MergeTree') AND "
        "NOT startsWith(name, {ours:String})"
        # chdb's default database says 1970 of every table.
        " AND (toUnixTimestamp(metadata_modification_time) >= {since:UInt64} OR "
        "toUnixTimestamp(metadata_modification_time) = 0)"
        " AND position(engine_full, {held:String}) > 0 ORDER BY name",
        {
            "db": hexed(database),
            "ours": PREFIX,
            "since": since,
            "held": f"{MERGES_STOPPED[2][0]} = {MERGES_STOPPED[2][1]}",
        },
    )
    for (name,) in rows:
        # The query looks for one of the settings only; a copy has all of them.
        table = yield from physical(database, text(name))
        if table is not None and set(MERGES_STOPPED) <= set(_settings(table)):
            yield Emit(Note(f"{table.name} was made from a table with stopped merges: its settings are corrected"))
            # Merges first: a run that is killed in between leaves the settings by which the next one finds this table,
            # and with them no merge begins.
            yield from start_merges(table.database, table.name)
            yield from _restore(table, saved)


def lift_copied_fences(table: Physical, since: int) -> Routine[None]:
    """A table that somebody made ``AS`` the new one while that refused writers would refuse them for ever.

    A constraint tells by its name. A setting is told by the table's definition, which is that of the new table but for
    the fence, and by its age; where the server keeps no age (chdb's default database) it may as well be somebody's own,
    and is left alone.
    """
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND endsWith(engine, 'MergeTree') AND "
        "NOT startsWith(name, {ours:String})"
        " AND (toUnixTimestamp(metadata_modification_time) >= {since:UInt64} AND position(engine_full, "
        f"{{fence:String}}) > 0 OR {CONSTRAINED}) ORDER BY name",
        {"db": hexed(table.database), "ours": PREFIX, "since": max(since, 1), "fence": f"{FENCE} = "},
    )
    for name in (text(row[0]) for row in rows if text(row[0]) != table.name):
        copy = yield from physical(table.database, name)
        if copy is None:
            continue
        if copy.constrained or (
            _open(copy) == _open(table) and (yield from _columns(copy)) == (yield from _columns(table))
        ):
            yield Emit(Note(f"{name} was made from a table that refused writers for a moment: it lets them in"))
            yield from remove_fence(copy)


def _open(table: Physical) -> tuple[str, Settings]:
    """The definition without a fence."""
    return table.definition.rpartition(" SETTINGS ")[0], tuple(pair for pair in _settings(table) if pair[0] != FENCE)


def _columns(table: Physical) -> Routine[Rows]:
    return (
        yield from ask(
            "SELECT name, type, default_kind, default_expression FROM system.columns"
            " WHERE database = unhex({db:String}) AND table = unhex({name:String}) ORDER BY position",
            {"db": hexed(table.database), "name": hexed(table.name)},
        )
    )


def _restore(table: Physical, saved: Settings) -> Routine[None]:
    present = dict(_settings(table))
    if table.fenced:
        # Everything else is refused (774) as long as the fence is up.
        yield from lift_fence(table)
    # Left by a killed run: ALTERs that it sends late drop one first, and are refused as a whole once it is gone.
    yield from remove_guards(table)
    # What has another value by now was set by somebody else since, and stays.
    ours = {key for key, value in MERGES_STOPPED if present.get(key) == value}
    back = [(key, value) for key, value in saved if value and key in ours and present[key] != value]
    unset = [key for key, value in saved if not value and key in ours]
    commands = [*([modify_settings(back)] if back else []), *([reset_setting(*unset)] if unset else [])]
    if commands:
        yield from alter_storage(table, commands)


def start_merges(database: str, name: str) -> Routine[None]:
    """Let every kind of merge go on."""
    yield from system_merges(database, name, "START MERGES")
    yield from system_merges(database, name, "START TTL MERGES")


def start_merges_of(database: str, name: str, uuid: str) -> Routine[None]:
    """Start the merges of the table that has the name now, and of the storage with this UUID, whatever it is called.

    ``SYSTEM STOP`` stays with the storage when it is renamed, and somebody may have renamed it since.
    """
    yield from start_merges(database, name)
    there = yield from storage(database, uuid)
    if there is not None and (there.database, there.name) != (database, name):
        yield from start_merges(there.database, there.name)


def _settings(table: Physical) -> Settings:
    return settings_in(table.definition)


def settings_in(definition: str) -> Settings:
    """The settings of an engine clause, as the server writes them."""
    # The last one: the word may stand in an expression of a key as well. A value in quotes may hold a comma.
    clause = definition.rpartition(" SETTINGS ")[2]
    return tuple((match[1], match[2]) for match in re.finditer(r"(?:^|, )(\w+) = ('(?:[^'\\]|\\.)*'|[^,]+)", clause))


def _merging(table: Physical) -> Routine[bool]:
    rows = yield from ask(
        "SELECT count() FROM system.merges WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "NOT is_mutation"
        # By the path as well: the name may have gone to another table, whose merges may go on.
        " AND position(result_part_path, {uuid:String}) > 0",
        {"db": hexed(table.database), "name": hexed(table.name), "uuid": table.uuid},
    )
    return number(rows[0][0]) > 0
