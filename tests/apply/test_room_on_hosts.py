"""Room for a copy on every replica: answers of hosts that are made up, because no disk of a test is small."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aaiclick.apply.replicated.hosts import require_room_everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.errors import ApplyError
from aaiclick.routine import Rows

REACH = Reach(Topology("queue", "c", (Host("a", 9000, 1, 1, is_local=True), Host("b", 9000, 1, 2)), "db"))
TABLE = Physical("db", "t", "uuid", "ReplicatedMergeTree")


def look(left: int) -> None:
    """The copy needs two million bytes, of which the second host has so many."""
    answers: list[Rows] = [(("default",),), ((1, 10_000_000), (2, left))]
    routine = require_room_everywhere(REACH, TABLE, {1: 1_000_000}, 2.0, {})
    next(routine)
    with suppress(StopIteration):
        for rows in answers:
            routine.send(rows)


def test_a_host_with_too_little_is_named_with_what_it_has() -> None:
    look(2_000_000)
    with pytest.raises(ApplyError, match=r"t: a copy needs 1\.9 MiB on every replica, but host b has 976\.6 KiB left"):
        look(1_000_000)
