"""What status, migrate, reflect and ddl print and how they end, with scripted answers of the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aaiclick import cli
from aaiclick.cli.main import build
from aaiclick.commands.report import HostStatus
from aaiclick.errors import ApplyError, SchemaVersionError
from aaiclick.events import Event, PlanReady, StepDone, StepStarted
from aaiclick.oplog import OPLOG
from aaiclick.peers import Peer
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.specs import Column, MergeTree, Schema, Table
from aaiclick.version import VERSION
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import ALLOW, IN_SYNC, SORT_KEY, drop, plan, rebuild, report, status

Run = Callable[..., Ran]
EVENTS: list[Event] = [
    PlanReady("oplog", 1, 1000),
    StepStarted(1, 1, "operation_log", SORT_KEY, "rebuild", 1000),
    StepDone(1, 1, "operation_log", "rebuild", 1000, 0.4),
]


def test_status_behind(run: Run, script: Script, elsewhere: Path) -> None:
    script.status = status()
    ran = run("status", "--database", "app")
    assert ran.code == 1
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "✗ oplog is at v1, code expects v5: behind",
        f"  app at {elsewhere}/chdb_data · ClickHouse 26.9.1",
        "differences:",
        f"  operation_log: {SORT_KEY}",
        "  task_logs: table is missing",
        "notes:",
        "  operation_log: undeclared column args",
        "kept for a rollback: 1",
        "  table          kept as                 rows     size  until (UTC)",
        "  operation_log  operation_log_old  1,234,567  3.0 MiB  2030-01-02 03:04:05",
        "run: aaiclick migrate --database app",
    ]
    assert script.asked == [{"url": f"chdb://{elsewhere}/chdb_data", "schema": OPLOG, "database": "app"}]


def test_status_in_sync(run: Run, script: Script, elsewhere: Path) -> None:
    script.status = status(**IN_SYNC)
    ran = run("status")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "✓ oplog is at v5: in sync",
        f"  app at {elsewhere}/chdb_data · ClickHouse 26.9.1",
    ]


@pytest.mark.parametrize(
    ("live", "lines"),
    [
        (
            3,
            ["✓ oplog is at v3, code is at v5: in sync", "nothing has to be changed, and v5 is not recorded yet"],
        ),
        (6, ["✓ oplog is at v6, code is at v5: in sync"]),
    ],
)
def test_status_in_sync_says_which_version_the_code_has(
    run: Run, script: Script, elsewhere: Path, live: int, lines: list[str]
) -> None:
    script.status = status(**{**IN_SYNC, "live_version": live})
    ran = run("status")
    assert ran.code == 0
    following = ["run: aaiclick migrate"] if live == 3 else []
    assert ran.stdout.splitlines() == [*lines, f"  app at {elsewhere}/chdb_data · ClickHouse 26.9.1", *following]


def test_status_with_an_unfinished_run_is_pending(run: Run, script: Script) -> None:
    script.status = status(**IN_SYNC, unfinished="operation_log: rebuild stopped after 500 of 1,000 rows")
    ran = run("status")
    assert ran.code == 1
    assert ran.stdout.splitlines()[-2:] == [
        "unfinished: operation_log: rebuild stopped after 500 of 1,000 rows",
        "run: aaiclick migrate",
    ]


@pytest.mark.parametrize("state", ["ahead", "changed", "unrecognised"])
def test_status_names_no_command_that_would_not_help(run: Run, script: Script, state: str) -> None:
    script.status = status(live_version=None if state == "unrecognised" else 6, state=state)
    ran = run("status")
    assert ran.code == 1
    assert "run:" not in ran.stdout
    assert run("status", "--json").document["next"] is None


def test_status_as_json(run: Run, script: Script, elsewhere: Path) -> None:
    script.status = status()
    ran = run("status", "--json", "--schema", "aaiclick.oplog:OPLOG")
    assert (ran.code, ran.stderr) == (1, "")
    found = ran.document
    assert found["live_version"] == 1
    assert found["code_version"] == 5
    assert found["in_sync"] is False
    assert found["differences"] == [f"operation_log: {SORT_KEY}", "task_logs: table is missing"]
    assert found["kept_tables"][0]["rows"] == 1234567
    assert found["place"] == f"{elsewhere}/chdb_data"
    assert found["next"] == "aaiclick migrate"


def test_status_without_a_database_makes_none(run: Run, script: Script, tmp_path: Path) -> None:
    ran = run("status", "--url", f"chdb://{tmp_path}/none/yet")
    assert ran.code == 1
    assert f"  no database at {tmp_path}/none/yet yet" in ran.stdout.splitlines()
    assert ran.stdout.splitlines()[-1] == f"run: aaiclick migrate --url chdb://{tmp_path}/none/yet"
    assert not (tmp_path / "none").exists()
    assert script.asked == []
    found = run("status", "--json", "--url", f"chdb://{tmp_path}/none/yet").document
    assert (found["live_version"], found["state"], found["in_sync"]) == (0, "empty", False)


@pytest.mark.parametrize(
    ("live", "state", "line"),
    [
        (0, "empty", "✗ oplog is empty, code expects v5"),
        (None, "unrecognised", "✗ oplog has no version record, code expects v5: unrecognised"),
        (6, "ahead", "✗ oplog is at v6, code expects v5: ahead"),
        (5, "drift", "✗ oplog is at v5, code expects v5: drift"),
    ],
)
def test_states(run: Run, script: Script, live: int | None, state: str, line: str) -> None:
    script.status = status(live_version=live, state=state)
    assert run("status").stdout.splitlines()[0] == line


def test_several_changes_of_one_object_are_a_line_each(run: Run, script: Script) -> None:
    script.status = status(differences=("t: column a is missing; sort key a -> (a, b)",))
    assert "differences:\n  t: column a is missing\n  t: sort key a -> (a, b)\n" in run("status").stdout
    assert run("status", "--json").document["differences"] == ["t: column a is missing; sort key a -> (a, b)"]


def test_migrate_applies(run: Run, script: Script) -> None:
    script.events, script.report = list(EVENTS), report(rebuild(), notes=("operation_log: undeclared column args",))
    ran = run("migrate")
    assert ran.code == 0
    assert ran.stdout.splitlines() == [
        "✓ oplog is at v5 (was v1) · 1 step · 1.2 s",
        "note: operation_log: undeclared column args",
    ]
    assert ran.stderr.splitlines() == [
        "oplog: 1 step · 1,000 rows to copy",
        f"[1/1] operation_log: {SORT_KEY} · rebuild · 1,000 rows",
        f"✓ operation_log: {SORT_KEY} · rebuild · 1,000 rows · 0.4 s",
    ]
    assert script.asked[0]["policy"] == Policy.lossless(max_bytes=None)


@pytest.mark.parametrize(
    ("before", "words"), [(0, "oplog is at v5 (was empty) · "), (None, "oplog is at v5 · "), (5, "oplog is at v5 · ")]
)
def test_migrate_says_where_it_came_from(run: Run, script: Script, before: int | None, words: str) -> None:
    script.report = report(rebuild(), from_version=before)
    assert words in run("migrate").stdout


def test_migrate_with_nothing_to_do(run: Run, script: Script) -> None:
    script.report, script.status = report(), status()
    ran = run("migrate")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "✓ oplog is at v5: nothing to do\n", "")


ELSEWHERE = "aaiclick migrate --url clickhouse://h2:81/app"
H2 = HostStatus("h2", 1, 2, "", ("mv differs",), (), Peer("h2", 81))


def test_what_another_host_has_otherwise_is_told_with_the_command_for_it(run: Run, script: Script) -> None:
    script.report, script.status = report(), status(hosts=(H2,), differences=("host h2: mv differs",), state="drift")
    ran = run("migrate", "--url", "clickhouse://h1/app")
    assert ran.code == 0
    assert ran.stderr == f"note: host h2: mv differs. Run: {ELSEWHERE}\n"
    assert run("status", "--url", "clickhouse://h1/app").stdout.splitlines()[-1] == f"run: {ELSEWHERE}"
    script.status = status(hosts=(H2,), differences=("host h2: mv differs", "u: view is missing"), state="drift")
    assert run("status", "--json", "--url", "clickhouse://h1/app").document["next"].endswith("clickhouse://h1/app")
    error = ApplyError("not every host has what is declared")
    error.through = H2.peer
    script.report = error
    assert run("migrate", "--url", "clickhouse://h1/app").stderr.splitlines()[-1] == f"run: {ELSEWHERE}"


def test_migrate_with_nothing_to_do_ends_well_where_nobody_can_look_further(run: Run, script: Script) -> None:
    script.report, script.status = report(), ApplyError("the host has no session with Keeper")
    ran = run("migrate")
    assert (ran.code, ran.stdout) == (0, "✓ oplog is at v5: nothing to do\n")
    assert "could not be looked at: the host has no session with Keeper" in ran.stderr


def test_migrate_offers_what_nobody_asked_for(run: Run, script: Script) -> None:
    script.report = report(pending=(drop(),))
    ran = run("migrate", "--allow", "drop-rows t")
    assert ran.code == 0
    assert ran.stdout.splitlines()[1:] == [
        "note: 'drop-rows t' was not needed: no step asks for it",
        "left alone: operation_log: column args is no longer declared",
        f"to do it too, run: aaiclick migrate --allow '{ALLOW}'",
    ]


def test_migrate_that_leaves_work_is_pending(run: Run, script: Script) -> None:
    script.report = report(in_sync=False)
    ran = run("migrate")
    assert (ran.code, ran.stdout) == (1, "✗ oplog is not at v5 yet\nrun: aaiclick migrate\n")


def test_migrate_as_json(run: Run, script: Script) -> None:
    script.events, script.report = list(EVENTS), report(rebuild(), pending=(drop(),))
    ran = run("migrate", "--json")
    assert ran.code == 0
    found = ran.document
    assert (found["from_version"], found["to_version"], found["in_sync"], found["duration"]) == (1, 5, True, 1.25)
    assert found["steps"][0]["change"] == SORT_KEY
    assert found["steps"][0]["hazards"] == [{"kind": "rewrites-data", "message": "writes 1,000 rows anew", "allow": ""}]
    assert found["pending"][0]["reason"] == "no longer declared"
    assert "work" not in found["steps"][0]
    assert "✓ operation_log" in ran.stderr


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("check", Policy.check()),
        ("safe", Policy.safe()),
        ("lossless", Policy.lossless()),
        ("everything", Policy.everything()),
    ],
)
def test_policies(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch, name: str, policy: Policy) -> None:
    monkeypatch.setenv("AAICLICK_SCHEMA_POLICY", "check")  # has no say on the command line
    script.report = report()
    run("migrate", "--policy", name, "--allow", ALLOW, "--allow", "drop-rows t")
    assert script.asked[0]["policy"] == policy.allow(ALLOW, "drop-rows t")


def test_a_key_that_is_none_is_an_error(run: Run, script: Script) -> None:
    ran = run("migrate", "--allow", "everything")
    assert ran.code == 2
    assert ran.stderr.startswith("error: 'everything' names no hazard")
    assert script.asked == []


def test_dry_run_prints_sql_and_what_to_run(run: Run, script: Script) -> None:
    script.plan = plan(rebuild(), drop())
    ran = run("migrate", "--dry-run", "--database", "app")
    assert (ran.code, ran.stderr) == (1, "")
    assert str(script.plan) in ran.stdout
    lines = ran.stdout.splitlines()
    table = lines[lines.index("--", lines.index("EXCHANGE TABLES a AND b;")) + 1 :]
    assert [line.split("  ")[0] for line in table[:3]] == ["-- object", "-- operation_log", "-- operation_log"]
    assert table[1].endswith("rebuild   1,000  2.0 KiB  rewrites-data  runs")
    assert table[2].endswith("alter         0      0 B  loses-rows     left alone")
    assert table[-2:] == ["-- 1 step · 1,000 rows · 2.0 KiB · 2 to 5 s", "-- run: aaiclick migrate --database app"]
    # The whole of it is SQL: statements end with a semicolon, everything else is a comment.
    assert all(line.startswith("--") or line.endswith(";") for line in lines if line)


def test_dry_run_with_nothing_to_do(run: Run, script: Script) -> None:
    script.plan = plan()
    ran = run("migrate", "--dry-run")
    assert (ran.code, ran.stdout) == (0, "-- ✓ oplog is at v5: nothing to do\n")
    script.plan = plan(drop(), from_version=5)
    ran = run("migrate", "--dry-run")
    assert ran.code == 0
    assert ran.stdout.splitlines()[-1] == f"-- to do what is left alone too, run: aaiclick migrate --allow '{ALLOW}'"


def test_dry_run_where_only_the_version_is_recorded(run: Run, script: Script) -> None:
    script.plan = plan(drop(), from_version=3)
    for command, code in ((["migrate", "--dry-run"], 1), (["plan"], 0)):
        ran = run(*command)
        assert ran.code == code
        assert ran.stdout.splitlines()[-3:] == [
            "-- oplog is at v3: nothing has to be changed, and v5 is not recorded yet",
            "-- run: aaiclick migrate",
            f"-- to do what is left alone too, run: aaiclick migrate --allow '{ALLOW}'",
        ]
    script.report, script.status = report(from_version=3), status(**IN_SYNC)
    assert run("migrate").stdout.splitlines()[0] == "✓ oplog is at v5 (was v3): nothing had to be changed"


def test_dry_run_says_what_would_be_refused_and_how_to_allow_it(run: Run, script: Script) -> None:
    script.plan = plan(rebuild(), drop(optional=False))
    ran = run("migrate", "--dry-run", "--url", "clickhouse://u:secret@h/app")
    assert ran.code == 1
    assert ran.stdout.splitlines()[-2:] == [
        (
            "-- refused by policy lossless (default of the command line): operation_log: column args is no longer "
            f"declared: the values of args are gone (allow '{ALLOW}')"
        ),
        f"-- to allow it, run: aaiclick migrate --url 'clickhouse://u:***@h/app' --allow '{ALLOW}'",
    ]
    ran = run("migrate", "--dry-run", "--allow", ALLOW)
    assert ran.stdout.splitlines()[-1] == f"-- run: aaiclick migrate --allow '{ALLOW}'"
    ran = run("migrate", "--dry-run", "--policy", "everything")
    assert ran.stdout.splitlines()[-1] == "-- run: aaiclick migrate --policy everything"
    ran = run("migrate", "--dry-run", "--policy", "safe")
    assert "-- refused by policy safe (--policy): operation_log: " in ran.stdout
    assert ran.stdout.splitlines()[-1] == f"-- to allow it, run: aaiclick migrate --allow '{ALLOW}'"


def test_dry_run_of_a_blocked_step(run: Run, script: Script) -> None:
    script.plan = plan(rebuild(blocked="3 rows hold NULL in id, for example (1, 'a')"))
    ran = run("migrate", "--dry-run")
    assert ran.code == 1
    assert ran.stdout.splitlines()[-2:] == [
        f"-- blocked: operation_log: {SORT_KEY}: 3 rows hold NULL in id, for example (1, 'a')",
        "-- put right what is in the way, then run: aaiclick migrate",
    ]


def test_dry_run_as_json_is_the_plan(run: Run, script: Script) -> None:
    script.plan = plan(rebuild(), drop())
    ran = run("migrate", "--dry-run", "--json")
    assert ran.code == 1
    assert Plan.from_json(ran.stdout) == script.plan


def test_dry_run_without_a_database_plans_in_memory(run: Run, script: Script, tmp_path: Path) -> None:
    script.plan = plan(rebuild(), from_version=0)
    ran = run("migrate", "--dry-run", "--url", f"chdb://{tmp_path}/none")
    assert ran.code == 1
    assert f"-- note: no database at {tmp_path}/none yet: it will be made" in ran.stdout.splitlines()
    assert script.asked[0]["url"] == "chdb://memory"
    assert not (tmp_path / "none").exists()


def test_reflect(run: Run, script: Script, tmp_path: Path) -> None:
    script.schema = Schema(
        "shop",
        version=1,
        objects=[Table("t", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))],
        unsupported={"k": "Kafka"},
    )
    ran = run("reflect", "--database", "shop", "--name", "shop")
    assert ran.code == 0
    assert ran.stdout.startswith("from aaiclick import ")
    assert ran.stderr == "not declared: k: Kafka\n"
    assert script.asked[0]["database"] == "shop"
    assert script.asked[0]["name"] == "shop"
    assert run("reflect", "--json").document["objects"][0]["name"] == "t"
    ran = run("reflect", "--sql")
    assert ran.stdout == (
        '-- Schema.from_sql(..., name="shop", version=1)\n-- not declared: k: Kafka\n\n'
        "CREATE TABLE `t` (\n    `id` UInt64\n)\nENGINE = MergeTree ORDER BY id;\n"
    )
    for flag in ("--json", "--brief"):
        ran = run("reflect", "--sql", flag)
        assert (ran.code, "choose one" in ran.stderr + ran.stdout) == (2, True)
    ran = run("reflect", "--url", f"chdb://{tmp_path}/none")
    assert (ran.code, ran.stderr) == (2, f"error: no database at {tmp_path}/none yet\n")


def test_ddl_needs_no_database(run: Run, script: Script) -> None:
    ran = run("ddl")
    assert ran.code == 0
    assert ran.stderr.startswith("note: this is the oplog of aaiclick itself. For another schema give --schema ")
    assert run("ddl", "--schema", "aaiclick.oplog:OPLOG").stderr == ""
    assert ran.stdout.startswith(
        "-- oplog v5\n\nCREATE TABLE `operation_log` (\n    `id` UInt64 DEFAULT generateSnowflakeID(),\n"
    )
    there = run("ddl", "--database", "app").stdout
    assert there.startswith("-- oplog v5\n\nUSE `app`;\n\n")
    assert "CREATE TABLE `app`.`task_logs` (" in there
    assert [item["object"] for item in run("ddl", "--json").document["statements"]] == ["operation_log", "task_logs"]
    assert script.asked == []


@pytest.mark.parametrize(
    "arguments",
    [["migrate", "--json", "--nope"], ["migrate", "--json", "--policy", "wild"], ["--json"], ["nope", "--json"]],
)
def test_wrong_usage_is_json_where_json_was_asked_for(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.stderr) == (2, "")
    assert ran.document["error"]["type"] == "UsageError"
    assert ran.document["error"]["next"].startswith("aaiclick")


def test_an_option_in_front_of_the_command_belongs_behind_it(run: Run) -> None:
    assert run("--env", "prod", "status").stderr.splitlines() == [
        "error: No such option: --env in front of status: options stand behind the command",
        "run: aaiclick status --help",
    ]


def test_wrong_usage_is_two_lines_otherwise(run: Run) -> None:
    ran = run("status", "--nope")
    assert (ran.code, ran.stdout) == (2, "")
    first, second = ran.stderr.splitlines()
    assert first.startswith("error: ")
    assert "--nope" in first
    assert second == "run: aaiclick status --help"


def test_no_command_is_help_and_no_success(run: Run) -> None:
    ran = run()
    assert ran.code == 2
    assert "migrate" in ran.stdout


def test_version(run: Run) -> None:
    ran = run("--version")
    assert ran.code == 0
    assert ran.stdout == f"aaiclick {VERSION}\n"


def test_the_application_is_an_ordinary_typer_application(script: Script) -> None:
    """Other programs may mount it: the exit code comes by ``typer.Exit``, not by ``main`` alone."""
    script.status = SchemaVersionError("oplog", "v1", "v5", ("task_logs: table is missing",))
    done = CliRunner().invoke(build(rich_help=False), ["status"])
    assert done.exit_code == 1
    assert done.output == "oplog is at v1, code expects v5: task_logs: table is missing. Run: aaiclick migrate\n"
    script.status = status(**IN_SYNC)
    assert CliRunner().invoke(build(rich_help=True), ["status"]).exit_code == 0


def test_the_package_folder_is_documented() -> None:
    assert cli.__doc__
