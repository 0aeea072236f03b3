"""Tables as storage: UUID, engine and settings.

After an exchange the scratch name holds the user's old rows, so a table is known by its UUID only. chdb's ``default``
database shows a nil UUID; there the data path carries the real one (``.../store/cce/cce91b0a-.../``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.read import real_uuid
from aaiclick.clickhouse.features import is_fenced
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.statements import ask
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import sendable

_FENCE = f"CONSTRAINT {FENCE_CONSTRAINT} CHECK "
CONSTRAINED = f"toUInt64(position(create_table_query, '{_FENCE}') > 0)"
"""Whether a constraint refuses writers, as an expression over ``system.tables``."""
# chdb's ``default`` is an Overlay, with an Atomic database in it.
EXCHANGING = frozenset({"Atomic", "Overlay"})
"""Engines of databases in which two tables change places in one step."""


@dataclass(frozen=True, slots=True)
class Physical:
    """A table as storage."""

    database: str
    """Name of the database."""
    name: str
    """Name of the table."""
    uuid: str
    """Of the storage; '' where it has none."""
    engine: str
    """Name of the engine."""
    definition: str = ""
    """Engine clause with its settings; '' where it was not read."""
    comment: str = ""
    """Comment of the table; '' for none."""
    created: str = ""
    """The server's CREATE text; '' where it was not read, or the server shows none."""

    @property
    def merge_tree(self) -> bool:
        """True for the MergeTree family."""
        return self.engine.endswith("MergeTree")

    @property
    def constrained(self) -> bool:
        """True while a constraint refuses writers: the fence of servers that have no setting for it."""
        return shows_fence(self.created)

    @property
    def fenced(self) -> bool:
        """True while it refuses writers."""
        return self.constrained or is_fenced(self.definition)


def shows_fence(created: str) -> bool:
    """Whether a CREATE text has the constraint that refuses writers."""
    return _FENCE in created


def create_query(database: str, name: str) -> Routine[str]:
    """The server's CREATE text of a table; '' where there is none of that name."""
    rows = yield from ask(
        "SELECT create_table_query FROM system.tables WHERE database = unhex({db:String}) AND name = "
        "unhex({name:String})",
        {"db": hexed(database), "name": hexed(name)},
    )
    return sendable(text(rows[0][0])) if rows else ""


def own_table(database: str, view: str) -> Routine[str]:
    """The name of the table that a materialized view without TO owns; '' where it cannot be told.

    It is called by the view's UUID (in an Ordinary database by the view's name), which chdb's ``default`` does not
    show. Both show where its rows are.
    """
    rows = yield from ask(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND startsWith(name, '.inner') AND "
        "notEmpty(data_paths) AND data_paths IN"
        " (SELECT data_paths FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({view:String}))",
        {"db": hexed(database), "view": hexed(view)},
    )
    return text(rows[0][0]) if len(rows) == 1 else ""


def physicals(database: str, names: Sequence[str]) -> Routine[dict[str, Physical]]:
    """The tables of these names that are there."""
    if not names:
        return {}
    # In hexadecimal digits: a name may hold bytes that are no text, and not every client binds such unchanged.
    wanted = {f"n{index}": hexed(name) for index, name in enumerate(names)}
    listed = ", ".join(f"unhex({{{key}:String}})" for key in wanted)
    rows = yield from ask(
        "SELECT name, toString(uuid), arrayStringConcat(data_paths, ' '), engine, engine_full, comment, "
        "create_table_query FROM system.tables"
        f" WHERE database = unhex({{db:String}}) AND name IN ({listed})",
        {"db": hexed(database), **wanted},
    )
    found: dict[str, Physical] = {}
    for name, uuid, paths, engine, definition, comment, created in rows:
        found[text(name)] = Physical(
            database,
            text(name),
            real_uuid(text(uuid), text(paths)),
            text(engine),
            text(definition),
            text(comment),
            text(created),
        )
    return found


def physical(database: str, name: str) -> Routine[Physical | None]:
    """The table of that name; None where there is none."""
    found = yield from physicals(database, (name,))
    return found.get(name)


def require_table(database: str, name: str, uuid: str = "") -> Routine[Physical]:
    """The table of that name. Raises ApplyError where it is missing or is not the one with ``uuid``."""
    table = yield from physical(database, name)
    if table is None:
        raise ApplyError(f"{database}.{name} is gone: somebody else dropped or renamed it")
    if uuid and table.uuid != uuid:
        raise ApplyError(
            f"{database}.{name} is another table now (UUID {table.uuid or 'none'} instead of {uuid}): somebody else "
            "replaced it"
        )
    return table
