"""What is looked at in the rows before a table changes, and what is not looked at because nobody may."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Index,
    MergeTree,
    Plan,
    Policy,
    Projection,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.diff.renamed_columns import renamed_text
from aaiclick.errors import SchemaVersionError
from aaiclick.plan.proof.bytes_on_disk import extends, keeps_bytes, keeps_labels, same_kind, same_order
from aaiclick.plan.proof.column_uses import ttl_expressions
from aaiclick.sql.column_names import mentioned

AB, ABC, BA = "Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'b' = 2, 'c' = 3)", "Enum8('b' = 1, 'a' = 2)"
UTC, TOKYO = "DateTime('UTC')", "DateTime('Asia/Tokyo')"


@pytest.mark.parametrize(
    ("old", "new", "bytes_stay"),
    [
        (AB, ABC, True),
        (AB, BA, False),
        (f"Array({AB})", f"Array({ABC})", True),
        (f"Map(String, Nullable({AB}))", f"Map(String, Nullable({BA}))", False),
        (UTC, TOKYO, True),
        ("DateTime64(3, 'UTC')", "DateTime64(3)", True),
        ("DateTime64(3, 'UTC')", "DateTime64(6, 'UTC')", False),
        (UTC, "UInt32", True),
        ("UInt32", UTC, True),
        ("Date", "UInt16", True),
        (AB, "Int8", True),
        ("Int8", AB, False),
        ("Bool", "UInt8", True),
        ("UInt8", "Bool", False),
        ("UInt8", "UInt16", False),
        ("Int8", "UInt8", False),
        ("Tuple(a DateTime('UTC'))", "Tuple(a DateTime('Asia/Tokyo'))", True),
        ("Tuple(a UInt8)", "Tuple(b UInt8)", False),
        ("String", "LowCardinality(String)", False),
    ],
)
def test_bytes_that_stay_what_they_are(old: str, new: str, bytes_stay: bool) -> None:
    assert keeps_bytes(old, new) is bytes_stay


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (UTC, "UInt32", "4294967295"),
        ("UInt32", UTC, "4294967295"),
        ("Date", "UInt16", "65535"),
        ("UInt16", "Date", "65535"),
    ],
)
def test_the_engine_casts_such_types_by_number(aaiclick_client: Client, old: str, new: str, shown: str) -> None:
    old, new = (each.replace("'", "\\'") for each in (old, new))
    for number in ("0", "1", "86400" if "32" in f"{old}{new}" else "300", shown):
        value = f"CAST({number}, '{old}')"
        same = f"SELECT formatRow('RowBinary', {value}) = formatRow('RowBinary', CAST({value}, '{new}'))"
        assert aaiclick_client.query(same).result_rows == [(True,)] or aaiclick_client.query(same).result_rows == [(1,)]


def test_what_two_types_have_in_common() -> None:
    assert all((same_kind(UTC, TOKYO), same_kind(AB, BA), not same_kind(UTC, "UInt32")))
    assert all((same_order(AB, "Int8"), same_order(UTC, "UInt32"), not same_order("Int8", "UInt8")))
    assert all((extends(AB, ABC), not extends(ABC, AB), not extends(UTC, TOKYO)))
    assert keeps_labels("Enum8('a = 1' = 1)", "Enum8('a = 1' = 1, 'x' = 2)")
    assert not keeps_labels(AB, "Int8")


def test_columns_that_an_expression_may_read() -> None:
    columns = ["k", "n.x", "t", "odd name", "m"]
    assert mentioned("toDate(k)", columns) == {"k"}
    assert mentioned("arrayMap(x -> x + 1, n.x)", columns) == {"n.x"}
    assert mentioned("length(n)", columns) == {"n.x"}
    assert mentioned("t.a + `t.b`", columns) == {"t"}
    assert mentioned("`odd name` = 'k'", columns) == {"odd name"}
    assert mentioned("SELECT * ORDER BY m", columns) == set(columns)
    assert mentioned("SELECT k, count(*) GROUP BY k", columns) == {"k"}
    assert mentioned("k * m", columns) == {"k", "m"}
    assert mentioned("'k'", columns) == set()


def test_a_new_name_in_an_expression() -> None:
    names = {"a": "z", "n.x": "n.y", "odd name": "plain"}
    assert renamed_text("a + toDate(a) = 'a'", names) == "z + toDate(z) = 'a'"
    assert renamed_text("a(1) + a.b", names) == "a(1) + z.b"
    assert renamed_text("length(`n.x`) + `odd name`", names) == "length(`n.y`) + plain"


def test_times_and_conditions_of_a_ttl() -> None:
    assert ttl_expressions("k + toIntervalDay(1), d + toIntervalDay(2) WHERE x > 1") == (
        "toInt64(toDateTime64(k + toIntervalDay(1), 0))",
        "toInt64(toDateTime64(d + toIntervalDay(2), 0))",
        "ifNull((x > 1) != 0, 0)",
    )


def declared(kind: str, order: str = "i", *, indexes: list[Index] | None = None) -> Schema:
    table = Table(
        "t", [Column("k", kind), Column("i", "UInt32")], engine=MergeTree(order_by=order), indexes=indexes or []
    )
    return Schema("looks", version=None, objects=[table])


def made(client: Client, kind: str, value: str, order: str = "i") -> None:
    client.command(f"CREATE TABLE t (k {kind}, i UInt32) ENGINE = MergeTree ORDER BY {order}")
    client.command(f"INSERT INTO t SELECT {value}, number FROM numbers(100)")


def test_an_enum_that_gets_members_needs_no_look(aaiclick_client: Client) -> None:
    made(aaiclick_client, AB, "'a'", "toString(k)")
    plan = plan_schema(aaiclick_client, declared(ABC, "toString(k)"), quick=True)
    assert [(step.strategy, step.unlooked) for step in plan.steps] == [("alter", ())]
    ensure_schema(aaiclick_client, declared(ABC, "toString(k)"), policy=Policy.safe())


def test_what_needs_a_look_waits_under_safe(aaiclick_client: Client) -> None:
    made(aaiclick_client, UTC, "toDateTime('2020-01-01 12:00:00', 'UTC')", "toStartOfHour(k)")
    schema = declared(TOKYO, "toStartOfHour(k)")
    quick = plan_schema(aaiclick_client, schema, quick=True)
    assert [(step.strategy, step.unlooked) for step in quick.steps] == [("alter", ("sort key toStartOfHour(k)",))]
    assert "not looked at: sort key toStartOfHour(k)" in str(quick)
    assert Plan.from_json(quick.to_json()) == quick
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, schema, policy=Policy.safe())
    plan = plan_schema(aaiclick_client, schema)
    assert [(step.strategy, step.unlooked, step.reads) for step in plan.steps] == [
        ("alter", (), "1 column of 100 rows")
    ]
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert plan_schema(aaiclick_client, schema).in_sync


def test_what_a_look_reads_counts_against_the_bound(aaiclick_client: Client) -> None:
    made(aaiclick_client, UTC, "toDateTime('2020-01-01 12:00:00', 'UTC') + rand() % 1000000", "toStartOfHour(k)")
    schema = declared(TOKYO, "toStartOfHour(k)")
    assert plan_schema(aaiclick_client, schema).steps[0].read_bytes > 10
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, schema, policy=Policy.lossless(max_bytes=10))
    ensure_schema(aaiclick_client, schema, policy=Policy.lossless(max_bytes="1MiB"))


def test_an_index_over_old_rows_is_offered_and_filled_by_name(aaiclick_client: Client) -> None:
    made(aaiclick_client, "UInt32", "number")
    schema = declared("UInt32", indexes=[Index("ix", expr="k", type="minmax", granularity=1)])
    plan = plan_schema(aaiclick_client, schema)
    assert [(step.strategy, step.optional, [hazard.allow for hazard in step.hazards]) for step in plan.steps] == [
        ("alter", False, []),
        ("mutate", True, ["materialize t.ix"]),
    ]
    report = ensure_schema(aaiclick_client, schema, policy=Policy.safe())
    assert [step.change for step in report.pending] == ["the 100 rows that are there are not in the index ix"]
    assert filled(aaiclick_client) == 0
    assert plan_schema(aaiclick_client, schema).steps == ()
    policy = Policy.lossless(keep_old=timedelta(0)).allow("materialize t.ix")
    assert [step.strategy for step in ensure_schema(aaiclick_client, schema, policy=policy).steps] == ["mutate"]
    assert filled(aaiclick_client) > 0
    assert ensure_schema(aaiclick_client, schema, policy=policy).steps == ()


@pytest.mark.parametrize("remade", [False, True])
def test_a_projection_that_is_filled_shows_no_deleted_row(aaiclick_client: Client, remade: bool) -> None:
    """From a wide part the server would also take the rows that a lightweight delete has hidden."""
    settings: dict[str, str | int | float | None] = {
        "min_bytes_for_wide_part": 0,
        "lightweight_mutation_projection_mode": "'rebuild'",
    }
    body = "SELECT toDate(k), count() GROUP BY toDate(k)"
    aaiclick_client.command(
        f"CREATE TABLE t (i UInt64, k {UTC}{f', PROJECTION pj ({body})' if remade else ''}) ENGINE = MergeTree ORDER "
        f"BY i SETTINGS {', '.join(f'{name} = {value}' for name, value in settings.items())}"
    )
    aaiclick_client.command("INSERT INTO t SELECT number, toDateTime('2020-01-01', 'UTC') + number FROM numbers(9)")
    aaiclick_client.command("DELETE FROM t WHERE i < 5 SETTINGS mutations_sync = 2")
    kind = TOKYO if remade else UTC
    table = Table(
        "t",
        [Column("i", "UInt64"), Column("k", kind)],
        engine=MergeTree(order_by=["i"], settings={**settings, "lightweight_mutation_projection_mode": "rebuild"}),
        projections=[Projection("pj", body)],
    )
    ensure_schema(aaiclick_client, Schema("looks", objects=[table]), policy=Policy.lossless().allow("materialize t.pj"))
    read = (
        "SELECT count() FROM t GROUP BY toDate(k) SETTINGS optimize_use_projections = 1, force_optimize_projection = 1"
    )
    assert aaiclick_client.query(read).result_rows == [(4,)]


def filled(client: Client) -> int:
    """Bytes of the table's index."""
    rows = client.query(
        "SELECT data_compressed_bytes FROM system.data_skipping_indices WHERE database = currentDatabase() AND table "
        "= 't'"
    ).result_rows
    return int(rows[0][0])
