"""A statement that fails while it runs leaves nothing behind that the next answer would begin with (chdb keeps the
failed one's header)."""

from __future__ import annotations

import pytest
from chdb.session import Session

from aaiclick.clients import open_connection
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query
from aaiclick.testing.engine import EmbeddedEngine

FAILS = "SELECT throwIf(number = 3) FROM numbers(10)"


def test_the_engine_still_behaves_like_that(aaiclick_engine: EmbeddedEngine) -> None:
    session = Session(aaiclick_engine.path)
    with pytest.raises(RuntimeError):
        session.query(FAILS, "CSVWithNames")
    assert session.query("SELECT 6 AS x", "CSVWithNames").bytes() != b'"x"\n6\n'
    session.close()


def test_the_next_answer_is_whole_on_the_callers_client_too(aaiclick_engine: EmbeddedEngine) -> None:
    session, client = Session(aaiclick_engine.path), aaiclick_engine.client()
    for given in (session, client, aaiclick_engine.url):
        connection = open_connection(given)
        for effect in (Query(FAILS), Query(FAILS, settings={"max_threads": 1})):
            with pytest.raises(StatementError):
                connection.query(effect)
            assert connection.query(Query("SELECT 6 AS x")) == ((6,),)
        with pytest.raises(StatementError):
            connection.command(Command(FAILS))
        assert connection.query(Query("SELECT 7 AS x")) == ((7,),)
        connection.close()
    assert session.query("SELECT 8 AS x", "CSVWithNames").bytes() == b'"x"\n8\n'
    assert client.query("SELECT 9 AS x").result_rows == [(9,)]
    session.close()
    client.close()


def test_a_refusal_that_quotes_a_value_which_is_no_utf_8_is_a_refusal(aaiclick_engine: EmbeddedEngine) -> None:
    """chdb cannot decode such a message itself."""
    session, client = Session(aaiclick_engine.path), aaiclick_engine.client()
    for given in (session, client, aaiclick_engine.url):
        connection = open_connection(given)
        for effect in (
            Query("SELECT toUInt8(materialize(unhex('ff61')))"),
            Command("SELECT toUInt8(materialize(unhex('ff61')))"),
        ):
            with pytest.raises(StatementError, match=r"'\\xffa' as UInt8") as refused:
                connection.query(effect) if isinstance(effect, Query) else connection.command(effect)
            assert refused.value.code == 6
        assert connection.query(Query("SELECT 6 AS x")) == ((6,),)
        connection.close()
    session.close()
    client.close()
