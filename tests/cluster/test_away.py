"""Somebody takes the table of a copy, or the source of a view, away on all hosts when the run at it is dead, and brings
it back when other starts have come by: nothing of ours stays on it, and no row is missing."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from aaiclick import Schema, validate_schema
from aaiclick.api.prune import prune_kept
from aaiclick.errors import AaiclickError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, home, is_whole, turned
from tests.cluster.filled import TARGET, followed, is_filled
from tests.cluster.places import ONCE_PER_KIND, Place, place_on
from tests.cluster.test_copies_and_others import killed_behind_the_fence
from tests.cluster.test_fills import killed_before

AWAY = {
    "detached": ("DETACH TABLE {db}.events ON CLUSTER '{on}'", "ATTACH TABLE {db}.events ON CLUSTER '{on}'"),
    "for good": ("DETACH TABLE {db}.events PERMANENTLY", "ATTACH TABLE {db}.events"),
    "dropped": ("DROP TABLE {db}.events ON CLUSTER '{on}'", "UNDROP TABLE {db}.events ON CLUSTER '{on}'"),
}
MARKS = (
    "SELECT name FROM (SELECT name, argMax(body, seq) AS last FROM {}._aaiclick_notes GROUP BY name) WHERE last != '' AND "
    "match(name, '^_aaiclick_(mark|feed)_')"
)
QUEUE = ONCE_PER_KIND[0]
QUICK = ("queue", "for good", "open")
LONG = pytest.mark.long
# A Replicated database detaches tables only in one way, which its log brings to all hosts.
CASES = [
    pytest.param(
        (1, 2, kind), way, moment, marks=() if (kind, way, moment) == QUICK else LONG, id=f"{kind}, {way}, {moment}"
    )
    for kind, way, moment in (
        *(
            ("queue", way, moment)
            for way in AWAY
            for moment in ("before the fence", "behind the fence", "swap", "opening", "open", "filled")
        ),
        *(("database", "for good", moment) for moment in ("behind the fence", "open")),
    )
]


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def say(place: Place, sql: str) -> None:
    for host in place.cluster.hosts[: 1 if "ON CLUSTER" in sql or not place.named else None]:
        host.q(sql.format(db=place.database, on=place.cluster.name))


def killed(place: Place, moment: str) -> tuple[Schema, Schema]:
    """A table with rows, and a start that was killed at this moment; the versions before and behind it."""
    first, words = 1, {"before the fence": "_aaiclick_new_", "swap": "EXCHANGE TABLES", "filled": "RESET SETTING"}
    words |= {
        "opening": f"CREATE MATERIALIZED VIEW `{place.database}`",
        "open": f"INSERT INTO `{place.database}`.`copied`",
    }
    if moment in ("opening", "open", "filled"):
        old, new = followed(1, place, view=False), followed(2, place)
    else:
        # One of the two hosts has exchanged the tables.
        old, new, first = turned(1, place), turned(2, place), 2 if moment == "swap" else 1
    place.start(old)
    fill(place, 20)
    if moment == "behind the fence":
        killed_behind_the_fence(place, new)
    else:
        killed_before(place, new, words[moment], first)
    return old, new


def marks(place: Place) -> int:
    return len(place.cluster.same(MARKS.format(home(place))))


def takes_rows(place: Place) -> None:
    for host in place.cluster.hosts:
        host.q(f"INSERT INTO {place.database}.events (id) VALUES (777777)")


@pytest.mark.slow
@pytest.mark.parametrize(("place", "way", "moment"), CASES, indirect=["place"])
def test_what_comes_back_is_as_it_was(place: Place, way: str, moment: str) -> None:
    old, new = killed(place, moment)
    say(place, AWAY[way][0])
    # While it is away starts are held up by nothing but that table; each of them looks for it.
    for _ in range(2):
        with suppress(AaiclickError):
            place.start(old, 0, DROPPED)
    assert marks(place) == 1
    say(place, AWAY[way][1])
    place.start(new, 1, DROPPED)
    is_filled(place) if moment in ("opening", "open", "filled") else is_whole(place, 120)
    takes_rows(place)


@pytest.mark.slow
@pytest.mark.parametrize("place", [QUEUE], indirect=True)
def test_meanwhile_it_is_said_and_stands_in_the_way_of_nothing(place: Place) -> None:
    """Also of a version that has no such table any more, which is recorded; its next start finds it there again."""
    killed(place, "behind the fence")
    say(place, AWAY["for good"][0])
    without = place.schema(3, [TARGET])
    place.start(without, 0, DROPPED)
    url = place.cluster.hosts[1].database_url(place.database)
    said = validate_schema(url, without).unfinished
    assert "a rebuild of events was not finished (events was detached on host " in said
    assert prune_kept(url, place.database) == ()
    say(place, AWAY["for good"][1])
    place.start(without, 1, DROPPED)
    assert marks(place) == 0
    is_whole(place, 120)
    takes_rows(place)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["behind the fence", pytest.param("open", marks=LONG)])
@pytest.mark.parametrize("place", [QUEUE], indirect=True)
def test_the_mark_of_one_that_is_gone_for_good_goes(place: Place, moment: str) -> None:
    old, _ = killed(place, moment)
    say(place, AWAY["for good"][0])
    with suppress(AaiclickError):
        place.start(old, 0, DROPPED)
    assert marks(place) == 1
    say(place, AWAY["for good"][1])
    say(place, "DROP TABLE {db}.events ON CLUSTER '{on}' SYNC")
    with suppress(AaiclickError):
        place.start(old, 1, DROPPED)
    assert marks(place) == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", [pytest.param(*QUEUE.values, marks=LONG, id="1x2-queue")], indirect=True)
def test_one_host_without_it_is_named_and_the_others_take_rows(place: Place) -> None:
    _, new = killed(place, "behind the fence")
    one, two = place.cluster.hosts
    two.q(f"DETACH TABLE {place.database}.events")
    with pytest.raises(AaiclickError, match=r"does not have the table that was to be copied .*ATTACH TABLE"):
        place.start(new, 0, DROPPED)
    one.q(f"INSERT INTO {place.database}.events (id) VALUES (777777)")
    two.q(f"ATTACH TABLE {place.database}.events")
    place.start(new, 1, DROPPED)
    is_whole(place, 121)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["behind the fence", "opening", "open"])
@pytest.mark.parametrize("place", [QUEUE], indirect=True)
def test_one_that_is_moved_to_another_database_goes_on_there(
    place: Place, moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The same storage: writers and merges go on, and the next start says where it is."""
    _, new = killed(place, moment)
    say(place, "CREATE DATABASE {db}_else ON CLUSTER '{on}' ENGINE = Atomic")
    say(place, "RENAME TABLE {db}.events TO {db}_else.log ON CLUSTER '{on}'")
    with suppress(AaiclickError):
        place.start(new, 1, DROPPED)
    told = f"events was moved.* is {place.database}_else.log now"
    assert [record for record in caplog.records if re.search(told, record.getMessage())]
    assert place.cluster.same(MARKS.format(home(place))) == []
    made = f"SELECT create_table_query FROM system.tables WHERE database = '{place.database}_else' AND name = 'log'"
    for host in place.cluster.hosts:
        (definition,) = host.rows(made)[0]
        assert "_aaiclick_" not in definition
        assert "max_bytes_to_merge" not in definition
        host.q(f"INSERT INTO {place.database}_else.log (id) VALUES (777)")
    say(place, "DROP DATABASE {db}_else ON CLUSTER '{on}' SYNC")
