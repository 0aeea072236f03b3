"""The command line on real embedded databases, away from the process of the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.testing import EngineServer
from tests.cli.processes import HOLDER, ROOT, Install
from tests.cli.scripted import COLOURS, ESCAPES, SORT_KEY
from tests.oplog.states import PLAIN

pytestmark = pytest.mark.slow
COUNT = """SELECT count(), sum(cityHash64(tuple(id, result_table, operation, kwargs, sql_template, task_id, job_id, toUnixTimestamp64Milli(created_at))))
FROM operation_log"""
DEFINITIONS = """SELECT database, name, create_table_query FROM system.tables
WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY ALL"""
ORDERS = """CREATE TABLE shop.orders (id UInt64, at DateTime('UTC') CODEC(Delta, ZSTD(1)), note String DEFAULT 'a\\'b')
ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (id, at)"""
LOADED = (
    "import sys, json, aaiclick; print(json.dumps(sorted({part for name in sys.modules for part in "
    "name.split('.')[:2]})))"
)
SHOP = """
from aaiclick import Column, MergeTree, Schema, Table
SHOP = Schema("shop", version=1, objects=[Table("orders", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Install:
    home = tmp_path / "home"
    home.mkdir()
    return Install(home)


@pytest.fixture
def old(fresh: Install) -> Install:
    """An install of version 1, with 1,000 rows."""
    fresh.query(*PLAIN[0].statements)
    return fresh


def test_a_bare_migrate_makes_no_oplog_in_the_database_of_another_schema(fresh: Install) -> None:
    (fresh.home / "shop.py").write_text(SHOP)
    assert fresh.aaiclick("migrate", "--schema", "shop:SHOP").code == 0
    assert fresh.aaiclick("status", "--schema", "shop:SHOP").code == 0
    bare = fresh.aaiclick("migrate")
    assert bare.code == 2
    said = "this database is of another schema (shop), and there is no oplog in it: nothing was changed"
    assert said in bare.stderr
    assert fresh.query("SELECT count() FROM system.tables WHERE name = 'operation_log'") == ["0\n"]
    assert fresh.aaiclick("migrate", "--schema", "aaiclick.oplog:OPLOG").code == 0


def test_an_old_install_from_status_to_status(old: Install) -> None:
    before, definitions = old.query(COUNT, DEFINITIONS)
    assert before.startswith("1000\t")

    behind = old.aaiclick("status")
    assert (behind.code, behind.stderr) == (1, "")
    assert behind.stdout.startswith("✗ oplog is at v1, code expects v5: behind\n")
    assert f"  operation_log: {SORT_KEY}" in behind.stdout
    assert behind.stdout.endswith("run: aaiclick migrate\n")

    planned = old.aaiclick("migrate", "--dry-run")
    assert (planned.code, planned.stderr) == (1, "")
    assert planned.stdout.splitlines()[-1] == "-- run: aaiclick migrate"

    refused = old.aaiclick("migrate", "--policy", "check")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("oplog is at v1, code expects v5: ")
    assert refused.stderr.endswith(". Run: aaiclick migrate\n")
    assert len(refused.stderr.splitlines()) == 1
    assert old.query(DEFINITIONS) == [definitions]

    applied = old.in_a_pipe("migrate")
    assert applied.code == 0
    assert applied.stdout.startswith("✓ oplog is at v5 (was v1) · ")
    assert [
        line
        for line in applied.stderr.splitlines()
        if line.startswith("✓ operation_log: ") and " · rebuild · 1,000 rows · " in line
    ]
    assert f"    {SORT_KEY}" in applied.stderr.splitlines()
    assert "\x1b" not in applied.stdout + applied.stderr
    assert old.query(COUNT) == [before]

    done = old.aaiclick("migrate")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("✓ oplog is at v5: nothing to do\n")
    done = old.aaiclick("status", "--json")
    assert (done.code, done.document["live_version"]) == (0, 5)


def test_what_is_left_alone_goes_where_it_is_allowed(old: Install) -> None:
    left = old.aaiclick("migrate", "--json").document
    keys = [hazard["allow"] for step in left["pending"] for hazard in step["hazards"] if hazard["allow"]]
    assert "drop-column operation_log.args" in keys
    done = old.aaiclick("migrate", "--allow", "drop-column operation_log.args")
    assert done.code == 0
    (columns,) = old.query(
        "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = 'operation_log'"
    )
    assert "'args'" not in columns
    assert "'kwargs'" in columns


def test_at_a_terminal(old: Install) -> None:
    code, shown = old.at_terminal("migrate", "--dry-run")
    assert code == 1
    assert "\x1b[1mrun: aaiclick migrate\x1b[0m" in shown
    code, shown = old.at_terminal("migrate", typed="n\n", NO_COLOR="1")
    assert (code, "nothing was changed" in shown) == (1, True)
    assert not COLOURS.search(shown)
    code, shown = old.at_terminal("migrate", typed="y\n")
    assert code == 0
    assert "out? [y/N] " in shown
    assert COLOURS.search(shown)
    plain = ESCAPES.sub("", shown)
    assert "✓ operation_log: " in plain
    assert f"    {SORT_KEY}" in plain.splitlines()
    assert "✓ oplog is at v5 (was v1)" in plain
    assert "Traceback" not in plain
    # A bar hides the cursor; it has to come back.
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")


def test_a_fresh_install(fresh: Install) -> None:
    status = fresh.aaiclick("status")
    assert status.code == 1
    assert f"no database at {fresh.path} yet" in status.stdout
    planned = fresh.aaiclick("migrate", "--dry-run")
    assert planned.code == 1
    assert "CREATE TABLE" in planned.stdout
    assert f"no database at {fresh.path} yet: it will be made" in planned.stdout
    assert list(fresh.home.iterdir()) == []
    applied = fresh.aaiclick("migrate")
    assert applied.code == 0
    assert applied.stdout.startswith("✓ oplog is at v5 (was empty) · 2 steps")


def test_a_locked_directory(old: Install) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(old.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        for command in (["migrate"], ["reflect"]):
            done = old.in_a_pipe(*command)
            assert (done.code, done.stdout) == (2, ""), command
            (sentence,) = done.stderr.splitlines()
            assert sentence.startswith(f"error: the embedded database {old.path} is in use by another process")
        error = old.aaiclick("status", "--json")
        assert error.document["error"]["type"] == "ConnectionFailed"
        assert error.stderr == ""
        holder.communicate("\n")
    assert old.query("SELECT 1") == ["1\n"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("clickhouse://127.0.0.1:1/app", "nothing listens at http://127.0.0.1:1"),
        ("clickhouse://no-such-host.invalid/app", "host name"),
        ("redis://h", "is no database URL"),
    ],
)
def test_a_server_that_is_not_there(fresh: Install, url: str, words: str) -> None:
    done = fresh.aaiclick("migrate", AAICLICK_CH_URL=url)
    assert (done.code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_on_a_server(fresh: Install, aaiclick_server: EngineServer, aaiclick_server_client: Client) -> None:
    """The server's own default policy is ``safe``, and the environment says ``check``: the command line has its own."""
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{aaiclick_server_client.database}"
    for statement in PLAIN[0].statements:
        aaiclick_server_client.command(statement)
    variables = {"AAICLICK_CH_URL": url, "AAICLICK_SCHEMA_POLICY": "check"}
    assert fresh.aaiclick("status", **variables).code == 1
    applied = fresh.aaiclick("migrate", **variables)
    assert applied.code == 0
    assert applied.stdout.startswith("✓ oplog is at v5 (was v1) · ")
    assert "run: aaiclick migrate --allow 'drop-column operation_log.args'" in applied.stdout
    status = fresh.aaiclick("status", "--url", url, "--json")
    assert (status.code, status.document["place"]) == (0, f"http://127.0.0.1:{aaiclick_server.port}")
    assert aaiclick_server_client.command("SELECT count() FROM operation_log") == 1000
    assert list(fresh.home.iterdir()) == []


def test_a_name_in_a_projects_module_that_is_no_schema(fresh: Install) -> None:
    (fresh.home / "shop.py").write_text(SHOP)
    wrong = fresh.aaiclick("status", "--schema", "shop:Schema")
    assert wrong.code == 2
    assert wrong.stderr == "error: attribute Schema of shop is a ModelMetaclass, not a Schema (it has SHOP)\n"


def test_what_is_reflected_is_what_is_there(fresh: Install) -> None:
    fresh.query("CREATE DATABASE shop", ORDERS, "CREATE VIEW shop.latest AS SELECT id FROM shop.orders WHERE id > 10")
    done = fresh.aaiclick("reflect", "--database", "shop")
    assert (done.code, done.stderr) == (0, "")
    (fresh.home / "reflected.py").write_text(done.stdout)
    found = fresh.aaiclick("status", "--json", "--database", "shop", "--schema", "reflected:SHOP").document
    assert (found["differences"], found["notes"]) == ([], [])
    assert [item["name"] for item in fresh.aaiclick("reflect", "--database", "shop", "--json").document["objects"]] == [
        "orders",
        "latest",
    ]


def test_the_printed_ddl_makes_the_declared_schema(fresh: Install) -> None:
    statements = [item["sql"] for item in fresh.aaiclick("ddl", "--json").document["statements"]]
    fresh.query(*statements)
    status = fresh.aaiclick("status", "--json").document
    assert status["differences"] == []


def test_a_reader_that_goes_away_does_not_stop_a_migration(old: Install) -> None:
    script = f"{sys.executable} -m aaiclick migrate 2>&1 | head -c 1 > /dev/null"
    subprocess.run(
        ["sh", "-c", script],
        cwd=old.home,
        env={"HOME": str(old.home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert old.aaiclick("status").code == 0


def test_importing_the_library_loads_nothing_of_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"typer", "rich", "cli"} & set(json.loads(done.stdout)) == set()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["migrate", "--help"]])
def test_help_and_version_load_the_command_line_alone(arguments: list[str]) -> None:
    code = f"from aaiclick.cli.main import main; main({arguments!r}); "
    done = subprocess.run([sys.executable, "-c", code + LOADED], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"cli", "typer"} <= loaded
    # typer itself may load pydantic to read a command's options.
    heavy = {
        "chdb",
        "clickhouse_connect",
        "pandas",
        "pyarrow",
        "numpy",
        "specs",
        "plan",
        "clients",
        "commands",
    }
    assert heavy & loaded == set()


def test_a_command_on_a_server_loads_no_engine(aaiclick_server: EngineServer, aaiclick_server_client: Client) -> None:
    url = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{aaiclick_server_client.database}"
    code = f"from aaiclick.cli.main import main; main(['status', '--url', {url!r}]); "
    done = subprocess.run([sys.executable, "-c", code + LOADED], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "clickhouse_connect" in loaded
    assert {"chdb", "pandas", "pyarrow", "numpy"} & loaded == set()
