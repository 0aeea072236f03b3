"""Every state that an earlier release or a real upgrade left is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick.catalog.forms import Form
from aaiclick.catalog.parse.create import split_create
from aaiclick.versions.lockfile import Lock, read_lock
from aaiclick.versions.recognition import recognise
from tests.oplog.reading import execute, storage
from tests.oplog.states import PLAIN, STATES, State

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.fixture(scope="module")
def lock() -> Lock:
    found = read_lock("aaiclick.oplog.migrations")
    assert found is not None
    return found


def live_forms(client: Client) -> dict[str, Form]:
    return {name: split_create(text, str(client.database)) for name, (text, _) in storage(client).items()}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state_is_recognised(aaiclick_client: Client, lock: Lock, state: State) -> None:
    execute(aaiclick_client, state.statements)
    found = recognise(live_forms(aaiclick_client), lock)
    assert (found.version, found.mixed, dict(found.unmatched)) == (state.version, state.mixed, {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "ALTER TABLE operation_log MODIFY TTL created_at + INTERVAL 1 MONTH",
            "TTL created_at + toIntervalMonth(1) -> created_at + toIntervalDay(90)",
        ),
        ("ALTER TABLE operation_log MODIFY COLUMN task_id UInt64 DEFAULT 0", "task_id"),
        ("ALTER TABLE operation_log DROP COLUMN sql_template", "column sql_template is missing"),
    ],
)
def test_a_table_that_was_never_released_is_described(
    aaiclick_client: Client, lock: Lock, change: str, words: str
) -> None:
    execute(aaiclick_client, [*PLAIN[0].statements, change])
    found = recognise(live_forms(aaiclick_client), lock)
    assert (found.version, found.nearest, set(found.unmatched)) == (None, 1, {"operation_log"})
    assert words in "; ".join(found.unmatched["operation_log"])


def test_a_table_of_the_same_name_that_is_something_else_stops(aaiclick_client: Client, lock: Lock) -> None:
    execute(aaiclick_client, ["CREATE TABLE task_logs (anything String) ENGINE = Memory"])
    found = recognise(live_forms(aaiclick_client), lock)
    assert found.version is None
    assert set(found.unmatched) == {"task_logs"}


def test_a_view_in_the_place_of_a_table_stops(aaiclick_client: Client, lock: Lock) -> None:
    execute(aaiclick_client, ["CREATE VIEW operation_log AS SELECT 1 AS id"])
    found = recognise(live_forms(aaiclick_client), lock)
    assert found.unmatched["operation_log"] == ("view differs from the released table",)


@pytest.mark.parametrize(
    "statements",
    [[], ["CREATE TABLE p_mine (x UInt8) ENGINE = Memory"], ["CREATE TABLE table_registry (x UInt8) ENGINE = Memory"]],
)
def test_a_database_without_any_of_the_objects_is_version_0(
    aaiclick_client: Client, lock: Lock, statements: list[str]
) -> None:
    execute(aaiclick_client, statements)
    assert recognise(live_forms(aaiclick_client), lock).version == 0


def test_a_lost_table_never_counts_as_the_newest_version(aaiclick_client: Client, lock: Lock) -> None:
    execute(aaiclick_client, [*PLAIN[5].statements, "DROP TABLE operation_log SYNC"])
    found = recognise(live_forms(aaiclick_client), lock)
    assert (found.version, found.mixed) == (4, True)
