"""The three reports of a schema with hostile names, each written once by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from aaiclick.cli.main import main
from aaiclick.testing import EngineServer
from tests.cli.report.hostile import SCRIPT

HOSTILE = "tests.cli.report.hostile"


@dataclass
class Reports:
    """Where they are, and the run that they are of."""

    plan: Path
    status: Path
    history: Path
    run: Path

    @property
    def all(self) -> list[Path]:
        return [self.plan, self.status, self.history]


def called(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def reports(aaiclick_server: EngineServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    folder = tmp_path_factory.mktemp("reports")
    made = Reports(*(folder / name for name in ("plan.html", "status.html", "history.html", "run.jsonl")))
    client = aaiclick_server.client()
    client.command("CREATE DATABASE reports")
    at = ["--url", f"{aaiclick_server.url}/reports", "--schema"]
    try:
        code, _, err = called("migrate", *at, f"{HOSTILE}:V1")
        assert code == 0, err
        client.command(f"INSERT INTO reports.`{SCRIPT}` SELECT number, 'x' FROM numbers(1000)")
        code, out, err = called("plan", *at, f"{HOSTILE}:V2", "--html", str(made.plan))
        assert (code, "ORDER BY" in out, err) == (0, True, f"wrote {made.plan}\n")
        assert called("status", *at, f"{HOSTILE}:V2", "--html", str(made.status))[0] == 1
        code, _, err = called("migrate", *at, f"{HOSTILE}:V2", "--progress", "json")
        assert code == 0, err
        made.run.write_text(err, encoding="utf-8")
        options = ["--html", str(made.history), "--run", str(made.run)]
        assert called("history", *at, f"{HOSTILE}:V2", *options)[0] == 0
        yield made
    finally:
        client.command("DROP DATABASE reports SYNC")
        client.close()
