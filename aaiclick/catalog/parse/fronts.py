"""The object that the engine of a table in front of another one names: Alias, Buffer, Dictionary and Distributed."""

from __future__ import annotations

from aaiclick.sql.tokens import TokenError, split_top, unquote

# The place of the database among the arguments: the first one of a Distributed table is the cluster.
_DATABASE_AT = {"Alias": 0, "Buffer": 0, "Distributed": 1}


def engine_arguments(arguments: str) -> list[str]:
    """Those of an engine; one empty one where they cannot be read."""
    try:
        return [argument.strip() for argument in split_top(arguments)] or [""]
    except TokenError:
        return [""]


def place_behind(engine: str, arguments: str, own: str) -> tuple[str, str] | None:
    """Database and name of what such a table stands in front of; None for another engine, or where it is not said.
    ``own``: the database of the table itself."""
    listed = engine_arguments(arguments)
    if engine == "Dictionary" and len(listed) == 1:
        database, point, name = unquote(listed[0]).partition(".") if listed[0] else ("", "", "")
        return (database, name) if point else (own, database) if database else None
    if engine == "Alias" and len(listed) == 1 and listed[0]:
        return own, unquote(listed[0])
    first = _DATABASE_AT.get(engine)
    if first is None or len(listed) < first + 2:
        return None
    return unquote(listed[first]) or own, unquote(listed[first + 1])
