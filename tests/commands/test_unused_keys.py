"""Keys that are allowed by name and name nothing: whoever gave them is told, with the one that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    TableFamily,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ID, KIND, PROPS = Column("id", "UInt64"), Column("kind", "String"), Column("props", "String")


def shop(version: int, *columns: Column, order_by: str = "id") -> Schema:
    return Schema(
        "shop",
        version=version,
        objects=[Table("events", columns, engine=MergeTree(order_by=[order_by])), TableFamily("made_*")],
        migrations=[Migration(1, title="first")],
    )


V1, V2 = shop(1, ID, KIND, PROPS), shop(2, ID, KIND)
NEVER = "allows nothing: shop declares no {}, and never did"
IDLE = {
    "set-values nosuch": NEVER.format("nosuch"),
    "drop-table other": NEVER.format("other"),
    "drop-column evnts.props": NEVER.format("evnts.props"),  # it is declared: nothing is dropped that may be meant
    "drop-column events.prop": "allows nothing: events has no prop, and never had",
    "drop-column events": "allows nothing: it names no part of events",
    "change-sort-key events.id": "allows nothing: it takes a name alone: did you mean 'change-sort-key events'?",
    "writers-stopped event": f"{NEVER.format('event')}: did you mean 'writers-stopped events'?",
    "retype event.kind": f"{NEVER.format('event.kind')}: did you mean 'retype events.kind'?",
    "run-sql migration 7": "allows nothing: shop has no such migration: did you mean 'run-sql migration 1 (first)'?",
    "values events": "allows nothing here: only aaiclick rollback asks for it",
    "without-host node9": "allows nothing: there is no other host of that name",
}
BUSY = (
    "change-ttl events.id",
    "leave-row-policy events.mine",
    "run-sql migration 1 (first)",
    "one-node",
    "drop-column made_up.x",
    "drop-table events",
    "rerun migration 1 (first):2#abc",
    "materialize events.kind",
)


def notes(client: Client, schema: Schema, *keys: str) -> dict[str, str]:
    """Each key with what is said of it."""
    said = ensure_schema(client, schema, policy=Policy.lossless().allow(*keys)).notes
    return {note[1:].partition("' ")[0]: note[1:].partition("' ")[2] for note in said if note.startswith("'")}


def test_keys_that_name_nothing_are_said_with_the_one_that_was_meant(aaiclick_client: Client) -> None:
    assert notes(aaiclick_client, V1, *IDLE, *BUSY) == IDLE  # at the first start of all
    assert notes(aaiclick_client, V1, *IDLE, *BUSY[:-1]) == {}  # where nothing has to be done, it is not looked again
    planned = plan_schema(aaiclick_client, V1, allow=[*IDLE, *BUSY]).notes
    assert {f"'{key}' {said}" for key, said in IDLE.items()} <= {*planned}


def test_a_key_that_has_done_its_work_stays_in_the_arguments_of_a_job(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    used = "drop-column events.props"
    assert [step.strategy for step in ensure_schema(aaiclick_client, V2, policy=Policy.lossless().allow(used)).steps]
    assert notes(aaiclick_client, V2, used) == {}
    # Later versions know nothing of that column: the records do.
    third = shop(3, ID, KIND, Column("n", "UInt8"))
    assert notes(aaiclick_client, third, used, "retype events.props", "retype events.porps").keys() == {
        "retype events.porps"
    }


def test_the_nearest_key_is_one_that_the_plan_asks_for(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    said = plan_schema(
        aaiclick_client,
        V2,
        allow=["drop-column event.prop", "drop-column events.kin", "drop-table event", "change-ttl events"],
    ).notes
    assert said[-4:] == (
        f"'drop-column event.prop' {NEVER.format('event.prop')}: did you mean 'drop-column events.props'?",
        "'drop-column events.kin' allows nothing: events has no kin, and never had: did you mean '{}'?".format(
            "drop-column events.props"
        ),
        f"'drop-table event' {NEVER.format('event')}",
        "'change-ttl events' was not needed: no step asks for it",
    )


def test_a_rollback_says_which_keys_nothing_asked_for(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    aaiclick_client.command("INSERT INTO events VALUES (1, 'a', 'b')")
    ensure_schema(aaiclick_client, shop(2, ID, KIND, PROPS, order_by="kind"), policy=Policy.lossless())
    with pytest.raises(UsageError, match=r"'valeus events' names no hazard: .*did you mean 'values'\?"):
        rollback_schema(aaiclick_client, V1, allow=["valeus events"], dry_run=True)
    assert rollback_schema(aaiclick_client, V1, allow=["values event", "one-node"]).notes == (
        "'values event' was not needed: nothing asks for it",
    )
