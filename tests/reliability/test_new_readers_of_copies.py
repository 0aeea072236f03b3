"""An operator makes a view, or a Buffer table, while a table is copied into one whose columns have other names, types or
kinds: the two are not exchanged, forward and back. What comes in the very moment is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table, ensure_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, BlockedError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect, Query, Routine
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, ensuring

POLICY = Policy.lossless().allow("retype t.s", "drop-column t.s", "change-default t.s")
MADE = {
    "Buffer table buf": (
        "CREATE TABLE {db}.buf AS {db}.t ENGINE = Buffer({db}, t, 1, 600, 600, 1000000, 1000000, 100000000, 100000000)"
    ),
    "materialized view mv": "CREATE MATERIALIZED VIEW {db}.mv ENGINE = Null AS SELECT * FROM {db}.t",
}
TO = {
    "renamed": Column("s2", "String"),
    "retyped": Column("s", "LowCardinality(String)"),
    "computed": Column("s", "String", materialized="toString(p)"),
    "the same": Column("s", "String"),
}


def schema(version: int, change: str, copied: bool = True) -> Schema:
    text = Column("s", "String") if version == 1 else TO[change]
    table = Table(
        "t",
        [Column("id", "UInt64"), text, Column("p", "UInt32")],
        engine=MergeTree(order_by=["p", "id"] if copied and version == 2 else ["id"]),
    )
    moves = [Migration(2, renames={"t.s": "s2"})] if version == 2 and change == "renamed" else []
    return Schema("s", version=version, objects=[table], migrations=moves)


@pytest.fixture
def ground(aaiclick_client: Client, aaiclick_database: str) -> str:
    ensure_schema(aaiclick_client, schema(1, ""), database=aaiclick_database)
    aaiclick_client.command(f"INSERT INTO {aaiclick_database}.t SELECT number, 'v', number % 3 FROM numbers(99)")
    return aaiclick_database


def operated(
    engine: EmbeddedEngine, client: Client, database: str, routine: Routine[Report], made: str, moment: str
) -> tuple[Report, list[str]]:
    """Carry it out; ``made`` right before the first command with ``moment`` in it. The report, and what was sent."""
    done = False

    def operate(effect: Effect) -> None:
        nonlocal done
        if not done and isinstance(effect, Command) and moment in effect.sql and "scratch" not in effect.sql:
            done = True
            client.command(MADE[made].replace("{db}", database))
            if made == "Buffer table buf":
                name = "s2" if "`s2`" in str(client.command(f"SHOW CREATE {database}.t")) else "s"
                client.command(f"INSERT INTO {database}.buf (id, {name}) VALUES (7000, 'keep')")

    with closing(open_url(engine.url)) as connection:
        driver = Driver(connection, before=operate)
        try:
            report = driver.run(routine)
        finally:
            assert done
    return report, [each.sql for each in driver.seen if isinstance(each, Query | Command)]


def forward(database: str, change: str, copied: bool = True) -> Routine[Report]:
    return ensuring(schema(2, change, copied), database, POLICY)


def back(database: str, change: str) -> Routine[Report]:
    return rollback(Rollback(schema(2, change), database, 1, frozenset(), False, this_process(), True, 3600))


def uuid(client: Client, database: str) -> str:
    return str(client.command(f"SELECT uuid FROM system.tables WHERE database = '{database}' AND name = 't'"))


COPIES = [("renamed", "Buffer table buf"), ("renamed", "materialized view mv"), ("retyped", "Buffer table buf")]


@pytest.mark.parametrize(("change", "made"), [*COPIES, ("computed", "Buffer table buf")])
def test_a_copy_is_not_put_in_place(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str, change: str, made: str
) -> None:
    before = uuid(aaiclick_client, ground)
    with pytest.raises(ApplyError, match=f"{made} reads or feeds it.*EXCHANGE was not sent"):
        operated(aaiclick_engine, aaiclick_client, ground, forward(ground, change), made, "`_aaiclick_new_")
    assert uuid(aaiclick_client, ground) == before
    # Writers are let in, and the settings are what they were.
    aaiclick_client.command(f"INSERT INTO {ground}.t (id, s, p) VALUES (8000, 'x', 1)")
    assert "max_bytes_to_merge" not in str(aaiclick_client.command(f"SHOW CREATE {ground}.t"))
    if made == "Buffer table buf":
        # The other type holds the same texts.
        if change != "retyped":
            with pytest.raises(BlockedError, match="buf: "):
                ensure_schema(aaiclick_client, schema(2, change), database=ground, policy=POLICY)
        aaiclick_client.command(f"DROP TABLE {ground}.buf SYNC")
        assert str(aaiclick_client.command(f"SELECT s FROM {ground}.t WHERE id = 7000")) == "keep"
    else:
        aaiclick_client.command(f"DROP VIEW {ground}.mv SYNC")
    assert ensure_schema(aaiclick_client, schema(2, change), database=ground, policy=POLICY).in_sync


@pytest.mark.parametrize(("change", "made"), COPIES)
def test_nor_is_one_of_a_rollback(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str, change: str, made: str
) -> None:
    ensure_schema(aaiclick_client, schema(2, change), database=ground, policy=POLICY)
    before = uuid(aaiclick_client, ground)
    with pytest.raises(ApplyError, match=f"{made} reads or feeds it.*EXCHANGE was not sent"):
        operated(aaiclick_engine, aaiclick_client, ground, back(ground, change), made, "`_aaiclick_new_")
    assert uuid(aaiclick_client, ground) == before
    kind = "TABLE" if made == "Buffer table buf" else "VIEW"
    aaiclick_client.command(f"DROP {kind} {ground}.{made.rsplit(maxsplit=1)[-1]} SYNC")
    with closing(open_url(aaiclick_engine.url)) as connection:
        assert Driver(connection).run(back(ground, change)).to_version == 1
    kept = aaiclick_client.command(f"SELECT count() FROM {ground}.t WHERE s = 'keep'")
    assert str(kept) == ("1" if kind == "TABLE" else "0")


@pytest.mark.parametrize(
    "way",
    [pytest.param(forward, id="forward"), pytest.param(back, id="back")],
)
def test_one_that_is_made_at_the_exchange_is_told(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    ground: str,
    way: Callable[[str, str], Routine[Report]],
) -> None:
    if way is back:
        ensure_schema(aaiclick_client, schema(2, "renamed"), database=ground, policy=POLICY)
    report, _ = operated(
        aaiclick_engine, aaiclick_client, ground, way(ground, "renamed"), "Buffer table buf", "EXCHANGE TABLES"
    )
    assert [note for note in report.notes if note.startswith("Buffer table buf was made in the moment of EXCHANGE")]


def test_a_copy_that_changes_no_column_asks_no_more(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str
) -> None:
    report, sent = operated(
        aaiclick_engine, aaiclick_client, ground, forward(ground, "the same"), "Buffer table buf", "`_aaiclick_new_"
    )
    assert [step.strategy for step in report.steps] == ["rebuild"]
    exchanged = next(place for place, sql in enumerate(sent) if "EXCHANGE TABLES" in sql)
    assert not [sql for sql in sent[exchanged - 8 :] if "as_select" in sql]


def test_a_column_that_is_computed_from_then_on_is_not_altered_either(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, ground: str
) -> None:
    with pytest.raises(ApplyError, match=r"Buffer table buf reads or feeds it.*MODIFY COLUMN.* was not sent"):
        operated(
            aaiclick_engine,
            aaiclick_client,
            ground,
            forward(ground, "computed", copied=False),
            "Buffer table buf",
            "_aaiclick_journal",
        )
    with pytest.raises(BlockedError, match="buf: "):
        ensure_schema(aaiclick_client, schema(2, "computed", copied=False), database=ground, policy=POLICY)
    aaiclick_client.command(f"DROP TABLE {ground}.buf SYNC")
    assert str(aaiclick_client.command(f"SELECT s FROM {ground}.t WHERE id = 7000")) == "keep"
