"""Streams of Arrow record batches: every type that a stream can hold, metadata for keys, codecs and TTLs, and the
example of a sink."""

from __future__ import annotations

import subprocess
import sys
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.aggregates import Aggregate, GroupKey, rollup
from aaiclick.errors import SchemaVersionError, SpecError
from aaiclick.specs import Engine, ReplacingMergeTree
from aaiclick.specs.arrow.metadata import COLUMN_KEYS, TABLE_KEYS
from aaiclick.specs.ddl import engine_sql

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
STRUCT = pa.struct([("a", pa.int32()), pa.field("b", pa.dictionary(pa.int8(), pa.string()), nullable=False)])
TYPES: list[tuple[pa.DataType, Any, str, str]] = [
    (pa.dictionary(pa.int8(), pa.int64()), 5, "Nullable(Int64)", "5"),
    (pa.dictionary(pa.int16(), pa.large_string()), "x", "LowCardinality(Nullable(String))", "x"),
    (pa.timestamp("ns", "Europe/Berlin"), NOW, "Nullable(DateTime64(9, 'Europe/Berlin'))", "2026-01-02 04:04:05.678000000"),
    (pa.timestamp("ms", "+05:30"), NOW, "Nullable(DateTime64(3, 'UTC'))", "2026-01-02 03:04:05.678"),
    (pa.timestamp("s", "UTC"), NOW.replace(microsecond=0), "Nullable(DateTime64(0, 'UTC'))", "2026-01-02 03:04:05"),
    (pa.duration("us"), timedelta(microseconds=90), "Nullable(IntervalMicrosecond)", "90"),
    (pa.decimal128(38, 9), Decimal("1.25"), "Nullable(Decimal(38, 9))", "1.25"),
    (pa.decimal256(60, 10), Decimal("1.25"), "Nullable(Decimal(60, 10))", "1.25"),
    (pa.time32("s"), time(1, 2, 3), "Nullable(Time64(0))", "01:02:03"),
    (pa.time64("us"), time(1, 2, 3), "Nullable(Time64(6))", "01:02:03.000000"),
    (pa.date32(), date(1900, 1, 1), "Nullable(Date32)", "1900-01-01"),
    (pa.date32(), date(2299, 12, 31), "Nullable(Date32)", "2299-12-31"),
    (pa.date32(), date(9999, 12, 31), "Nullable(Date32)", "9999-12-31"),
    (pa.timestamp("s", "UTC"), datetime(1900, 1, 1, tzinfo=timezone.utc), "Nullable(DateTime64(0, 'UTC'))", "1900-01-01 00:00:00"),
    (pa.timestamp("ms", "UTC"), datetime(2299, 12, 31, 23, 59, 59, 999000, timezone.utc), "Nullable(DateTime64(3, 'UTC'))", "2299-12-31 23:59:59.999"),
    (pa.timestamp("us", "UTC"), datetime(1, 1, 1, tzinfo=timezone.utc), "Nullable(DateTime64(6, 'UTC'))", "0001-01-01 00:00:00.000000"),
    (pa.timestamp("ns", "UTC"), 2**63 - 1, "Nullable(DateTime64(9, 'UTC'))", "2262-04-11 23:47:16.854775807"),
    (pa.timestamp("ns", "UTC"), -(2**63) + 1, "Nullable(DateTime64(9, 'UTC'))", "1677-09-21 00:12:43.145224193"),
    (pa.time32("ms"), time(23, 59, 59, 999000), "Nullable(Time64(3))", "23:59:59.999"),
    (pa.time64("ns"), 86_400 * 10**9 - 1, "Nullable(Time64(9))", "23:59:59.999999999"),
    (pa.duration("ns"), -(2**63) + 1, "Nullable(IntervalNanosecond)", "-9223372036854775807"),
    (pa.binary(), b"\x00\xff", "Nullable(String)", "00FF"),
    (pa.binary(4), b"abcd", "Nullable(FixedString(4))", "abcd"),
    (pa.list_(STRUCT), [{"a": 1, "b": "x"}, {"a": None, "b": "y"}], "Array(Tuple(a Nullable(Int32), b LowCardinality(String)))", "[(1,'x'),(NULL,'y')]"),
    (pa.list_(pa.list_(pa.int16()), 1), [[1, None]], "Array(Array(Nullable(Int16)))", "[[1,NULL]]"),
    (pa.map_(pa.string(), pa.list_(pa.int64())), [("a", [1, 2])], "Map(String, Array(Nullable(Int64)))", "{'a':[1,2]}"),
    (pa.map_(pa.int32(), STRUCT), [(1, {"a": 2, "b": "z"})], "Map(Int32, Tuple(a Nullable(Int32), b LowCardinality(String)))", "{1:(2,'z')}"),
    (pa.struct([("s", STRUCT)]), {"s": {"a": 1, "b": "q"}}, "Tuple(s Tuple(a Nullable(Int32), b LowCardinality(String)))", "((1,'q'))"),
]  # fmt: skip


def test_every_type_of_a_stream_is_held_by_its_table(aaiclick_client: Client) -> None:
    names = [f"c{at}" for at in range(len(TYPES))]
    schema = pa.schema([pa.field("k", pa.int32(), nullable=False), *map(pa.field, names, [kind for kind, *_ in TYPES])])
    row = {"k": 1, **{name: value for name, (_, value, *_) in zip(names, TYPES, strict=True)}}
    reader = pa.RecordBatchReader.from_batches(schema, [pa.RecordBatch.from_pylist([row], schema)])
    table = Table.from_arrow(reader, "streamed", engine=MergeTree(order_by=["k"]))
    assert [column.type for column in table.columns[1:]] == [kind for *_, kind, _ in TYPES]
    declared = Schema("streamed", objects=[table])
    ensure_schema(aaiclick_client, declared)
    assert plan_schema(aaiclick_client, declared).steps == ()
    aaiclick_client.insert_arrow("streamed", reader.read_all())
    reads = ", ".join(
        f"hex({name})" if kind == pa.binary() else f"toString({name})"
        for name, (kind, *_) in zip(names, TYPES, strict=True)
    )
    assert list(aaiclick_client.query(f"SELECT {reads} FROM streamed").result_rows[0]) == [said for *_, said in TYPES]


DATE64 = "date64: the server reads its seconds with 32 bits"


@pytest.mark.parametrize(
    "kind",
    [pa.date64(), pa.list_(pa.date64()), pa.struct([("a", pa.map_(pa.string(), pa.date64()))]), pa.dictionary(pa.int8(), pa.date64())],
)  # fmt: skip
def test_a_type_of_which_values_would_be_lost_is_refused(kind: pa.DataType) -> None:
    engine = MergeTree(order_by=[])
    for metadata in (None, {"clickhouse.type": "Date32"}):
        with pytest.raises(SpecError, match=f"field x.*{DATE64}"):
            Table.from_arrow(pa.schema([pa.field("x", kind, metadata=metadata)]), "t", engine=engine)
    # Whoever knows that all days are inside of the range says so.
    table = Table.from_arrow(pa.schema([("x", kind)]), "t", types={"x": "Date32"}, engine=engine)
    assert table.columns[0].type == "Date32"


def test_the_server_still_takes_date64_for_another_day(aaiclick_client: Client) -> None:
    """Where this fails, date64 need not be refused any more."""
    aaiclick_client.command("CREATE TABLE old_days (x Date32) ENGINE = MergeTree ORDER BY tuple()")
    aaiclick_client.insert_arrow("old_days", pa.table({"x": pa.array([date(1900, 1, 1)], pa.date64())}))
    assert aaiclick_client.query("SELECT toString(x) FROM old_days").result_rows == [("2036-02-07",)]


BACK = Table("back", [
    Column("k", "UUID"), Column("n", "Nullable(UUID)"), Column("low", "LowCardinality(UUID)"), Column("m", "Map(UUID, Nullable(UUID))"), Column("l", "Array(UUID)"),
    Column("d", "IntervalMicrosecond"), Column("days", "IntervalDay"), Column("t", "Time"), Column("t4", "Time64(4)"), Column("t9", "Nullable(Time64(9))"), Column("t0", "Time64(0)"),
    Column("wide", "Int256"), Column("v4", "IPv4"), Column("v6", "IPv6"), Column("deep", "Tuple(a Array(Tuple(UUID, IntervalSecond)))"),
], engine=MergeTree(order_by=["k"], partition_by=["t", "low"]))  # fmt: skip


def test_what_arrow_has_no_type_of_its_own_for_comes_back_by_its_metadata(aaiclick_client: Client) -> None:
    schema = BACK.to_arrow()
    assert isinstance(schema, pa.Schema)
    again = Table.from_arrow(schema, "back")
    assert [column.type for column in again.columns] == [column.type for column in BACK.columns]
    assert again.engine == BACK.engine
    ensure_schema(aaiclick_client, Schema("back", objects=[again]))
    u, text = uuid.UUID(int=3), str(uuid.UUID(int=3))
    row: list[Any] = [
        u.bytes, None, u.bytes, [(u.bytes, None)], [u.bytes], timedelta(microseconds=5), 5, 3723, time(1, 2, 3, 400500), time(1, 2, 3), time(1, 2, 3),
        str(-(2**200)), "1.2.3.4", "::1", {"a": [{"1": u.bytes, "2": timedelta(seconds=5)}]},
    ]  # fmt: skip
    # What a stream holds of a uuid is its 16 bytes; pyarrow makes no values of the type itself.
    stored = Table(
        "back",
        [Column(each.name, each.type.replace("UUID", "FixedString(16)")) for each in BACK.columns],
        engine=MergeTree(order_by=[]),
    )
    bare = cast("pa.Schema", stored.to_arrow())
    arrays = [pa.array([value], kind.type) for value, kind in zip(row, bare, strict=True)]
    arrays[0] = pa.ExtensionArray.from_storage(pa.uuid(), arrays[0])
    aaiclick_client.insert_arrow("back", pa.Table.from_arrays(arrays, names=schema.names))
    reads = ", ".join(f"toString({column.name})" for column in BACK.columns)
    assert list(aaiclick_client.query(f"SELECT {reads} FROM back").result_rows[0]) == [
        text, None, text, f"{{'{text}':NULL}}", f"['{text}']", "5", "5", "01:02:03", "01:02:03.4005", "01:02:03.000000000", "01:02:03",
        str(-(2**200)), "1.2.3.4", "::1", f"([('{text}',5)])",
    ]  # fmt: skip


def test_extension_types_are_what_they_are_stored_as(aaiclick_client: Client) -> None:
    schema = pa.schema(
        [
            pa.field("k", pa.uuid(), nullable=False),
            pa.field("j", pa.json_()),
            pa.field("o", pa.opaque(pa.int16(), "x", "y")),
        ]
    )
    table = Table.from_arrow(schema, "extended", engine=MergeTree(order_by=["k"]))
    assert [column.type for column in table.columns] == ["UUID", "Nullable(String)", "Nullable(Int16)"]
    ensure_schema(aaiclick_client, Schema("extended", objects=[table]))
    arrays = [
        pa.ExtensionArray.from_storage(field.type, pa.array([value], field.type.storage_type))
        for field, value in zip(schema, [bytes(range(16)), "{}", 7], strict=True)
    ]
    aaiclick_client.insert_arrow("extended", pa.Table.from_arrays(arrays, schema=schema))
    assert aaiclick_client.query("SELECT toString(k), j, o FROM extended").result_rows == [
        ("00010203-0405-0607-0809-0a0b0c0d0e0f", "{}", 7)
    ]
    assert (
        Table.from_arrow(pa.schema([pa.field("b", pa.bool8(), nullable=False)]), "t", engine=Engine("Memory"))
        .columns[0]
        .type
        == "Bool"
    )


KEYED = pa.schema(
    [
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False, metadata={"clickhouse.order_by": "2", "clickhouse.codec": "Delta, ZSTD(3)", "clickhouse.partition_by": "toYYYYMM(at)", "mine": "x"}),
        pa.field("a b", pa.string(), nullable=False, metadata={"clickhouse.order_by": "1", "comment": "who"}),
        pa.field("note", pa.string(), nullable=False, metadata={"clickhouse.ttl": "toDateTime(at) + INTERVAL 1 DAY", "clickhouse.default": "'none'"}),
    ],
    metadata={"clickhouse.ttl": "toDateTime(at) + INTERVAL 10 YEAR", "comment": "from a stream", "pandas": "{}"},
)  # fmt: skip


def test_metadata_say_keys_codecs_and_ttls(aaiclick_client: Client) -> None:
    table = Table.from_arrow(KEYED, "keyed")
    assert table.engine == MergeTree(
        order_by=["a b", "at"], partition_by="toYYYYMM(at)", ttl="toDateTime(at) + INTERVAL 10 YEAR"
    )
    assert table.comment == "from a stream"
    assert [(column.codec, column.ttl, column.default, column.comment) for column in table.columns] == [
        ("Delta, ZSTD(3)", None, None, None), (None, None, None, "who"), (None, "toDateTime(at) + INTERVAL 1 DAY", "'none'", None),
    ]  # fmt: skip
    counted = Aggregate(
        "counted",
        by={"day": GroupKey("toDate(at)", "Date"), "who": "a b"},
        measures={"n": "count()", "longest": "max(note)"},
    )
    declared = Schema("keyed", objects=rollup(table, counted))
    ensure_schema(aaiclick_client, declared)
    assert plan_schema(aaiclick_client, declared).steps == ()
    rows = [{"at": NOW, "a b": "x", "note": "long"}, {"at": NOW, "a b": "x", "note": "a"}]
    aaiclick_client.insert_arrow("keyed", pa.Table.from_pylist(rows, schema=KEYED))
    assert aaiclick_client.query(
        "SELECT who, countMerge(n), maxMerge(longest) FROM counted GROUP BY who"
    ).result_rows == [("x", 2, "long")]
    # What the next release of a producer sends: a field more. Metadata alone are changed.
    more = KEYED.append(pa.field("more", pa.int32()))
    report = ensure_schema(
        aaiclick_client, Schema("keyed", objects=rollup(Table.from_arrow(more, "keyed"), counted)), policy=Policy.safe()
    )
    assert [(step.object, step.strategy) for step in report.steps] == [("keyed", "alter")]
    # An older producer is still taken: the column stays.
    assert ensure_schema(aaiclick_client, declared, policy=Policy.safe()).steps == ()
    other = KEYED.set(1, KEYED.field(1).with_type(pa.int64()))
    with pytest.raises(SchemaVersionError):
        ensure_schema(
            aaiclick_client,
            Schema("keyed", objects=rollup(Table.from_arrow(other, "keyed"), counted)),
            policy=Policy.safe(),
        )
    assert aaiclick_client.query("SELECT count() FROM keyed").result_rows == [(2,)]


def test_a_table_writes_them_and_reads_them_again() -> None:
    table = Table("t", [Column("a", "LowCardinality(String)", codec="ZSTD"), Column("at", "DateTime", default="now()", ttl="at + INTERVAL 1 DAY")], engine=MergeTree(order_by=["a", "toDate(at)"], primary_key=["a"], partition_by="a"), comment="all of it")  # fmt: skip
    schema = table.to_arrow()
    assert isinstance(schema, pa.Schema)
    assert schema.metadata[b"clickhouse.order_by"] == b"a, toDate(at)"
    again = Table.from_arrow(schema, "t")
    assert again.engine == MergeTree(order_by=["a", "toDate(at)"], primary_key=["a"], partition_by="a")
    assert [(each.type, each.codec, each.default, each.ttl) for each in again.columns] == [
        (each.type, each.codec, each.default, each.ttl) for each in table.columns
    ]
    assert again.comment == "all of it"
    # What is given counts more.
    given = Table.from_arrow(schema, "t", engine=ReplacingMergeTree(order_by=["at"]), comment=None)
    assert (given.engine, given.comment) == (ReplacingMergeTree(order_by=["at"]), None)


NAMES = ("my col", "a, b", "a", "b", "x`y", "select", "tuple()", "d.e")


@pytest.mark.parametrize(
    "keys",
    [
        {"order_by": list(NAMES)},
        {"order_by": "a, b"},  # one column
        {"order_by": ["a", "b"], "partition_by": "my col", "primary_key": ["a"]},
        {"order_by": ["a", "`my col`, b", "x`y"], "partition_by": ["a, b", "tuple()"]},
        {"order_by": [], "partition_by": "select % 2", "ttl": "at + INTERVAL 1 DAY"},
        {"order_by": "tuple()"},
        {"primary_key": ["a, b", "d.e"]},
    ],
)
def test_keys_come_back_whatever_their_columns_are_called(keys: Any) -> None:
    columns = [*(Column(name, "UInt8") for name in NAMES), Column("at", "DateTime")]
    table = Table("t", columns, engine=MergeTree(**keys))
    again = Table.from_arrow(table.to_arrow(), "t")  # type: ignore[arg-type]
    clauses = engine_sql(table)
    assert engine_sql(again) == (clauses if " ORDER BY" in clauses else f"{clauses} ORDER BY (`a, b`, `d.e`)")
    assert [column.name for column in again.columns] == [column.name for column in columns]


def field(**metadata: str) -> pa.Field:
    return pa.field(
        "x", pa.int64(), nullable=False, metadata={f"clickhouse.{key}": value for key, value in metadata.items()}
    )


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (pa.schema([field(codek="LZ4")]), "field x: unknown metadata clickhouse.codek"),
        (pa.schema([field()], {"clickhouse.order": "x"}), "the schema: unknown metadata clickhouse.order"),
        (pa.schema([field(order_by="first")]), "is 'first': it is the field's place"),
        (pa.schema([field(order_by="0")]), "is '0': it is the field's place"),
        (pa.schema([field(order_by="\N{ARABIC-INDIC DIGIT THREE}")]), "it is the field's place"),
        (pa.schema([field(order_by="")]), "field x: the metadata clickhouse.order_by is empty"),
        (pa.schema([field(codec=" ")]), "field x: the metadata clickhouse.codec is empty"),
        (
            pa.schema([field(default="1, y Int8")]),
            "field x: the metadata clickhouse.default is '1, y Int8': one expression",
        ),
        (pa.schema([field(default="1 TTL at + INTERVAL 1 DAY")]), "clickhouse.default is '1 TTL at"),
        (pa.schema([field(default="1 --")]), "clickhouse.default is '1 --': one expression"),
        (pa.schema([field(codec="ZSTD) COMMENT 'x'")]), "clickhouse.codec is"),
        (pa.schema([field(ttl="at, y Int8")]), "clickhouse.ttl is 'at, y Int8': one expression"),
        (pa.schema([field(type="Int8, y Int8")]), "clickhouse.type is 'Int8, y Int8': one type"),
        (pa.schema([field(type="Int8 DEFAULT 1")]), "clickhouse.type is 'Int8 DEFAULT 1': one type"),
        (pa.schema([field(partition_by="x) SETTINGS a = 1")]), "clickhouse.partition_by is"),
        (
            pa.schema([field()], {"clickhouse.order_by": "x SETTINGS a = 1"}),
            "the schema: the metadata clickhouse.order_by",
        ),
        (pa.schema([field()], {"clickhouse.primary_key": "x)"}), "the schema: the metadata clickhouse.primary_key"),
        (pa.schema([field()], {"clickhouse.ttl": "at SETTINGS a = 1"}), "the schema: the metadata clickhouse.ttl"),
        (pa.schema([pa.field("x", pa.timestamp("ms", "UTC'), y Int8"))]), 'field x: "UTC\'), y Int8" is no time zone'),
        (pa.schema([pa.field("x", pa.list_(pa.null()))]), "field x: the Arrow type null"),
        (pa.schema([pa.field("x", pa.struct([("a", pa.list_(pa.null()))]))]), "field x.a: the Arrow type null"),
        (
            pa.schema([field(order_by="1"), field(order_by="1").with_name("y")]),
            "field y: has the place 1 in the sort key, and so has x",
        ),
        (
            pa.schema([field(order_by="1")], {"clickhouse.order_by": "x"}),
            "the schema and its fields both say a sort key",
        ),
        (pa.schema([field(order_by="1", partition_by="x")], {"clickhouse.partition_by": "x"}), "said more than once"),
        (pa.schema([field(partition_by="x")]), "clickhouse.partition_by: needs a sort key"),
        (pa.schema([field()]), "table t: engine is missing"),
        (pa.schema([field(order_by="1").with_nullable(True)]), "field x: is in the sort key and may hold NULL"),
        (pa.schema([field()], {b"clickhouse.order_by": b"\xff"}), "is no UTF-8 text"),
        (pa.schema([pa.field("x", pa.decimal128(10, -2))]), "decimal128"),
    ],
)
def test_what_metadata_cannot_say(schema: pa.Schema, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        Table.from_arrow(schema, "t")
    assert said in str(caught.value)


def test_only_the_metadata_that_are_asked_for_are_read() -> None:
    engine = MergeTree(order_by=["at"])
    table = Table.from_arrow(KEYED, "t", metadata=["comment"], engine=engine)
    assert [(column.codec, column.ttl, column.default, column.comment) for column in table.columns] == [
        (None, None, None, None), (None, None, None, "who"), (None, None, None, None),
    ]  # fmt: skip
    hostile = pa.schema(
        [field(default="1, y Int8"), field(order_by="0").with_name("at"), field(mine="x").with_name("z")]
    )
    bare = Table.from_arrow(hostile, "t", metadata=(), engine=engine)
    assert [(column.name, column.default) for column in bare.columns] == [("x", None), ("at", None), ("z", None)]
    assert bare.engine == engine
    for wrong in (["clickhouse.codek"], "comment", 1):
        with pytest.raises(SpecError, match=r"metadata: .* is no (key that is read|list of keys) "):
            Table.from_arrow(KEYED, "t", metadata=wrong, engine=engine)  # type: ignore[arg-type]


def test_the_page_is_what_happens(aaiclick_client: Client) -> None:
    page = (ROOT / "docs" / "arrow.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    ensure_schema(aaiclick_client, names["SINK"], policy=Policy.safe())
    assert aaiclick_client.query(
        "SELECT sorting_key FROM system.tables WHERE name = 'readings' AND database = currentDatabase()"
    ).result_rows == [("device, at",)]
    for key in (*COLUMN_KEYS, *TABLE_KEYS):
        assert f"| `{key}` |" in page


@pytest.mark.slow
def test_the_example_of_a_sink() -> None:
    pytest.importorskip("pyarrow.flight")
    done = subprocess.run(
        [sys.executable, "examples/arrow_sink.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "readings: column firmware is missing (alter)" in done.stdout
    assert "refused: readings is at no recorded version" in done.stdout
    assert "Refused by policy safe" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["2500 500 2000", "2500 126 629.6"]


@pytest.mark.parametrize("given", ["readings", None, 3, [1], {"at": "DateTime"}], ids=repr)
def test_what_is_no_schema_is_said(given: Any) -> None:
    with pytest.raises(
        SpecError, match=f"has to be an Arrow schema, or something that has one, not {type(given).__name__}"
    ):
        Table.from_arrow(given, "readings")
