"""TTLs that set columns and skip indexes that refuse rows which are there: no part with such a row could be merged any
more."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.catalog.parse.ttl import TtlElement, ttl_elements
from aaiclick.errors import BlockedError, SchemaVersionError

POLICY = Policy.lossless().allow("change-ttl t", "change-ttl t.v", "retype t.s", "change-default t.v")
DAY = "d DateTime('UTC'), k UInt8, s String, n Nullable(UInt8), v UInt32"
GROUPED = "TTL d + INTERVAL 1 DAY GROUP BY k SET"
OLD, LATER = "'2020-01-01 00:00:00'", "'2100-01-01 00:00:00'"
VECTORS = "k UInt8, v Array(Float32)"
TYPE = "TYPE vector_similarity('hnsw', 'L2Distance', 2"


@dataclass(frozen=True)
class Change:
    """A table before and after, its rows, which of them the new one cannot take, and what is said of them."""

    before: str
    columns: str
    rows: tuple[str, ...]
    refused: str
    said: str
    ttl: str = ""

    def schema(self) -> Schema:
        text = f"CREATE TABLE t ({self.columns}) ENGINE = MergeTree ORDER BY k {self.ttl}"
        return Schema("merged", version=1, objects=[Table.from_sql(text)])


FAILING = {
    "NULL into a column without": Change(
        DAY,
        DAY,
        (f"{OLD}, 1, '', NULL, 1", f"{OLD}, 1, '', NULL, 2"),
        "n IS NULL",
        r"what a TTL sets \(GROUP BY k SET v = max\(n\)\) cannot be computed .*Cannot convert NULL",
        f"{GROUPED} v = max(n)",
    ),
    "only the rows that are past": Change(
        DAY,
        DAY,
        (f"{OLD}, 1, '', NULL, 1", f"{LATER}, 1, '', 7, 2"),
        "n IS NULL",
        r"what a TTL sets \(GROUP BY k SET v = max\(n\)\) cannot be computed",
        f"{GROUPED} v = max(n)",
    ),
    "a text that does not parse, second of two": Change(
        DAY,
        DAY,
        (f"{OLD}, 1, 'x', 1, 1", f"{OLD}, 1, '2', 1, 2", f"{OLD}, 2, '7', 1, 2"),
        "s = 'x'",
        r"what a TTL sets \(GROUP BY k SET n = max\(n\), v = toUInt32\(max\(s\)\)\)",
        f"{GROUPED} n = max(n), v = toUInt32(max(s)), d + INTERVAL 9 YEAR",
    ),
    "the default that a TTL leaves": Change(
        DAY,
        DAY.replace("v UInt32", "v UInt32 DEFAULT toUInt32(s) TTL d + INTERVAL 1 DAY"),
        (f"{OLD}, 1, '1', 1, 1", f"{LATER}, 1, 'x', 1, 2"),
        "s = 'x'",
        r"what the TTL of v leaves of it \(toUInt32\(s\)\) cannot be computed",
    ),
    "vectors of another length": Change(
        VECTORS,
        f"{VECTORS}, INDEX i v {TYPE})",
        ("1, [1, 2, 3]", "2, [3, 4]", "3, [1]"),
        "length(v) != 2",
        r"the index i \(v TYPE vector_similarity.*2 rows hold a vector of another length than 2, for instance \[1",
    ),
    "no vector in old parts": Change(
        "k UInt8, v Array(Float32)",
        f"{VECTORS}, w Array(Float32), INDEX i w {TYPE})",
        ("1, [1, 2]",),
        "1",
        r"the index i .*1 row holds a vector of another length than 2, for instance \[\]",
    ),
    "NaN": Change(
        VECTORS,
        f"{VECTORS}, INDEX i v {TYPE})",
        ("1, [1, 2]", "2, [nan, 4]"),
        "k = 2",
        r"the index i .*1 row holds a vector with NaN or infinity, for instance \[nan,4\]",
    ),
    "zeros in bytes": Change(
        VECTORS,
        f"{VECTORS}, INDEX i v {TYPE}, 'i8', 0, 0)",
        ("1, [1, 2]", "2, [0, 0]"),
        "k = 2",
        r"the index i .*1 row holds a vector of zeros, which i8 does not take, for instance \[0,0\]",
    ),
    "a preprocessor": Change(
        "k UInt8, s String",
        "k UInt8, s String, INDEX i s TYPE text(tokenizer = 'splitByNonAlpha', preprocessor = base64Decode(s))",
        ("1, 'x'", "2, 'eA=='"),
        "k = 1",
        r"the index i \(s\) cannot be computed .*Invalid base64Decode value",
    ),
    "a preprocessor of elements": Change(
        "k UInt8, m Map(String, String)",
        "k UInt8, m Map(String, String), INDEX i mapKeys(m) TYPE text(tokenizer = 'array', "
        "preprocessor = base64Decode(mapKeys(m)))",
        ("1, map('x', '')", "2, map('eA==', '')"),
        "k = 1",
        r"the index i \(mapKeys\(m\)\) cannot be computed .*Invalid base64Decode value",
    ),
    "a type that the kind does not take": Change(
        "k UInt8, b BFloat16",
        "k UInt8, b BFloat16, INDEX i b TYPE bloom_filter(0.01)",
        ("1, 1",),
        "1",
        r"the index i \(b TYPE bloom_filter.*Unexpected type BFloat16",
    ),
}


@pytest.mark.parametrize("kind", FAILING)
def test_rows_that_no_merge_could_take_block(aaiclick_client: Client, kind: str) -> None:
    """Without them it is done, and parts are merged."""
    change = FAILING[kind]
    aaiclick_client.command(f"CREATE TABLE t ({change.before}) ENGINE = MergeTree ORDER BY k")
    for row in change.rows:
        aaiclick_client.command(f"INSERT INTO t VALUES ({row})")
    with pytest.raises(BlockedError, match=f"t: .*{change.said}"):
        ensure_schema(aaiclick_client, change.schema(), policy=POLICY)
    aaiclick_client.command(f"DELETE FROM t WHERE {change.refused} SETTINGS lightweight_deletes_sync = 2")
    ensure_schema(aaiclick_client, change.schema(), policy=POLICY)
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")


def test_an_aggregate_that_no_merge_computes_blocks(aaiclick_client: Client) -> None:
    """The server takes it in a definition, and fails at the first merge with a row that is past."""
    change = Change(DAY, DAY, (), "", "", f"{GROUPED} v = max(toUInt32(s))")
    aaiclick_client.command(f"CREATE TABLE t ({DAY}) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command(f"INSERT INTO t VALUES ({OLD}, 1, '1', 1, 1)")
    with pytest.raises(BlockedError, match=r"what a TTL sets .*Not found column toUInt32\(s\)"):
        ensure_schema(aaiclick_client, change.schema(), policy=POLICY)


def test_a_retyped_column_that_a_ttl_sets_is_looked_at(aaiclick_client: Client) -> None:
    ttl = f"{GROUPED} v = max(s)"
    before = DAY.replace("s String", "s UInt8")
    aaiclick_client.command(f"CREATE TABLE t ({before}) ENGINE = MergeTree ORDER BY k {ttl}")
    aaiclick_client.command(f"INSERT INTO t VALUES ({LATER}, 1, 1, 1, 1)")
    nullable = Change(before, before.replace("s UInt8", "s Nullable(UInt8)"), (), "", "", ttl)
    assert not [step.blocked for step in plan_schema(aaiclick_client, nullable.schema()).steps if step.blocked]
    text = Change(before, before.replace("s UInt8", "s LowCardinality(String)"), (), "", "", ttl)
    assert [step.reads for step in plan_schema(aaiclick_client, text.schema()).steps if step.reads]


def test_sets_that_give_something_for_every_row_read_none(aaiclick_client: Client) -> None:
    change = Change(DAY, DAY, (), "", "", f"{GROUPED} v = sum(v), n = any(n), s = max(s)")
    aaiclick_client.command(f"CREATE TABLE t ({DAY}) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command(f"INSERT INTO t VALUES ({OLD}, 1, 'x', NULL, 1)")
    assert not any(step.reads for step in plan_schema(aaiclick_client, change.schema()).steps)


def test_a_start_that_reads_no_rows_leaves_an_index_of_vectors_to_one_that_does(aaiclick_client: Client) -> None:
    change = FAILING["vectors of another length"]
    aaiclick_client.command(f"CREATE TABLE t ({change.before}) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, [1, 2])")
    with pytest.raises(SchemaVersionError, match="to see what becomes of the vectors of the index i"):
        ensure_schema(aaiclick_client, change.schema(), policy=Policy.safe())
    ensure_schema(aaiclick_client, change.schema(), policy=POLICY)


def test_the_elements_of_a_ttl() -> None:
    text = (
        "d + toIntervalDay(1) WHERE a IN (1, 2), d GROUP BY k, toDate(d) SET v = max(v), `x y` = 1, d + 1 TO DISK 'a'"
    )
    assert ttl_elements(text) == (
        TtlElement("d + toIntervalDay(1)", "a IN (1, 2)"),
        TtlElement("d", "", ("k", "toDate(d)"), (("v", "max(v)"), ("x y", "1"))),
        TtlElement("d + 1"),
    )


def test_two_projections_that_both_refuse_the_rows(aaiclick_client: Client) -> None:
    """Each is tried in scratch tables of its own."""
    aaiclick_client.command("CREATE TABLE t (k UInt8, s String) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, '1'), (2, 'x')")
    body = "SELECT {function}(s) AS n, count() GROUP BY n"
    text = (
        f"CREATE TABLE t (k UInt8, s String, PROJECTION pj ({body.format(function='toUInt8')}), PROJECTION pk "
        f"({body.format(function='toDate')})) ENGINE = MergeTree ORDER BY k"
    )
    said = str(plan_schema(aaiclick_client, Schema("merged", version=1, objects=[Table.from_sql(text)])))
    for name in ("pj", "pk"):
        assert f"the projection {name} cannot be computed for the rows that are there" in said
