"""``aaiclick migrate --create-database``, and ``--to`` where it is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.api.create_database import create_database
from aaiclick.cli.main import main
from aaiclick.errors import UsageError
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name


def test_the_database_is_made_once(aaiclick_server: EngineServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{aaiclick_server.url}/{(name := fresh_name())}"
    assert main(["migrate", "--url", url]) == 2
    assert f"aaiclick migrate --url {url} --create-database" in capsys.readouterr().err
    assert main(["migrate", "--url", url, "--create-database"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == f"made database {name}"
    assert main(["migrate", "--url", url, "--create-database"]) == 0
    assert "made database" not in capsys.readouterr().err
    assert main(["migrate", "--url", url, "--to", "2"]) == 2
    assert f"oplog is beyond that version here. aaiclick rollback --url {url} goes back" in capsys.readouterr().err


def test_no_database_is_made_for_a_schema_whose_files_are_wrong(
    aaiclick_server: EngineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "unlocked_here.py").write_text(
        "from aaiclick import Schema\nA = Schema('a', version=1, migrations='no_such_package_of_it')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    url = f"{aaiclick_server.url}/{(name := fresh_name())}"
    assert main(["migrate", "--url", url, "--schema", "unlocked_here:A", "--create-database"]) == 2
    said = capsys.readouterr().err
    assert "no_such_package_of_it: the migrations package cannot be imported" in said
    assert "made database" not in said
    with aaiclick_server.client() as client:
        assert client.command(f"SELECT count() FROM system.databases WHERE name = '{name}'") == 0


def test_a_name_is_needed(aaiclick_server: EngineServer) -> None:
    with pytest.raises(UsageError, match="nothing names a database"):
        create_database(aaiclick_server.url, None, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--create-database", "--dry-run"], "--create-database makes a database, and --dry-run changes nothing"),
        (["--create-database", "--database", "t_*"], "--to and --create-database are for one database"),
        (["--to", "2", "--plan", "p.json"], "--plan carries a whole plan out, --to stops on the way"),
        (["--to", "99", "--url", "chdb://memory"], "oplog has no version 99 in its lock file"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--schema", "aaiclick.oplog:OPLOG", *arguments]) == 2
    assert sentence in capsys.readouterr().err
