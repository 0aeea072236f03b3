"""A start that has nothing to do loads nothing that plans or changes anything, and one on a single host nothing that
only many hosts need."""

from __future__ import annotations

import subprocess
import sys
import typing

from pydantic import TypeAdapter

from aaiclick import ensure_schema
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name

START = """
import sys
from aaiclick import *

schema = Schema(
    "app",
    version=int(sys.argv[2]),
    objects=[Table("t", [Column("a", "UInt64"), Column("b", "UInt64")], engine=MergeTree(order_by=sys.argv[3].split()))],
)
report = ensure_schema(sys.argv[1], schema, policy=Policy.lossless())
print(*(step.strategy for step in report.steps))
print(*sorted(name for name in sys.modules if name.startswith("aaiclick.")))
"""
LATER = (
    "aaiclick.apply",
    "aaiclick.plan.planner",
    "aaiclick.commands.migrate",
    "aaiclick.commands.plan",
    "aaiclick.commands.reflect",
    "aaiclick.commands.rollback",
    "aaiclick.commands.validate",
    "aaiclick.lease.acquire",
)
"""What is loaded for a start that has something to do, or for another verb: ``import *`` names all of them."""
OF_MANY_HOSTS = (
    "aaiclick.apply.everywhere",
    "aaiclick.apply.replicated",
    "aaiclick.commands.hosts",
    "aaiclick.lease.generations",
    "aaiclick.lease.keeper",
)


def _run(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_starts_load(aaiclick_server: EngineServer) -> None:
    name = fresh_name()
    aaiclick_server.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{name}"
    for version, order, strategy, most in (
        ("1", "a", "create", 300),
        ("2", "a b", "rebuild", 420),
        ("2", "a b", "", 130),
    ):
        did, loaded = _run(START, url, version, order)
        modules = loaded.split()
        assert did == strategy
        assert not [module for module in modules if module.startswith(OF_MANY_HOSTS)]
        assert len(modules) <= most, len(modules)
        if not strategy:
            assert not [module for module in modules if module.startswith(LATER)]
    aaiclick_server.command(f"DROP DATABASE {name} SYNC")


def test_the_process_of_the_test_server_loads_what_it_serves_with() -> None:
    shown = "import sys, aaiclick.testing.server; print(*sys.modules)"
    modules = _run(shown)[0].split()
    assert "pydantic" not in modules
    assert len([module for module in modules if module.startswith("aaiclick")]) <= 12


def test_the_types_of_what_is_public_can_be_read_at_run_time() -> None:
    report = ensure_schema.__annotations__["return"]
    assert typing.get_type_hints(ensure_schema)["return"].__name__ == report == "Report"
    assert TypeAdapter(typing.get_type_hints(ensure_schema)["return"]).core_schema
