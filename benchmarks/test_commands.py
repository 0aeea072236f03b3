"""What a command costs before it does anything: CPU time of the whole process, with everything compiled."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys

import pytest

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from benchmarks.measure import Line, Results

pytestmark = pytest.mark.bench
ROUNDS = 9
DRIVERS = ["-c", "import typer, rich, clickhouse_connect"]
DECLARED = "from aaiclick.oplog import OPLOG"
CONNECTED = "from aaiclick.clients import open_connection; open_connection({url!r}, caller='bench').close()"


def _spent(arguments: list[str]) -> float:
    """CPU seconds of one call, user and system."""
    # Otherwise each call would compile what it imports.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_commands(results: Results, aaiclick_server: EngineServer) -> None:
    name = fresh_name()
    with aaiclick_server.client() as admin:
        admin.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{name}"
    where = ["--url", url, "--schema", "aaiclick.oplog:OPLOG"]
    subprocess.run([sys.executable, "-m", "aaiclick", "migrate", *where], stdout=subprocess.DEVNULL, check=True)
    cases = {
        "drivers": DRIVERS,
        "pydantic": ["-c", f"{DRIVERS[1]}; from pydantic import BaseModel, TypeAdapter"],
        "reading the declarations alone": ["-c", f"{DRIVERS[1]}; {DECLARED}"],
        "reading the declarations, and a connection": ["-c", f"{DRIVERS[1]}; {DECLARED}; {CONNECTED.format(url=url)}"],
        "`aaiclick --version`": ["-m", "aaiclick", "--version"],
        "`aaiclick --help`": ["-m", "aaiclick", "--help"],
        "`aaiclick status` on a server, in sync": ["-m", "aaiclick", "status", *where],
        "`aaiclick plan` on a server, in sync": ["-m", "aaiclick", "plan", *where],
        "`aaiclick migrate` on a server, in sync": ["-m", "aaiclick", "migrate", *where],
    }
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS + 1):
        for name, arguments in cases.items():
            spent[name].append(_spent(arguments))
    # The first round compiles; the least is what the work costs, the rest is what else the machine did.
    least = {name: min(found[1:]) for name, found in spent.items()}
    for name in list(cases)[2:]:
        floor = not name.startswith("`")
        results.add(
            Line(
                f"CPU of {name}",
                "`import typer, rich, clickhouse_connect`",
                "the floor" if floor else "≤ 1.5 x",
                math.inf if floor else 1.5,
                least[name] / least["drivers"],
                note=_note(least) if name.startswith("`aaiclick status`") else "",
            )
        )


def _note(least: dict[str, float]) -> str:
    return (
        f"pydantic, in which declarations are made, is {least['pydantic'] / least['drivers']:.2f} x by itself. No "
        "command can do without reading the declarations and opening a connection, which is a line of its own: 1.5 x "
        "is out of reach with declarations in pydantic. Of what is left, nearly half is making dataclasses (half a "
        "millisecond each up to Python 3.12), the rest reading 200 modules, and the requests."
    )
