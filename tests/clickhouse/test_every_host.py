"""What is said of hosts that do not show what was sent to all."""

from __future__ import annotations

import pytest

from aaiclick.clickhouse.every_host import Reach, Shown, Subject, until_shown
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.errors import ApplyError
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
