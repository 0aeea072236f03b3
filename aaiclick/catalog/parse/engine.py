"""From ``ENGINE =`` to the end of SETTINGS, of tables and of views with an inner table."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.catalog.parse.columns import read_settings
from aaiclick.sql.cursor import Cursor

_KEYS = (("PARTITION", "BY"), ("PRIMARY", "KEY"), ("ORDER", "BY"), ("SAMPLE", "BY"))


@dataclass(frozen=True, slots=True)
class EngineClauses:
    """An engine with its keys, TTL and settings; '' for a clause that is absent."""

    engine: str
    """Name of the engine."""
    arguments: str = ""
    """What stands between its parentheses."""
    partition_by: str = ""
    """PARTITION BY."""
    primary_key: str = ""
    """PRIMARY KEY."""
    order_by: str = ""
    """ORDER BY."""
    sample_by: str = ""
    """SAMPLE BY."""
    ttl: str = ""
    """TTL, all elements as one text."""
    settings: Settings = ()
    """SETTINGS, in the order of the text."""


def read_engine(cursor: Cursor) -> EngineClauses:
    """Read until a clause that belongs to no engine: COMMENT, AS, DEFINER, or the end. Raises ``ClauseError``."""
    cursor.accept("ENGINE")
    if not cursor.accept_op("="):
        raise cursor.error("ENGINE: = was expected")
    engine = cursor.name()
    arguments = cursor.group().rest() if cursor.at_op("(") else ""
    found: dict[str, str] = {}
    settings: Settings = ()
    while not cursor.done:
        key = next((words for words in _KEYS if cursor.at(*words)), None)
        if key is not None:
            clause = key[0]
            cursor.accept(*key)
            if clause in found:
                raise cursor.error(f"{' '.join(key)} stands there twice")
            found[clause] = cursor.expression(" ".join(key))
        elif "TTL" not in found and cursor.accept("TTL"):
            found["TTL"] = _ttl(cursor)
        elif not settings and at_settings(cursor):
            cursor.accept("SETTINGS")
            settings = _settings(cursor)
        else:
            break
    return EngineClauses(
        engine=engine,
        arguments=arguments,
        partition_by=found.get("PARTITION", ""),
        primary_key=found.get("PRIMARY", ""),
        order_by=found.get("ORDER", ""),
        sample_by=found.get("SAMPLE", ""),
        ttl=found.get("TTL", ""),
        settings=settings,
    )


def table_form(name: str, clauses: EngineClauses) -> TableForm:
    """A table with that engine and no columns yet."""
    return TableForm(
        name=name,
        engine=clauses.engine,
        columns=(),
        arguments=clauses.arguments,
        partition_by=clauses.partition_by,
        primary_key=clauses.primary_key,
        order_by=clauses.order_by,
        sample_by=clauses.sample_by,
        ttl=clauses.ttl,
        settings=clauses.settings,
    )


def at_settings(cursor: Cursor) -> bool:
    """True where SETTINGS begins here, and not a column of that name: a name and ``=`` follow."""
    return cursor.at("SETTINGS") and cursor.tokens.is_kind(cursor.position + 1, "word", "name") and cursor.at_op("=", 2)


def at_end_of_engine(cursor: Cursor) -> bool:
    """What can follow an engine: its settings, a comment, or the clauses of a view."""
    return (
        at_settings(cursor)
        or (cursor.at("COMMENT") and cursor.at_string(1))
        or cursor.at("AS", "SELECT")
        or cursor.at("AS", "WITH")
        or (cursor.at("AS") and cursor.at_op("(", 1))
        or (cursor.at("DEFINER") and cursor.at_op("=", 1))
        or cursor.at("SQL", "SECURITY")
    )


def _ttl(cursor: Cursor) -> str:
    """A list of expressions with their actions (WHERE, TO DISK, RECOMPRESS, GROUP BY ... SET), kept as one text."""
    # As one text: its actions have a grammar of their own, and are compared, never taken apart.
    start = cursor.position
    cursor.expression("TTL")
    while not cursor.done and not at_end_of_engine(cursor):
        cursor.position = cursor.tokens.after(cursor.position)
    return cursor.tokens.slice(start, cursor.position)


def _settings(cursor: Cursor) -> Settings:
    """``a = 1, b = disk(...)`` up to whatever follows; a value is one expression."""
    start = cursor.position
    while True:
        cursor.name()
        if not cursor.accept_op("="):
            raise cursor.error("SETTINGS: = was expected")
        cursor.expression("a setting")
        # Whatever follows a value without a comma is another clause: COMMENT, AS, or the end.
        if not cursor.accept_op(","):
            break
    return read_settings(Cursor(cursor.tokens, start, cursor.position))
