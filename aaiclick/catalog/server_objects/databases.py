"""The database itself: what is declared of it, and what it is."""

from __future__ import annotations

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog, DatabaseForm
from aaiclick.catalog.scratch_objects import formatted
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.server_objects.databases import DATABASE, Database, engine_name
from aaiclick.sql.clauses import modify_comment
from aaiclick.sql.cursor import Cursor
from aaiclick.sql.ddl import alter_database
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import Tokens, signature

EMBEDDED_DEFAULT = "Overlay"
"""Engine of the database ``default`` of the embedded engine: an Atomic one, with files beside its tables."""
CLOUD = "Shared"
"""What ClickHouse Cloud makes of every CREATE DATABASE, whatever engine it names."""
PLAIN = frozenset({"", "Atomic", EMBEDDED_DEFAULT, CLOUD})
"""Engines that a database has where nobody chose one."""


def declared_database(database: Database) -> DatabaseForm:
    """What is declared: '' for no engine, None for no comment. None is not managed."""
    return DatabaseForm(
        DATABASE, database.engine.strip(), (database.comment or "") if database.declares("comment") else None
    )


def live_database(catalog: Catalog) -> DatabaseForm:
    """What is there."""
    return DatabaseForm(DATABASE, catalog.engine_full or catalog.database_engine, catalog.comment)


def database_declared_as_sql(formatted_sql: str) -> DatabaseForm:
    """The form of a CREATE DATABASE, as the engine formats it. Raises ``ClauseError`` for a clause that is not
    known."""
    cursor = Cursor(Tokens(formatted_sql))
    cursor.accept("CREATE", "DATABASE")
    cursor.compound()
    engine, comment = "", ""
    while not cursor.done:
        begin = cursor.position
        if cursor.accept("ENGINE"):
            cursor.accept_op("=")
            cursor.name()
            if cursor.at_op("("):
                cursor.group()
            engine = cursor.tokens.slice(begin + 2, cursor.position)
        elif cursor.accept("COMMENT"):
            comment = cursor.string()
        elif engine and cursor.at("SETTINGS"):
            while not cursor.done and not cursor.at("COMMENT"):
                cursor.position = cursor.tokens.after(cursor.position)
            engine += f" {cursor.tokens.slice(begin, cursor.position)}"
        else:
            raise cursor.error("of a database, ENGINE, SETTINGS and COMMENT are declared")
    return DatabaseForm(DATABASE, engine, comment)


def other_engine(wanted: DatabaseForm, live: DatabaseForm) -> bool:
    """True where the live database has another engine than is declared."""
    declared, there = engine_name(wanted.database_engine), engine_name(live.database_engine)
    if not declared or there in (declared, CLOUD):
        return False
    return not (declared == "Atomic" and there == EMBEDDED_DEFAULT)


def other_arguments(wanted: DatabaseForm, live: DatabaseForm) -> bool:
    """True where the engine is the same, and its arguments or settings are not. Where none are declared, none are
    managed."""
    declared, there = wanted.database_engine, live.database_engine
    name = engine_name(declared)
    return declared != name == engine_name(there) and signature(declared) != signature(there)


def other_comment(wanted: DatabaseForm, live: DatabaseForm) -> str:
    """How the comments differ, in words; '' where they do not, or none is declared."""
    declared, there = wanted.database_comment, live.database_comment or ""
    return "" if declared in (None, there) else f"comment {quote_string(there)} -> {quote_string(declared or '')}"


def database_changes(wanted: DatabaseForm, live: DatabaseForm) -> tuple[str, ...]:
    """How a database differs from a declared one, in words, as far as it can be as declared."""
    changed: list[str] = []
    if other_engine(wanted, live):
        changed.append(engine_words(wanted, live))
    if engine_name(live.database_engine) != EMBEDDED_DEFAULT and (words := other_comment(wanted, live)):
        changed.append(words)
    return tuple(changed)


def engine_words(wanted: DatabaseForm, live: DatabaseForm) -> str:
    """For a database with another engine."""
    return f"engine is {engine_name(live.database_engine)}, {engine_name(wanted.database_engine)} is declared"


def comment_sql(database: str, comment: str) -> str:
    """The statement that gives a database a comment."""
    return alter_database(quote_name(database), modify_comment(comment))


def takes_comment(catalog: Catalog) -> Routine[bool]:
    """Whether a comment of this database can be changed by this server."""
    if catalog.database_engine == EMBEDDED_DEFAULT:
        return False
    try:
        yield from formatted(comment_sql(catalog.database, ""))
    except StatementError:  # a release that does not know the statement
        return False
    return True


def database_stamp(database: str | None) -> Routine[str]:
    """What a warm start compares of the database; None: the current one."""
    where = "currentDatabase()" if database is None else "unhex({name:String})"
    bound: dict[str, str | int] = {} if database is None else {"name": hexed(database)}
    rows = yield Query(f"SELECT engine_full, comment FROM system.databases WHERE name = {where}", bound)
    return text_digest({text(row[0]): text(row[1]) for row in rows})
