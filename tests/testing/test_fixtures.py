"""The pytest plugin, as its users meet it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine

ROOT = Path(__file__).parents[2]
# Installed, the package brings its plugin along by its entry point, and pytest refuses to load it twice.
PLUGIN = [] if entry_points(group="pytest11", name="aaiclick") else ["-p", "aaiclick.testing.plugin"]


def run_pytest(directory: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_user.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        *PLUGIN,
        "-p",
        "no:cacheprovider",
        *options,
        str(directory),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)


def test_the_client_is_in_a_fresh_database(aaiclick_client: Any, aaiclick_database: str) -> None:
    assert aaiclick_client.command("SELECT currentDatabase()") == aaiclick_database
    assert aaiclick_client.command("SELECT count() FROM system.tables WHERE database = currentDatabase()") == 0
    assert (
        aaiclick_client.command(f"SELECT engine FROM system.databases WHERE name = '{aaiclick_database}'") == "Atomic"
    )


def test_clients_on_the_engine_are_apart(aaiclick_engine: EmbeddedEngine, aaiclick_client: Any) -> None:
    aaiclick_client.command("SET max_block_size = 55")
    other = aaiclick_engine.client()
    try:
        assert other.command("SELECT getSetting('max_block_size') = 55") == 0
    finally:
        other.close()
    assert aaiclick_engine.command("SELECT 1; SELECT currentDatabase()") == "1\ndefault\n"


def test_a_server_that_a_test_killed_is_there_for_the_next(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    aaiclick_server.command(f"CREATE TABLE {aaiclick_server_database}.t (a UInt8) ENGINE = MergeTree ORDER BY a")
    aaiclick_server.kill()
    assert not aaiclick_server.running


def test_an_engine_that_was_open_before_is_used(tmp_path: Path) -> None:
    source = f"""
import chdb.session
mine = chdb.session.Session({str(tmp_path / "users")!r})
mine.query("CREATE TABLE default.t (a UInt8) ENGINE = MergeTree ORDER BY a")

def test_it(aaiclick_engine, aaiclick_client):
    assert aaiclick_engine.shared
    assert aaiclick_engine.path == {str(tmp_path / "users")!r}
    assert aaiclick_client.command("SELECT count() FROM default.t") == 0
    mine.close()
"""
    result = run_pytest(tmp_path, source)
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_databases_go_away_with_failing_tests_too(tmp_path: Path) -> None:
    source = """
import pytest
names = []

def test_fails(aaiclick_client, aaiclick_database, aaiclick_server_database):
    names.append((aaiclick_database, aaiclick_server_database))
    aaiclick_client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    raise ValueError("on purpose")

def test_gone(aaiclick_engine, aaiclick_server):
    (embedded, served), = names
    assert embedded not in aaiclick_engine.command("SHOW DATABASES").split()
    assert served not in aaiclick_server.command("SHOW DATABASES").split()
"""
    result = run_pytest(tmp_path, source)
    assert "1 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    assert "on purpose" in result.stdout


def test_xdist_workers_do_not_meet(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    source = f"""
import os
import pytest

@pytest.mark.parametrize("n", range(12))
def test_it(n, aaiclick_client, aaiclick_engine, aaiclick_database, aaiclick_server, aaiclick_server_database):
    aaiclick_client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    aaiclick_server.command(f"CREATE TABLE {{aaiclick_server_database}}.t (a UInt8) ENGINE = Memory")
    with open({str(tmp_path / "seen")!r}, "a") as file:
        seen = [os.environ["PYTEST_XDIST_WORKER"], aaiclick_engine.path, aaiclick_database, aaiclick_server.url, aaiclick_server_database]
        file.write(" ".join(seen) + "\\n")
"""
    result = run_pytest(tmp_path, source, "-n", "2")
    assert "12 passed" in result.stdout, result.stdout + result.stderr
    seen = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    workers = {line[0] for line in seen}
    assert len(workers) == 2
    assert [len({line[column] for line in seen}) for column in (1, 2, 3, 4)] == [2, 12, 2, 12]


def test_the_plugin_alone_loads_no_engine_and_no_driver(tmp_path: Path) -> None:
    source = """
import sys

def test_it():
    heavy = {"chdb", "clickhouse_connect", "numpy", "pandas", "pyarrow"} & {name.split(".")[0] for name in sys.modules}
    assert not heavy
"""
    result = run_pytest(tmp_path, source)
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_path_can_be_chosen(tmp_path: Path) -> None:
    source = f"""
import pytest

@pytest.fixture(scope="session")
def aaiclick_engine_path():
    return {str(tmp_path / "chosen")!r}

def test_it(aaiclick_engine):
    assert aaiclick_engine.path == {str(tmp_path / "chosen")!r}
    assert aaiclick_engine.url == "chdb://{tmp_path / "chosen"}"
"""
    result = run_pytest(tmp_path, source)
    assert "1 passed" in result.stdout, result.stdout + result.stderr
