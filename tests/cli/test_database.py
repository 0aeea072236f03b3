"""Which database a command works on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from aaiclick.cli.database import TAKEN, at_peer, command_line, completed, resolve
from aaiclick.cli.main import build
from aaiclick.clients.data_directory.prepare import directory_state
from aaiclick.errors import ConnectionFailed, UsageError
from aaiclick.peers import Peer


def test_an_explicit_url_wins(tmp_path: Path) -> None:
    target = resolve("clickhouse://u:secret@db.example:9000/app", {"AAICLICK_CH_URL": "chdb://memory"}, tmp_path)
    assert target.place == "http://db.example:9000"
    assert target.password == "secret"
    assert not target.embedded
    assert not target.missing
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ("clickhouse://u:p@h1:8123/app?compress=0", "clickhouse://u:p@h2:81/app?compress=0"),
        ("clickhouse://h1/app", "clickhouse://h2:81/app"),
        ("https://h1:8443", "https://h2:82"),
    ],
)
def test_another_host_is_reached_at_its_own_port(tmp_path: Path, given: str, there: str) -> None:
    target = resolve(given, {}, tmp_path)
    assert at_peer(target, Peer("h2", 81, 82)) == there
    assert at_peer(target, Peer("h2")) == given
    command = f"aaiclick migrate --url {there}"
    assert completed(f"Run: {command}", [("--url", given)]) == f"Run: {command}"


@pytest.mark.parametrize("given", [None, ""])
def test_the_environment_comes_second(tmp_path: Path, given: str | None) -> None:
    target = resolve(
        given, {"AAICLICK_CH_URL": f"chdb://{tmp_path}/there", "AAICLICK_LOCAL_ROOT": "/elsewhere"}, tmp_path
    )
    assert target.place == f"{tmp_path}/there"


@pytest.mark.parametrize(
    "environment", [{"AAICLICK_LOCAL_ROOT": "{root}"}, {"AAICLICK_LOCAL_ROOT": "{root}", "AAICLICK_CH_URL": ""}]
)
def test_then_the_local_root(tmp_path: Path, environment: dict[str, str]) -> None:
    target = resolve(
        None, {key: value.format(root=tmp_path / "x%20y#z") for key, value in environment.items()}, Path("/nobody")
    )
    assert target.place == f"{tmp_path}/x%20y#z/chdb_data"
    assert target.embedded


def test_then_the_home_directory(tmp_path: Path) -> None:
    assert resolve(None, {}, tmp_path).place == f"{tmp_path}/.aaiclick/chdb_data"


def test_an_empty_root_is_the_working_directory_as_in_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(None, {"AAICLICK_LOCAL_ROOT": ""}, Path("/nobody")).place == f"{tmp_path}/chdb_data"


def test_a_root_that_no_url_can_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="question mark"):
        resolve(None, {"AAICLICK_LOCAL_ROOT": str(tmp_path / "why?")}, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_states_of_a_directory(folder: Path) -> None:
    assert directory_state(str(folder / "none")) == "missing"
    assert directory_state(str(folder)) == "empty"
    (folder / "tmp").mkdir()
    (folder / "status").write_text("PID: 1")
    assert directory_state(str(folder)) == "empty"
    (folder / "metadata").mkdir()
    assert directory_state(str(folder)) == "database"


def test_a_missing_database_is_missing_and_memory_never_is(folder: Path) -> None:
    assert resolve(f"chdb://{folder}/none", {}, folder).missing
    assert resolve(f"chdb://{folder}", {}, folder).missing
    assert not resolve("chdb://memory", {}, folder).missing


def test_without_the_engine_nothing_is_said_of_a_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in it cannot be asked, so it is not called empty."""
    monkeypatch.delitem(sys.modules, "chdb", raising=False)
    monkeypatch.setattr("aaiclick.clients.chdb_session.find_spec", lambda _: None)
    with pytest.raises(ConnectionFailed, match="the embedded engine is not installed"):
        _ = resolve(f"chdb://{folder}/none", {}, folder).missing
    assert not resolve("clickhouse://h/app", {}, folder).missing


def test_a_directory_with_other_files_is_never_opened(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files and no ClickHouse data"):
        resolve(f"chdb://{folder}", {}, folder)
    with pytest.raises(UsageError, match=r"notes\.txt is a file"):
        resolve(f"chdb://{folder}/notes.txt", {}, folder)


def test_a_command_line_is_quoted_and_masked() -> None:
    options = (("--url", "clickhouse://u:p'w@h/app"), ("--database", None), ("--allow", "drop-column t.c"))
    assert (
        command_line("migrate", *options)
        == "aaiclick migrate --url 'clickhouse://u:***@h/app' --allow 'drop-column t.c'"
    )
    assert command_line("migrate", flags=("--dry-run",)) == "aaiclick migrate --dry-run"


WHERE = [("--env", None), ("--url", "clickhouse://u:pw@h/d"), ("--database", None), ("--schema", "shops:SHOP")]
TARGET = "--url 'clickhouse://u:***@h/d' --schema shops:SHOP"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("Run: aaiclick migrate --schema app:SHOP", f"Run: aaiclick migrate {TARGET}"),
        ("Create it (aaiclick migrate --create-database)", f"Create it (aaiclick migrate {TARGET} --create-database)"),
        ("aaiclick adopt --version 1 --force", f"aaiclick adopt {TARGET} --version 1 --force"),
        (
            "aaiclick adopt --version 1, aaiclick adopt --version 2",
            f"aaiclick adopt {TARGET} --version 1, aaiclick adopt {TARGET} --version 2",
        ),
        ("aaiclick revision --amend", "aaiclick revision --amend --schema shops:SHOP"),
        ("aaiclick reflect prints it", "aaiclick reflect --url 'clickhouse://u:***@h/d' prints it"),
        ("without a command: aaiclick migrates", "without a command: aaiclick migrates"),
    ],
)
def test_a_command_that_a_text_names_gets_the_target(text: str, full: str) -> None:
    assert completed(text, WHERE) == full
    assert completed(full, WHERE) == full


def test_a_command_gets_no_target_where_none_was_given() -> None:
    assert completed("Run: aaiclick migrate --schema app:SHOP", []) == "Run: aaiclick migrate"


def test_a_command_is_given_no_option_that_it_does_not_take() -> None:
    group = typer.main.get_command(build(rich_help=False))
    for command, options in TAKEN.items():
        taken = {name for each in group.commands[command].params for name in each.opts}  # type: ignore[attr-defined]
        assert set(options) <= taken, command
