"""The Python function of a migration, as a routine sees it; the plain values that it and a database exchange; and how
statements look where somebody collects the variables of a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Row: TypeAlias = tuple[Scalar, ...]
Rows: TypeAlias = tuple[Row, ...]
Reply: TypeAlias = Rows | Exception | None


class ShownStatement:
    """Shows the text of a statement without what may be a secret in it, and nothing else."""

    __slots__ = ()
    sql: str

    def __repr__(self) -> str:
        from aaiclick.sql.secrets import without_secrets

        return f"{type(self).__name__}({without_secrets(self.sql)!r})"


class MigrationFunction(Protocol):
    """A function of the user that runs beside the routine and asks it for whatever it needs, so that all I/O stays with
    the driver."""

    def step(self, reply: Reply, seconds: float, /) -> Rows:
        """Answer its last request, let it go on, and give its next one: a row of plain values. Blocks for at most
        ``seconds``."""
        ...

    async def step_async(self, reply: Reply, seconds: float, /) -> Rows:
        """The same for an event loop."""
        ...

    def abandon(self) -> None:
        """Nobody will answer any more: its next request raises. Does nothing once it has ended."""
        ...


def scalar_rows(raw: Sequence[Sequence[object]]) -> Rows:
    """Rows as the routines see them: tuples of plain scalars; bytes are decoded, anything else becomes its text."""
    return tuple(tuple(_scalar(value) for value in row) for row in raw)


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        # The server fills a FixedString up with zero bytes.
        return value.decode("utf-8", "surrogateescape").rstrip("\0")
    return str(value)
