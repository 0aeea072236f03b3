"""Every clause of ClickHouse's CREATE TABLE: a table without it, with it, and with another form of it.

The cases are run round: absent -> present -> changed -> absent, with rows in the table, by the five checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """``states`` are CREATE statements for ``{db}.t``. ``quick`` ones are part of the normal run, all are part of the
    long one."""

    clause: str
    name: str
    states: tuple[str, str, str]
    quick: bool = False

    @property
    def id(self) -> str:
        return f"{self.clause}: {self.name}"


@dataclass(frozen=True)
class Shape:
    """A CREATE in pieces, with what most cases need already there."""

    columns: str = ""
    elements: str = ""
    engine: str = "MergeTree"
    partition: str = ""
    primary: str = ""
    order: str = "ORDER BY id"
    sample: str = ""
    ttl: str = ""
    settings: str = ""
    comment: str = ""
    base: str = field(default="id UInt64, at DateTime64(3, 'UTC'), day Date, s String, n Nullable(Int32)")

    @property
    def sql(self) -> str:
        inside = ", ".join(part for part in (self.base, self.columns, self.elements) if part)
        clauses = (
            self.partition,
            self.primary,
            self.order,
            self.sample,
            self.ttl,
            self.settings and f"SETTINGS {self.settings}",
            self.comment and f"COMMENT '{self.comment}'",
        )
        return " ".join(
            [f"CREATE TABLE {{db}}.t ({inside}) ENGINE = {self.engine}", *(clause for clause in clauses if clause)]
        )


def _case(clause: str, name: str, absent: Shape, present: Shape, changed: Shape, quick: bool = False) -> Case:
    return Case(clause, name, (absent.sql, present.sql, changed.sql), quick)


_TYPES: tuple[tuple[str, str, str], ...] = (
    ("UInt8", "UInt8", "UInt64"),
    ("Int128", "Int128", "Int256"),
    ("Float32", "Float32", "Float64"),
    ("BFloat16", "BFloat16", "Float32"),
    ("Bool", "Bool", "UInt8"),
    ("String", "String", "LowCardinality(String)"),
    ("FixedString", "FixedString(8)", "FixedString(16)"),
    ("FixedString, shorter", "FixedString(6)", "FixedString(3)"),
    ("Decimal", "Decimal(9, 2)", "Decimal(18, 4)"),
    ("Date", "Date", "Date32"),
    ("DateTime", "DateTime", "DateTime('UTC')"),
    ("DateTime64", "DateTime64(3, 'UTC')", "DateTime64(6, 'Europe/Berlin')"),
    ("Time", "Time", "Time64(3)"),
    ("Enum8", "Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'b' = 2, 'c' = 3)"),
    ("Enum16", "Enum8('a' = 1)", "Enum16('a' = 1, 'b' = 1000)"),
    ("UUID", "UUID", "String"),
    ("IPv4", "IPv4", "IPv6"),
    ("Interval", "IntervalDay", "Int64"),
    ("LowCardinality", "LowCardinality(String)", "LowCardinality(Nullable(String))"),
    ("Nullable", "Nullable(UInt32)", "UInt32"),
    ("Array", "Array(UInt8)", "Array(UInt64)"),
    ("Array, another depth", "Array(UInt8)", "Array(Array(UInt8))"),
    ("Array of LowCardinality", "Array(LowCardinality(String))", "Array(String)"),
    ("Tuple", "Tuple(UInt8, String)", "Tuple(UInt16, String)"),
    ("Tuple, named", "Tuple(x UInt8, y String)", "Tuple(x UInt8, y String, z Date)"),
    ("Map", "Map(String, UInt64)", "Map(LowCardinality(String), UInt64)"),
    ("Variant", "Variant(String, UInt64)", "Variant(String, UInt64, Array(UInt8))"),
    ("Dynamic", "Dynamic", "Dynamic(max_types = 8)"),
    ("JSON", "JSON", "JSON(max_dynamic_paths = 8)"),
    (
        "JSON with arguments",
        "JSON(a.b UInt32, SKIP c)",
        "JSON(max_dynamic_paths = 4, max_dynamic_types = 2, a.b UInt32, SKIP c, SKIP REGEXP 'd.*')",
    ),
    ("AggregateFunction", "AggregateFunction(uniq, UInt64)", "AggregateFunction(uniq, String)"),
    ("AggregateFunction, another function", "AggregateFunction(uniq, UInt64)", "AggregateFunction(uniqExact, UInt64)"),
    (
        "AggregateFunction with parameters",
        "AggregateFunction(quantiles(0.5, 0.9), UInt64)",
        "AggregateFunction(quantiles(0.5), UInt64)",
    ),
    ("SimpleAggregateFunction", "SimpleAggregateFunction(sum, UInt64)", "SimpleAggregateFunction(max, UInt64)"),
    ("Point", "Point", "Tuple(Float64, Float64)"),
    ("Ring", "Ring", "LineString"),
    ("Polygon", "Polygon", "MultiLineString"),
    ("MultiPolygon", "MultiPolygon", "Polygon"),
    ("QBit", "QBit(Float32, 8)", "QBit(Float32, 16)"),
    ("BIGINT UNSIGNED (an alias)", "BIGINT UNSIGNED", "TEXT"),
)
_QUICK_TYPES = {"Enum8", "UUID", "JSON with arguments", "Tuple, named", "AggregateFunction"}

_DEFAULTS: tuple[tuple[str, str, str], ...] = (
    ("DEFAULT", "DEFAULT id + 1", "DEFAULT id + 2"),
    ("MATERIALIZED", "MATERIALIZED id * 2", "MATERIALIZED id * 3"),
    ("ALIAS", "ALIAS id * 2", "ALIAS id * 3"),
    ("EPHEMERAL", "EPHEMERAL", "EPHEMERAL 3"),
)
_CODECS: tuple[tuple[str, str, str, str], ...] = (
    ("general", "UInt64", "CODEC(ZSTD(3))", "CODEC(LZ4HC(9))"),
    ("chain", "UInt64", "CODEC(Delta, ZSTD(1))", "CODEC(DoubleDelta, LZ4)"),
    ("floating point", "Float64", "CODEC(Gorilla, ZSTD)", "CODEC(FPC(12))"),
    ("T64", "UInt32", "CODEC(T64, LZ4)", "CODEC(T64('bit'), ZSTD(1))"),
    ("GCD", "UInt64", "CODEC(GCD, LZ4)", "CODEC(NONE)"),
)
_INDEXES: tuple[tuple[str, str, str], ...] = (
    ("minmax", "id TYPE minmax GRANULARITY 1", "at TYPE minmax GRANULARITY 4"),
    ("set", "s TYPE set(100) GRANULARITY 2", "s TYPE set(0) GRANULARITY 2"),
    ("bloom_filter", "s TYPE bloom_filter GRANULARITY 1", "s TYPE bloom_filter(0.01) GRANULARITY 1"),
    ("tokenbf_v1", "s TYPE tokenbf_v1(1024, 2, 0) GRANULARITY 1", "lower(s) TYPE tokenbf_v1(2048, 2, 0) GRANULARITY 1"),
    ("ngrambf_v1", "s TYPE ngrambf_v1(3, 1024, 2, 0) GRANULARITY 1", "s TYPE ngrambf_v1(4, 1024, 2, 0) GRANULARITY 1"),
    ("text", "s TYPE text(tokenizer = 'splitByNonAlpha')", "s TYPE text(tokenizer = 'ngrams')"),
    (
        "vector_similarity",
        "v TYPE vector_similarity('hnsw', 'L2Distance', 2)",
        "v TYPE vector_similarity('hnsw', 'cosineDistance', 2)",
    ),
    ("several columns", "(id, s) TYPE minmax GRANULARITY 1", "(id, day) TYPE minmax GRANULARITY 1"),
)
_PROJECTIONS: tuple[tuple[str, str, str], ...] = (
    ("sort order", "(SELECT * ORDER BY s)", "(SELECT id, s ORDER BY s)"),
    ("aggregate", "(SELECT day, count() GROUP BY day)", "(SELECT day, sum(id) GROUP BY day)"),
    ("WITH", "(WITH id + 1 AS x SELECT x, s ORDER BY x)", "(WITH id + 2 AS x SELECT x, s ORDER BY x)"),
    (
        "WITH SETTINGS",
        "(SELECT id, s ORDER BY s) WITH SETTINGS (index_granularity = 128)",
        "(SELECT id, s ORDER BY s) WITH SETTINGS (index_granularity = 256)",
    ),
    ("INDEX", "INDEX s TYPE basic", "INDEX n TYPE basic"),
)
_TTLS: tuple[tuple[str, str, str], ...] = (
    ("DELETE", "TTL day + INTERVAL 100 YEAR", "TTL day + INTERVAL 101 YEAR"),
    ("WHERE", "TTL day + INTERVAL 100 YEAR DELETE WHERE id > 5", "TTL day + INTERVAL 100 YEAR DELETE WHERE id > 6"),
    (
        "GROUP BY",
        "TTL day + INTERVAL 100 YEAR GROUP BY id SET n = max(n)",
        "TTL day + INTERVAL 100 YEAR GROUP BY id SET n = min(n)",
    ),
    (
        "RECOMPRESS",
        "TTL day + INTERVAL 100 YEAR RECOMPRESS CODEC(ZSTD(3))",
        "TTL day + INTERVAL 100 YEAR RECOMPRESS CODEC(ZSTD(5))",
    ),
    ("TO DISK", "TTL day + INTERVAL 100 YEAR TO DISK 'default'", "TTL day + INTERVAL 101 YEAR TO DISK 'default'"),
    ("TO VOLUME", "TTL day + INTERVAL 100 YEAR TO VOLUME 'default'", "TTL day + INTERVAL 101 YEAR TO VOLUME 'default'"),
    (
        "several",
        "TTL day + INTERVAL 99 YEAR RECOMPRESS CODEC(ZSTD(3)), day + INTERVAL 100 YEAR",
        "TTL day + INTERVAL 99 YEAR RECOMPRESS CODEC(ZSTD(4)), day + INTERVAL 100 YEAR",
    ),
)
_SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("one that ALTER takes", "min_bytes_for_wide_part = 0", "min_bytes_for_wide_part = 10"),
    ("index_granularity", "index_granularity = 1024", "index_granularity = 2048"),
    ("storage_policy", "storage_policy = 'default'", "storage_policy = 'default', ttl_only_drop_parts = 1"),
    ("disk, by name", "disk = 'default'", "disk = 'default', ttl_only_drop_parts = 1"),
    ("a switch", "ttl_only_drop_parts = 1", "ttl_only_drop_parts = 0"),
    ("text", "default_compression_codec = 'ZSTD(1)'", "default_compression_codec = 'ZSTD(3)'"),
    (
        "enable_block_number_column",
        "enable_block_number_column = 1",
        "enable_block_number_column = 1, enable_block_offset_column = 1",
    ),
)
_ENGINES: tuple[tuple[str, str, str], ...] = (
    ("ReplacingMergeTree", "ReplacingMergeTree", "ReplacingMergeTree(v)"),
    ("ReplacingMergeTree, with is_deleted", "ReplacingMergeTree(v)", "ReplacingMergeTree(v, gone)"),
    ("SummingMergeTree", "SummingMergeTree", "SummingMergeTree(v)"),
    ("SummingMergeTree, columns", "SummingMergeTree((v, w))", "SummingMergeTree((w))"),
    ("AggregatingMergeTree", "AggregatingMergeTree", "SummingMergeTree"),
    ("CollapsingMergeTree", "CollapsingMergeTree(sign)", "VersionedCollapsingMergeTree(sign, v)"),
    ("CoalescingMergeTree", "CoalescingMergeTree", "CoalescingMergeTree(n)"),
)
_KEYS: tuple[tuple[str, str, Shape, Shape, Shape], ...] = (
    ("ORDER BY", "columns", Shape(order="ORDER BY tuple()"), Shape(order="ORDER BY (id, s)"), Shape(order="ORDER " "BY " "(s, " "id)")),
    ("ORDER BY", ("an " "expression"), Shape(), Shape(order="ORDER BY (id, lower(s))"), Shape(order="ORDER " "BY " "(toStartOfDay(at), " "id)")),
    (
        "ORDER BY", "DESC", Shape(), Shape(order="ORDER BY (id DESC, s)", settings="allow_experimental_reverse_key "
                                                                                               "= 1"),
        Shape(order="ORDER BY (id DESC, s DESC)", settings="allow_experimental_reverse_key = 1"),
    ),
    ("ORDER BY", ("with a " "new " "column"), Shape(), Shape(columns="k UInt8", order="ORDER BY (id, k)"), Shape(columns="k " "UInt8, " "l " "UInt8", order="ORDER " "BY " "(id, " "k, " "l)")),
    (("PRIMARY " "KEY"), "a prefix", Shape(order="ORDER BY (id, s)"), Shape(order="ORDER BY (id, s)", primary="PRIMARY " "KEY " "id"), Shape(order="ORDER " "BY " "(id, " "s, " "day)", primary="PRIMARY " "KEY " "(id, " "s)")),
    (("PRIMARY " "KEY"), ("without ORDER BY"), Shape(order="ORDER BY tuple()"), Shape(primary="PRIMARY "
                                                                                                          "KEY id", order=""), Shape(primary="PRIMARY " "KEY " "(id, " "s)", order="")),
    (("PARTITION " "BY"), ("an " "expression"), Shape(), Shape(partition="PARTITION BY toYYYYMM(day)"), Shape(partition="PARTITION " "BY " "toYear(day)")),
    (("PARTITION " "BY"), ("several " "columns"), Shape(), Shape(partition="PARTITION BY (toYear(day), id % 2)"), Shape(partition="PARTITION " "BY " "tuple(toYear(day))")),
    (("SAMPLE " "BY"), "a column", Shape(order="ORDER BY (id, day)"), Shape(order="ORDER BY (id, day)", sample="SAMPLE " "BY " "id"), Shape(order="ORDER " "BY " "(cityHash64(id), " "id)", sample="SAMPLE " "BY " "cityHash64(id)")),
)  # fmt: skip


def clause_cases() -> list[Case]:
    """All of them, in the order of the reference."""
    found: list[Case] = []
    for name, before, after in _TYPES:
        found.append(
            _case("column type", name, Shape(), Shape(f"c {before}"), Shape(f"c {after}"), name in _QUICK_TYPES)
        )
    found.append(
        _case(
            "column type",
            "Nested",
            Shape(),
            Shape("c Nested(x UInt8, y String)"),
            Shape("c Nested(x UInt16, y String, z Date)"),
            quick=True,
        )
    )
    whole = Shape(settings="flatten_nested = 0")
    found.append(
        _case(
            "column type",
            "Nested, not flattened",
            whole,
            Shape("c Nested(x UInt8)", settings="flatten_nested = 0"),
            Shape("c Nested(x UInt8, y String)", settings="flatten_nested = 0"),
            quick=True,
        )
    )
    for name, before, after in _DEFAULTS:
        found.append(
            _case(
                "column default",
                name,
                Shape("c UInt64"),
                Shape(f"c UInt64 {before}"),
                Shape(f"c UInt64 {after}"),
                name == "EPHEMERAL",
            )
        )
    for name, before, after in _DEFAULTS:
        found.append(
            _case(
                "column default",
                f"{name}, a column of its own",
                Shape(),
                Shape(f"c UInt64 {before}"),
                Shape(f"c UInt64 {after}"),
            )
        )
    for name, kind, before, after in _CODECS:
        found.append(
            _case(
                "column CODEC",
                name,
                Shape(f"c {kind}"),
                Shape(f"c {kind} {before}"),
                Shape(f"c {kind} {after}"),
                name == "chain",
            )
        )
    found += [
        _case(
            "column TTL",
            "of one column",
            Shape("c String"),
            Shape("c String TTL day + INTERVAL 100 YEAR"),
            Shape("c String TTL day + INTERVAL 101 YEAR"),
            quick=True,
        ),
        _case(
            "column SETTINGS",
            "block sizes",
            Shape("c String"),
            Shape("c String SETTINGS (min_compress_block_size = 1000)"),
            Shape("c String SETTINGS (max_compress_block_size = 10000)"),
            quick=True,
        ),
        _case(
            "column STATISTICS",
            "two kinds",
            Shape("c UInt64"),
            Shape("c UInt64 STATISTICS(tdigest)"),
            Shape("c UInt64 STATISTICS(uniq, minmax)"),
            quick=True,
        ),
        _case(
            "column COMMENT",
            "with quotes",
            Shape("c String"),
            Shape("c String COMMENT 'it''s'"),
            Shape("c String COMMENT 'two\\nlines'"),
        ),
    ]
    for clause, name, absent, present, changed in _KEYS:
        found.append(_case(clause, name, absent, present, changed, (clause, name) == ("ORDER BY", "DESC")))
    for name, before, after in _TTLS:
        found.append(_case("TTL", name, Shape(), Shape(ttl=before), Shape(ttl=after), name in ("GROUP BY", "TO DISK")))
    for name, before, after in _SETTINGS:
        found.append(
            _case("SETTINGS", name, Shape(), Shape(settings=before), Shape(settings=after), name == "storage_policy")
        )
    for name, before, after in _INDEXES:
        extra = "v Array(Float32) MATERIALIZED [toFloat32(id % 7), 1]" if name == "vector_similarity" else ""
        found.append(
            _case(
                "INDEX",
                name,
                Shape(extra),
                Shape(extra, f"INDEX i {before}"),
                Shape(extra, f"INDEX i {after}"),
                name == "text",
            )
        )
    for name, before, after in _PROJECTIONS:
        found.append(
            _case(
                "PROJECTION",
                name,
                Shape(),
                Shape(elements=f"PROJECTION p {before}"),
                Shape(elements=f"PROJECTION p {after}"),
                name in ("WITH SETTINGS", "INDEX"),
            )
        )
    found += [
        _case(
            "CONSTRAINT",
            "CHECK",
            Shape(),
            Shape(elements="CONSTRAINT k CHECK id >= 0"),
            Shape(elements="CONSTRAINT k CHECK length(s) >= 0"),
        ),
        _case(
            "CONSTRAINT",
            "ASSUME",
            Shape(),
            Shape(elements="CONSTRAINT k ASSUME id >= 0"),
            Shape(elements="CONSTRAINT k CHECK id >= 0"),
            quick=True,
        ),
        _case("COMMENT", "of the table", Shape(), Shape(comment="one"), Shape(comment="two"), quick=True),
    ]
    more = "v UInt64, w UInt64, sign Int8 DEFAULT 1, gone UInt8 DEFAULT 0"
    for name, before, after in _ENGINES:
        found.append(
            _case(
                "ENGINE",
                name,
                Shape(more),
                Shape(more, engine=before),
                Shape(more, engine=after),
                name == "CollapsingMergeTree",
            )
        )
    return found
