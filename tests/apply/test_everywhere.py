"""Statements that every host carries out by the queue, without a cluster."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aaiclick.apply.everywhere import everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Rows

REACH = Reach(Topology("queue", "c", (Host("h1", 9000, 1, 1, True), Host("h2", 9000, 1, 2)), "shop"), here=1)
TIMEOUT = "distributed_ddl_task_timeout"


def shown(*digests: str) -> Rows:
    here = ((0, "", "server", "h1"),)
    return (*here, *((place, b"events".hex(), "u", digest) for place, digest in enumerate(digests, 1)))


def sent(repeatable: bool, looks: list[Rows], refused: bool = False) -> list[object]:
    """For how many seconds the server waits for the queue at each statement that is sent. ``looks``: what the hosts
    show, the last one from then on. ``refused``: the server answers a statement that it waits for with an error."""
    routine = everywhere(
        ddl("ALTER TABLE shop.events MODIFY SETTING parts_to_throw_insert = 1"), REACH, repeatable=repeatable
    )
    found: list[object] = []
    effect = next(routine)
    try:
        while True:
            if isinstance(effect, Command):
                found.append(effect.settings[TIMEOUT])
                if refused and effect.settings[TIMEOUT]:
                    effect = routine.throw(StatementError("no such setting", 115))
                    continue
            if isinstance(effect, Query):
                answer = looks.pop(0) if len(looks) > 1 else looks[0]
                effect = routine.send(answer if "create_table_query" in effect.sql else ((0,),))
            else:
                effect = routine.send(())
    except StopIteration:
        return found


def test_what_may_be_carried_out_twice_is_not_waited_for_by_the_server() -> None:
    before, after = shown("1", "1"), shown("2", "2")
    assert sent(True, [before, before, shown("2", "1"), after]) == [0]
    assert sent(False, [before, after]) == [5]


def test_what_no_host_shows_soon_is_sent_once_more_for_its_error() -> None:
    before = shown("1", "1")
    with pytest.raises(StatementError, match="no such setting"):
        sent(True, [before], refused=True)


def test_a_create_that_hosts_come_to_late_is_no_second_table() -> None:
    """It is sent once more, and refused by the host that has the table already; the other one comes to the first."""
    create = ddl("CREATE TABLE shop.events (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    routine = everywhere(create, REACH, repeatable=True)
    effect, looks = next(routine), -1
    with suppress(StopIteration):
        while True:
            if isinstance(effect, Command) and effect.settings[TIMEOUT]:
                looks = 0
                effect = routine.throw(StatementError("it exists", TABLE_ALREADY_EXISTS))
            elif isinstance(effect, Query) and "create_table_query" in effect.sql:
                looks += looks >= 0
                effect = routine.send(shown("2", "2") if looks > 1 else shown("2"))
            else:
                effect = routine.send(((0,),) if isinstance(effect, Query) and "system.replicas" in effect.sql else ())
    assert looks > 1
