"""Hooks as processes around a run: when they are run, what they are told, and what their failure does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aaiclick.cli import calls
from aaiclick.errors import ApplyError, ConnectionFailed, SchemaVersionError
from aaiclick.testing import EngineServer
from tests.cli import published
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import IN_SYNC, plan, rebuild, report, status

Run = Callable[..., Ran]
EVENTS = ("before-migrate", "after-migrate", "before-rollback", "after-rollback", "on-failure", "on-refusal")
TELL = """
import json, os, sys
given = json.load(sys.stdin)
told = {key: value for key, value in os.environ.items() if key.startswith("AAICLICK_HOOK_")}
with open("told.jsonl", "a") as file:
    file.write(json.dumps({"arguments": sys.argv[1:], "variables": told, "given": given}) + chr(10))
print("hook " + given["event"], "<b>", flush=True)
sys.exit(int(os.environ.get("CODE_" + given["event"].replace("-", "_"), "0")))
"""


@dataclass
class Project:
    """A project whose hooks write down what they are told."""

    folder: Path

    def hooks(self, more: str = "", **commands: list[str]) -> None:
        lines = ["[hooks]"]
        (self.folder / "tell.py").write_text(TELL, encoding="utf-8")
        for event in EVENTS:
            usual = [sys.executable, "-SE", "tell.py", "a b", "$HOME;true"]
            lines.append(f"{event} = {json.dumps(commands.get(event.replace('-', '_'), usual))}")
        (self.folder / "aaiclick.toml").write_text("\n".join([*lines, more]), encoding="utf-8")

    @property
    def told(self) -> list[dict[str, Any]]:
        file = self.folder / "told.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    @property
    def events(self) -> list[str]:
        return [each["given"]["event"] for each in self.told]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = Project(folder)
    made.hooks()
    return made


def test_before_and_after_with_the_facts(run: Run, script: Script, project: Project) -> None:
    script.plan, script.report = plan(rebuild()), report(rebuild())
    ran = run("migrate", "--json", "--database", "app")
    assert (ran.code, ran.document["to_version"]) == (0, 5)
    assert ran.stderr.splitlines() == [
        "before-migrate: hook before-migrate <b>",
        "after-migrate: hook after-migrate <b>",
    ]
    before, after = project.told
    assert before["arguments"] == ["a b", "$HOME;true"]  # no shell has seen them
    known = {key.removeprefix("AAICLICK_HOOK_"): value for key, value in before["variables"].items()}
    assert known == {
        "EVENT": "before-migrate", "COMMAND": "migrate", "SCHEMA": "oplog", "DATABASE": "app", "PLACE": known["PLACE"], "ENV": "", "FROM_VERSION": "1", "TO_VERSION": "5", "OUTCOME": "",
        "EXIT_CODE": "", "ERROR_TYPE": "", "ERROR_MESSAGE": "", "ERROR_NEXT": "", "STEPS": "1", "ROWS": "1000", "BYTES": "2048", "SECONDS": "", "DATABASES": "1", "FAILED_DATABASES": "0",
    }  # fmt: skip
    for each in (before, after):
        published.validator("hook").validate(each["given"])
    assert before["given"]["steps"][0]["strategy"] == "rebuild"
    assert (after["variables"]["AAICLICK_HOOK_OUTCOME"], after["variables"]["AAICLICK_HOOK_EXIT_CODE"]) == ("done", "0")
    assert after["variables"]["AAICLICK_HOOK_SECONDS"] == "1.250"


def test_a_hook_before_that_fails_stops_the_run(
    run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE_before_migrate", "3")
    script.plan = plan(rebuild())
    ran = run("migrate")
    assert (ran.code, ran.stdout) == (2, "")
    assert (
        ran.stderr.splitlines()[-1]
        == "error: before-migrate in aaiclick.toml [hooks] ended with exit code 3: nothing was changed"
    )
    assert len(script.asked) == 1  # the plan; nothing was carried out
    told = project.told
    assert [each["given"]["event"] for each in told] == ["before-migrate", "on-failure"]
    assert told[1]["variables"]["AAICLICK_HOOK_ERROR_TYPE"] == "HookError"


def test_a_hook_after_that_fails_is_told_by_the_exit_code(
    run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE_after_migrate", "4")
    script.plan, script.report = plan(rebuild()), report(rebuild())
    ran = run("migrate")
    assert ran.code == 2
    assert ran.stdout.startswith("✓ oplog is at v5")
    assert (
        ran.stderr.splitlines()[-1]
        == "error: after-migrate in aaiclick.toml [hooks] ended with exit code 4: the database is migrated, and stays so"
    )
    assert project.events == ["before-migrate", "after-migrate"]


def test_a_failure_and_a_refusal(run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    script.plan, script.report = plan(rebuild()), ApplyError("stopped half-way, password=geheim")
    assert run("migrate").code == 2
    _, failed = project.told
    assert failed["given"]["event"] == "on-failure"
    assert failed["variables"]["AAICLICK_HOOK_OUTCOME"] == "failed"
    assert failed["variables"]["AAICLICK_HOOK_STEPS"] == "1"
    script.report = SchemaVersionError("oplog", "v1", "v5", ("t: x",), "aaiclick migrate")
    monkeypatch.setenv("CODE_on_refusal", "9")
    ran = run("migrate", "--policy", "safe")  # it will be refused: there is nothing to prepare for
    assert ran.code == 1
    assert "note: on-refusal in aaiclick.toml [hooks] ended with exit code 9\n" in ran.stderr
    (refused,) = project.told
    assert (refused["given"]["outcome"], refused["given"]["exit_code"]) == ("refused", 1)
    assert refused["given"]["error"]["next"] == "aaiclick migrate"
    script.plan = ConnectionFailed("no answer from host")
    assert run("migrate", "--url", "clickhouse://me:geheim@host/app").code == 2
    (lost,) = project.told
    assert lost["variables"]["AAICLICK_HOOK_ERROR_TYPE"] == "ConnectionFailed"
    assert lost["variables"]["AAICLICK_HOOK_PLACE"] == "http://host:8123"
    assert "geheim" not in json.dumps(lost)


def test_nothing_to_do_and_dry_runs_have_no_hooks(run: Run, script: Script, project: Project) -> None:
    script.plan, script.report, script.status = plan(), report(), status(**IN_SYNC)
    assert run("migrate").code == 0
    script.plan = plan(rebuild())
    assert run("migrate", "--dry-run").code == 1
    assert project.events == []
    script.plan, script.status = plan(), status(**IN_SYNC, unfinished="a copy was left")
    assert run("migrate").code == 0
    assert project.events == ["before-migrate", "after-migrate"]


def test_a_hook_that_calls_the_command_line_starts_none(
    run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAICLICK_HOOK_EVENT", "before-migrate")
    script.plan, script.report = plan(rebuild()), report(rebuild())
    assert run("migrate").code == 0
    assert project.events == []


def test_rollback(run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def rollback(*given: Any) -> Any:
        asked.append(given[5])
        return report(pending=(rebuild(),), in_sync=False) if given[5] else report(rebuild())

    monkeypatch.setattr(calls, "rollback", rollback)
    assert run("rollback", "--dry-run").code == 1
    assert (asked, project.events) == ([True], [])
    assert run("rollback").code == 0
    assert (asked, project.events) == ([True, True, False], ["before-rollback", "after-rollback"])


def test_one_that_does_not_hear_sigterm_is_given_no_more_than_its_time_again(
    run: Run, script: Script, project: Project
) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    project.hooks("timeout = 1", before_migrate=[sys.executable, "-SE", "-c", deaf])
    script.plan = plan(rebuild())
    begun = time.monotonic()
    ran = run("migrate")
    assert "before-migrate: deaf" in ran.stderr
    assert time.monotonic() - begun < 5
    assert "took longer than 1.0 s, and was ended" in ran.stderr


def test_what_takes_too_long_is_ended_with_all_that_it_started(run: Run, script: Script, project: Project) -> None:
    sleeper = (
        "import subprocess, sys, time; sleep = 'import time; time.sleep(60)'; "
        "print(subprocess.Popen([sys.executable, '-SE', '-c', sleep]).pid, flush=True); time.sleep(60)"
    )
    project.hooks("timeout = 0.5", before_migrate=[sys.executable, "-SE", "-c", sleeper])
    script.plan = plan(rebuild())
    begun = time.monotonic()
    ran = run("migrate")
    assert time.monotonic() - begun < 20
    started = Path("/proc", ran.stderr.partition("before-migrate: ")[2].split()[0], "stat")
    # Nobody may be there to bury it.
    assert not started.exists() or started.read_text().rpartition(")")[2].split()[0] == "Z"
    assert "took longer than 0.5 s, and was ended: nothing was changed" in ran.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["./nowhere"], "cannot be started: ./nowhere: No such file or directory"),
        ([sys.executable, "-SE", "-c", "import os; os.kill(os.getpid(), 9)"], "was ended by signal 9"),
        (
            ["${NOT_SET}"],
            "before-migrate in aaiclick.toml [hooks] takes NOT_SET from the environment, and it is not set",
        ),
    ],
)
def test_hooks_that_cannot_be_run(run: Run, script: Script, project: Project, command: list[str], said: str) -> None:
    project.hooks(before_migrate=command, on_failure=[])
    script.plan = plan(rebuild())
    ran = run("migrate")
    assert ran.code == 2
    assert said in ran.stderr


def test_variables_in_arguments_and_much_output(
    run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a pipe holds, both ways, and nobody reads the input."""
    monkeypatch.setenv("TOKEN", "t o k")
    writer = "import sys; print(sys.argv[1]); print('x' * 200000, flush=True); sys.stdout.buffer.write(b'\\xff\\n')"
    project.hooks(before_migrate=[sys.executable, "-SE", "-c", writer, "${TOKEN}"], after_migrate=[])
    script.plan = plan(*(rebuild(id=str(at), sql=["SELECT 1" * 100]) for at in range(200)))
    script.report = report(rebuild())
    ran = run("migrate", "--progress", "json")
    assert ran.code == 0
    lines = [line["text"] for line in published.stream(ran.stderr) if line["event"] == "Said"]
    assert lines == ["before-migrate: t o k", f"before-migrate: {'x' * 200000}", "before-migrate: \ufffd"]


def test_an_interrupted_run_is_a_failure(
    run: Run, script: Script, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.plan = plan(rebuild())

    def interrupted(*given: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls, "ensure", interrupted)
    assert run("migrate").code == 130
    told = project.told
    assert [each["given"]["event"] for each in told] == ["before-migrate", "on-failure"]
    assert (told[1]["given"]["outcome"], told[1]["given"]["exit_code"]) == ("interrupted", 130)


def test_many_databases_have_each_hook_once(run: Run, project: Project, aaiclick_server: EngineServer) -> None:
    client = aaiclick_server.client()
    names = ["hooks_a", "hooks_b"]
    at = ["--url", aaiclick_server.url, "--database", "hooks_?", "--schema", "tests.metrics.schemas:V1"]
    try:
        for name in names:
            client.command(f"CREATE DATABASE {name}")
        assert run("migrate", "--dry-run", *at).code == 1
        assert project.events == []
        assert run("migrate", *at).code == 0
        before, after = project.told
        assert before["variables"]["AAICLICK_HOOK_DATABASE"] == "hooks_?"
        assert (before["given"]["databases"], after["given"]["event"]) == (2, "after-migrate")
        client.command("DROP TABLE hooks_b.t SYNC")
        client.command("CREATE TABLE hooks_b.t (x UInt8) ENGINE = Log")
        assert run("migrate", *at).code > 0
        _, failed = project.told
        assert failed["given"]["event"] in ("on-refusal", "on-failure")
        assert failed["given"]["failed_databases"] == ["hooks_b"]
        assert failed["variables"]["AAICLICK_HOOK_FAILED_DATABASES"] == "1"
    finally:
        for name in names:
            client.command(f"DROP DATABASE IF EXISTS {name} SYNC")
        client.close()
