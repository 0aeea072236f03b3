"""What tables can be like, and what can be changed about them: every pair of both is planned and carried out on a table
with several parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Shape:
    """A table as text, piece by piece. ``after`` are statements that follow the first inserts (they make old parts)."""

    columns: dict[str, str] = field(
        default_factory=lambda: {"k": "UInt64", "v": "UInt8", "s": "String", "d": "DateTime"}
    )
    engine: str = "MergeTree"
    partition_by: str = ""
    order_by: str = "k"
    ttl: str = ""
    elements: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict[str, str])
    after: tuple[str, ...] = ()

    def sql(self, name: str) -> str:
        listed = ", ".join([*(f"{column} {kind}" for column, kind in self.columns.items()), *self.elements])
        clauses = [
            f"CREATE TABLE {name} ({listed}) ENGINE = {self.engine}",
            *([f"PARTITION BY {self.partition_by}"] if self.partition_by else []),
            f"ORDER BY {self.order_by}",
            *([f"TTL {self.ttl}"] if self.ttl else []),
            *(
                [f"SETTINGS {', '.join(f'{key} = {value}' for key, value in self.settings.items())}"]
                if self.settings
                else []
            ),
        ]
        return " ".join(clauses)

    def with_columns(self, **columns: str) -> Shape:
        return replace(self, columns={**self.columns, **columns})

    def with_settings(self, **settings: str) -> Shape:
        return replace(self, settings={**self.settings, **settings})


PLAIN = Shape()
FEATURES: dict[str, Shape] = {
    "plain": PLAIN,
    "descending key": replace(PLAIN, order_by="(k DESC)"),
    "descending second": replace(PLAIN, order_by="(k, v DESC)"),
    "partitioned": replace(PLAIN, partition_by="v % 2"),
    "projection": replace(PLAIN, elements=("PROJECTION p (SELECT v, count() GROUP BY v)",)),
    "projection and deletes": replace(
        PLAIN,
        elements=("PROJECTION p (SELECT v, count() GROUP BY v)",),
        settings={"lightweight_mutation_projection_mode": "'drop'"},
        after=("DELETE FROM {t} WHERE k = 3",),
    ),
    "index": replace(
        PLAIN, elements=("INDEX i v TYPE minmax GRANULARITY 1", "INDEX j (s, v) TYPE set(10) GRANULARITY 1")
    ),
    "constraint": replace(PLAIN, elements=("CONSTRAINT c CHECK v < 200",)),
    "ttl": replace(PLAIN, ttl="d + INTERVAL 100 YEAR"),
    "wide": PLAIN.with_settings(min_bytes_for_wide_part="0"),
    "no adaptive granularity": PLAIN.with_settings(index_granularity_bytes="0"),
    "part uuids": PLAIN.with_settings(assign_part_uuids="1"),
    "block numbers": PLAIN.with_settings(enable_block_number_column="1", enable_block_offset_column="1"),
    "patch parts": replace(
        PLAIN.with_settings(enable_block_number_column="1", enable_block_offset_column="1"),
        after=("SYSTEM STOP MERGES {t}", "UPDATE {t} SET v = 5 WHERE k = 3"),
    ),
    "deleted rows": replace(PLAIN, after=("DELETE FROM {t} WHERE k = 3",)),
    "younger column": replace(PLAIN, after=("ALTER TABLE {t} ADD COLUMN n UInt8 DEFAULT v + 1",)),
    "nullable key": replace(PLAIN.with_columns(k="Nullable(UInt64)"), settings={"allow_nullable_key": "1"}),
    "json and dynamic": PLAIN.with_columns(j="JSON", y="Dynamic"),
    "variant": PLAIN.with_columns(a="Variant(UInt8, String)"),
    "low cardinality": PLAIN.with_columns(
        l="LowCardinality(String)", m="Map(String, Array(Nullable(UInt8)))", t="Tuple(a UInt8, b String)"
    ),
    "statistics": PLAIN.with_columns(v="UInt8 STATISTICS(tdigest)"),
    "computed": PLAIN.with_columns(c="UInt16 MATERIALIZED v + 1", e="UInt16 ALIAS v + 2", x="UInt8 DEFAULT 3"),
    "nested": PLAIN.with_columns(**{"`n.a`": "Array(UInt8)", "`n.b`": "Array(String)"}),
    "replacing": replace(PLAIN, engine="ReplacingMergeTree(d)"),
    "replacing without version": replace(PLAIN, engine="ReplacingMergeTree"),
    "replacing with a projection": replace(
        PLAIN,
        engine="ReplacingMergeTree(d)",
        elements=("PROJECTION p (SELECT v, count() GROUP BY v)",),
        settings={"deduplicate_merge_projection_mode": "'rebuild'"},
    ),
    "summing": replace(PLAIN, engine="SummingMergeTree(v)"),
    "codec": PLAIN.with_columns(v="UInt8 CODEC(Delta, ZSTD(3))", s="String CODEC(NONE)"),
    "sampled": replace(PLAIN, order_by="(k, intHash32(k)) SAMPLE BY intHash32(k)"),
}


@dataclass(frozen=True)
class Changed:
    """``renames``: old -> new. None where the change makes no sense for the table."""

    shape: Shape
    renames: dict[str, str] = field(default_factory=dict[str, str])


def changes(before: Shape) -> dict[str, Changed]:
    """What a table of that shape is asked to become."""
    columns = before.columns
    renamed = {("w" if name == "v" else name): kind for name, kind in columns.items()}
    found = {
        "granularity": Changed(before.with_settings(index_granularity="1024")),
        "a new column": Changed(before.with_columns(z="UInt32 DEFAULT 4")),
        "a new column, granularity": Changed(
            before.with_columns(z="UInt32 DEFAULT 4").with_settings(index_granularity="1024")
        ),
        "a wider column": Changed(before.with_columns(v=columns["v"].replace("UInt8", "UInt32"))),
        "a wider column, granularity": Changed(
            before.with_columns(v=columns["v"].replace("UInt8", "UInt32")).with_settings(index_granularity="1024")
        ),
        "nullable": Changed(before.with_columns(s=columns["s"].replace("String", "Nullable(String)"))),
        "suspicious": Changed(before.with_columns(z="LowCardinality(Date)")),
        "codec": Changed(before.with_columns(d="DateTime CODEC(Delta, LZ4)")),
        "index": Changed(replace(before, elements=(*before.elements, "INDEX y d TYPE minmax GRANULARITY 1"))),
        "constraint": Changed(replace(before, elements=(*before.elements, "CONSTRAINT cc CHECK d > '1980-01-01'"))),
        "ttl": Changed(replace(before, ttl="d + INTERVAL 99 YEAR")),
        "no elements": Changed(replace(before, elements=())),
        "another order": Changed(replace(before, columns={"s": columns["s"], **columns})),
        "sort key": Changed(
            replace(
                before,
                order_by="(k, s)" if "SAMPLE" not in before.order_by else "(k, intHash32(k), s) SAMPLE BY intHash32(k)",
            )
        ),
        "partition key": Changed(replace(before, partition_by="toYYYYMM(d)")),
    }
    read = " ".join([*before.elements, before.order_by, before.partition_by, before.engine, *columns.values()])
    if not re.search(r"\bv\b", read):
        found["rename"] = Changed(replace(before, columns=renamed), {"v": "w"})
        found["rename, granularity"] = Changed(
            replace(before, columns=renamed).with_settings(index_granularity="1024"), {"v": "w"}
        )
    if "projection" not in str(before.elements).lower() or "deduplicate" in str(before.settings):
        found["engine"] = Changed(
            replace(before, engine="MergeTree" if before.engine != "MergeTree" else "ReplacingMergeTree(d)")
        )
    if "projection" not in str(before.elements).lower() and before.engine == "MergeTree":
        found["projection"] = Changed(
            replace(before, elements=(*before.elements, "PROJECTION q (SELECT s, max(k) GROUP BY s)"))
        )
    return found
