"""An old install comes up to date by itself.

Makes a database as the oldest release left it (sort key ``created_at``, a TTL, no ``run_id``) in a temporary directory,
shows the plan, brings it to the version that the code expects, and shows what was done and that the rows are still
there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from chdb.session import Session

from aaiclick import plan_schema
from aaiclick.oplog import OPLOG, init_oplog_tables

OLD_TABLE = """
CREATE TABLE operation_log (
    id           UInt64 DEFAULT generateSnowflakeID(),
    result_table String,
    operation    String,
    args         Array(String),
    kwargs       Map(String, String),
    sql_template Nullable(String),
    task_id      Nullable(UInt64),
    job_id       Nullable(UInt64),
    created_at   DateTime64(3)
) ENGINE = MergeTree ORDER BY created_at TTL created_at + INTERVAL 90 DAY DELETE
"""
OLD_ROWS = """
INSERT INTO operation_log (id, result_table, operation, args, kwargs, created_at)
SELECT number, concat('t_', toString(number % 100)), ['insert', 'concat', 'sum'][number % 3 + 1], [], map('source', 'p_customers'), now64(3) - number
FROM numbers(100000)
"""
COUNT = (
    "SELECT count() AS rows, sum(cityHash64(tuple(id, result_table, operation, args, kwargs))) AS checksum FROM "
    "operation_log"
)
SHOW = (
    "SELECT sorting_key, engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'operation_log'"
)


def main() -> None:
    """Run the example; takes a few seconds."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(str(Path(folder) / "data"))
        session.query("CREATE DATABASE app")
        session.query("USE app")
        session.query(OLD_TABLE)
        session.query(OLD_ROWS)

        print("== The database that version 1 left behind\n")
        print(session.query(SHOW, "Vertical"))
        before = str(session.query(COUNT, "TSKV"))
        print(before)

        print("== The plan (this is `aaiclick migrate --dry-run`)\n")
        print(plan_schema(session, OPLOG))

        print("\n== init_oplog_tables(session)\n")
        report = init_oplog_tables(session)
        print(f"{report.schema}: v{report.from_version} -> v{report.to_version} in {report.duration:.2f} s")
        for step in report.steps:
            print(f"  {step.strategy:8} {step.object}: {step.change}")
        for note in report.notes:
            print(f"  note     {note}")

        print("\n== The database now\n")
        print(session.query(SHOW, "Vertical"))
        after = str(session.query(COUNT, "TSKV"))
        print(after)
        print("Every row is there." if before == after else "ROWS DIFFER")
        print(f"A second start has {len(init_oplog_tables(session).steps)} steps to do.")
        session.close()
        if before != after:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
