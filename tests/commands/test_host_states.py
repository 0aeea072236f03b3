"""What each host of a cluster has otherwise, and which of them a run would help: answers of hosts that are made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.clickhouse.topology import Host, Topology
from aaiclick.commands.inspection.host_states import host_states
from aaiclick.routine import Query, Rows
from aaiclick.specs.functions import Function

if TYPE_CHECKING:
    from aaiclick.commands.inspection.inspect import Inspection

TABLE = Table("t", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"], replicated=""))
SCHEMA = Schema("app", objects=[TABLE, Function("f", "x -> x + 1")])
HOSTS = (Host("a", 9000, 1, 1, is_local=True), Host("b", 9000, 1, 2), Host("c", 9000, 1, 3))
ALIVE: Rows = tuple((place, "", "", "") for place in (1, 2, 3))


def answer(sql: str) -> Rows:
    """b has t detached, and c lacks the function."""
    for asked, rows in {
        "system.detached_tables": ((2, b"t".hex()),),
        "hex(name), toString(uuid)": ((1, b"t".hex(), "", "7"), (3, b"t".hex(), "", "7"), *ALIVE),
        "system.functions": ((1, b"f".hex(), "", "8"), (2, b"f".hex(), "", "8"), *ALIVE),
        "SELECT toString(serverUUID())": (("one",),),
        "getServerPort('http_port')": ((1, 8123), (2, 8123), (3, 8123)),
        "serverUUID(), version()": ((1, "one", "26.9"), (2, "two", "26.9"), (3, "three", "26.9")),
    }.items():
        if asked in sql:
            return rows
    return ()


def test_a_host_with_a_detached_table_is_not_helped_whatever_else_differs() -> None:
    found = SimpleNamespace(
        schema=SCHEMA,
        topology=Topology("queue", "c", HOSTS, "db"),
        catalog=SimpleNamespace(database="db"),
        books=SimpleNamespace(shared=False),
    )
    routine = host_states(cast("Inspection", found))
    effect = next(routine)
    try:
        while True:
            effect = routine.send(answer(effect.sql) if isinstance(effect, Query) else ())
    except StopIteration as done:
        states = done.value
    assert [state.differs for state in states] == [
        (),
        ("t is detached (ATTACH TABLE `t` there brings it back)",),
        ("f is missing",),
    ]
    assert [state.peer is not None for state in states] == [False, False, True]
