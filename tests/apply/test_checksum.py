"""Checksums where the server cannot hash a value: both sides are hashed as text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pytest

from aaiclick.apply.rebuild.checksum import Sums, differing, hash_sql, sums
from aaiclick.apply.rebuild.columns import Projected
from aaiclick.clients.opening import open_url
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Connection, Query, run
from aaiclick.testing.engine import EmbeddedEngine


class Older:
    """A connection whose server does not hash what 24.8 does not (code 48), or nothing at all."""

    embedded = False
    identity = "older"

    def __init__(self, inner: Connection, refused: str, code: int = 48) -> None:
        self.inner, self.refused, self.code = inner, refused, code

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        if self.refused in effect.sql:
            raise StatementError(f"Code: {self.code}. DB::Exception: Method getDataAt is not supported", self.code)
        return self.inner.query(effect)

    def command(self, effect: Command, /) -> None:
        self.inner.command(effect)

    def close(self) -> None:
        """The inner one is closed by who opened it."""


@pytest.fixture
def rows(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> str:
    """Two tables that differ in a NULL that is the text NULL in the other."""
    for name, value in (("one", "NULL"), ("two", "'NULL'")):
        aaiclick_engine.command(
            f"CREATE TABLE {aaiclick_database}.{name} (a UInt8, b Nullable(String)) ENGINE = MergeTree ORDER BY a"
        )
        aaiclick_engine.command(f"INSERT INTO {aaiclick_database}.{name} VALUES (1, 'x'), (2, {value})")
    return aaiclick_database


@pytest.mark.parametrize("refused", ["cityHash64(tuple(", "nothing"])
def test_a_null_and_the_word_differ_and_the_column_is_named(
    rows: str, aaiclick_engine: EmbeddedEngine, refused: str
) -> None:
    with closing(open_url(aaiclick_engine.url)) as inner:
        connection = Older(inner, refused)
        one, two = (run(sums(f"{rows}.{name}", "", ["a", "b"], {}), connection) for name in ("one", "two"))
        assert one.rows == two.rows == 2
        assert one != two
        assert run(sums(f"{rows}.one", "", ["a", "b"], {}), connection) == one
        columns = [Projected("a", "a", True), Projected("b", "b", True)]
        assert run(differing(f"{rows}.one", "", f"{rows}.two", columns, {}), connection) == ("b",)
        assert run(sums(f"{rows}.one", "a = 1", [], {}), connection) == Sums(1, 0)


@pytest.mark.parametrize(("refused", "code"), [("cityHash64(", 48), ("cityHash64(tuple(", 47)])
def test_other_refusals_and_a_second_one_are_errors(
    rows: str, aaiclick_engine: EmbeddedEngine, refused: str, code: int
) -> None:
    with closing(open_url(aaiclick_engine.url)) as inner, pytest.raises(StatementError):
        run(sums(f"{rows}.one", "", ["a", "b"], {}), Older(inner, refused, code))


def test_what_is_not_to_be_hashed_is_zero() -> None:
    assert hash_sql([]) == "toUInt64(0)"
