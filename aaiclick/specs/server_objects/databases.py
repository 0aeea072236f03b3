"""The database itself: its engine and its comment."""

from __future__ import annotations

import re
from typing import ClassVar, TypedDict

from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.sql.ddl import comment_clause, create
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens

DATABASE = "(database)"
"""What the declaration of the database is called among those of its objects: no table is called so."""
_WITHOUT_TABLES_OF_ITS_OWN = frozenset(
    {"DataLakeCatalog", "MaterializedMySQL", "MaterializedPostgreSQL", "MySQL", "PostgreSQL", "SQLite", "Backup", "S3"}
    | {"HDFS", "Filesystem", "Lazy", "Dictionary", "Memory", "Overlay"}
)
_ENGINE = re.compile(r"[A-Za-z]\w*")


class DatabaseFields(TypedDict, total=False):
    """Keywords of ``Database``; what each means is said at the field of that name there."""

    engine: str
    """What stands behind ENGINE: ``Atomic``, ``Replicated('/path', '{shard}', '{replica}')``. It counts where the
    database is made: no statement changes it, so another one of a live database stops the plan, with the reason."""
    comment: str | None
    """COMMENT, unquoted; None or '': there is none."""


class Database(Spec):
    """The database that holds the objects of the schema.

    It has no name: it is the one that the client is given. Nothing makes it but ``aaiclick migrate --create-database``.
    """

    noun: ClassVar[str] = "database"
    name: ClassVar[str] = DATABASE
    engine: str = ""
    """What stands behind ENGINE: ``Atomic``, ``Replicated('/path', '{shard}', '{replica}')``. It counts where the
    database is made: no statement changes it, so another one of a live database stops the plan, with the reason."""
    comment: str | None = None
    """COMMENT, unquoted; None or '': there is none."""

    def __init__(self, **fields: Unpack[DatabaseFields]) -> None:
        """What each keyword means.

        engine: What stands behind ENGINE: ``Atomic``, ``Replicated('/path', '{shard}', '{replica}')``. It counts where
            the database is made: no statement changes it, so another one of a live database stops the plan, with the
            reason.
        comment: COMMENT, unquoted; None or '': there is none.
        """
        self._construct("", dict(fields))
        if self.declares("engine"):
            self._check_engine()

    def _check_engine(self) -> None:
        try:
            tokens = Tokens(self.engine)
        except TokenError as error:
            raise SpecError("database: engine", str(error)) from None
        if not tokens.is_kind(0, "word") or not _ENGINE.fullmatch(tokens.items[0].text):
            raise SpecError("database: engine", "is the name of an engine, with its arguments: 'Atomic'")
        if self.engine_name in _WITHOUT_TABLES_OF_ITS_OWN:
            raise SpecError(
                "database: engine", f"in a database of engine {self.engine_name} nothing can be migrated: 'Atomic'"
            )
        behind = tokens.after(1) if tokens.is_op(1, "(") else 1
        if behind < len(tokens) and not tokens.is_word(behind, "SETTINGS"):
            raise SpecError("database: engine", f"{tokens.slice(behind, len(tokens))} does not belong to an engine")

    @property
    def engine_name(self) -> str:
        """Name of the engine; '' where none is declared."""
        return engine_name(self.engine)


def engine_name(engine: str) -> str:
    """The name in front of an engine's arguments and settings."""
    return re.split(r"[\s(]", engine.strip(), maxsplit=1)[0]


def create_database_sql(database: Database | None, name: str, *, if_not_exists: bool = False) -> str:
    """CREATE DATABASE, with what is declared of it."""
    engine = f"ENGINE = {database.engine}" if database is not None and database.engine else ""
    comment = comment_clause(database.comment if database is not None else "")
    return create("DATABASE", quote_name(name), engine, comment, if_not_exists=if_not_exists)
