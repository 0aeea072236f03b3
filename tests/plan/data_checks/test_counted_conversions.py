"""Values that a new type cannot hold are counted, with an example, also where the engine's own conversion just fails."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.plan.model import Plan

COUNTED = [
    ("IPv6", "IPv4", "'2001:db8::1'", "'::ffff:1.2.3.4'", "2001:db8::1"),
    ("Array(IPv6)", "Array(IPv4)", "['2001:db8::1']", "['::ffff:1.2.3.4']", "2001:db8::1"),
    ("String", "Array(UInt8)", "'x'", "'[1, 2]'", "x"),
    ("String", "Array(UInt16)", "'[1,y]'", "'[ 3 ]'", "[1,y]"),
    ("String", "Array(Array(String))", "'[1'", "'[[\\'a\\']]'", "[1"),
    ("String", "Tuple(UInt8, String)", "'1,2'", "'(1,\\'a\\')'", "1,2"),
    ("String", "Point", "'[1,2]'", "'(1,2)'", "[1,2]"),
    ("FixedString(2)", "UInt8", "'ab'", "'12'", "ab"),
    ("Dynamic", "UInt8", "'x'", "7", "x"),
]


def planned(client: Client, types: list[str]) -> Plan:
    columns = [Column(f"c{place}", kind) for place, kind in enumerate(types)]
    table = Table("t", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"]))
    return plan_schema(client, Schema("counted", objects=[table]))


@pytest.mark.parametrize("bad", [True, False], ids=["one does not fit", "all fit"])
def test_what_does_not_fit_is_counted(aaiclick_client: Client, bad: bool) -> None:
    columns = ", ".join(f"c{place} {old}" for place, (old, *_) in enumerate(COUNTED))
    aaiclick_client.command(f"CREATE TABLE t (id UInt64, {columns}) ENGINE = MergeTree ORDER BY id")
    for number, side in ((1, 2 if bad else 3), (2, 3)):
        values = ", ".join(f"CAST({each[side]} AS {each[0]})" for each in COUNTED)
        aaiclick_client.command(f"INSERT INTO t SELECT {number}, {values}")
    (step,) = planned(aaiclick_client, [new for _, new, *_ in COUNTED]).required
    assert "cannot be told" not in step.blocked
    for place, (_, new, _, _, example) in enumerate(COUNTED):
        said = f"1 row holds a value of c{place} that {new} cannot hold, for instance ("
        assert (said in step.blocked) == bad
        assert (example in step.blocked.partition(said)[2].partition(";")[0]) == bad
    if not bad:
        assert step.blocked == ""


def test_a_clock_loses_its_fraction_by_name(aaiclick_client: Client) -> None:
    client = aaiclick_client
    client.command("SET enable_time_time64_type = 1")
    client.command("CREATE TABLE t (id UInt64, c0 Time64(3)) ENGINE = MergeTree ORDER BY id")
    client.command("INSERT INTO t VALUES (1, '-12:00:00'), (2, '999:59:59')")
    assert [hazard.allow for hazard in planned(client, ["Time"]).required[0].hazards if hazard.allow] == []
    client.command("INSERT INTO t VALUES (3, '12:00:00.5')")
    plan = planned(client, ["Time"])
    assert [hazard.allow for hazard in plan.required[0].hazards if hazard.allow] == ["retype t.c0"]
    assert "1 row holds a value of c0" in str(plan)
    table = Table("t", [Column("id", "UInt64"), Column("c0", "Time")], engine=MergeTree(order_by=["id"]))
    ensure_schema(client, Schema("counted", objects=[table]), policy=Policy.lossless().allow("retype t.c0"))
    shown = client.query("SELECT toString(c0) FROM t ORDER BY id").result_rows
    assert shown == [("-12:00:00",), ("999:59:59",), ("12:00:00",)]


CLOCKS = {
    "Nullable({})": ("'10:00:00'", "10:00:00"),
    "Array(Nullable({}))": ("['10:00:00', NULL]", "['10:00:00',NULL]"),
    "Array(Array(Nullable({})))": ("[['10:00:00'], [NULL]]", "[['10:00:00'],[NULL]]"),
    "Tuple(a Nullable({}), b UInt8)": ("(NULL, 1)", "(NULL,1)"),
    "Map(String, Nullable({}))": ("map('x', NULL, 'y', '10:00:00')", "{'x':NULL,'y':'10:00:00'}"),
    "Map({}, Array(Nullable({})))": ("map('10:00:00', [NULL])", "{'10:00:00':[NULL]}"),
}


def test_a_clock_that_is_null_stays_null(aaiclick_client: Client) -> None:
    client = aaiclick_client
    client.command("SET enable_time_time64_type = 1")
    columns = ", ".join(f"c{place} {kind.replace('{}', 'Time64(3)')}" for place, kind in enumerate(CLOCKS))
    client.command(f"CREATE TABLE t (id UInt64, {columns}) ENGINE = MergeTree ORDER BY id")
    client.command(f"INSERT INTO t VALUES (1, {', '.join(given for given, _ in CLOCKS.values())})")
    client.command("INSERT INTO t (id, c0) VALUES (2, NULL)")
    kinds = [kind.replace("{}", "Time") for kind in CLOCKS]
    new = [Column("id", "UInt64"), *(Column(f"c{place}", kind) for place, kind in enumerate(kinds))]
    ensure_schema(client, Schema("counted", objects=[Table("t", new, engine=MergeTree(order_by=["id"]))]))
    shown = ", ".join(f"toString(c{place})" for place in range(len(CLOCKS)))
    assert client.query(f"SELECT {shown} FROM t WHERE id = 1").result_rows == [
        tuple(said for _, said in CLOCKS.values())
    ]
    assert client.query("SELECT c0 IS NULL FROM t WHERE id = 2").result_rows == [(1,)]
