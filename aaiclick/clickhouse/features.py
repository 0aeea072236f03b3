"""Releases of the server, and what they can do."""

from __future__ import annotations

import re

from aaiclick.clickhouse.names import longest_table_name
from aaiclick.clickhouse.statements import ask
from aaiclick.errors import UsageError
from aaiclick.routine import Routine, number

FENCE = "table_readonly"
"""The setting of a table that refuses writers, deletes and updates (``clickhouse/write_fence.py``). 25.8 does not know
it."""
REMEMBERING = ("replicated_deduplication_window", "replicated_deduplication_window_seconds")
"""Settings of a table that say for how long it knows INSERTs again."""
NUMBERS = "enable_block_number_column"
"""The setting of a table whose rows keep the number of the block that brought them. Older releases do not know it."""
_CLOSED = re.compile(rf"{FENCE} = (?!'?(?:0|false)\b)")
OLDEST_SERVER = (23, 10)
"""The oldest release that is supported."""
OLDEST_THAT_CHANGES = (24, 8)
"""The oldest release on which tables are changed. On older ones only missing objects are created."""

_WITHOUT_RENAME = frozenset(
    {
        "Memory",
        "Filesystem",
        "Dictionary",
        "MySQL",
        "PostgreSQL",
        "MaterializedPostgreSQL",
        "SQLite",
        "S3",
        "HDFS",
        "Backup",
        "DataLakeCatalog",
    }
)
_OWN_NAMES = 31
"""Length of the longest name that every run needs: the one that a lock has when it ends (``lease/names.py``)."""
PASSES_UNSTORED = (26, 0)
"""From here on mutations pass over a compact part that holds values of a column that is an ALIAS by now. On 25.8 each
of them fails there for good, until a merge has taken the values away."""
KEEPS_LAST_ARRAY = (26, 0)
"""From here on a CoalescingMergeTree keeps the last array of a sort key, as it does with values of other types. 25.8
keeps the first."""

ATTACHES_WHERE_SENT = (26, 9)
"""From here on (it was not tried on releases in between) ATTACH PARTITION FROM is carried out by the host of a
Replicated database that it is sent to. 25.8 with several shards has all of them do it, by the database's log."""


def require_server(version: tuple[int, ...], words: str) -> None:
    """Raise ``UsageError`` where the server is older than the oldest that is supported."""
    if version < OLDEST_SERVER:
        oldest = ".".join(str(part) for part in OLDEST_SERVER)
        raise UsageError(
            f"this server is ClickHouse {words}; the oldest that is supported is {oldest}: upgrade the server"
        )


def require_renames(name: str, engine: str) -> None:
    """Raise ``UsageError`` for a database in which no table can be renamed: neither a lease could be given back there,
    nor a copy take the place of a table. The server's own databases (``system``) are of such engines. The same for one
    whose name leaves too little room for the names of tables."""
    if engine in _WITHOUT_RENAME:
        raise UsageError(
            f"database {name} has engine {engine}, in which tables cannot be renamed: nothing can be migrated there. "
            "Name a database of engine Atomic"
        )
    longest = longest_table_name(name, engine)
    if longest is not None and longest < _OWN_NAMES:
        raise UsageError(
            f"the name of database {name} is too long: tables in it can have names of {max(longest, 0)} characters, "
            f"and those that a migration needs have up to {_OWN_NAMES}. Name a database whose name is shorter by "
            f"{_OWN_NAMES - longest}"
        )


def too_old_to_change(version: tuple[int, ...], words: str) -> str:
    """Why tables are not changed on this server (docs/compatibility.md); '' where they are. ``words``: its version."""
    if version >= OLDEST_THAT_CHANGES:
        return ""
    oldest = ".".join(str(part) for part in OLDEST_THAT_CHANGES)
    return (
        f"tables that hold another definition are changed from ClickHouse {oldest} on, and this server is {words}: "
        "upgrade the server"
    )


def knows_table_setting(name: str) -> Routine[bool]:
    """True where tables of this server can have the setting."""
    # Asked of the server's own list: patches bring settings into older releases, too.
    rows = yield from ask("SELECT count() FROM system.merge_tree_settings WHERE name = {name:String}", {"name": name})
    return number(rows[0][0]) > 0


def has_readonly_setting() -> Routine[bool]:
    """True where a setting of a table refuses writers; else a constraint does."""
    return (yield from knows_table_setting(FENCE))


def is_fenced(definition: str) -> bool:
    """True for an engine clause whose settings refuse writers."""
    # Whoever lets writers in again by hand may do so with MODIFY SETTING ... = 0, which stays in the definition.
    return _CLOSED.search(definition) is not None


def sets(definition: str, setting: str) -> bool:
    """True where a table's definition gives the setting a value, as the server shows it."""
    return f"{setting} = " in definition
