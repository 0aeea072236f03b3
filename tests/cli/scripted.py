"""Plans, reports and streams for tests of what the commands print."""

from __future__ import annotations

import io
import re
from typing import Any

from aaiclick.commands.report import KeptTable, Report, Status
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import AlterWork, SqlWork

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[(?:[0-9]+;)*3[0-7](?:;[0-9]+)*m")
SORT_KEY = "sort key created_at -> (result_table, created_at)"
ALLOW = "drop-column operation_log.args"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def rebuild(**changes: Any) -> Step:
    fields: dict[str, Any] = {
        "id": "1",
        "object": "operation_log",
        "change": SORT_KEY,
        "strategy": "rebuild",
        "sql": [
            "CREATE TABLE `app`.`operation_log_<run>` (`id` UInt64)",
            "-- copy partition by partition",
            "EXCHANGE TABLES a AND b",
        ],
        "work": SqlWork(("SELECT 1",), 1),
        "hazards": (Hazard("rewrites-data", "writes 1,000 rows anew"),),
        "rows": 1000,
        "bytes": 2048,
        "seconds": 3.0,
        "seconds_range": (2.0, 5.0),
    }
    return Step(**{**fields, **changes})


def drop(**changes: Any) -> Step:
    """An optional step that needs to be allowed by name."""
    fields: dict[str, Any] = {
        "id": "2",
        "object": "operation_log",
        "change": "column args is no longer declared",
        "strategy": "alter",
        "sql": ["ALTER TABLE `app`.`operation_log` (DROP COLUMN `args`)"],
        "work": AlterWork("operation_log", ()),
        "hazards": (Hazard("loses-rows", "the values of args are gone", ALLOW),),
        "optional": True,
    }
    return Step(**{**fields, **changes})


def plan(*steps: Step, **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "schema": "oplog",
        "database": "app",
        "from_version": 1 if steps else 5,
        "to_version": 5,
        "steps": steps,
        "basis": "b",
        "fingerprint": "f",
    }
    return Plan(**{**fields, **changes})


def report(*steps: Step, pending: tuple[Step, ...] = (), **changes: Any) -> Report:
    fields: dict[str, Any] = {
        "schema": "oplog",
        "database": "app",
        "from_version": 1 if steps else 5,
        "to_version": 5,
        "steps": steps,
        "pending": pending,
        "reasons": tuple("no longer declared" for _ in pending),
        "notes": (),
        "in_sync": True,
        "duration": 1.25,
    }
    return Report(**{**fields, **changes})


def status(**changes: Any) -> Status:
    fields: dict[str, Any] = {
        "schema": "oplog",
        "database": "app",
        "server": "26.9.1",
        "live_version": 1,
        "code_version": 5,
        "state": "behind",
        "in_sync": False,
        "differences": (f"operation_log: {SORT_KEY}", "task_logs: table is missing"),
        "notes": ("operation_log: undeclared column args",),
        "kept_tables": (KeptTable("operation_log_old", "operation_log", 1234567, 3 << 20, "2030-01-02 03:04:05"),),
    }
    return Status(**{**fields, **changes})


IN_SYNC: dict[str, Any] = {
    "live_version": 5,
    "state": "in sync",
    "in_sync": True,
    "differences": (),
    "notes": (),
    "kept_tables": (),
}
