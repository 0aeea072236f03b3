"""A start that has nothing to do loads nothing that plans or changes anything."""

from __future__ import annotations

import subprocess
import sys
import typing

from pydantic import TypeAdapter

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name

SCHEMA = Schema("app", version=1, objects=[Table("t", [Column("a", "UInt64")], engine=MergeTree(order_by=["a"]))])
START = """
import sys
from aaiclick import Column, MergeTree, Schema, Table, ensure_schema

SCHEMA = Schema("app", version=1, objects=[Table("t", [Column("a", "UInt64")], engine=MergeTree(order_by=["a"]))])
assert ensure_schema(sys.argv[1], SCHEMA).in_sync
print(*sorted(name for name in sys.modules if name.startswith("aaiclick.")))
"""
LATER = (
    "aaiclick.apply",
    "aaiclick.plan.planner",
    "aaiclick.commands.migrate",
    "aaiclick.lease.acquire",
)


def _loaded(url: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", START, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_a_warm_start_loads(aaiclick_server: EngineServer) -> None:
    name = fresh_name()
    aaiclick_server.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{name}"
    assert len(_loaded(url)) > 250, "the first start makes the table"
    loaded = _loaded(url)
    assert not [module for module in loaded if module.startswith(LATER)]
    assert len(loaded) <= 125, len(loaded)
    ensure_schema(url, SCHEMA)


def test_the_types_of_what_is_public_can_be_read_at_run_time() -> None:
    report = ensure_schema.__annotations__["return"]
    assert typing.get_type_hints(ensure_schema)["return"].__name__ == report == "Report"
    assert TypeAdapter(typing.get_type_hints(ensure_schema)["return"]).core_schema
