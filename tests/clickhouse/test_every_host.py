"""What is said of hosts that do not show what was sent to all."""

from __future__ import annotations

import pytest

from aaiclick.clickhouse.every_host import Reach, Shown, Subject, until_shown
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.error_codes import ALL_CONNECTION_TRIES_FAILED
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.routine import Query, Routine, Rows

HOSTS = (Host("a", 9000, 1, 1, is_local=True), Host("b", 9000, 1, 2))
REACH = Reach(Topology("queue", "c", HOSTS, "db"))
SUBJECT = Subject("db", ("events",))
NOTHING: Rows = ((1, "", "", ""), (2, "", "", ""))
ONE_SHOWS: Rows = ((1, b"events".hex(), "", "7"), *NOTHING)


@pytest.mark.parametrize(
    ("shown", "age", "said"),
    [
        (
            NOTHING,
            70,
            "no host shows yet what was sent to all. It is carried out as soon as the hosts come to it. Where a host",
        ),
        (ONE_SHOWS, 0, "events: host b does not show yet what was sent to all. It is carried out there as soon as"),
    ],
)
def test_who_does_not_show_it_and_which_entry_stands_still(shown: Rows, age: int, said: str) -> None:
    with pytest.raises(ApplyError) as raised:
        drive(until_shown(REACH, SUBJECT, Shown({1: {}, 2: {}}), 1.0), shown, age)
    assert said in str(raised.value)
    assert ("tries query-24 of the DDL queue again and again" in str(raised.value)) == (age > 0)


def drive(routine: Routine[bool], shown: Rows, age: int) -> None:
    """``shown``: what the hosts show; ``age``: of the one entry of the queue, in seconds."""
    effect = next(routine)
    while True:
        rows: Rows = ()
        if isinstance(effect, Query) and "distributed_ddl_queue" in effect.sql:
            older = int(effect.parameters["older"])
            rows = (("query-24", "b", 9000, age),) if age >= older else ()
        elif isinstance(effect, Query):
            rows = ((1,),) if "system.replicas" in effect.sql else shown
        effect = routine.send(rows)


def test_where_all_hosts_are_expected_each_is_asked_once() -> None:
    """The server raises where one is away, so no second table has to tell who is there; then that is asked, too."""
    look = SUBJECT.look(REACH.topology, whole=True)
    asked = next(look)
    assert isinstance(asked, Query)
    assert asked.settings["skip_unavailable_shards"] == 0
    assert "system.one" not in asked.sql
    with pytest.raises(StopIteration) as ended:
        look.send(((0, "", "server", "a"), (1, b"events".hex(), "u", "7")))
    assert ended.value.value == Shown({1: {"events": ("u", "7")}, 2: {}}, ("server", "a"))

    look = SUBJECT.look(REACH.topology, whole=True)
    next(look)
    asked = look.throw(StatementError("all tries failed", ALL_CONNECTION_TRIES_FAILED))
    assert isinstance(asked, Query)
    assert asked.settings["skip_unavailable_shards"] == 1
    with pytest.raises(StopIteration) as ended:
        look.send(((0, "", "server", "a"), (1, "", "", "")))
    assert ended.value.value == Shown({1: {}}, ("server", "a"))


def test_a_lost_connection_is_not_the_absence_of_a_host() -> None:
    look = SUBJECT.look(REACH.topology, whole=True)
    next(look)
    with pytest.raises(OutcomeUnknownError):
        look.throw(OutcomeUnknownError("gone"))
