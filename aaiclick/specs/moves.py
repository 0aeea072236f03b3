"""The context that the function of a migration (``Migration.move``) is called with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aaiclick.specs.schema import Schema

Values: TypeAlias = Mapping[str, str | int]
Bookmark: TypeAlias = "str | int | float | bool | list[Bookmark] | dict[str, Bookmark] | None"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """The rows of a query: strings, integers, floats, booleans and None; a value of any other type comes as its
    text."""

    result_rows: tuple[tuple[str | int | float | bool | None, ...], ...]


class MoveClient(Protocol):
    """The connection of the running migration. Its statements are sent only as long as this run holds the lease."""

    def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        """Send a statement without rows, with the migrated database as the current one."""
        ...

    def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult:
        """Ask for rows. Names of tables need their database: ``context.table("events")`` gives both, quoted."""
        ...


class AsyncMoveClient(Protocol):
    """``MoveClient`` for an async function."""

    async def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None: ...

    async def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult: ...


class MoveContext(Protocol):
    """What ``def move(context)`` is called with.

    A run may be killed at any moment. The next run calls the function again, with the last bookmark that was set. What
    the function did after that bookmark it does once more, so it has to allow for that.
    """

    @property
    def client(self) -> MoveClient:
        """Sends statements as part of this migration."""
        ...

    @property
    def database(self) -> str:
        """The migrated database."""
        ...

    @property
    def version(self) -> int:
        """The version of this migration."""
        ...

    @property
    def before(self) -> Schema:
        """The live tables as they are when the function is called."""
        ...

    @property
    def after(self) -> Schema:
        """The declared schema."""
        ...

    @property
    def bookmark(self) -> Bookmark:
        """The value that ``set_bookmark`` got last, also from a run that was killed; None before the first one."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first call of this function, more where an earlier call did not come to its end."""
        ...

    def table(self, name: str) -> str:
        """The table with its database, quoted."""
        ...

    def set_bookmark(self, value: Bookmark) -> None:
        """Store how far the function came, as a JSON value. It is on disk when this returns."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Report progress to the ``on_event`` callback of the run."""
        ...


class AsyncMoveContext(Protocol):
    """``MoveContext`` for ``async def move(context)``."""

    @property
    def client(self) -> AsyncMoveClient: ...

    @property
    def database(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def before(self) -> Schema: ...

    @property
    def after(self) -> Schema: ...

    @property
    def bookmark(self) -> Bookmark: ...

    @property
    def attempt(self) -> int: ...

    def table(self, name: str) -> str: ...

    async def set_bookmark(self, value: Bookmark) -> None: ...

    async def progress(self, done: int, total: int) -> None: ...
