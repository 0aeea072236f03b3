"""Objects that are declared by their CREATE statement.

Only the name and the kind of such an object are known where it is declared: the engine is the parser, and it is asked
when a database is looked at (``aaiclick/catalog/from_sql/declarations.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field, field_serializer

from aaiclick.specs.base import Spec
from aaiclick.sql.ddl import create
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import Tokens, signature

Kind: TypeAlias = Literal["table", "view", "materialized view", "dictionary", "function", "database"]


class SqlObject(Spec):
    """A CREATE statement. ``Table.from_sql`` and its like make it of a text, ``Schema.from_sql`` of a file."""

    noun: ClassVar[str] = "declaration"
    name: str
    """Name of the object, unquoted."""
    sql: str
    """The statement, with spaces in place of its comments: every line and every offset is that of the text."""
    file: str = Field(default="", exclude=True)
    """The file that it stands in, as it was named; '' for a text."""
    line: int = Field(default=1, exclude=True)
    """The line on which the statement begins, from 1."""
    renamed_from: str | None = None
    """Former name of a table: ``-- renamed_from: old``."""
    column_renames: dict[str, str] = Field(default_factory=dict[str, str])
    """Former names of columns, by the new name."""
    backfill: bool = False
    """``-- backfill: true`` of a materialized view."""

    def __init__(self, name: str, sql: str, file: str = "", line: int = 1, **fields: object) -> None:
        self._construct(name, {"name": name, "sql": sql, "file": file, "line": line, **fields})

    @field_serializer("sql")
    def _without_layout(self, sql: str) -> str:
        """Spaces and comments declare nothing."""
        return " ".join(f"{kind[0]}:{text}" for kind, text in signature(sql))

    def written(self, database: str | None = None) -> str:
        """The statement as it was written, without comments; with a database in front of the name where one is
        given."""
        lines = (line.rstrip() for line in self.sql.splitlines())
        text = "\n".join(line for line in lines if line)
        items = Tokens(text).items
        name = items[len(self.noun.split()) + 1]  # CREATE, the kind, the name
        head = " ".join(text[: name.start].split())
        if database is None or isinstance(self, SqlFunction):
            return f"{head} {text[name.start :]}"
        if isinstance(self, SqlDatabase):
            return f"{head} {quote_name(database)}{text[name.end :]}"
        return f"{head} {qualified(database, self.name)}{text[name.end :]}"

    def place(self, offset: int = 0) -> str:
        """Where ``offset`` of the statement is: file, line and statement."""
        return place(self.file, self.line + self.sql.count("\n", 0, offset), self._statement)

    @property
    def _statement(self) -> str:
        return create(self.noun.upper(), self.name)


class SqlTable(SqlObject):
    """A table that is declared by its CREATE TABLE."""

    noun: ClassVar[str] = "table"


class SqlView(SqlObject):
    """A view that is declared by its CREATE VIEW."""

    noun: ClassVar[str] = "view"


class SqlMaterializedView(SqlObject):
    """A materialized view that is declared by its CREATE MATERIALIZED VIEW."""

    noun: ClassVar[str] = "materialized view"


class SqlDictionary(SqlObject):
    """A dictionary that is declared by its CREATE DICTIONARY."""

    noun: ClassVar[str] = "dictionary"


class SqlFunction(SqlObject):
    """An SQL function that is declared by its CREATE FUNCTION."""

    noun: ClassVar[str] = "function"


class SqlDatabase(SqlObject):
    """The database, declared by its CREATE DATABASE. The name in it says nothing."""

    noun: ClassVar[str] = "database"

    @property
    def _statement(self) -> str:
        return create(self.noun.upper(), Tokens(self.sql).items[2].text)

    @field_serializer("sql")
    def _without_layout(self, sql: str) -> str:
        parts = [f"{kind[0]}:{text}" for kind, text in signature(sql)]
        return " ".join([*parts[:2], *parts[3:]])


KINDS: Mapping[Kind, type[SqlObject]] = {
    "table": SqlTable,
    "view": SqlView,
    "materialized view": SqlMaterializedView,
    "dictionary": SqlDictionary,
    "function": SqlFunction,
    "database": SqlDatabase,
}


def place(file: str, line: int, statement: str = "") -> str:
    """``schema.sql, line 12, CREATE TABLE events``."""
    return ", ".join(part for part in (file, f"line {line}", statement) if part)
