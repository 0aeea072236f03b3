"""The question before anything is rewritten or lost: at a terminal only."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from aaiclick.cli.approval import question
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Plan
from aaiclick.plan.operations import CreateWork
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import ALLOW, Terminal, drop, plan, rebuild, report

Run = Callable[..., Ran]
CREATE: dict[str, Any] = {"strategy": "create", "work": CreateWork("CREATE TABLE t"), "hazards": ()}


class Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, script: Script) -> Callable[[str], Script]:
    """At a terminal where that is typed."""
    script.report = report(rebuild())

    def given(text: str) -> Script:
        monkeypatch.setattr(sys, "stdin", Typed(text))
        monkeypatch.setattr("aaiclick.cli.approval.question._is_terminal", lambda _: True)
        return script

    return given


def applied(script: Script) -> list[dict[str, Any]]:
    return [asked for asked in script.asked if "policy" in asked]


@pytest.mark.parametrize(("answer", "done"), [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0), ("", 0), ("maybe\n", 0)])
def test_only_a_yes_is_one(run: Run, typed: Callable[[str], Script], answer: str, done: int) -> None:
    script = typed(answer)
    script.plan = plan(rebuild())
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG")
    assert len(applied(script)) == done
    assert ran.code == (0 if done else 1)
    assert "rewrites-data: writes 1,000 rows anew" in ran.stderr
    assert "Carry it out? [y/N] " in ran.stderr
    assert ("nothing was changed" in ran.stderr) is not bool(done)
    if done:
        # What was shown is what is carried out.
        assert applied(script)[0]["plan"] == script.plan


def test_ctrl_c_at_the_question_changes_nothing(
    run: Run, typed: Callable[[str], Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pressed(Typed):
        def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
            raise KeyboardInterrupt

    script = typed("")
    script.plan = plan(rebuild())
    monkeypatch.setattr(sys, "stdin", Pressed())
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG")
    assert (ran.code, applied(script)) == (130, [])
    assert ran.stderr.count("[y/N]") == 1
    assert ran.stderr.splitlines()[-2:] == [
        "interrupted: nothing was changed",
        "run: aaiclick migrate",
    ]


@pytest.mark.parametrize(
    ("made", "arguments"),
    [
        (plan(rebuild(**CREATE)), ()),
        (plan(), ()),
        (plan(drop()), ()),  # left alone
        (plan(rebuild(), rebuild(id="2", hazards=(Hazard("loses-rows", "x", "drop-rows t"),))), ()),  # refused
        (plan(rebuild(blocked="3 NULLs")), ()),
        (plan(rebuild(), from_version=6), ()),  # newer than the code
        (None, ("--yes",)),
        (None, ("--json",)),
        (None, ("--progress", "json")),
        (None, ("--policy", "check")),
    ],
)
def test_nobody_is_asked(
    run: Run, typed: Callable[[str], Script], made: Plan | None, arguments: tuple[str, ...]
) -> None:
    script = typed("")
    script.plan = made
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG", *arguments)
    assert "[y/N]" not in ran.stderr
    assert len(applied(script)) == 1
    assert "plan" not in applied(script)[0]


def test_what_is_allowed_is_asked_about(run: Run, typed: Callable[[str], Script]) -> None:
    script = typed("n\n")
    script.plan = plan(drop())
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG", "--policy", "safe", "--allow", ALLOW)
    assert (ran.code, applied(script)) == (1, [])
    assert "loses-rows: the values of args are gone" in ran.stderr


def test_what_is_agreed_to_is_shown(run: Run, typed: Callable[[str], Script]) -> None:
    script = typed("n\n")
    script.plan = plan(
        rebuild(change="column a was missing; sort key a -> b"),
        rebuild(id="2", object="3.sql", change="1 statement", strategy="sql", sql=["ALTER TABLE t\n  UPDATE a = 1"]),
    )
    told = run("migrate", "--schema", "aaiclick.oplog:OPLOG").stderr.splitlines()
    assert told[1:3] == ["    column a was missing", "    sort key a -> b"]
    assert [line for line in told if "|" in line] == ["    | ALTER TABLE t", "    |   UPDATE a = 1"]


def test_in_a_pipe_nobody_is_asked(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script.report = report(rebuild())
    monkeypatch.setattr(sys, "stdin", Typed("n\n"))
    assert run("migrate", "--schema", "aaiclick.oplog:OPLOG").code == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    monkeypatch.setattr("aaiclick.cli.approval.question._is_terminal", lambda _: True)
    assert run("migrate", "--schema", "aaiclick.oplog:OPLOG").code == 0
    monkeypatch.setattr(sys, "stdin", None)
    assert run("migrate", "--schema", "aaiclick.oplog:OPLOG").code == 0
    assert len(applied(script)) == 3


def test_ctrl_c_at_the_question(run: Run, typed: Callable[[str], Script], monkeypatch: pytest.MonkeyPatch) -> None:
    script = typed("")
    script.plan = plan(rebuild())

    def interrupted(_: object = None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdin, "readline", interrupted)
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG")
    assert (ran.code, applied(script)) == (130, [])


def test_a_terminal_is_one() -> None:
    assert question._is_terminal(Terminal()) is True
    assert question._is_terminal(io.StringIO()) is False
