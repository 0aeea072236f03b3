"""What a command costs before it does anything: CPU time of the whole process, with everything compiled."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from aaiclick.testing import EngineServer
from benchmarks.measure import Line, Results

pytestmark = pytest.mark.bench
ROUNDS = 9
DRIVERS = ["-c", "import typer, rich, clickhouse_connect"]


def _spent(arguments: list[str]) -> float:
    """CPU seconds of one call, user and system."""
    # Otherwise each call would compile what it imports.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_commands(results: Results, aaiclick_server: EngineServer) -> None:
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/default"
    cases = {
        "drivers": DRIVERS,
        "`aaiclick --version`": ["-m", "aaiclick", "--version"],
        "`aaiclick --help`": ["-m", "aaiclick", "--help"],
        "`aaiclick status` on a server": ["-m", "aaiclick", "status", "--url", url],
    }
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS + 1):
        for name, arguments in cases.items():
            spent[name].append(_spent(arguments))
    # The first round compiles; the least is what the work costs, the rest is what else the machine did.
    least = {name: min(found[1:]) for name, found in spent.items()}
    for name, limit in (
        ("`aaiclick --version`", 1.5),
        ("`aaiclick --help`", 1.5),
        ("`aaiclick status` on a server", 4),
    ):
        results.add(
            Line(
                f"CPU of {name}",
                "`import typer, rich, clickhouse_connect`",
                f"≤ {limit:g} x",
                limit,
                least[name] / least["drivers"],
            )
        )
