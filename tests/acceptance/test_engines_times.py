"""What is counted of columns of the types Time and Time64 on older releases: their conversions are others there, and
some are missing."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from tests.acceptance.old_engines import PYTHONS

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]
ALLOWED = {"enable_time_time64_type": 1}
NAMED = "changes-values"


@pytest.mark.parametrize(
    ("old", "new", "values", "kept", "said"),
    [
        ("Time", "Time64(3)", ("12:00:00", "-10:00:00", "999:59:59"), "", ""),
        ("Time64(3)", "Time64(6)", ("012:00:00.5", "-010:00:00.123"), "", ""),
        ("Time", "String", ("12:00:00", "-10:00:00"), "", ""),
        ("Time64(3)", "String", ("012:00:00.5",), "", ""),
        ("Time", "Int32", ("12:00:00", "-10:00:00"), "", ""),
        ("Int64", "Time", ("43200", "-1"), "", ""),
        ("String", "Time", ("12:00:00",), "", ""),
        (
            "Time64(6)",
            "Time64(3)",
            ("-010:00:00.123456", "012:00:00.123000"),
            NAMED,
            "1 row holds a value of v that reads differently as Time64(3)",
        ),
        (
            "Time64(3)",
            "Int64",
            ("000:00:12.500", "000:00:12.000"),
            NAMED,
            "1 row holds a value of v that reads differently as Int64",
        ),
        ("String", "Time", ("7:00:00", "12:00:00"), NAMED, "1 row holds a value of v that reads differently as Time"),
        (
            "String",
            "Time64(3)",
            ("12:00:00.1234",),
            NAMED,
            "1 row holds a value of v that reads differently as Time64(3)",
        ),
        (
            "String",
            "Time",
            ("x", "12:00:00"),
            "blocked",
            "1 row holds a value of v that Time cannot hold, for instance ('x')",
        ),
        ("Time", "Int8", ("12:00:00", "00:00:12"), "blocked", "1 row holds a value of v that Int8 cannot hold"),
        ("Int64", "Time", ("99999999", "1"), "blocked", "1 row holds a value of v that Time cannot hold"),
        ("Nullable(Time)", "Time", ("12:00:00", ""), "blocked", "1 row holds NULL in v"),
    ],
    ids=lambda given: "" if isinstance(given, tuple) else None,
)
def test_times_are_counted(client: Client, old: str, new: str, values: tuple[str, ...], kept: str, said: str) -> None:
    given = ", ".join(
        f"({place}, CAST({f'{value!r}' if value else 'NULL'} AS {old}))" for place, value in enumerate(values)
    )
    try:
        client.command(f"CREATE TABLE t (k UInt8, v {old}) ENGINE = MergeTree ORDER BY k", settings=ALLOWED)
        client.command(f"CREATE TABLE copied (k UInt8, v {new}) ENGINE = MergeTree ORDER BY k", settings=ALLOWED)
    except ClickHouseError as error:
        pytest.skip(str(error))
    client.command(f"INSERT INTO t VALUES {given}", settings=ALLOWED)
    wanted = Schema(
        "app", objects=[Table("t", [Column("k", "UInt8"), Column("v", new)], engine=MergeTree(order_by=["k"]))]
    )
    (step,) = plan_schema(client, wanted).steps
    asked = [(hazard.kind, hazard.message) for hazard in step.hazards if hazard.allow == "retype t.v"]
    if kept == "blocked":
        assert said in step.blocked
        return
    assert (step.blocked, [kind for kind, _ in asked]) == ("", [kept] if kept else [])
    assert not said or said in asked[0][1]
    client.command(f"INSERT INTO copied SELECT k, CAST(v AS {new}) FROM t", settings=ALLOWED)
    ensure_schema(client, wanted, policy=Policy.lossless().allow("retype t.v") if kept else Policy.lossless())
    shown = "SELECT groupArray((k, toString(v))) FROM (SELECT k, v FROM {} ORDER BY k)"
    assert client.command(shown.format("t")) == client.command(shown.format("copied"))
    assert plan_schema(client, wanted).steps == ()


def test_a_conversion_that_the_release_lacks_blocks(client: Client) -> None:
    """25.8 has no CAST from Time64 to Time: a copy could not be made, either."""
    try:
        client.command("CREATE TABLE t (k UInt8, v Time64(3)) ENGINE = MergeTree ORDER BY k", settings=ALLOWED)
    except ClickHouseError as error:
        pytest.skip(str(error))
    client.command("INSERT INTO t VALUES (1, '000:00:12.500')", settings=ALLOWED)
    wanted = Schema(
        "app", objects=[Table("t", [Column("k", "UInt8"), Column("v", "Time")], engine=MergeTree(order_by=["k"]))]
    )
    (step,) = plan_schema(client, wanted).steps
    assert "whether rows hold a value of v that Time cannot hold cannot be told" in step.blocked
