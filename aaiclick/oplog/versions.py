"""The five versions of the oplog that were released. Databases of all of them are in use.

========  ==================  =======================================================================================
version   released as         what changed
========  ==================  =======================================================================================
1         0.0.7 to 0.0.9      operation_log (sort key created_at, a TTL whose days differ per install), table_registry
2         0.0.10              operation_log: new sort key, run_id, two columns of ids, no args, no TTL
3         0.0.11 to 0.0.16    the two columns of ids are no longer declared, table_registry leaves ClickHouse
4         0.0.17 to 0.0.27    task_logs
5         0.0.28 and later    times in UTC, task_logs.level is no longer declared
========  ==================  =======================================================================================
"""

from __future__ import annotations

from aaiclick.oplog.schema import OPLOG
from aaiclick.specs import Column, MergeTree, Schema, Table

_ID = Column("id", "UInt64", default="generateSnowflakeID()")
_WHAT = [Column("result_table", "String"), Column("operation", "String")]
_KWARGS = Column("kwargs", "Map(String, String)")
_IDS = [Column("kwargs_aai_ids", "Map(String, Array(UInt64))"), Column("result_aai_ids", "Array(UInt64)")]
_WHO = [
    Column("sql_template", "Nullable(String)"),
    Column("task_id", "Nullable(UInt64)"),
    Column("job_id", "Nullable(UInt64)"),
]
_RUN = Column("run_id", "Nullable(UInt64)")
_WHEN = Column("created_at", "DateTime64(3)")
_BY_TABLE = MergeTree(order_by=["result_table", "created_at"])


def _registry(*more: Column) -> Table:
    columns = [
        Column("table_name", "String"),
        Column("job_id", "Nullable(UInt64)"),
        Column("task_id", "Nullable(UInt64)"),
        *more,
        _WHEN,
    ]
    return Table("table_registry", columns, engine=MergeTree(order_by="(created_at,)"))


_log_1 = Table(
    "operation_log",
    [_ID, *_WHAT, Column("args", "Array(String)"), _KWARGS, *_WHO, _WHEN],
    engine=MergeTree(order_by=["created_at"], ttl="created_at + INTERVAL 90 DAY DELETE"),
)
_log_2 = Table("operation_log", [_ID, *_WHAT, _KWARGS, *_IDS, *_WHO, _RUN, _WHEN], engine=_BY_TABLE)
_log_3 = Table("operation_log", [_ID, *_WHAT, _KWARGS, *_WHO, _RUN, _WHEN], engine=_BY_TABLE)
_task_logs_4 = Table(
    "task_logs",
    [
        *(Column(name, "UInt64") for name in ("task_id", "job_id", "run_id", "seq")),
        *(Column(name, "String") for name in ("stream", "level", "line")),
        _WHEN,
    ],
    engine=MergeTree(order_by=["task_id", "run_id", "seq"]),
)

RELEASED: tuple[Schema, ...] = (
    Schema("oplog", version=1, objects=[_log_1, _registry()]),
    Schema("oplog", version=2, objects=[_log_2, _registry(_RUN)]),
    Schema("oplog", version=3, objects=[_log_3]),
    Schema("oplog", version=4, objects=[_log_3, _task_logs_4]),
    OPLOG,
)

VARIABLES: dict[int, dict[str, dict[str, tuple[str, ...]]]] = {
    1: {
        "operation_log": {
            # AAICLICK_OPLOG_TTL_DAYS; some operators took the TTL away to stop it.
            "ttl": ("created_at + toIntervalDay({days})", ""),
            # 0.0.28 and later gave tables of version 1 that were opened with them the zone, and nothing else of version
            # 5.
            "created_at.type": ("DateTime64(3)", "DateTime64(3, 'UTC')"),
        },
    },
}
"""What differs between installs of one version: see ``aaiclick.versions.lockfile``."""
