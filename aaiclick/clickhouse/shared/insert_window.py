"""For how long a replicated table knows INSERTs again: by its settings, else by those of the server, host by host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import REMEMBERING
from aaiclick.clickhouse.merges import settings_in
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.shared.replicas import replica_states
from aaiclick.clickhouse.topology import Topology
from aaiclick.errors import ApplyError
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.hex_text import hexed

_INSERTS, _SECONDS = 100, 600


@dataclass(frozen=True, slots=True)
class InsertWindow:
    """What a table remembers."""

    inserts: int
    """So many of its last INSERTs."""
    seconds: int
    """None that is older."""

    @property
    def reliable(self) -> bool:
        """Whether a run that was killed can send an INSERT again, and others may have sent some meanwhile."""
        return self.inserts >= _INSERTS and self.seconds >= _SECONDS

    def refusal(self, target: str, view: str) -> str:
        """Why a fill does not rely on it, with what to do."""
        return (
            f"{target} remembers {self.inserts} INSERTs for {self.seconds} s ({', '.join(REMEMBERING)}), and what a "
            "run that was killed has brought into it could count twice: a fill needs a memory of "
            f"{_INSERTS} INSERTs for {_SECONDS} s at least. Declare one for {target} in a version of its own (clients "
            "whose equal INSERTs have to count send them with deduplicate_insert = 'disable'), "
            f"and {view} in the next one"
        )


def windows_of(seen: Rows, declared: Settings = ()) -> InsertWindow | None:
    """The smallest one of all hosts. ``seen``: what ``window_query`` brought; ``declared``: settings of a table that is
    not there yet. None where no host has said anything."""
    defaults: dict[int, dict[str, int]] = {}
    own: dict[int, dict[str, str]] = {}
    for place, name, value in seen:
        if text(name):
            defaults.setdefault(number(place), {})[text(name)] = int(text(value))
        else:
            own[number(place)] = dict(settings_in(text(value)))
    found = [_effective(values, own.get(place, dict(declared))) for place, values in defaults.items()]
    if not found:
        return None
    return InsertWindow(min(inserts for inserts, _ in found), min(seconds for _, seconds in found))


def _effective(defaults: Mapping[str, int], own: Mapping[str, str]) -> tuple[int, int]:
    inserts, seconds = (int(own.get(name) or defaults.get(name, 0)) for name in REMEMBERING)
    return inserts, seconds


def window_query(topology: Topology) -> str:
    """The question to all hosts: what their servers have for tables that say nothing, and what the table says."""
    everywhere, names = topology.everywhere, ", ".join(f"'{name}'" for name in REMEMBERING)
    return (
        f"SELECT toInt64(_shard_num), name, value FROM {everywhere('system.replicated_merge_tree_settings')} "
        f"WHERE name IN ({names}) UNION ALL SELECT toInt64(_shard_num), '', engine_full FROM "
        f"{everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND name = unhex({{name:String}})"
    )


def insert_window(reach: Reach, database: str, name: str) -> Routine[InsertWindow]:
    """That of a table, on every host. Raises ApplyError where one does not answer."""
    rows = yield from ask_all(reach, window_query(reach.topology), window_parameters(database, name), name)
    window = windows_of(rows)
    if window is None:
        raise ApplyError(f"{name}: no host says for how long it remembers INSERTs")
    return window


def window_parameters(database: str, name: str) -> dict[str, str | int]:
    """What ``window_query`` is bound to."""
    return {"db": hexed(database), "name": hexed(name)}


def names_made(reach: Reach, database: str, name: str, place: int) -> Routine[int]:
    """How many names of INSERTs Keeper has ever taken for a table in the shard of a host, or more: the server makes
    some of them twice. -1 where that cannot be read."""
    shard = reach.topology.at(place).shard
    states = yield from replica_states(reach.topology, database, name)
    paths = {state.path for each, state in states.items() if reach.topology.at(each).shard == shard and state.path}
    if not paths:
        return -1
    # An asynchronous INSERT has a name for each of its clients, so parts do not tell. What is made and what goes counts
    # in cversion alike, so half of it and of what is there has been made. Newer servers use the last of these alone.
    rows = yield from rows_or_refusal(
        Query(
            "SELECT toInt64(sum(cversion + numChildren)), count() FROM system.zookeeper WHERE path = {path:String} AND "
            "name IN ('blocks', 'async_blocks', 'deduplication_hashes')",
            {"path": min(paths)},
        )
    )
    return (number(rows[0][0]) + 1) // 2 if rows and number(rows[0][1]) else -1
