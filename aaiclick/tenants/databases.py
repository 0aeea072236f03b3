"""Which databases of a server are meant by names and patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aaiclick.clickhouse.names import PREFIX
from aaiclick.clickhouse.statements import ask
from aaiclick.errors import UsageError
from aaiclick.routine import Routine, text

_SERVERS_OWN = frozenset({"system", "information_schema", "INFORMATION_SCHEMA"})


def is_pattern(name: str) -> bool:
    """True where ``*`` (any text) or ``?`` (one character) stands in it."""
    return "*" in name or "?" in name


def matches(name: str, pattern: str) -> bool:
    """Whether a database's name is meant; letters count as they are written."""
    wanted = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(wanted, name, re.DOTALL) is not None


def find_databases(wanted: Iterable[str]) -> Routine[tuple[str, ...]]:
    """The databases that are meant, each once, by name. The server's own and those of this library match no pattern.

    Raises UsageError where a name is not there, or a pattern meets nothing: else a typo would look like success.
    """
    asked = tuple(dict.fromkeys(wanted))
    if not asked:
        raise UsageError("no database was named: give names, or a pattern such as 'tenant_*'")
    rows = yield from ask("SELECT name FROM system.databases ORDER BY name")
    there = tuple(text(row[0]) for row in rows)
    open_to_patterns = tuple(name for name in there if name not in _SERVERS_OWN and not name.startswith(PREFIX))
    found: set[str] = set()
    for name in asked:
        met = [each for each in open_to_patterns if matches(each, name)] if is_pattern(name) else [name]
        if not met or not set(met) <= set(there):
            what = "no database matches" if is_pattern(name) else "there is no database"
            raise UsageError(f"{what} {name!r}; there are {len(open_to_patterns):,}{_such(open_to_patterns)}")
        found.update(met)
    return tuple(sorted(found))


def _such(names: tuple[str, ...]) -> str:
    return f", such as {', '.join(names[:3])}" if names else ""
