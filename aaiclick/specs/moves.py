"""What the function of a migration (``Migration.move``) is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aaiclick.specs.schema import Schema

Values: TypeAlias = Mapping[str, str | int]
Bookmark: TypeAlias = "str | int | float | bool | list[Bookmark] | dict[str, Bookmark] | None"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """The rows of a query: strings, integers, floats, booleans and None; a value of any other type comes as its text."""

    result_rows: tuple[tuple[str | int | float | bool | None, ...], ...]


class MoveClient(Protocol):
    """The run's own connection: statements carry its mark and are only sent while it holds the lease."""

    def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        """Send a statement without rows, with the migrated database as the current one."""
        ...

    def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult:
        """Ask for rows. Names of tables need their database: ``context.table("events")`` gives both, quoted."""
        ...


class AsyncMoveClient(Protocol):
    """The same with awaitables."""

    async def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None: ...

    async def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> MoveResult: ...


class MoveContext(Protocol):
    """For ``def move(context)``.

    ``before``: the live tables as they are when it is called. ``after``: the declared schema. ``bookmark``: what ``set_bookmark`` was
    last given, by a run that did not get to the end of the function, too; None at first. The function has to be able to go on from it:
    what is done behind the last bookmark is done again when a run was killed. ``attempt``: 1 for the first call of this function; more
    where calls began before whose end was never entered: what they did behind the last bookmark may be there already.
    """

    @property
    def client(self) -> MoveClient: ...

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

    def table(self, name: str) -> str:
        """The table with its database, quoted."""
        ...

    def set_bookmark(self, value: Bookmark) -> None:
        """Keep how far the function came (a JSON value). On disk when this returns."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Tell whoever watches."""
        ...


class AsyncMoveContext(Protocol):
    """For ``async def move(context)``: the same with awaitables."""

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
