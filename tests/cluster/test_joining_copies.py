"""A host joins a Replicated database while a table is copied there or a view is filled, or behind a kill of that: every
row is on all of them once, and nobody refuses writers."""

from __future__ import annotations

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import ApplyError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect
from aaiclick.specs.schema import Schema
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, is_whole, turned
from tests.cluster.filled import followed, is_filled
from tests.cluster.places import Place, label_of
from tests.cluster.test_copies_and_others import killed_behind_the_fence
from tests.cluster.test_fills import killed_before
from tests.reliability.driving import Driver

LONG = pytest.mark.long


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Place:
    """Two hosts have the database; the third one joins later."""
    cluster = aaiclick_cluster(1, 3)
    return Place(cluster, cluster.replicated_database(first=2), None)


def begin(place: Place, schema: Schema) -> None:
    place.start(schema)
    for number, host in enumerate(place.cluster.hosts[:2]):
        host.q(
            f"INSERT INTO {place.database}.events (id, v, s) SELECT {300 * number} + number, number % 7, "
            "toString(number % 5) FROM numbers(300)"
        )


def join(place: Place) -> None:
    place.cluster.join_database(place.cluster.hosts[2], place.database)


def takes_rows(place: Place) -> None:
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.events (id, v, s) VALUES ({1000 + number}, 1, 'late')")


def started(place: Place, schema: Schema, words: str) -> None:
    """A start through the first host; the third one joins before its first statement that has these words."""
    done = False

    def before(effect: Effect) -> None:
        nonlocal done
        if isinstance(effect, Command) and words in effect.sql and not done:
            done = True
            join(place)

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        run = Run(schema, place.database, DROPPED, this_process(), False, VERSION)
        Driver(opened, before=before).run(ensure(run))
    finally:
        opened.close()
        assert done


@pytest.mark.parametrize(
    "words", [pytest.param("_aaiclick_new_", marks=LONG), "ADD CONSTRAINT _aaiclick_fence"], ids=["filling", "closing"]
)
def test_while_a_table_is_copied(place: Place, words: str) -> None:
    """The run says which host joined, and the table is as it was on all of them; the next one copies it."""
    begin(place, turned(1, place))
    with pytest.raises(ApplyError) as ended:
        started(place, turned(2, place), words)
    label = label_of(place.cluster.hosts[2])
    said = f"host {label} joined while events was copied: the copy was undone on all hosts. Run again: that begins"
    assert said in str(ended.value)
    takes_rows(place)
    place.cluster.sync(f"{place.database}.events")
    assert place.cluster.same(f"SELECT count() FROM {place.database}.events") == [[603]]
    place.start(turned(2, place), 2, DROPPED)
    is_whole(place, 603)
    place.is_settled(turned(2, place))


@pytest.mark.parametrize("through", [0, pytest.param(2, marks=LONG)])
@pytest.mark.parametrize("moment", ["behind the fence", "swap"])
def test_behind_a_kill_of_a_copy(place: Place, moment: str, through: int) -> None:
    """Before the exchange it is undone on all three and made anew; from then on it is brought to its end on them."""
    begin(place, turned(1, place))
    if moment == "swap":
        killed_before(place, turned(2, place), "EXCHANGE TABLES")
    else:
        killed_behind_the_fence(place, turned(2, place))
    join(place)
    place.start(turned(2, place), through, DROPPED)
    takes_rows(place)
    is_whole(place, 603)
    place.is_settled(turned(2, place))


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("", marks=LONG),
        pytest.param("CREATE MATERIALIZED VIEW", marks=LONG),
        "INSERT INTO `{}`.`copied`",
    ],
    ids=["closing", "sending", "filling"],
)
def test_behind_a_kill_of_a_fill(place: Place, words: str) -> None:
    begin(place, followed(1, place, view=False))
    if words:
        killed_before(place, followed(2, place), words.format(place.database))
    else:
        killed_behind_the_fence(place, followed(2, place))
    join(place)
    place.start(followed(2, place), 2)
    takes_rows(place)
    is_filled(place)
    place.is_settled(followed(2, place))


@pytest.mark.parametrize(
    "words",
    [pytest.param("CREATE MATERIALIZED VIEW", marks=LONG), "INSERT INTO `{}`.`copied`"],
    ids=["sending", "filling"],
)
def test_while_a_view_is_filled(place: Place, words: str) -> None:
    """The run says that a host has joined, and the next one brings the view to its end on all of them."""
    begin(place, followed(1, place, view=False))
    with pytest.raises(ApplyError, match=r"a host has joined since this run looked .* Run again: that begins with"):
        started(place, followed(2, place), words.format(place.database))
    place.start(followed(2, place), 2)
    takes_rows(place)
    is_filled(place)
    place.is_settled(followed(2, place))
