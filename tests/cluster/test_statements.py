"""Statements of migrations on a cluster."""

from __future__ import annotations

import pytest

from aaiclick import Migration, Policy, Schema
from aaiclick.errors import ApplyError
from aaiclick.specs.moves import MoveContext
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import fill, table
from tests.cluster.places import QUEUE_FIRST, Place, place_on

STATEMENTS = [
    "CREATE TABLE extra (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id",
    "INSERT INTO events (id, v, s) SELECT id + 1000000, v, s FROM events WHERE id < 10",
    "INSERT INTO events (id, v, s) VALUES (2000000, 1, 'equal')",
    "INSERT INTO events (id, v, s) VALUES (2000000, 1, 'equal')",
    "ALTER TABLE events UPDATE v = v + 100 WHERE id >= 1000000",
]


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_rows_are_changed_once_and_definitions_everywhere(place: Place) -> None:
    """Through a host that has not fetched yet what another one took; an INSERT that equals one before counts, too."""
    _, two = place.cluster.hosts
    place.start(place.schema(1, [table()]))
    two.q(f"SYSTEM STOP FETCHES {place.database}.events")
    fill(place, 20)
    two.q(f"SYSTEM START FETCHES {place.database}.events")
    script = Migration(version=2, sql=STATEMENTS)
    schema = Schema("shop", version=2, objects=[table()], cluster=place.named, migrations=[script])
    place.start(schema, 1, Policy.lossless().allow("run-sql migration 2"))
    place.cluster.sync(f"{place.database}.events")
    found = f"SELECT count(), uniqExact(id), countIf(v >= 100), max(v) < 200 FROM {place.database}.events"
    assert place.cluster.same(found) == [[132, 131, 12, 1]]
    assert place.cluster.same(f"EXISTS TABLE {place.database}.extra") == [[1]]
    assert place.start(schema, 0).steps == ()


class Moved:
    """The function of a migration: batches of equal rows, with a bookmark behind each. It fails once in the middle,
    behind statements that are refused: one that each host would carry out by itself, and one for a table that other
    hosts have not."""

    def __init__(self, stops_at: int) -> None:
        self.stops_at = stops_at
        self.said: list[str] = []
        self.seen: list[object] = []

    def __call__(self, context: MoveContext) -> None:
        first = context.bookmark if isinstance(context.bookmark, int) else 0
        self.seen.append(first)
        context.client.command("CREATE TABLE IF NOT EXISTS moved (s String) ENGINE = ReplicatedMergeTree ORDER BY s")
        for part in range(first, 4):
            context.client.command(f"INSERT INTO moved SELECT s FROM events WHERE id % 4 = {part} AND v < 7 ORDER BY s")
            context.set_bookmark(part + 1)
            if part == self.stops_at:
                self.stops_at = -1
                for sql in ("TRUNCATE TABLE events", "INSERT INTO FUNCTION null('s String') SELECT 'x'"):
                    try:
                        context.client.command(sql)
                    except ApplyError as error:
                        self.said.append(str(error))
                raise RuntimeError("in the middle")


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_a_function_goes_on_through_another_host(place: Place) -> None:
    """It finds what was moved by the first one, and each batch counts once, although all of them are equal."""
    one, two = place.cluster.hosts
    place.start(place.schema(1, [table()]))
    one.q(f"INSERT INTO {place.database}.events (id, v, s) SELECT number, 1, 'same' FROM numbers(40)")
    move = Moved(1)
    script = Migration(version=2, move=move, oldest_code=1)
    schema = Schema("shop", version=2, objects=[table()], cluster=place.named, migrations=[script])
    policy = Policy.lossless()
    with pytest.raises(ApplyError, match="in the middle"):
        place.start(schema, 0, policy)
    two.q(f"INSERT INTO {place.database}.events (id, v, s) VALUES (1002, 1, 'same')")
    place.start(schema, 1, policy)
    place.cluster.sync(f"{place.database}.moved")
    assert move.seen == [0, 2]
    assert [text.split(": ")[1].split(". ")[0] for text in move.said] == [
        "what it does on each host cannot be told",
        "the table that it changes is no replicated one of this database, and other hosts may not get its rows",
    ]
    assert place.cluster.same(f"SELECT count() FROM {place.database}.moved") == [[41]]
    assert place.start(schema, 0).steps == ()
