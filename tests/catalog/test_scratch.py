"""Scratch places: made, used, gone."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import pytest

from aaiclick.catalog.scratch import (
    PREFIX,
    STALE_SECONDS,
    Ended,
    Scratch,
    open_scratch,
    sweep_stale_scratch,
    with_scratch,
)
from aaiclick.catalog.server_objects.functions import sweep_stand_ins
from aaiclick.errors import StatementError
from aaiclick.routine import Clock, Command, Connection, Nonce, Query, Routine, Row, run
from aaiclick.state.owned import read_owned
from tests.catalog.helpers import Recording

T = TypeVar("T")
DENIED = StatementError("Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", 497, "ACCESS_DENIED")


def databases(connection: Connection) -> set[str]:
    return {
        str(row[0])
        for row in connection.query(
            Query("SELECT name FROM system.databases WHERE startsWith(name, {p:String})", {"p": PREFIX})
        )
    }


def tables(connection: Connection, database: str) -> set[str]:
    return {
        str(row[0])
        for row in connection.query(
            Query("SELECT name FROM system.tables WHERE database = {d:String}", {"d": database})
        )
    }


def use(scratch: Scratch) -> Routine[Scratch]:
    yield Command(
        f"CREATE TABLE {scratch.sql_name('a`b')} (x LowCardinality(UInt8)) ENGINE = MergeTree ORDER BY x",
        settings=scratch.settings,
    )
    yield Command(f"CREATE VIEW {scratch.sql_name('v')} AS SELECT 1 AS x", settings=scratch.settings)
    yield Command(
        f"CREATE DICTIONARY {scratch.sql_name('d')} (a UInt64) PRIMARY KEY a SOURCE(NULL()) LIFETIME(0) LAYOUT(FLAT())"
    )
    return scratch


def test_a_database_of_its_own_that_is_gone_afterwards(connection: Connection) -> None:
    before = databases(connection)
    scratch = run(with_scratch(use), connection)
    assert scratch.database.startswith(PREFIX)
    assert scratch.settings["allow_suspicious_low_cardinality_types"] == 1
    assert databases(connection) == before


def test_it_is_gone_also_after_a_failure_and_the_failure_stays(connection: Connection) -> None:
    before = databases(connection)

    def body(scratch: Scratch) -> Routine[None]:
        yield from use(scratch)
        yield Command(f"DROP TABLE {scratch.sql_name('missing')}")

    with pytest.raises(StatementError) as caught:
        run(with_scratch(body), connection)
    assert caught.value.code == 60
    assert databases(connection) == before


def test_a_refused_clean_up_does_not_hide_the_failure(connection: Connection) -> None:
    names: list[str] = []

    def body(scratch: Scratch) -> Routine[None]:
        names.append(scratch.database)
        yield Command("CREATE TABLE x (")

    with pytest.raises(StatementError) as caught:
        run(with_scratch(body), Recording(connection, {"DROP DATABASE": DENIED}))
    assert caught.value.code == 62
    connection.command(Command(f"DROP DATABASE {names[0]}"))


def test_a_table_that_appears_while_it_is_dropped_does_not_keep_it(connection: Connection) -> None:
    """The server drops the tables that it sees, and refuses where another one has come meanwhile."""
    before = databases(connection)
    appeared = StatementError("New table appeared in database being dropped or detached", 219, "DATABASE_NOT_EMPTY")
    refused = [appeared, appeared]

    class Late(Recording):
        def command(self, effect: Command, /) -> None:
            if effect.sql.startswith("DROP DATABASE") and refused:
                raise refused.pop()
            super().command(effect)

    run(with_scratch(use), Late(connection))
    assert not refused
    assert databases(connection) == before


def test_without_the_right_to_create_databases(connection: Connection, aaiclick_database: str) -> None:
    connection.command(Command("CREATE TABLE mine (a UInt8) ENGINE = Memory", database=aaiclick_database))
    recording = Recording(connection, {"CREATE DATABASE": DENIED})
    seen: list[set[str]] = []

    def body(scratch: Scratch) -> Routine[Scratch]:
        yield from use(scratch)
        seen.append(tables(connection, aaiclick_database))
        return scratch

    scratch = run(with_scratch(body, fallback=aaiclick_database), recording)
    assert scratch.database == aaiclick_database
    assert seen == [{"mine", scratch.name("a`b"), scratch.name("v"), scratch.name("d")}]
    assert all(name == "mine" or name.startswith(PREFIX) for name in seen[0])
    assert tables(connection, aaiclick_database) == {"mine"}


def test_no_scratch_tables_in_a_replicated_database(connection: Connection) -> None:
    """There they would be on every host, in the log of the database."""

    @dataclass
    class Replicated(Recording):
        def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
            return [["Replicated"]] if "system.databases" in effect.sql else super().query(effect)

    denied = Replicated(connection, {"CREATE DATABASE": DENIED})
    with pytest.raises(StatementError) as caught:
        run(open_scratch("any"), denied)
    assert caught.value.code == 497
    assert [effect.sql for effect in denied.seen if isinstance(effect, Command)] == [denied.seen[0].sql]


def test_without_any_right(connection: Connection) -> None:
    with pytest.raises(StatementError) as caught:
        run(open_scratch(), Recording(connection, {"CREATE DATABASE": DENIED}))
    assert caught.value.code == 497


def test_long_names_stay_within_a_file_name(connection: Connection) -> None:
    long = "é" * 80

    def body(scratch: Scratch) -> Routine[str]:
        yield Command(f"CREATE TABLE {scratch.sql_name(long)} (x UInt8) ENGINE = MergeTree ORDER BY x")
        return scratch.name(long)

    assert run(with_scratch(body), connection).startswith("long_")
    assert Scratch("d", "n").name("plain") == "plain"
    assert Scratch("d", "n").name(long) != Scratch("d", "n").name(long + "x")


def test_a_function_that_is_only_called_like_ours_is_left_alone(connection: Connection) -> None:
    """Of a killed run's the name says when it was made."""
    theirs, ours = f"{PREFIX}theirs", f"{PREFIX}60000000aaaaaaaaaaaa_0"
    for name in (theirs, ours):
        connection.command(Command(f"CREATE FUNCTION {name} AS x -> x"))
    run(sweep_stand_ins(), connection)
    left = connection.query(Query(f"SELECT name FROM system.functions WHERE startsWith(name, '{PREFIX}')"))
    connection.command(Command(f"DROP FUNCTION {theirs}"))
    assert [row[0] for row in left] == [theirs]


def test_stand_ins_of_a_run_that_is_at_work_stay_whatever_its_clock_says(connection: Connection) -> None:
    """An hour and more behind that of the server, or that of whoever sweeps an hour and more ahead."""
    slow, ahead = f"{PREFIX}60000000bbbbbbbbbbbb", f"{PREFIX}{int(time.time()) - 60:08x}cccccccccccc"
    connection.command(Command(f"CREATE DATABASE {slow} ENGINE = Atomic"))
    for name in (slow, ahead):
        connection.command(Command(f"CREATE FUNCTION {name}_0 AS x -> x"))
    drive_at(sweep_stand_ins(), connection, time.time() + 7200)
    left = connection.query(Query(f"SELECT name FROM system.functions WHERE startsWith(name, '{PREFIX}') ORDER BY 1"))
    assert [row[0] for row in left] == [f"{slow}_0", f"{ahead}_0"]
    connection.command(Command(f"DROP DATABASE {slow}"))
    run(sweep_stand_ins(), connection)
    left = connection.query(Query(f"SELECT name FROM system.functions WHERE startsWith(name, '{PREFIX}')"))
    connection.command(Command(f"DROP FUNCTION {ahead}_0"))
    assert [row[0] for row in left] == [f"{ahead}_0"]


def sweep(connection: Connection, database: str, ended: Ended | None = None) -> Routine[tuple[str, ...]]:
    """Of what is there now."""
    return sweep_stale_scratch(run(read_owned(database), connection).scratch, database, ended=ended)


def drive_at(routine: Routine[T], connection: Connection, now: float) -> T:
    """As ``run``, at another time of day."""
    answer: tuple[Row, ...] | None = None
    try:
        while True:
            effect = routine.send(answer) if answer is not None else next(routine)
            answer = ()
            match effect:
                case Clock():
                    answer = ((now,),)
                case Query():
                    answer = tuple(tuple(str(value) for value in row) for row in connection.query(effect))
                case Command():
                    connection.command(effect)
                case _:
                    raise AssertionError(effect)
    except StopIteration as stop:
        return cast("T", stop.value)


def test_what_a_killed_run_left_is_swept_when_it_is_old(connection: Connection, aaiclick_database: str) -> None:
    made = 0x60000000
    old, young, foreign = (
        f"{PREFIX}{made:08x}aaaaaaaaaaaa",
        f"{PREFIX}{made + 3000:08x}bbbbbbbbbbbb",
        f"{PREFIX}of_mine",
    )
    for name in (old, young, foreign):
        connection.command(Command(f"CREATE DATABASE {name}"))
        connection.command(Command(f"CREATE TABLE {aaiclick_database}.{name}_t (a UInt8) ENGINE = Memory"))
        connection.command(
            Command(f"CREATE VIEW {aaiclick_database}.{name}_v AS SELECT a FROM {name}_t", database=aaiclick_database)
        )
    try:
        swept = drive_at(sweep(connection, aaiclick_database), connection, made + STALE_SECONDS + 1.5)
        assert sorted(swept) == [old, f"{old}_t", f"{old}_v"]
        assert {old, young, foreign} & databases(connection) == {young, foreign}
        assert tables(connection, aaiclick_database) == {f"{young}_t", f"{young}_v", f"{foreign}_t", f"{foreign}_v"}
        assert drive_at(sweep(connection, aaiclick_database), connection, made + STALE_SECONDS - 1) == ()
    finally:
        for name in (young, foreign):
            connection.command(Command(f"DROP DATABASE {name}"))


def test_what_a_former_holder_of_the_lease_left_goes_at_once(connection: Connection, aaiclick_database: str) -> None:
    made = int(time.time())
    dead, living, unsigned = (f"{PREFIX}{made:08x}{'c' * 12}{holder}" for holder in ("d" * 12, "e" * 12, ""))
    for name in (dead, living, unsigned):
        connection.command(Command(f"CREATE DATABASE {name}"))
        connection.command(Command(f"CREATE TABLE {aaiclick_database}.{name}_t (a UInt8) ENGINE = Memory"))
    asked: list[set[str]] = []

    def ended(holders: Collection[str]) -> Routine[frozenset[str]]:
        asked.append(set(holders))
        yield from ()
        return frozenset({"d" * 12})

    try:
        swept = drive_at(sweep(connection, aaiclick_database, ended), connection, made + 1.0)
        assert sorted(swept) == [dead, f"{dead}_t"]
        assert asked == [{"d" * 12, "e" * 12}]
        assert {dead, living, unsigned} & databases(connection) == {living, unsigned}
        assert tables(connection, aaiclick_database) == {f"{living}_t", f"{unsigned}_t"}
    finally:
        for name in (living, unsigned):
            connection.command(Command(f"DROP DATABASE {name}"))


def test_the_name_tells_the_time() -> None:
    """The first eight digits of the nonce are the second it was made in."""
    routine = open_scratch()
    assert isinstance(next(routine), Clock)
    assert isinstance(routine.send(((1_700_000_000.9,),)), Nonce)
    effect = routine.send((("abcdef123456",),))
    assert isinstance(effect, Command)
    assert effect.sql == f"CREATE DATABASE `{PREFIX}{1_700_000_000:08x}abcdef123456` ENGINE = Atomic"
    routine.close()
