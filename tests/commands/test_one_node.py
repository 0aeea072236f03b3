"""More than one replica: a start looks, says so, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.catalog.forms import Catalog, LiveObject, ServerFacts, UnsupportedForm
from aaiclick.commands.adopt import adopt
from aaiclick.commands.ensure import ensure
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.commands.start.run import Run
from aaiclick.errors import HazardNotAllowedError, StatementError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.plan.unreachable_replicas import several
from aaiclick.routine import Command, Connection, Query, run
from tests.catalog.helpers import Recording

Rows = list[list[object]]
Change = Callable[[str, Rows], Rows]
SERVER = ServerFacts((26, 9), "26.9", "shop", "default", "UTC")


def table(name: str, *more: Column) -> Table:
    return Table(name, [Column("id", "UInt64"), *more], engine=MergeTree(order_by=["id"]))


V1 = Schema("shop", version=1, objects=[table("a"), table("b")])
V2 = Schema("shop", version=2, objects=[table("a", Column("n", "UInt8")), table("b")])


class Told(Recording):
    """The engine, with some rows of its catalogue changed; ``changes`` are the statements that were no question."""

    def __init__(self, connection: Connection, change: Change) -> None:
        super().__init__(connection)
        self.change = change
        self.asked: list[str] = []
        self.changes: list[str] = []

    def query(self, effect: Query, /) -> Rows:
        self.asked.append(effect.sql)
        return self.change(effect.sql, [list(row) for row in super().query(effect)])

    def command(self, effect: Command, /) -> None:
        if "_aaiclick_scratch" not in effect.sql and "_aaiclick_scratch" not in (effect.database or ""):
            self.changes.append(effect.sql)
        super().command(effect)


def replicated_table(count: int) -> Change:
    def change(sql: str, rows: Rows) -> Rows:
        if "FROM system.replicas" in sql:
            return [["a", count]]
        if "FROM system.clusters" in sql:
            return []
        return [[*row[:2], "ReplicatedMergeTree", *row[3:]] if row[:2] == ["object", "a"] else row for row in rows]

    return change


def replicated_database(count: int | None, engine: str = "Replicated") -> Change:
    def change(sql: str, rows: Rows) -> Rows:
        if "FROM system.clusters" in sql:
            if count is None:
                raise StatementError("no", 497, "ACCESS_DENIED")
            hosts: Rows = [[f"h{place}", 9000, 1, place, int(place == 1)] for place in range(1, count + 1)]
            return hosts if sql.startswith("SELECT host_name") else [[count]]
        if sql.startswith("SELECT name, version(), engine"):
            return [[*rows[0][:2], engine]]
        return [[*row[:2], engine, *row[3:]] if row[0] == "database" else row for row in rows]

    return change


def start(connection: Connection, database: str, schema: Schema, policy: Policy) -> Report:
    return run(ensure(Run(schema, database, policy, this_process(), True, "0")), connection)


SEVERAL = [
    pytest.param(replicated_table(2), "a has 2 replicas", id="table"),
    pytest.param(
        replicated_database(0),
        r"database {db} is replicated \(Replicated\), and nothing tells to how many nodes",
        id="no-keeper",
    ),
    pytest.param(
        replicated_database(None), r"database {db} is replicated \(Replicated\), and nothing tells", id="no-right"
    ),
    pytest.param(
        replicated_database(1, "Shared"), r"database {db} is replicated \(Shared\), and nothing tells", id="shared"
    ),
]


@pytest.mark.parametrize(
    "policy", [Policy.safe(), Policy.lossless(), Policy.everything()], ids=["safe", "lossless", "everything"]
)
@pytest.mark.parametrize(("change", "words"), SEVERAL)
def test_nothing_is_changed(
    connection: Connection, aaiclick_database: str, change: Change, words: str, policy: Policy
) -> None:
    start(connection, aaiclick_database, V1, Policy.lossless())
    told = Told(connection, change)
    said = (
        r"^shop: "
        rf"{words.format(db=aaiclick_database)}.*Nothing "
        r"was "
        r"changed\. "
        r"To "
        r"do: "
        r"a: "
        r"column "
        r"n "
        r"is "
        r"missing.*To "
        r"allow "
        r"it: "
        r"aaiclick "
        r"migrate "
        r"--allow "
        r"'one-node'$"
    )
    with pytest.raises(HazardNotAllowedError, match=said):
        start(told, aaiclick_database, V2, policy)
    with pytest.raises(HazardNotAllowedError, match="To allow it: aaiclick rollback --allow 'one-node'"):
        run(rollback(Rollback(V2, aaiclick_database, None, frozenset(), False, this_process(), True, 0)), told)
    assert told.changes == []


REACHED = [pytest.param(replicated_database(3), "hosts that can be reached", id="database")]


@pytest.mark.parametrize(("change", "words"), [*SEVERAL, *REACHED])
def test_who_knows_better_says_so(connection: Connection, aaiclick_database: str, change: Change, words: str) -> None:
    start(connection, aaiclick_database, V1, Policy.lossless())
    allowing = Policy.safe().allow("one-node")
    assert start(Told(connection, change), aaiclick_database, V2, allowing).steps
    warm = Told(connection, change)
    assert start(warm, aaiclick_database, V2, allowing).in_sync
    assert len(warm.asked) == 1, words


def test_a_version_is_not_recorded_by_one_of_several(connection: Connection, aaiclick_database: str) -> None:
    start(connection, aaiclick_database, V1, Policy.lossless())
    told = Told(connection, replicated_table(2))
    with pytest.raises(
        UsageError, match=r"a has 2 replicas.*Nothing was recorded.*aaiclick adopt --version 1 --force$"
    ):
        run(adopt(V1, 1, False, aaiclick_database, True), told)
    assert told.changes == []
    assert run(adopt(V1, 1, True, aaiclick_database, True), told).version == 1


def test_one_replica_is_one_node(connection: Connection, aaiclick_database: str) -> None:
    start(connection, aaiclick_database, V1, Policy.lossless())
    assert start(Told(connection, replicated_table(1)), aaiclick_database, V2, Policy.safe()).steps
    assert (
        start(
            Told(connection, replicated_database(1)),
            aaiclick_database,
            V1.model_copy(update={"version": 3}),
            Policy.safe(),
        ).to_version
        == 3
    )


def test_tables_that_are_as_declared_need_no_change_and_get_no_record(
    connection: Connection, aaiclick_database: str
) -> None:
    """The start of a second node, whose tables are there and whose bookkeeping is not."""
    for name in ("a", "b"):
        connection.command(
            Command(f"CREATE TABLE {name} (id UInt64) ENGINE = MergeTree ORDER BY id", database=aaiclick_database)
        )
    told = Told(connection, replicated_database(0))
    report = start(told, aaiclick_database, V1, Policy.lossless())
    assert report.in_sync
    assert "and nothing tells to how many nodes: a start changes nothing there" in report.notes[-1]
    assert told.changes == []


def test_an_empty_replicated_database_is_not_filled(connection: Connection, aaiclick_database: str) -> None:
    told = Told(connection, replicated_database(0))
    with pytest.raises(HazardNotAllowedError, match="nothing tells to how many nodes"):
        start(told, aaiclick_database, V1, Policy.lossless())
    assert told.changes == []


def test_a_migration_that_somebody_began_is_left(connection: Connection, aaiclick_database: str) -> None:
    start(connection, aaiclick_database, V1, Policy.lossless())
    connection.command(
        Command("CREATE TABLE _aaiclick_lock (held UInt8) ENGINE = Null COMMENT 'x'", database=aaiclick_database)
    )
    told = Told(connection, replicated_database(0))
    with pytest.raises(HazardNotAllowedError, match="nothing tells to how many nodes"):
        start(told, aaiclick_database, V2, Policy.lossless())
    assert told.changes == []


def live(name: str, engine: str, replicas: int) -> LiveObject:
    return LiveObject("shop", name, UnsupportedForm(name, "", ""), "", engine, replicas=replicas)


def catalog(*objects: LiveObject, engine: str = "Atomic", replicas: int = 0) -> Catalog:
    return Catalog("shop", engine, SERVER, {each.name: each for each in objects}, replicas)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (catalog(live("a", "MergeTree", 0), live("b", "ReplicatedMergeTree", 1)), ""),
        (catalog(live("a", "MergeTree", 0), live("b", "ReplicatedMergeTree", 2)), "b has 2 replicas"),
        (
            catalog(live("a", "ReplicatedMergeTree", 3), live("b", "ReplicatedMergeTree", 2)),
            "a has 3 replicas, as 1 more of its schema have",
        ),
        (catalog(live("a", "SharedMergeTree", 2)), "a is there for other replicas as well (SharedMergeTree)"),
        (catalog(engine="Replicated", replicas=1), ""),
        (catalog(engine="Replicated", replicas=2), "database shop has 2 replicas"),
        (
            catalog(engine="Replicated", replicas=-1),
            "database shop is replicated (Replicated), and nothing tells to how many nodes",
        ),
    ],
)
def test_the_gate(found: Catalog, words: str) -> None:
    assert several(found, ()) == words
    assert several(found, {"one-node"}) == ""


@pytest.mark.parametrize("key", ["one-node shop", "one-nod", "one-node "])
def test_the_key_is_one_word(key: str) -> None:
    with pytest.raises(UsageError, match="names no hazard"):
        Policy.safe().allow(key)
