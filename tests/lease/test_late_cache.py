"""What a run that lost its lease sends late never gets into the cache of the warm start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.tables import create_query
from aaiclick.clients.opening import Opened, open_url
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import LeaseLostError, SchemaAheadError, SchemaVersionError, StatementError
from aaiclick.lease.late_cache import shut_out
from aaiclick.lease.names import tombstone
from aaiclick.routine import Command, Effect, run
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

TABLE = Table("t", [Column("id", "UInt64"), Column("n", "UInt64")], engine=MergeTree(order_by=["id"]))
ONE = Schema("app", version=1, objects=[TABLE])
# Nothing in the definitions tells the two versions apart.
TWO = Schema(
    "app", version=2, objects=[TABLE], migrations=[Migration(2, sql=["ALTER TABLE t UPDATE n = n + 1 WHERE 1"])]
)
POLICY = Policy.lossless()


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


def writes_cache(effect: Effect) -> bool:
    return isinstance(effect, Command) and RECORDS in effect.sql and "MODIFY COMMENT" in effect.sql


@pytest.mark.parametrize("killed", ["", "UPDATE n"], ids=["the successor has ended", "and one that was killed"])
def test_it_is_refused_and_older_code_does_not_start(connection: Opened, aaiclick_database: str, killed: str) -> None:
    """The first run is paused between the proof of its lease and the cache, and killed when it has sent it."""
    said: list[Exception] = []

    def stop(effect: Effect) -> None:
        # Not where the statement is tried in scratch.
        if killed and isinstance(effect, Command) and "aaiclick:" in effect.sql and killed in effect.sql:
            raise KilledError

    def pause(effect: Effect) -> None:
        if not writes_cache(effect) or said:
            return
        successor = Driver(connection, before=stop)
        try:
            # Of another dead process, so that nobody waits for its lease.
            successor.run(ensuring(TWO, aaiclick_database, POLICY, owner=replace(DEAD, pid=2)))
        except KilledError:
            assert killed
        assert isinstance(effect, Command)
        try:
            connection.command(effect)
        except Exception as error:
            said.append(error)
        raise KilledError

    with pytest.raises(KilledError):
        Driver(connection, before=pause).run(ensuring(ONE, aaiclick_database, POLICY, owner=DEAD))
    assert "constraint with this name already exists" in str(said)
    with pytest.raises(SchemaAheadError):
        Driver(connection).run(ensuring(ONE, aaiclick_database, POLICY))
    if killed:
        with pytest.raises(SchemaVersionError, match="statement 1 of migration 2 was under way"):
            Driver(connection).run(ensuring(TWO, aaiclick_database, POLICY))
    else:
        assert Driver(connection).run(ensuring(TWO, aaiclick_database, POLICY)).in_sync


def test_the_run_that_sent_it_hears_that_its_lease_is_lost(connection: Opened, aaiclick_database: str) -> None:
    done: list[Effect] = []

    def pause(effect: Effect) -> None:
        if writes_cache(effect) and not done:
            done.append(effect)
            Driver(connection).run(ensuring(TWO, aaiclick_database, POLICY))

    with pytest.raises(LeaseLostError, match="another run has taken over"):
        Driver(connection, before=pause).run(ensuring(ONE, aaiclick_database, POLICY, owner=DEAD))


def fresh_from_a_killed_run(connection: Opened, database: str, pid: int = DEAD.pid) -> None:
    """Its lock becomes a tombstone of which nobody knows yet. ``pid``: a process that has the number of the holder
    waits for its lease."""

    def stop(effect: Effect) -> None:
        if writes_cache(effect):
            raise KilledError

    with pytest.raises(KilledError):
        Driver(connection, before=stop).run(ensuring(ONE, database, POLICY, owner=replace(DEAD, pid=pid)))


def shuts_out(effect: Effect) -> bool:
    return isinstance(effect, Command) and "_aaiclick_ended_" in effect.sql and not writes_cache(effect)


def test_a_former_run_that_shuts_itself_out_meanwhile_does_not_end_its_successor(
    connection: Opened, aaiclick_database: str
) -> None:
    """Whoever gives its lease back late does so without it, beside the next one."""
    fresh_from_a_killed_run(connection, aaiclick_database)
    done: list[Effect] = []

    def before(effect: Effect) -> None:
        if shuts_out(effect) and not done:
            done.append(effect)
            assert isinstance(effect, Command)
            connection.command(effect)

    assert Driver(connection, before=before).run(ensuring(ONE, aaiclick_database, POLICY)).in_sync
    assert done


def test_a_user_who_may_not_change_constraints_goes_on_after_a_killed_run(
    connection: Opened, aaiclick_database: str
) -> None:
    fresh_from_a_killed_run(connection, aaiclick_database)
    refused: list[Effect] = []

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and "CONSTRAINT" in effect.sql:
            refused.append(effect)
            raise StatementError("Not enough privileges", ACCESS_DENIED, "ACCESS_DENIED")

    assert Driver(connection, before=before).run(ensuring(TWO, aaiclick_database, POLICY)).in_sync
    assert any(shuts_out(effect) for effect in refused)
    assert any(writes_cache(effect) for effect in refused)


def test_few_of_the_former_runs_are_remembered(connection: Opened, aaiclick_database: str) -> None:
    Driver(connection).run(ensuring(ONE, aaiclick_database, POLICY))
    for place in range(0, 30, 3):
        run(shut_out(aaiclick_database, [f"run{place + more:02}" for more in range(3)], ()), connection)
    run(shut_out(aaiclick_database, ["run29"], ()), connection)
    text = run(create_query(aaiclick_database, RECORDS), connection)
    assert [name for name in (f"run{place:02}" for place in range(30)) if name in text] == [
        f"run{place:02}" for place in range(10, 30)
    ]


def test_none_is_forgotten_as_long_as_its_tombstone_is_there(connection: Opened, aaiclick_database: str) -> None:
    """A pod crashes again and again: that its process is gone is seen at once, so nobody waits for a lease. Whoever was
    paused meanwhile is kept out all the same."""
    fresh_from_a_killed_run(connection, aaiclick_database)
    crashed = [f"run{place:02}" for place in range(22)]
    for nonce in crashed:
        made = f"CREATE TABLE `{tombstone(nonce)}` (held UInt8) ENGINE = Null"
        connection.command(Command(made, database=aaiclick_database))
    fresh_from_a_killed_run(connection, aaiclick_database, pid=2)
    assert Driver(connection).run(ensuring(ONE, aaiclick_database, POLICY)).in_sync
    text = run(create_query(aaiclick_database, RECORDS), connection)
    assert not [nonce for nonce in crashed if f"_aaiclick_ended_{nonce} " not in text]
    assert text.count("_aaiclick_ended_") == len(crashed) + 2
