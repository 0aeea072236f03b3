"""The oplog as the code expects it: version 5."""

from __future__ import annotations

from aaiclick.specs import Column, MergeTree, Schema, Table

operation_log = Table(
    "operation_log",
    columns=[
        Column("id", "UInt64", default="generateSnowflakeID()"),
        Column("result_table", "String"),
        Column("operation", "String"),
        Column("kwargs", "Map(String, String)"),
        Column("sql_template", "Nullable(String)"),
        Column("task_id", "Nullable(UInt64)"),
        Column("job_id", "Nullable(UInt64)"),
        Column("run_id", "Nullable(UInt64)"),
        Column("created_at", "DateTime64(3, 'UTC')"),
    ],
    # ttl=None says that there is none: the TTL of version 1 has to go, or old rows would be lost after the upgrade.
    engine=MergeTree(
        order_by=["result_table", "created_at"], partition_by=None, primary_key=None, sample_by=None, ttl=None
    ),
)

task_logs = Table(
    "task_logs",
    columns=[
        Column("task_id", "UInt64"),
        Column("job_id", "UInt64"),
        Column("run_id", "UInt64"),
        Column("seq", "UInt64"),
        Column("stream", "String"),
        Column("line", "String"),
        Column("created_at", "DateTime64(3, 'UTC')"),
    ],
    engine=MergeTree(
        order_by=["task_id", "run_id", "seq"], partition_by=None, primary_key=None, sample_by=None, ttl=None
    ),
)

OPLOG = Schema(name="oplog", version=5, objects=[operation_log, task_logs], migrations="aaiclick.oplog.migrations")
