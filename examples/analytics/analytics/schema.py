"""What the tables look like in this release."""

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.aggregates import Aggregate, GroupKey, rollup

HITS = Table(
    "hits",
    columns=[
        Column("at", "DateTime64(3, 'UTC')"),
        Column("host", "LowCardinality(String)", default=None),
        Column("path", "String", default=None),
        Column("referrer", "String"),
        Column("visitor", "UInt64"),
        Column("user_agent", "String", codec="ZSTD(3)"),
    ],
    engine=MergeTree(order_by=["host", "path", "at"]),
)

PAGES = Aggregate(
    "pages_daily",
    by={"day": GroupKey("toDate(at)", "Date"), "host": "host", "path": "path"},
    measures={"views": "count()", "visitors": "uniq(visitor)"},
    reader="pages_per_day",
)

SESSIONS = Table(
    "sessions",
    columns=[
        Column("day", "Date"),
        Column("host", "LowCardinality(String)"),
        Column("visitor", "UInt64"),
        Column("began", "DateTime64(3, 'UTC')"),
        Column("ended", "DateTime64(3, 'UTC')"),
        Column("pages", "UInt32"),
    ],
    engine=MergeTree(order_by=["host", "began"], partition_by="toYYYYMM(day)"),
    comment="hits of one visitor with less than half an hour between them",
)

ANALYTICS = Schema(
    "analytics",
    version=5,
    objects=[*rollup(HITS, PAGES), SESSIONS],
    migrations="analytics.migrations",
)
