"""JSON in the comment of a table: how this library keeps what has to be said of one table, and has to be on disk with
it. On the hosts of a cluster it is a row that all of them see (``notes``).

A comment is replaced as a whole by one statement, so states never mix, and it goes with the table. What is written here
is read by later releases: the text of each kind stays as it is, byte for byte.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping
from aaiclick.clickhouse.statements import CREATE, ddl, drop_table, merged, send
from aaiclick.routine import Command, Routine
from aaiclick.sql.clauses import modify_comment
from aaiclick.sql.ddl import alter_table, create_table
from aaiclick.sql.hex_text import size_setting
from aaiclick.sql.quoting import qualified
from aaiclick.state.notes import write_note

T = TypeVar("T")


_NOTHING: tuple[object, ...] = ("", (), None, False)


class CommentFormat(Generic[T]):
    """Values of one dataclass as JSON in comments. ``sparse``: fields that are left out where they say
    nothing: '', empty, None or False. ``unsaid``: those of the field ``work`` that are always left out."""

    def __init__(
        self, kind: type[T], sparse: frozenset[str] = frozenset(), unsaid: frozenset[str] = frozenset()
    ) -> None:
        self._kind = kind
        self._sparse = sparse
        self._unsaid = unsaid
        self._made: TypeAdapter[T] | None = None

    def dump(self, value: T) -> str:
        """The comment's text."""
        left_out: dict[str, bool | set[str]] = {name: True for name in self._sparse if getattr(value, name) in _NOTHING}
        if self._unsaid:
            left_out["work"] = set(self._unsaid)
        return self._adapter().dump_json(value, exclude=left_out or None).decode()

    def load(self, comment: str) -> T | None:
        """What a comment says; None where it says something else."""
        try:
            return self._adapter().validate_json(comment) if comment else None
        # A comment of somebody else, or of a newer release: whoever asks leaves that table alone.
        except ValidationError:
            return None

    def _adapter(self) -> TypeAdapter[T]:
        # Made on first use: a start with nothing to do has none.
        if self._made is None:
            self._made = TypeAdapter(self._kind)
        return self._made


def create_commented(database: str, name: str, comment: str) -> Routine[None]:
    """Make an empty table that only says something. Raises StatementError 57 where it is there already.

    On a cluster there is no such table: only what it says.
    """
    books = yield from read_bookkeeping(database)
    if books.shared:
        yield from write_note(books, name, comment)
        return
    # A table of engine Null has no data and no background work; its comment is changed by one small ALTER.
    sql = create_table(qualified(database, name), "`nothing` UInt8", "ENGINE = Null", comment)
    yield from send(Command(sql, settings=merged(CREATE, size_setting(sql))))


def replace_comment(database: str, name: str, comment: str) -> Routine[None]:
    """Replace the comment; it is on disk when this returns."""
    books = yield from read_bookkeeping(database)
    if books.shared:
        yield from write_note(books, name, comment)
        return
    sql = alter_table(qualified(database, name), modify_comment(comment))
    yield from ddl(sql, size_setting(sql))


def drop_commented(database: str, name: str) -> Routine[None]:
    """Drop a table that only says something."""
    books = yield from read_bookkeeping(database)
    if books.shared:
        yield from write_note(books, name, "")
        return
    yield from drop_table(database, name)
