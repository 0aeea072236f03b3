"""What several tests of the catalogue need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import Form
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.permissive import PERMISSIVE
from aaiclick.routine import Command, Connection, Query

NAMES = ", ".join(f"'{name}'" for name in PERMISSIVE)


def permissive(connection: Connection) -> dict[str, str | int]:
    rows = connection.query(Query(f"SELECT name FROM system.settings WHERE value = '0' AND name IN ({NAMES})"))
    return {str(row[0]): 1 for row in rows}


def texts(connection: Connection, database: str) -> dict[str, str]:
    rows = connection.query(
        Query("SELECT name, create_table_query FROM system.tables WHERE database = {d:String}", {"d": database})
    )
    return {str(row[0]): str(row[1]) for row in rows}


def text_of(connection: Connection, database: str, name: str) -> str:
    sql = "SELECT create_table_query FROM system.tables WHERE database = {d:String} AND name = unhex({n:String})"
    rows = connection.query(Query(sql, {"d": database, "n": name.encode().hex()}))
    return str(rows[0][0])


def made(
    connection: Connection, database: str, sql: str, name: str = "t", settings: Mapping[str, str | int] | None = None
) -> Form:
    """Run a CREATE (in ``database``) and split what the engine says about the object."""
    connection.command(Command(sql, database=database, settings=dict(settings or {})))
    return split_create(text_of(connection, database, name), database)


@dataclass
class Recording:
    """A connection that counts what passes, and refuses statements that begin in a given way."""

    inner: Connection
    refuse: Mapping[str, Exception] = field(default_factory=dict[str, Exception])
    seen: list[Query | Command] = field(default_factory=list["Query | Command"])

    @property
    def embedded(self) -> bool:
        return self.inner.embedded

    @property
    def identity(self) -> str:
        return self.inner.identity

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        self._pass(effect)
        return self.inner.query(effect)

    def command(self, effect: Command, /) -> None:
        self._pass(effect)
        self.inner.command(effect)

    def close(self) -> None:
        pass

    def _pass(self, effect: Query | Command) -> None:
        self.seen.append(effect)
        for start, error in self.refuse.items():
            if effect.sql.startswith(start):
                raise error
