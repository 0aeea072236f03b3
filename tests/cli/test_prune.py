"""``aaiclick prune``: what it prints, and that it drops nothing that nobody confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import typer

from aaiclick.cli import calls
from aaiclick.errors import OutcomeUnknownError
from aaiclick.state.kept_tables import KeptComment, KeptRow
from tests.cli.conftest import Ran


class Typed:
    def isatty(self) -> bool:
        return True


Run = Callable[..., Ran]
ROWS = (
    KeptRow("_aaiclick_old_1_t", KeptComment("t", "u1", "u2", 100, 2_000_000_000), 1234, 3 << 20),
    KeptRow("_aaiclick_old_2_u", KeptComment("u", "u3", "u4", 100, 0, reason="3 rows reached it"), 5, 1 << 20),
)

LATER = replace(ROWS[0], name="_aaiclick_old_3_v")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call was a dry run."""
    calls_made: list[bool] = []

    def prune(
        url: str, database: str | None, tables: Sequence[str], dry_run: bool, shown: Sequence[KeptRow] | None = None
    ) -> tuple[tuple[KeptRow, bool], ...]:
        calls_made.append(dry_run)
        if shown is None:
            return tuple((row, bool(row.kept.expires)) for row in ROWS)
        assert shown == [ROWS[0]]
        return ((ROWS[0], True), (ROWS[1], False), (LATER, False))

    monkeypatch.setattr(calls, "prune", prune)
    return calls_made


def test_without_a_terminal_it_has_to_be_confirmed(run: Run, asked: list[bool]) -> None:
    ran = run("prune")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr == "error: 1 table would be dropped: --yes says that this is wanted, --dry-run lists them\n"
    assert run("prune", "--json").document["error"]["type"] == "UsageError"
    assert asked == [True, True]


def test_what_goes_and_what_stays_is_listed(run: Run, asked: list[bool]) -> None:
    ran = run("prune", "--dry-run")
    assert ran.code == 1
    assert ran.stdout.splitlines() == [
        "table  kept as             rows     size",
        "t      _aaiclick_old_1_t  1,234  3.0 MiB  would go",
        "u      _aaiclick_old_2_u      5  1.0 MiB  stays: 3 rows reached it (to drop it: --table _aaiclick_old_2_u)",
        "3.0 MiB to be freed",
    ]
    assert asked == [True]
    ran = run("prune", "--yes")
    assert (ran.code, asked) == (0, [True, True, False])
    assert ran.stdout.splitlines()[-1] == "3.0 MiB freed"
    found = run("prune", "--yes", "--json").document
    assert found["dry_run"] is False
    assert [(one["table"], one["dropped"]) for one in found["tables"]] == [("t", True), ("u", False)]


def test_what_is_run_again_does_not_ask_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **named: object) -> tuple[tuple[KeptRow, bool], ...]:
        raise OutcomeUnknownError("the connection was lost")

    monkeypatch.setattr(calls, "prune", lost)
    error = run("prune", "--yes", "--json").document["error"]
    assert error["next"] == "aaiclick prune --yes", error


def test_what_came_while_it_asked_stays(run: Run, asked: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaiclick.cli.commands.prune.sys", SimpleNamespace(stdin=Typed(), stderr=Typed()))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    ran = run("prune")
    assert (ran.code, asked) == (0, [True, False])
    assert "_aaiclick_old_3_v is kept since then: it stays. Run again to be asked about it" in ran.stderr
    assert "_aaiclick_old_2_u is" not in ran.stderr


def test_where_nothing_is_nothing_is_kept(run: Run, asked: list[bool], tmp_path: object) -> None:
    ran = run("prune", "--url", f"chdb://{tmp_path}/none")
    assert (ran.code, ran.stdout, asked) == (0, "nothing is kept\n", [])
