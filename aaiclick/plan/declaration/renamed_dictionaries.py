"""Dictionaries that a migration gives another name: renamed where nothing names them.

A dictionary is loaded from its source, so one that is made under the new name beside the old one gives the same. That
is done where something of the server names the old one: the server renames none that a table or another dictionary
needs when it is loaded (630), and a view that asks it would fail (36) until it names the new one, with the INSERTs that
set it off. So readers go from the one to the other without a gap, and the old one stays until it is dropped by name.
"""

from __future__ import annotations

from aaiclick.plan.dependents.dependents import places_named
from aaiclick.printable import allow_flag
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.function_calls import lookups
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.tokens import TokenError, Tokens, unquote

# A name with other characters is written in other ways, so every definition is read for it.
_DEFINITIONS = (
    "SELECT database, name, create_table_query FROM system.tables"
    " WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"
    " AND NOT (database = unhex({database:String}) AND name = unhex({name:String}))"
    " AND (position(create_table_query, unhex({name:String})) > 0 OR NOT match(unhex({name:String}), '^\\\\w+$'))"
    " UNION ALL SELECT '', concat('function ', name), create_query FROM system.functions"
    " WHERE origin = 'SQLUserDefined'"
)


def readers_of(database: str, name: str) -> Routine[tuple[str, ...]]:
    """What names the dictionary: tables, views and dictionaries of all databases, and functions."""
    rows = yield Query(_DEFINITIONS, {"database": hexed(database), "name": hexed(name)})
    found: list[str] = []
    for place, reader, definition in ((text(row[0]), text(row[1]), text(row[2])) for row in rows):
        if _names(definition, database, name):
            found.append(reader if place in ("", database) else f"{place}.{reader}")
    return tuple(sorted(found))


def stays_beside(old: str, new: str, readers: tuple[str, ...]) -> str:
    """The note on a dictionary that is not renamed."""
    verb = "names" if len(readers) == 1 else "name"
    return (
        f"the dictionary {old} is not renamed to {new}, because {', '.join(readers)} {verb} it: {new} is made beside "
        f"it, which gives the same. {old} stays until nothing names it and it is dropped "
        f"({allow_flag(f'drop-dictionary {old}')})"
    )


def _names(definition: str, database: str, name: str) -> bool:
    """Whether it may ask the dictionary. A text that says nothing but its name counts: ``dictionary('a')``."""
    try:
        texts = {unquote(token.text) for token in Tokens(definition).items if token.kind == "string"}
    except TokenError:
        return True
    if not texts.isdisjoint({name, f"{database}.{name}"}) or (database, name) in places_named(definition):
        return True
    return any(place.name == name and place.database in ("", database) for place in lookups(definition))
