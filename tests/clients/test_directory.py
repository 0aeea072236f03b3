"""The directory that a URL names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aaiclick.clients import open_connection
from aaiclick.errors import UsageError

OPEN = "import sys; from aaiclick.clients import open_connection; open_connection(sys.argv[1]).close()"


def test_a_directory_of_other_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files and no ClickHouse data"):
        open_connection(f"chdb://{tmp_path}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "files",
    [
        {"data/x.csv": "a,b"},
        {"metadata/notes.txt": "mine", "main.py": ""},
        {"metadata/schema.sql": "CREATE TABLE t (id int)"},
        {"metadata/old/schema.sql": "CREATE TABLE t (id int)"},
        {"store/app.py": "mine"},
        {"tmp/half.py": "mine"},
        {"uuid": "mine"},
        {"status": "all is well"},
        {"data": "mine"},
    ],
)
def test_files_that_are_called_like_those_of_the_engine_are_refused(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="holds other files and no ClickHouse data"):
        open_connection(f"chdb://{tmp_path}")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_dropped_a_moment_ago_is_no_other_file(tmp_path: Path) -> None:
    made = "import os, sys; from aaiclick.clients import open_connection; from aaiclick.routine import Command;"
    made += " c = open_connection(sys.argv[1]); c.command(Command('CREATE DATABASE d')); c.command(Command("
    made += (
        "'CREATE TABLE d.t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a')); c.command(Command('DROP DATABASE d'));"
    )
    subprocess.run([sys.executable, "-c", made + "os._exit(0)", f"chdb://{tmp_path}/new"], check=True)
    assert list((tmp_path / "new" / "metadata_dropped").iterdir())
    subprocess.run([sys.executable, "-c", OPEN, f"chdb://{tmp_path}/new"], check=True)


def test_a_database_beside_which_something_lies_opens(tmp_path: Path) -> None:
    made = OPEN.replace(".close()", ".command(Command('CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a'))")
    made = "from aaiclick.routine import Command; " + made
    subprocess.run([sys.executable, "-c", made, f"chdb://{tmp_path}/new"], check=True)
    (tmp_path / "new" / "README.md").write_text("mine")
    subprocess.run([sys.executable, "-c", OPEN, f"chdb://{tmp_path}/new"], check=True)


def test_what_the_engine_itself_leaves_is_no_other_file(tmp_path: Path) -> None:
    made = "import sys; from aaiclick.clients import open_connection; from aaiclick.routine import Command;"
    made += " c = open_connection(sys.argv[1]); c.command(Command('CREATE FUNCTION f AS (x) -> x + 1')); c.close()"
    for code in (made, OPEN):
        subprocess.run([sys.executable, "-c", code, f"chdb://{tmp_path}/new"], check=True)
    assert not (tmp_path / "new" / "metadata").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        open_connection(f"chdb://{tmp_path}/file")


def test_a_new_directory_is_for_this_user_alone_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir(mode=0o755)
    for place in (new, old, new):
        subprocess.run([sys.executable, "-c", OPEN, f"chdb://{place}"], check=True)
    assert [oct(place.stat().st_mode & 0o777) for place in (new, old)] == ["0o700", "0o755"]
