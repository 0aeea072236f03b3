"""A start with nothing to do, beside other tools: each in an environment of its own, made for this run and thrown
away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from aaiclick.testing import EngineServer
from benchmarks.measure import Line, Results

pytestmark = pytest.mark.bench
PROGRAM = Path(__file__).with_name("others.py")


@dataclass(frozen=True)
class Other:
    """Another tool: what installs it, which of our lines it stands against, and the ratio to ``SELECT 1`` that an
    earlier measurement gave."""

    name: str
    label: str
    packages: tuple[str, ...]
    against: str
    earlier: float


OTHERS = [
    Other("runner", "the runner of aaiclick 0.0.29", ("aaiclick==0.0.29",), "chdb Session", 4),
    Other(
        "clickhouse-migrations", "clickhouse-migrations 0.16", ("clickhouse-migrations[connect]==0.16.0",), "HTTP", 14.7
    ),
    Other("alembic", "Alembic with clickhouse-connect", ("alembic", "clickhouse-connect[sqlalchemy]"), "HTTP", 17.2),
]


def environment_with(home: Path, packages: tuple[str, ...]) -> Path:
    """The Python of a new environment in which they are installed."""
    python = home / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True, capture_output=True, timeout=300)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", *packages], check=True, capture_output=True, text=True, timeout=900
    )
    return python


def _ratio(other: Other, home: Path) -> float:
    """Its start as a multiple of ``SELECT 1`` on its own client."""
    python = environment_with(home, other.packages)
    if other.against == "HTTP":
        with EngineServer() as server:
            return _measured(python, other.name, server.url)
    return _measured(python, other.name, str(home / "data"))


def _measured(python: Path, name: str, where: str) -> float:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, PROGRAM, name, where],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=python.parent,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["theirs"] / found["one"])


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.name)
def test_another_tool(results: Results, other: Other, tmp_path: Path) -> None:
    ours = results.warm.get(other.against)
    if ours is None:
        pytest.skip("our own start is measured by benchmarks/test_start.py: run both")
    note = ""
    try:
        theirs = _ratio(other, tmp_path)
    except subprocess.SubprocessError as error:
        # Without a package index, or where the tool cannot be run here, an earlier measurement stands in for it, and
        # the page says so.
        print(other.label, error, getattr(error, "stderr", ""))
        theirs, note = (
            other.earlier,
            "could not be installed or run this time: the figure is from an earlier measurement.",
        )
    shown = f"{theirs:.1f} x"
    results.add(
        Line(
            f"warm start, {other.against}", f"{other.label} ({shown} `SELECT 1`)", "≤ 1 x", 1, ours / theirs, note=note
        )
    )
