"""The command that has nothing to do, beside those of other tools: CPU time of the whole process, each against a
server, installed for this run."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from aaiclick.testing import EngineServer
from benchmarks.measure import Line, Results
from benchmarks.test_versus import environment_with

pytestmark = pytest.mark.bench
ROUNDS = 5
FIRST = "CREATE TABLE IF NOT EXISTS first (id UInt64) ENGINE = MergeTree ORDER BY id;"
OURS = """
from aaiclick import Column, MergeTree, Schema, Table

SHOP = Schema("shop", version=1, objects=[Table("first", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])
"""
Command = Sequence[str | Path]


def _call(command: Command, variables: dict[str, str]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise subprocess.SubprocessError(f"{command}\n{done.stdout}\n{done.stderr}")


def _least(command: Command, variables: dict[str, str]) -> float:
    """CPU seconds, user and system. The first call does the work (and compiles); the least of the others is what the
    command costs, the rest is what else the machine did."""
    spent: list[float] = []
    for turn in range(ROUNDS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _call(command, variables)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if turn:
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def _ours(folder: Path) -> float:
    (folder / "shop.py").write_text(OURS, encoding="utf-8")
    variables = {"PYTHONPATH": f"{Path(__file__).parent.parent}{os.pathsep}{folder}"}
    with EngineServer() as server:
        command = [sys.executable, "-m", "aaiclick", "migrate", "--schema", "shop:SHOP", "--yes", "--url", server.url]
        return _least(command, variables)


def _script(folder: Path) -> Path:
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "1_first.sql").write_text(FIRST, encoding="utf-8")
    return scripts


def _from_npm(folder: Path) -> float:
    if not shutil.which("npm"):
        raise FileNotFoundError("npm")
    installed = ["npm", "install", "--silent", "--prefix", folder, "clickhouse-migrations@1.4.0"]
    subprocess.run(installed, check=True, capture_output=True, timeout=300)
    tool = folder / "node_modules" / ".bin" / "clickhouse-migrations"
    with EngineServer() as server:
        options = [f"--host={server.url}", "--user=default", "--password=", "--db=versus"]
        return _least([tool, "migrate", *options, f"--migrations-home={_script(folder)}"], {})


def _from_pypi(folder: Path) -> float:
    python = environment_with(folder, ("clickhouse-migrations[connect]==0.16.0",))
    with EngineServer() as server:
        options = ["--db-url", f"{server.url}/versus", "--driver", "clickhouse-connect", "--migrations-dir"]
        return _least([python.parent / "clickhouse-migrations", "migrate", *options, _script(folder)], {})


def test_nothing_to_do(results: Results, tmp_path: Path) -> None:
    cases = {
        "ours": _ours,
        "clickhouse-migrations 1.4.0 (npm)": _from_npm,
        "clickhouse-migrations 0.16 (PyPI)": _from_pypi,
    }
    spent: dict[str, float] = {}
    for name, case in cases.items():
        home = tmp_path / str(len(spent))
        home.mkdir()
        try:
            spent[name] = case(home)
        except (subprocess.SubprocessError, OSError) as error:
            print(name, error, getattr(error, "stderr", ""))
            if name == "ours":
                raise
    for name, seconds in spent.items():
        if name != "ours":
            line = Line(
                "CPU of `aaiclick migrate` with nothing to do",
                f"{name}: {seconds:.2f} s",
                "none",
                0,
                spent["ours"] / seconds,
            )
            results.add(line)
