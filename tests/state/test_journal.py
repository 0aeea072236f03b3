"""The write-ahead journal: intents survive, the last word on an action counts."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from aaiclick.clickhouse.names import JOURNAL
from aaiclick.errors import ApplyError, UnsupportedObjectError
from aaiclick.routine import Command, Query, Routine, run
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.state.journal import Action, Entry, ensure_journal, intent, last_entries, outcome
from tests.support.session_connection import Driver, KilledError, SessionConnection

HOSTILE = 'quo\'te "d" back\\slash `tick` tab\t new\nline {x:String} %s größe\u2603'
COPY = Action("0123456789ab", "oplog", "plan-1", "rebuild operation_log", 1)


@pytest.fixture
def db(connection: SessionConnection, aaiclick_database: str) -> str:
    run(ensure_journal(aaiclick_database), connection)
    return aaiclick_database


def everything(database: str) -> Routine[tuple[Entry, ...]]:
    return last_entries(database, "1", {})


def states(entries: tuple[Entry, ...]) -> list[tuple[str, str, int, str]]:
    return [(entry.action.run, entry.action.step, entry.action.number, entry.state) for entry in entries]


def test_without_a_journal_nothing_is_unfinished(connection: SessionConnection, aaiclick_database: str) -> None:
    assert run(everything(aaiclick_database), connection) == ()
    assert connection.tables(aaiclick_database) == set()


def test_a_journal_of_somebody_else_is_named(connection: SessionConnection, aaiclick_database: str) -> None:
    columns = "z UInt8) ENGINE = MergeTree ORDER BY tuple("
    connection.command(Command(f"CREATE TABLE {qualified(aaiclick_database, JOURNAL)} ({columns})"))
    for attempt in (everything(aaiclick_database), intent(aaiclick_database, COPY, {})):
        with pytest.raises(UnsupportedObjectError, match=rf"{JOURNAL}: this table was not made by aaiclick"):
            run(attempt, connection)


def test_an_intent_without_outcome_is_found_with_its_details(connection: SessionConnection, db: str) -> None:
    details = {
        "uuid": "f-1",
        "staging": ["a", "b"],
        "rows": 7,
        "ratio": 0.5,
        "fence": None,
        "moved": False,
        "paths": {"old": "/x"},
    }
    run(intent(db, COPY, details), connection)
    run(ensure_journal(db), connection)
    (entry,) = run(everything(db), connection)
    assert (entry.action, entry.state, entry.details, entry.seq) == (COPY, "intent", details, 1)
    ((now,),) = connection.rows("SELECT toUnixTimestamp64Milli(now64(3))")
    assert int(now or 0) - 600_000 < entry.at <= int(now or 0)


def test_the_last_word_on_each_action_counts_in_the_order_of_writing(connection: SessionConnection, db: str) -> None:
    second, third = replace(COPY, number=2), replace(COPY, step="drop args", number=1)
    run(intent(db, COPY), connection)
    run(outcome(db, COPY, "failed", {"code": 241}), connection)
    run(intent(db, second), connection)
    run(intent(db, COPY), connection)
    run(outcome(db, COPY, "done", {"rows": 3}), connection)
    run(intent(db, third), connection)
    entries = run(everything(db), connection)
    assert states(entries) == [
        (COPY.run, COPY.step, 2, "intent"),
        (COPY.run, COPY.step, 1, "done"),
        (COPY.run, "drop args", 1, "intent"),
    ]
    assert entries[1].details == {"rows": 3}
    run(outcome(db, second, "undone"), connection)
    assert [state for *_, state in states(run(everything(db), connection))] == ["done", "intent", "undone"]
    assert connection.rows(f"SELECT count() FROM {qualified(db, JOURNAL)}") == (
        (7,),
    )  # nothing is ever changed or removed


def test_a_row_that_ended_a_run_of_an_earlier_release_is_passed_over(connection: SessionConnection, db: str) -> None:
    run(intent(db, COPY), connection)
    connection.command(
        Command(
            f"INSERT INTO {qualified(db, JOURNAL)} (seq, run, schema, state, details) SELECT 2, '{COPY.run}', "
            f"'oplog', 'closed', '{{}}'"
        )
    )
    run(outcome(db, COPY, "done"), connection)
    assert states(run(everything(db), connection)) == [(COPY.run, COPY.step, 1, "done")]


def test_only_what_meets_the_condition_is_read(connection: SessionConnection, db: str) -> None:
    run(intent(db, COPY), connection)
    run(intent(db, replace(COPY, run="ba9876543210")), connection)
    found = run(last_entries(db, "run = {run:String}", {"run": "ba9876543210"}), connection)
    assert states(found) == [("ba9876543210", COPY.step, 1, "intent")]


def test_each_entry_is_one_statement(connection: SessionConnection, db: str) -> None:
    for routine in (intent(db, COPY, {"a": 1}), outcome(db, COPY, "done")):
        driver = Driver(connection)
        driver.run(routine)
        assert [type(effect) for effect in driver.effects] == [Command]
        assert driver.effects[0].settings["async_insert"] == 0  # type: ignore[union-attr]


def test_an_intent_whose_writer_dies_at_once_is_there(connection: SessionConnection, db: str) -> None:
    with pytest.raises(KilledError):
        Driver(connection, stop_after=1).run(intent(db, COPY))
    assert states(run(everything(db), connection)) == [(COPY.run, COPY.step, 1, "intent")]


def test_hostile_texts_come_back_unchanged(connection: SessionConnection) -> None:
    name = f"{HOSTILE[:40]}_{os.getpid()}"
    connection.command(Command(f"CREATE DATABASE {quote_name(name)}"))
    try:
        run(ensure_journal(name), connection)
        action = Action("0123456789ab", HOSTILE, HOSTILE, HOSTILE, 4_000_000_000)
        run(intent(name, action, {HOSTILE: HOSTILE}), connection)
        (entry,) = run(everything(name), connection)
        assert (entry.action, entry.details) == (action, {HOSTILE: HOSTILE})
    finally:
        connection.command(Command(f"DROP DATABASE {quote_name(name)}"))


def test_details_longer_than_a_statement_may_be_by_default(connection: SessionConnection, db: str) -> None:
    parts = [f"202601_{number}_{number}_0" for number in range(40_000)]
    run(intent(db, COPY, {"parts": parts}), connection)
    (entry,) = run(everything(db), connection)
    assert entry.details == {"parts": parts}


@pytest.mark.parametrize(
    ("details", "error"),
    [
        ({"a": object()}, "not object"),
        ({"a": b"bytes"}, "not bytes"),
        ({"a": [{1: 2}]}, "keys of journal details are strings"),
        ({"a": {"b": {1, 2}}}, "not set"),
        ({"a": float("nan")}, "not JSON compliant"),
    ],
)
def test_what_is_no_json_is_refused_before_anything_is_written(
    connection: SessionConnection, db: str, details: dict[str, object], error: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        run(intent(db, COPY, details), connection)
    assert connection.query(Query(f"SELECT count() FROM {qualified(db, JOURNAL)}")) == [[0]]


def test_a_row_that_somebody_else_wrote_is_named(connection: SessionConnection, db: str) -> None:
    run(intent(db, COPY), connection)
    connection.command(Command(f"INSERT INTO {qualified(db, JOURNAL)} (seq, run, details) SELECT 7, 'x', 'no json'"))
    with pytest.raises(ApplyError, match=r"row 7 of _aaiclick_journal was not written by aaiclick"):
        run(everything(db), connection)
