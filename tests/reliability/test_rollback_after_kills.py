"""A migration that was killed and brought to its end by another start can be rolled back like any other: nothing that
is kept is said to be gone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.lease.owner import this_process
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.test_rollback import V1, V2, Place

KEPT = Policy.lossless()
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
