"""The main job: whatever an earlier release left behind comes to version 5 by ``init_oplog_tables`` alone, with every
row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from aaiclick import Policy, forget, plan_schema, validate_schema
from aaiclick.errors import SchemaVersionError
from aaiclick.events import Event, PlanReady
from aaiclick.oplog import OPLOG, init_oplog_tables, init_oplog_tables_async
from aaiclick.state.kept_tables import KEPT_PREFIX
from tests.oplog.reading import OWN, all_rows, columns, execute, rows, scratch, storage, tables
from tests.oplog.states import EXPIRED, PLAIN, STATES, State

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from aaiclick.testing.engine import EmbeddedEngine

VERSION_5 = {table.name: [(column.name, column.type) for column in table.columns] for table in OPLOG.tables}
BOOKKEEPING = {"schema_version", "_aaiclick_journal", "_aaiclick_lease"}
KEYS = {"operation_log": "result_table, created_at", "task_logs": "task_id, run_id, seq"}


@pytest.fixture
def default_client(aaiclick_engine: EmbeddedEngine) -> Iterator[Client]:
    """A client on chdb's ``default`` database, which is empty before and after."""
    client = aaiclick_engine.client(database="default")
    assert tables(client) == []
    yield client
    for table in tables(client):
        client.command(f"DROP TABLE `{table}` SYNC")
    client.close()


def is_version_5(client: Client) -> None:
    """Both tables hold the declared columns first and in order, with the declared keys and without a TTL."""
    for table, wanted in VERSION_5.items():
        found = [column for column in columns(client, table) if column[0] in dict(wanted)]
        assert found == wanted
        sql = (
            "SELECT sorting_key, partition_key, engine, engine_full FROM system.tables WHERE database = "
            "currentDatabase() AND name = {table:String}"
        )
        sorting, partition, engine, full = client.query(sql, parameters={"table": table}).result_rows[0]
        assert (sorting, partition, engine) == (KEYS[table], "", "MergeTree")
        assert "TTL" not in full
    status = validate_schema(client, OPLOG)
    assert (status.live_version, status.in_sync, status.differences) == (5, True, ())


def brings_up_to_date(client: Client, state: State) -> None:
    execute(client, state.statements)
    before, held, foreign = all_rows(client), storage(client), scratch(client)

    report = init_oplog_tables(client)

    assert (report.from_version, report.to_version, report.in_sync) == (state.version, 5, True)
    assert bool(report.steps) is (state.version < 5 or "task_logs" not in before)
    is_version_5(client)
    for table, (names, old) in before.items():
        assert len(old) == len(rows(client, table, names))
        assert set(old) == set(rows(client, table, names)), table
    untouched = {table: found for table, found in held.items() if table not in OWN}
    assert {table: found for table, found in storage(client).items() if table in untouched} == untouched
    assert scratch(client) == foreign
    kept = {name for name in tables(client) if name.startswith(KEPT_PREFIX)}  # for the way back, for a day
    assert len(kept) == sum(step.strategy in ("rebuild", "attach") for step in report.steps)
    assert {name for name in tables(client) if name not in before} - set(OWN) - kept <= BOOKKEEPING

    after = storage(client)
    again = init_oplog_tables(client)
    assert (again.steps, again.in_sync, storage(client)) == ((), True, after)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state_comes_to_version_5(aaiclick_client: Client, state: State) -> None:
    brings_up_to_date(aaiclick_client, state)


@pytest.mark.parametrize("state", PLAIN, ids=lambda state: state.name)
def test_every_release_comes_to_version_5_in_the_default_database(default_client: Client, state: State) -> None:
    brings_up_to_date(default_client, state)


def test_rows_past_an_old_ttl_are_safe_from_then_on(aaiclick_client: Client) -> None:
    state = next(state for state in STATES if EXPIRED in state.after)
    execute(aaiclick_client, state.statements)
    init_oplog_tables(aaiclick_client)
    execute(aaiclick_client, ["SYSTEM START TTL MERGES operation_log", "OPTIMIZE TABLE operation_log FINAL"])
    assert aaiclick_client.query(
        "SELECT count(), countIf(id >= 9000000000000000000) FROM operation_log"
    ).result_rows == [(1500, 500)]


@pytest.mark.parametrize("database", ["own", "default"])
def test_a_fresh_database_is_version_5_at_once(request: pytest.FixtureRequest, database: str) -> None:
    client: Client = request.getfixturevalue("aaiclick_client" if database == "own" else "default_client")
    report = init_oplog_tables(client)
    assert (report.from_version, report.to_version) == (0, 5)
    assert sorted((step.object, step.strategy) for step in report.steps) == [
        ("operation_log", "create"),
        ("task_logs", "create"),
    ]
    is_version_5(client)
    assert init_oplog_tables(client).steps == ()


@pytest.mark.parametrize("state", [state for state in PLAIN if state.version < 5], ids=lambda state: state.name)
def test_checking_only_says_what_is_behind_and_changes_nothing(aaiclick_client: Client, state: State) -> None:
    execute(aaiclick_client, state.statements)
    before = storage(aaiclick_client)
    with pytest.raises(
        SchemaVersionError,
        match=rf"^oplog is at v{state.version}, code expects v5: .*created_at.*\. Run: aaiclick migrate$",
    ):
        init_oplog_tables(aaiclick_client, policy=Policy.check())
    assert storage(aaiclick_client) == before


def test_the_plan_from_version_1_rewrites_the_log_once_and_says_so(aaiclick_client: Client) -> None:
    execute(aaiclick_client, PLAIN[0].statements)
    plan = plan_schema(aaiclick_client, OPLOG)
    assert (plan.from_version, plan.to_version) == (1, 5)
    assert [step.object for step in plan.required if step.strategy == "rebuild"] == ["operation_log"]
    assert "sort key created_at -> (result_table, created_at)" in str(plan)


def test_rows_written_after_the_upgrade_fill_the_new_columns(aaiclick_client: Client) -> None:
    execute(aaiclick_client, PLAIN[0].statements)
    init_oplog_tables(aaiclick_client)
    names = [column.name for column in OPLOG.tables[0].columns]
    aaiclick_client.command(
        f"INSERT INTO operation_log ({', '.join(names[1:])}) VALUES ('t_1', 'sum', map('a', 'b'), NULL, 1, 2, 3, "
        "now64(3))"
    )
    assert aaiclick_client.query("SELECT operation, run_id, args FROM operation_log WHERE run_id = 3").result_rows == [
        ("sum", 3, [])
    ]


def test_keywords_are_passed_on(aaiclick_client: Client) -> None:
    execute(aaiclick_client, PLAIN[0].statements)
    other = f"{aaiclick_client.database}_other"
    aaiclick_client.command(f"CREATE DATABASE {other}")
    before = storage(aaiclick_client)
    events: list[Event] = []
    try:
        first = init_oplog_tables(aaiclick_client, database=other, once=True, on_event=events.append)
        assert (first.database, first.from_version, first.to_version) == (other, 0, 5)
        assert any(isinstance(event, PlanReady) for event in events)
        aaiclick_client.command(f"DROP TABLE {other}.task_logs SYNC")
        assert init_oplog_tables(aaiclick_client, database=other, once=True).in_sync  # remembered: nobody looks again
        assert [step.object for step in init_oplog_tables(aaiclick_client, database=other).steps] == ["task_logs"]
    finally:
        forget()
        aaiclick_client.command(f"DROP DATABASE {other} SYNC")
    assert storage(aaiclick_client) == before


class AwaitableClient:
    """What the embedding application hands in: an object with awaitable ``command`` and ``query``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def command(
        self, query: str, settings: dict[str, object] | None = None, parameters: dict[str, object] | None = None
    ) -> object:
        return self._client.command(query, settings=settings, parameters=parameters)

    async def query(
        self, query: str, settings: dict[str, object] | None = None, parameters: dict[str, object] | None = None
    ) -> object:
        return self._client.query(query, settings=settings, parameters=parameters)


def test_the_async_twin_does_the_same(aaiclick_client: Client) -> None:
    execute(aaiclick_client, PLAIN[0].statements)
    before = all_rows(aaiclick_client)
    report = asyncio.run(init_oplog_tables_async(AwaitableClient(aaiclick_client)))
    assert (report.from_version, report.to_version) == (1, 5)
    is_version_5(aaiclick_client)
    assert {table: rows(aaiclick_client, table, names) for table, (names, _) in before.items()} == {
        table: old for table, (_, old) in before.items()
    }
