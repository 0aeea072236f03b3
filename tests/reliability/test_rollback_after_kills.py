"""A migration that was killed and brought to its end by another start can be rolled back like any other: nothing that
is kept is said to be gone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, rollback_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.clickhouse.names import GUARD
from aaiclick.clients.opening import open_url
from aaiclick.commands.inspection.warm import warm
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import OutcomeUnknownError, SchemaAheadError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect, run
from aaiclick.state.cache import CacheEntry, write_cache
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.test_rollback import V1, V2, Place

KEPT = Policy.lossless()
K = Column("k", "UInt64")
TITLE = "a migration killed at every point, ended by another start, and rolled back"


def there_and_back(engine: EmbeddedEngine, place: Place, stops: Iterable[int]) -> int:
    """Kill the way forward after so many commands; go it to its end, and go back. The number of kills, until there is
    nothing more to kill."""
    connection = open_url(engine.url)
    kills = 0
    for stop in stops:
        place.sql(*(f"DROP TABLE IF EXISTS `{name}` SYNC" for name in [*place.ours(), "t", "schema_version"]))
        ensure_schema(place.client, V1)
        place.sql("INSERT INTO t SELECT number, 'x' FROM numbers(20)")
        try:
            Driver(connection).run(ensuring(V2, place.database, KEPT, DEAD), stop)
            break
        except KilledError:
            kills += 1
        assert Driver(connection, later=LATER).run(ensuring(V2, place.database, KEPT)).in_sync
        place.sql("INSERT INTO t (k, v) SELECT 100 + number, 'y' FROM numbers(5)")
        asked = Rollback(V2, place.database, None, frozenset(), False, this_process(), True, 3600)
        report = Driver(connection, later=LATER * 2).run(rollback(asked))
        assert report.to_version == 1, stop
        assert not [said for said in report.notes if "not kept" in said], stop
        assert place.rows("SELECT count(), uniqExact(k) FROM t") == [(25, 25)], stop
        assert place.rows(
            "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 't'"
        ) == [("k",)], stop
    connection.close()
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(36, 56), pytest.param((48,), marks=pytest.mark.long)])
def test_killed_here_and_there_and_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client, stops: tuple[int, ...]
) -> None:
    """In the copy, where the run that follows plans it once more, and at the exchange."""
    assert there_and_back(aaiclick_engine, Place(aaiclick_client, aaiclick_database), stops) == len(stops)


@pytest.mark.proof
def test_killed_anywhere_and_back(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, aaiclick_client: Client
) -> None:
    kills = there_and_back(aaiclick_engine, Place(aaiclick_client, aaiclick_database), count())
    note(TITLE, kills=kills, rows=kills * 25)
    assert kills > 30


@pytest.mark.parametrize("by", ["rollback", "adopt", "start"])
def test_a_constraint_whose_answer_was_lost_goes_with_whoever_comes_next(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, by: str
) -> None:
    """Its run ended there and gave its lease back: no lock, and no mark, says that anything is left."""
    database, key = str(aaiclick_client.database), "retype t.v"
    wide, narrow = (
        Schema("s", version=version, objects=[Table("t", [K, Column("v", kind)], engine=MergeTree(order_by="k"))])
        for version, kind in ((1, "UInt64"), (2, "UInt16"))
    )
    ensure_schema(aaiclick_client, wide)
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    connection = open_url(aaiclick_engine.url)

    def lose(effect: Effect) -> None:
        if isinstance(effect, Command) and f"`{database}`.`t` ADD CONSTRAINT {GUARD}" in effect.sql:
            connection.command(effect)
            raise OutcomeUnknownError("the connection was lost while a statement ran", 0, "", effect.sql)

    with pytest.raises(OutcomeUnknownError):
        Driver(connection, before=lose).run(ensuring(narrow, database, Policy.lossless().allow(key)))
    with pytest.raises(DatabaseError, match="VIOLATED_CONSTRAINT"):
        aaiclick_client.command("INSERT INTO t VALUES (2, 70000)")
    if by == "rollback":
        rollback_schema(aaiclick_client, wide, to=1)
    elif by == "adopt":
        adopt_schema(aaiclick_client, wide, version=1, force=True)
    else:
        # An earlier release that starts in between finds nothing to do and writes down what is there, as if it were
        # its own: no mark says any more that something is under way.
        found = run(warm(wide, database), connection)
        run(write_cache(database, {"s": CacheEntry(1, wide.fingerprint, found.digest)}), connection)
        with pytest.raises(SchemaAheadError):
            ensure_schema(aaiclick_client, wide)
        Driver(connection, later=LATER).run(ensuring(narrow, database, Policy.lossless().allow(key)))
        assert GUARD not in str(aaiclick_client.command("SHOW CREATE TABLE t"))
        # And where nothing is under way.
        aaiclick_client.command(f"ALTER TABLE t ADD CONSTRAINT {GUARD}dead CHECK v < 9")
        found = run(warm(narrow, database), connection)
        run(write_cache(database, {"s": CacheEntry(2, narrow.fingerprint, found.digest)}), connection)
        ensure_schema(aaiclick_client, narrow)
    assert GUARD not in str(aaiclick_client.command("SHOW CREATE TABLE t"))
    connection.close()
