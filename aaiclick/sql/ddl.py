"""Statements that change what is there: CREATE, ALTER, RENAME, EXCHANGE, DROP and their like. No other file writes such
text.

Names come as they stand in SQL, from ``qualified`` or ``quote_name``. ``sql/cluster.py`` finds the end of the names of
every statement of this file: that is where one for all hosts of a cluster says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.sql import clauses
from aaiclick.sql.quoting import quote_string

CREATE_TABLE = "CREATE TABLE "
"""How the definition of a table begins."""

ALTER_TABLE = "ALTER TABLE"
"""How an ALTER of a table begins."""
_ALTERS = f"{ALTER_TABLE} "
_WRITERS = (_ALTERS, "CREATE ", "ALTER DATABASE ", "ALTER NAMED COLLECTION ")


def create(kind: str, name: str, *clauses: str, if_not_exists: bool = False, or_replace: bool = False) -> str:
    """CREATE of a ``kind`` (TABLE, VIEW, MATERIALIZED VIEW, DICTIONARY, DATABASE, FUNCTION, NAMED COLLECTION).
    Clauses in the order of the engine; empty ones are left out."""
    verb = f"CREATE {'OR REPLACE ' if or_replace else ''}{kind}{' IF NOT EXISTS' if if_not_exists else ''}"
    return _statement(verb, name, *clauses)


def create_table(table: str, columns: str, engine: str, comment: str = "", *, if_not_exists: bool = False) -> str:
    """CREATE TABLE. ``engine``: from ``ENGINE =`` to the end of the settings."""
    return create("TABLE", table, f"({columns})", engine, comment_clause(comment), if_not_exists=if_not_exists)


def comment_clause(comment: str | None) -> str:
    """COMMENT of a definition; '' where there is none. The text comes plain."""
    return f"COMMENT {quote_string(comment)}" if comment else ""


def column_definition(
    head: Sequence[str], comment: str | None, codec: str | None, statistics: str | None, ttl: str | None, settings: str
) -> str:
    """One column of a CREATE, an ADD COLUMN or a MODIFY COLUMN, in the engine's own order. ``head``: its name, its type
    and what gives its values; ``settings`` as they stand between the parentheses."""
    clauses = (
        comment_clause(comment),
        f"CODEC({codec})" if codec else "",
        f"STATISTICS({statistics})" if statistics else "",
        f"TTL {ttl}" if ttl else "",
        f"SETTINGS ({settings})" if settings else "",
    )
    return " ".join(part for part in (*head, *clauses) if part)


def create_view(view: str, query: str, columns: str = "") -> str:
    """CREATE VIEW, with the columns that it is to have where they are told."""
    return create("VIEW", view, f"({columns})" if columns else "", f"AS {query}")


def replacing(create_sql: str) -> str:
    """CREATE OR REPLACE for a CREATE."""
    return f"CREATE OR REPLACE {create_sql.removeprefix('CREATE ')}"


def attach_table(table: str, uuid: str, definition: str) -> str:
    """ATTACH TABLE with the whole definition, as the server does it when it starts. ``definition``: what stands behind
    the name."""
    return _statement("ATTACH TABLE", f"{table} UUID '{uuid}'", definition)


def alter_table(table: str, *commands: str, parentheses: bool = False) -> str:
    """ALTER TABLE. From 24.8 on each command of several may stand in parentheses: with bare commas some combinations
    are syntax errors (``MODIFY TTL ..., MODIFY SETTING ...``); 23.10 does not know them."""
    if parentheses and len(commands) > 1:
        commands = tuple(f"({command})" for command in commands)
    return _statement(ALTER_TABLE, table, ", ".join(commands))


def alter_database(database: str, command: str) -> str:
    """ALTER DATABASE."""
    return _statement("ALTER DATABASE", database, command)


def create_named_collection(name: str, pairs: Sequence[str]) -> str:
    """CREATE NAMED COLLECTION with its ``key = value``."""
    return create("NAMED COLLECTION", name, f"AS {', '.join(pairs)}")


def alter_named_collection(name: str, pairs: Sequence[str], gone: Sequence[str] = ()) -> str:
    """ALTER NAMED COLLECTION. ``gone``: keys that are taken away."""
    return _statement(
        "ALTER NAMED COLLECTION",
        name,
        f"SET {', '.join(pairs)}" if pairs else "",
        f"DELETE {', '.join(gone)}" if gone else "",
    )


def alter_table_first(sql: str, table: str, commands: Sequence[str]) -> str:
    """An ALTER of the table with these commands in front of its own."""
    if not commands:
        return sql
    own = sql.removeprefix(alter_table(table, "")).removeprefix(" ")
    # A list has parentheses around each of its commands already.
    listed = own.startswith("(")
    each = [f"({command})" for command in (*commands, *(() if listed else clauses.commands_of(own)))]
    return _statement(ALTER_TABLE, table, ", ".join((*each, own) if listed else each))


def is_alter(sql: str) -> bool:
    """True for an ALTER TABLE."""
    return sql.startswith(_ALTERS)


def is_create_or_alter(sql: str) -> bool:
    """True for a statement that writes the text of a definition: a CREATE or an ALTER. RENAME, EXCHANGE, ATTACH of what
    was detached and DROP only move files."""
    return sql.startswith(_WRITERS)


def rename_table(old: str, new: str, *, if_exists: bool = False) -> str:
    """RENAME TABLE; refused where the new name is taken. ``if_exists``: nothing is done where there is no old one."""
    return _statement(f"RENAME TABLE{' IF EXISTS' if if_exists else ''}", f"{old} TO {new}")


def exchange_tables(one: str, other: str) -> str:
    """EXCHANGE TABLES: both names change their storage in one step."""
    return _statement("EXCHANGE TABLES", f"{one} AND {other}")


def attach_again(table: str) -> str:
    """ATTACH TABLE of one that was detached."""
    return _statement("ATTACH TABLE", table)


def drop(kind: str, name: str, *, if_exists: bool = False, sync: bool = False) -> str:
    """DROP of a ``kind``. ``sync``: its room is free when the statement returns, not minutes later."""
    return _statement(f"DROP {kind}{' IF EXISTS' if if_exists else ''}", name, "SYNC" if sync else "")


def truncate_table(table: str) -> str:
    """TRUNCATE TABLE."""
    return _statement("TRUNCATE TABLE", table)


def is_rename(sql: str) -> bool:
    """True for a statement of ``rename_table``."""
    return sql.startswith("RENAME TABLE ")


def is_truncate(sql: str) -> bool:
    """True for a statement of ``truncate_table``."""
    return sql.startswith("TRUNCATE TABLE ")


def optimize_table(table: str) -> str:
    """OPTIMIZE TABLE: merges parts; a Buffer table is flushed by it."""
    return _statement("OPTIMIZE TABLE", table)


def system(action: str, name: str = "") -> str:
    """SYSTEM with an action (STOP MERGES, FLUSH DISTRIBUTED ...) and what it is about. Here a cluster stands in front
    of the name."""
    return f"SYSTEM {action}{f' {name}' if name else ''}"


def kill_where(kind: str, condition: str, *, asynchronous: bool = False) -> str:
    """KILL of a ``kind`` (QUERY, MUTATION). ``asynchronous``: without waiting for the end of what is killed."""
    return f"KILL {kind} WHERE {condition}{' ASYNC' if asynchronous else ''}"


def with_cluster(name: str, cluster: str) -> str:
    """The name of what a statement is about, with the cluster on whose hosts it is carried out."""
    return f"{name} ON CLUSTER {quote_string(cluster)}"


def kill_everywhere(kind: str, cluster: str, condition: str) -> str:
    """KILL of a ``kind`` on every host of a cluster, without waiting for the end of what is killed."""
    return f"KILL {kind} ON CLUSTER {quote_string(cluster)} WHERE {condition} ASYNC"


def _statement(verb: str, names: str, *clauses: str) -> str:
    return " ".join((verb, names, *(clause for clause in clauses if clause)))
