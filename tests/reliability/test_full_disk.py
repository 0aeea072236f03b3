"""A file system that is full: no ALTER leaves an empty definition behind, and the database opens again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.clients.data_directory.metadata_files import KEPT, restore_definitions

COLUMNS = 'Column("id", "UInt64"), Column("v", "String")'
BEGIN = f"""
import os, sys
import chdb.session
import aaiclick.routine as routine
from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.errors import AaiclickError
data, disk = sys.argv[1], sys.argv[2]

def schema(version):
    engine = MergeTree(order_by=["id"] if version == 1 else ["v", "id"])
    return Schema("s", version=version, objects=[Table("t", [{COLUMNS}], engine=engine)])

def fill():
    with open(disk + "/neighbour", "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(1))
        except OSError:
            pass

def between(wanted, act):
    # Behind the last look: the engine meets a disk that is full.
    from aaiclick.clients.embedded import EmbeddedConnection
    real, seen = EmbeddedConnection._apart, []
    def apart(self, sql, *rest):
        if wanted in sql and not seen:
            seen.append(sql)
            act()
        return real(self, sql, *rest)
    EmbeddedConnection._apart = apart

def before(wanted, act):
    real, seen = routine._carry_out, []
    def carry(effect, connection, on_event):
        sql = getattr(effect, "sql", "")
        if wanted in sql and not seen:
            seen.append(sql)
            act()
        return real(effect, connection, on_event)
    routine._carry_out = carry

session = chdb.session.Session(data)
def ask(sql):
    return session.query(sql, "TSV").bytes().decode().strip()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def play(disk: Path, script: str) -> str:
    """A process of its own: the engine has one data directory for all of its life."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script, str(disk / "data"), str(disk)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


FIRST = """
ensure_schema(session, schema(1))
ask("INSERT INTO t SELECT number, toString(number) FROM numbers(1000)")
ask("CREATE TABLE seen (id UInt64) ENGINE = MergeTree ORDER BY id")
ask("CREATE MATERIALIZED VIEW mv TO seen AS SELECT id FROM t")
"""
SECOND = """
try:
    ensure_schema(session, schema(2), policy=Policy.lossless())
    print("done")
except AaiclickError as error:
    print(error)
"""
LOOK = """
print(ask("SELECT count(), sum(id) FROM t"), ask("SELECT countIf(create_table_query = '') FROM system.tables WHERE database = 'default'"))
"""
SETTINGS_LEFT = """
print(ask("SELECT count() FROM system.tables WHERE database = 'default' AND name = 't' AND match(engine_full, 'table_readonly|max_bytes_to_merge')"))
"""
HOLDING = (
    "MODIFY SETTING max_bytes_to_merge",
    "MODIFY SETTING table_readonly",
    "RESET SETTING table_readonly",
    "MODIFY COMMENT",
)


@pytest.mark.slow
def test_a_neighbour_takes_the_last_byte(disk: Path) -> None:
    full(disk, "between", HOLDING[1])


@pytest.mark.proof
@pytest.mark.parametrize("moment", ["before", "between"])
@pytest.mark.parametrize("wanted", HOLDING)
def test_the_disk_is_full_at_an_alter(disk: Path, wanted: str, moment: str) -> None:
    full(disk, moment, wanted)


def test_a_plan_on_a_full_disk_does_not_blame_the_declaration(disk: Path) -> None:
    """The server answers a CREATE in scratch with success there, and shows no definition of what it made."""
    play(disk, FIRST)
    said = play(disk, f"fill()\n{SECOND}")
    assert "bytes left, and a definition is only written if" in said, said
    (disk / "neighbour").unlink()
    assert play(disk, SECOND) == "done"


def full(disk: Path, moment: str, wanted: str) -> None:
    """The run ends with a sentence, the database opens again, and once there is room the next start does the rest."""
    play(disk, FIRST)
    said = play(disk, f"{moment}({wanted!r}, fill)\n{SECOND}")
    assert "no space is left" in said or "bytes left" in said, said
    (disk / "neighbour").unlink()
    assert play(disk, LOOK).split() == ["1000", "499500", "0"]
    assert play(disk, SECOND) == "done"
    assert play(disk, LOOK).split() == ["1000", "499500", "0"]
    assert play(disk, SETTINGS_LEFT) == "0"
    assert not list((disk / "data" / KEPT).glob("*/*"))


def test_an_empty_definition_gets_its_copy_back(tmp_path: Path) -> None:
    """What a kill between the engine's empty file and the end of the ALTER leaves."""
    (tmp_path / "metadata" / "d").mkdir(parents=True)
    (tmp_path / KEPT / "d").mkdir(parents=True)
    for name, now, copy in (("broken", "", "old"), ("whole", "new", "old")):
        (tmp_path / "metadata" / "d" / f"{name}.sql").write_text(now)
        (tmp_path / KEPT / "d" / f"{name}.sql").write_text(copy)
    assert restore_definitions(os.fspath(tmp_path)) == ("d/broken.sql",)
    assert (tmp_path / "metadata" / "d" / "broken.sql").read_text() == "old"
    assert (tmp_path / "metadata" / "d" / "whole.sql").read_text() == "new"
    assert not (tmp_path / KEPT).exists()
