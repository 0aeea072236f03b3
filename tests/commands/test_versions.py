"""The version gate: behind, ahead, changed, drifted, unrecorded, development."""

from __future__ import annotations

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.clickhouse.names import RECORDS
from aaiclick.errors import BlockedError, SchemaAheadError, SchemaVersionError, SpecChangedError, UsageError


def events(
    version: int | None, *extra: Column, order_by: list[str] | None = None, comment: str | None = None
) -> Schema:
    columns = [Column("id", "UInt64"), Column("name", "String"), *extra]
    engine = MergeTree(order_by=order_by or ["id"])
    table = (
        Table("events", columns, engine=engine)
        if comment is None
        else Table("events", columns, engine=engine, comment=comment)
    )
    return Schema("app", version=version, objects=[table])


V1 = events(1)
V2 = events(2, Column("tag", "String", default="'none'"))
V3 = events(3, Column("tag", "String", default="'none'"), order_by=["name", "id"])


def records(client: Client) -> list[tuple[object, ...]]:
    sql = f"SELECT version, from_version, state, schema FROM {RECORDS} ORDER BY seq"
    return [tuple(row) for row in client.query(sql).result_rows]


def test_every_transition_is_recorded_and_a_second_call_does_nothing(aaiclick_client: Client) -> None:
    first = ensure_schema(aaiclick_client, V1)
    assert (first.from_version, first.to_version, first.in_sync) == (0, 1, True)
    assert [(step.object, step.strategy) for step in first.steps] == [("events", "create")]
    again = ensure_schema(aaiclick_client, V1)
    assert (again.from_version, again.to_version, again.steps) == (1, 1, ())
    ensure_schema(aaiclick_client, V2)
    jump = ensure_schema(aaiclick_client, V3)
    assert [step.strategy for step in jump.steps] == ["rebuild"]
    assert records(aaiclick_client) == [(1, 0, "applied", "app"), (2, 1, "applied", "app"), (3, 2, "applied", "app")]


def test_a_fresh_database_comes_up_at_the_declared_version_in_one_step(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V3)
    assert records(aaiclick_client) == [(3, 0, "applied", "app")]


def test_behind_and_not_allowed_is_one_sentence_in_the_fixed_grammar(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    with pytest.raises(SchemaVersionError) as caught:
        ensure_schema(aaiclick_client, V3, policy=Policy.safe())
    words = "events: column tag is missing; events: sort key id -> (name, id)"
    refused = "events: it is a rebuild, and only metadata is changed"
    assert str(caught.value) == (
        f"app is at v1, code expects v3: {words}. Refused by policy safe (argument): {refused}. "
        f"Run: aaiclick migrate --schema {__name__}:V3"
    )
    assert (caught.value.policy, caught.value.refused) == ("policy safe (argument)", (refused,))
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V2, policy=Policy.check())
    assert records(aaiclick_client) == [(1, 0, "applied", "app")]
    assert validate_schema(aaiclick_client, V2).differences == ("events: column tag is missing",)


def test_a_hazard_names_the_flag_that_allows_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    table = Table("events", V1.tables[0].columns, engine=MergeTree(order_by=["id"], ttl="toDate(id) + INTERVAL 1 DAY"))
    with_ttl = Schema("app", version=2, objects=[table])
    with pytest.raises(
        SchemaVersionError, match=r"Run: aaiclick migrate --schema MODULE:NAME --allow 'change-ttl events'$"
    ):
        ensure_schema(aaiclick_client, with_ttl, policy=Policy.lossless())
    assert ensure_schema(aaiclick_client, with_ttl, policy=Policy.safe().allow("change-ttl events")).to_version == 2


def test_a_newer_database_stops_older_code(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V2)
    with pytest.raises(SchemaAheadError, match="app is at v2, code expects v1"):
        ensure_schema(aaiclick_client, V1)
    status = validate_schema(aaiclick_client, V1)
    assert (status.state, status.in_sync, status.live_version, status.code_version) == ("ahead", False, 2, 1)
    # A plan would lead backwards: nothing carries it out.
    for scratch in (True, False):
        with pytest.raises(SchemaAheadError, match="app is at v2, code expects v1"):
            plan_schema(aaiclick_client, V1, scratch=scratch)
    assert plan_schema(aaiclick_client, V2, scratch=False).from_version == 2


def test_the_plan_of_older_code_that_can_run_is_empty(aaiclick_client: Client) -> None:
    two = V2.model_copy(update={"migrations": [Migration(2, oldest_code=1)]})
    ensure_schema(aaiclick_client, two)
    plan = plan_schema(aaiclick_client, V1)
    assert (plan.steps, plan.from_version, plan.to_version, plan.recorded) == ((), 2, 1, True)
    assert plan.notes == ("the database is at v2, newer than this code (v1), which can still run on it",)


def test_a_changed_declaration_needs_a_new_version(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    changed = events(1, Column("tag", "String"))
    with pytest.raises(SpecChangedError, match=r"column tag is missing.*Raise version to 2"):
        ensure_schema(aaiclick_client, changed)
    assert validate_schema(aaiclick_client, changed).state == "changed"
    fewer = Schema(
        "app", version=1, objects=[Table("events", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))]
    )
    with pytest.raises(SpecChangedError, match="column name is no longer declared"):
        ensure_schema(aaiclick_client, fewer)


def test_the_same_declaration_in_other_words_is_no_change(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    other = Schema(
        "app",
        version=1,
        objects=[
            Table(
                "events", [Column("id", "BIGINT UNSIGNED"), Column("name", "TEXT")], engine=MergeTree(order_by="(id)")
            )
        ],
    )
    assert other.fingerprint != V1.fingerprint
    assert ensure_schema(aaiclick_client, other).steps == ()
    assert validate_schema(aaiclick_client, other).in_sync


def test_drift_at_the_right_version_is_reported_and_repaired_where_that_is_safe(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V2)
    aaiclick_client.command("ALTER TABLE events DROP COLUMN tag")
    status = validate_schema(aaiclick_client, V2)
    assert (status.state, status.differences) == ("drift", ("events: column tag is missing",))
    with pytest.raises(SchemaVersionError, match="app is at v2, code expects v2: events: column tag is missing"):
        ensure_schema(aaiclick_client, V2, policy=Policy.check())
    assert [step.strategy for step in ensure_schema(aaiclick_client, V2).steps] == ["alter"]
    aaiclick_client.command("DROP TABLE events SYNC")
    assert [step.strategy for step in ensure_schema(aaiclick_client, V2).steps] == ["create"]


def test_tables_that_were_there_before_are_taken_over_as_they_are(aaiclick_client: Client) -> None:
    aaiclick_client.command(
        "CREATE TABLE events (id UInt64, name String, tag String DEFAULT 'none') ENGINE = MergeTree ORDER BY id"
    )
    aaiclick_client.command("INSERT INTO events VALUES (1, 'a', 'b')")
    report = ensure_schema(aaiclick_client, V2)
    assert (report.from_version, report.steps) == (None, ())
    assert records(aaiclick_client) == [(2, None, "adopted", "app")]


def test_without_a_version_every_difference_is_carried_out(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, events(None))
    ensure_schema(aaiclick_client, events(None, Column("tag", "String"), comment="it's"))
    assert plan_schema(aaiclick_client, events(None, Column("tag", "String"), comment="it's")).steps == ()


def test_what_is_no_longer_declared_is_left_alone_until_asked_for(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V2)
    fewer = events(3)
    report = ensure_schema(aaiclick_client, fewer)
    assert [(step.change, reason) for step, reason in zip(report.pending, report.reasons, strict=True)] == [
        ("column tag is no longer declared", "no longer declared: left alone until its drop is allowed by name")
    ]
    assert "tag" in str(aaiclick_client.command("SHOW CREATE TABLE events"))
    dropped = ensure_schema(aaiclick_client, fewer, policy=Policy.safe().allow("drop-column events.tag"))
    assert [step.change for step in dropped.steps] == ["column tag is no longer declared"]
    assert "tag" not in str(aaiclick_client.command("SHOW CREATE TABLE events"))


@pytest.mark.parametrize(
    ("before", "after", "rows", "said"),
    [
        (
            Column("c", "UInt32"),
            Column("c", "UInt16"),
            "1, 70000, 65535",
            "1 row holds a value of c that UInt16 cannot hold, for instance (70000)",
        ),
        (
            Column("c", "String"),
            Column("c", "UInt64"),
            "'1', 'x', 'y'",
            "2 rows hold a value of c that UInt64 cannot hold, for instance ('x')",
        ),
        (Column("c", "Nullable(String)"), Column("c", "String"), "'1', NULL", "1 row holds NULL in c"),
        (
            Column("c", "Enum8('a' = 1, 'b' = 2)"),
            Column("c", "Enum8('a' = 1)"),
            "'a', 'b'",
            "1 row holds a value of c that Enum8",
        ),
        (
            Column("c", "DateTime64(3)"),
            Column("c", "DateTime"),
            "'2200-01-01 00:00:00'",
            "1 row holds a value of c that DateTime cannot hold",
        ),
        (
            Column("c", "Float64"),
            Column("c", "Float32"),
            "1e300, 0.1",
            "1 row holds a value of c that Float32 cannot hold",
        ),
    ],
)
def test_what_the_data_would_lose_is_counted_and_blocks(
    aaiclick_client: Client, before: Column, after: Column, rows: str, said: str
) -> None:
    key = Column("k", "UInt8", default="0")
    old = Schema("app", version=1, objects=[Table("t", [key, before], engine=MergeTree(order_by=[]))])
    new = Schema("app", version=2, objects=[Table("t", [key, after], engine=MergeTree(order_by=[]))])
    ensure_schema(aaiclick_client, old)
    aaiclick_client.command(f"INSERT INTO t (c) VALUES {', '.join(f'({row.strip()})' for row in rows.split(','))}")
    shape = aaiclick_client.command("SHOW CREATE TABLE t")
    with pytest.raises(BlockedError) as caught:
        ensure_schema(aaiclick_client, new, policy=Policy.everything())
    assert said in str(caught.value)
    assert said in str(plan_schema(aaiclick_client, new))
    assert aaiclick_client.command("SHOW CREATE TABLE t") == shape


def test_a_violated_constraint_is_counted_and_blocks(aaiclick_client: Client) -> None:
    from aaiclick import Constraint

    old = Schema("app", version=1, objects=[Table("t", [Column("a", "Int32")], engine=MergeTree(order_by=[]))])
    table = Table(
        "t", [Column("a", "Int32")], engine=MergeTree(order_by=[]), constraints=[Constraint("positive", check="a > 0")]
    )
    ensure_schema(aaiclick_client, old)
    aaiclick_client.command("INSERT INTO t VALUES (1), (-5), (-6)")
    with pytest.raises(BlockedError, match=r"2 rows violate the constraint positive \(a > 0\), for instance \(-[56]\)"):
        ensure_schema(aaiclick_client, Schema("app", version=2, objects=[table]))


@pytest.mark.parametrize(
    ("found", "declared", "said"),
    [
        ("CREATE VIEW events AS SELECT 1 AS id", V2, "events: is a view, a table is declared"),
        (
            "CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id",
            Schema("app", version=1, objects=[View("events", query="SELECT 1 AS id")]),
            "events: is a table, a view is declared",
        ),
    ],
)
def test_something_else_of_that_name_is_no_sync(
    aaiclick_client: Client, found: str, declared: Schema, said: str
) -> None:
    aaiclick_client.command(found)
    with pytest.raises(BlockedError, match="has that name: rename it or drop it, then run again"):
        ensure_schema(aaiclick_client, declared, policy=Policy.everything())
    status = validate_schema(aaiclick_client, declared)
    assert not status.in_sync
    assert said in status.differences
    with pytest.raises(SchemaVersionError, match=said):
        ensure_schema(aaiclick_client, declared, policy=Policy.check())


def test_arguments_of_another_type_are_named(aaiclick_client: Client) -> None:
    wrong: Any = "safe"
    for call in (ensure_schema, plan_schema, validate_schema, rollback_schema):
        with pytest.raises(
            UsageError, match=f"{call.__name__} was given an object of type str as the schema: a Schema is wanted"
        ):
            call(aaiclick_client, wrong)
    with pytest.raises(UsageError, match=r"of type str as the policy: write Policy\.check\(\)"):
        ensure_schema(aaiclick_client, V2, policy=wrong)
