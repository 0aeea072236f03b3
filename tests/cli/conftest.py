"""The commands with scripted answers instead of the library's functions, and away from this user's own database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aaiclick.cli import calls
from aaiclick.cli.main import main
from aaiclick.commands.history import Standing
from aaiclick.commands.report import Report, Status
from aaiclick.events import Event
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.specs import Schema
from tests.cli.published import hold

T = TypeVar("T")


@dataclass
class Script:
    """What the library answers (or raises), and what it was asked."""

    report: Report | BaseException | None = None
    plan: Plan | BaseException | None = None
    status: Status | BaseException | None = None
    schema: Schema | BaseException | None = None
    events: list[Event] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def ensure(
        self,
        url: str,
        schema: Schema,
        database: str | None,
        chosen: Policy,
        on_event: Callable[[Event], object],
        approved: Plan | None = None,
    ) -> Report:
        told = {} if approved is None else {"plan": approved}
        self.asked.append({"url": url, "schema": schema, "database": database, "policy": chosen, **told})
        for event in self.events:
            on_event(event)
        return answer(self.report)

    def plan_it(self, url: str, schema: Schema, database: str | None, chosen: Policy, quick: bool = False) -> Plan:
        told = {"allow": tuple(sorted(chosen.allowed))} if chosen.allowed else {}
        self.asked.append({"url": url, "schema": schema, "database": database, **told})
        return answer(self.plan)

    def validate(self, url: str, schema: Schema, database: str | None) -> Status:
        self.asked.append({"url": url, "schema": schema, "database": database})
        return answer(self.status)

    def reflect(
        self, url: str, database: str | None, name: str | None, only: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> Schema:
        self.asked.append({"url": url, "database": database, "name": name})
        return answer(self.schema)


def answer(value: T | BaseException | None) -> T:
    assert value is not None, "a function was called that the test has no answer for"
    if isinstance(value, BaseException):
        raise value
    return value


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    scripted = Script()
    monkeypatch.setattr(calls, "ensure", scripted.ensure)
    monkeypatch.setattr(calls, "standing", lambda *_: Standing((), ()))
    monkeypatch.setattr(calls, "plan", scripted.plan_it)
    monkeypatch.setattr(calls, "validate", scripted.validate)
    monkeypatch.setattr(calls, "reflect", scripted.reflect)
    return scripted


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No test may reach the database of whoever runs it."""
    for variable in (
        "AAICLICK_CH_URL",
        "NO_COLOR",
        "FORCE_COLOR",
        "TTY_COMPATIBLE",
        "AAICLICK_SCHEMA_POLICY",
        "AAICLICK_ENV",
        "AAICLICK_SCHEMA",
    ):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "root"
    (root / "chdb_data" / "metadata").mkdir(parents=True)
    monkeypatch.setenv("AAICLICK_LOCAL_ROOT", str(root))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return root


@dataclass
class Ran:
    code: int
    stdout: str
    stderr: str
    arguments: tuple[str, ...] = ()

    @property
    def document(self) -> Any:
        """What ``--json`` printed: the whole of stdout. It is what is published for the command."""
        found = json.loads(self.stdout)
        hold(self.arguments, found)
        return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Call the command line as a pipe would see it."""

    def called(*arguments: str) -> Ran:
        code = main(arguments)
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
        return Ran(code, captured.out, captured.err, arguments)

    return called
