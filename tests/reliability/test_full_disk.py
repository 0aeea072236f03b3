"""A file system that is full: no ALTER leaves an empty definition behind, and the database opens again."""

from __future__ import annotations

import os
import shutil
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


def play(disk: Path, script: str, begin: str = BEGIN) -> str:
    """A process of its own: the engine has one data directory for all of its life."""
    done = subprocess.run(
        [sys.executable, "-c", begin + script, str(disk / "data"), str(disk)],
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
    assert "no space is left" in said or "bytes left" in said, said
    assert "definition" in said
    assert "declar" not in said
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


BOOKS = """
try:
    print(ensure_schema(session, schema(VERSION), policy=Policy.lossless()).in_sync)
except AaiclickError as error:
    print("space" if "no space is left" in str(error) else error)
print([name for at, _, names in os.walk(data) for name in names if name.endswith(".sql") and not os.path.getsize(os.path.join(at, name))])
"""


def full_at_the_books(disk: Path, moment: str, table: str) -> None:
    """The CREATE of a table of this library's own, before and in a first start."""
    version, lenient = "1", "" if table == "_aaiclick_lock" else "IF NOT EXISTS "
    if table == "_aaiclick_journal":
        play(disk, FIRST)
        version = "2"
    each = BOOKS.replace("VERSION", version)
    assert play(disk, f"{moment}('CREATE TABLE {lenient}`default`.`{table}`', fill)\n{each}").split("\n") == [
        "space",
        "[]",
    ]
    (disk / "neighbour").unlink()
    assert play(disk, each).split("\n") == ["True", "[]"]


def test_the_disk_is_full_when_the_lock_is_made(disk: Path) -> None:
    full_at_the_books(disk, "between", "_aaiclick_lock")


@pytest.mark.proof
@pytest.mark.parametrize("moment", ["before", "between"])
@pytest.mark.parametrize("table", ["_aaiclick_lock", "_aaiclick_lease", "schema_version", "_aaiclick_journal"])
def test_the_disk_is_full_when_a_table_of_ours_is_made(disk: Path, table: str, moment: str) -> None:
    full_at_the_books(disk, moment, table)


KINDS = """
from aaiclick.clients.opening import open_session_client
from aaiclick.routine import Command
connection = open_session_client(session)
for sql in (
    "CREATE DATABASE d2", "CREATE TABLE u (id UInt64) ENGINE = MergeTree ORDER BY id", "CREATE VIEW v AS SELECT 1 AS a",
    "CREATE TABLE t2 AS t", "CREATE NAMED COLLECTION c AS a = 1", "CREATE FUNCTION f AS (x) -> x + 1",
):
    connection.command(Command(sql))
for sql in (
    "CREATE TABLE `n` (id UInt64) ENGINE = MergeTree ORDER BY id",
    "CREATE TABLE d2.`n.1` (id UInt64) ENGINE = MergeTree ORDER BY id",
    "CREATE VIEW IF NOT EXISTS n AS SELECT 1 AS a",
    "CREATE OR REPLACE VIEW v AS SELECT 2 AS a",
    "CREATE MATERIALIZED VIEW n TO seen AS SELECT id FROM t",
    "CREATE MATERIALIZED VIEW n ENGINE = MergeTree ORDER BY id AS SELECT id FROM t",
    "CREATE DICTIONARY n (id UInt64) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(HASHED()) LIFETIME(0)",
    "ATTACH TABLE n UUID '11111111-1111-4111-8111-111111111111' (id UInt64) ENGINE = MergeTree ORDER BY id",
    "CREATE DATABASE n",
    "CREATE FUNCTION g AS (x) -> x + 1",
    "CREATE OR REPLACE FUNCTION f AS (x) -> x + 2",
    "CREATE NAMED COLLECTION n AS a = 1",
    "ALTER NAMED COLLECTION c SET a = 2",
    "ALTER TABLE mv MODIFY QUERY SELECT id + 1 AS id FROM t",
    "ALTER TABLE u ADD COLUMN x UInt8",
    "ALTER DATABASE d2 MODIFY COMMENT 'x'",
    "RENAME TABLE u TO d2.u",
    "EXCHANGE TABLES t AND t2",
    "EXCHANGE TABLES t AND t2",
    "DROP TABLE d2.u SYNC",
):
    between(sql[:20], fill)
    said = "done"
    try:
        connection.command(Command(sql))
    except AaiclickError as error:
        said = "refused" if "no space is left" in str(error) else str(error)
    left = [name for at, _, names in os.walk(data) for name in names if name.endswith(".sql") and not os.path.getsize(os.path.join(at, name))]
    os.unlink(disk + "/neighbour")
    print(sql[:40], "|", said, left)
"""


def test_no_statement_leaves_an_empty_definition(disk: Path) -> None:
    """The disk is full when the engine gets it, behind the last look."""
    play(disk, FIRST)
    said = [line.split(" | ")[1] for line in play(disk, KINDS).splitlines()]
    assert said[-4:] == ["done []"] * 4, "moves files, and writes none"
    assert set(said[:-4]) <= {"refused []", "done []"}, said
    assert said[:-4].count("refused []") >= 14
    assert play(disk, LOOK).split() == ["1000", "499500", "0"], "opens again"
    assert play(disk, "print(ask('SELECT f(1)'), ask('SELECT * FROM v'))") in ("2 1", "2 2")


def test_an_empty_definition_of_our_own_is_taken_away(disk: Path) -> None:
    """As another process has left it, which nobody looked at afterwards."""
    play(disk, FIRST)
    (disk / "data/metadata/default/_aaiclick_new_0123456789ab_t.sql").touch()
    opened = """
try:
    print(ensure_schema("chdb://" + data, schema(1)).in_sync)
except AaiclickError as error:
    print(error)
"""
    begin = BEGIN.replace("session = chdb.session.Session(data)", "")
    assert play(disk, opened, begin) == "True"
    (disk / "data/metadata/default/_aaiclick_journal.sql").touch()
    assert play(disk, opened, begin) == "True", "nothing was written down in it yet"
    records = disk / "data/metadata/default/schema_version.sql"
    whole = records.read_bytes()
    records.write_bytes(b"")
    assert "schema_version.sql is an empty file where a definition has to stand" in play(disk, opened, begin)
    records.write_bytes(whole)
    (disk / "data/metadata/default/theirs.sql").touch()
    said = play(disk, opened, begin)
    assert "theirs.sql is an empty file where a definition has to stand" in said
    assert (disk / "data/metadata/default/theirs.sql").exists()


SWEPT = {
    "copy": ("", "schema(2)"),
    "create": (
        "",
        'Schema("s", version=2, objects=[*schema(1).objects, schema(1).objects[0].model_copy(update={"name": "n"})])',
    ),
    "view": (
        'ensure_schema(session, Schema("w", version=1, objects=[View(name="w", query="SELECT id FROM t")]))',
        'Schema("w", version=2, objects=[View(name="w", query="SELECT id, v FROM t")])',
    ),
    "rename": (
        "ask('DROP TABLE mv')",
        'Schema("s", version=2, objects=[schema(1).objects[0].model_copy(update={"name": "n"})], migrations=[RENAMED])',
    ),
}
AT = """
from aaiclick import Migration, View
RENAMED = Migration(2, renames={"t": "n"})
real, seen = routine._carry_out, []
def carry(effect, connection, on_event):
    answer = real(effect, connection, on_event)
    if type(effect).__name__ == "Command":
        seen.append(effect.sql)
        if len(seen) == POINT:
            fill()
    return answer
try:
    routine._carry_out = carry
    ensure_schema(session, DECLARED, policy=Policy.lossless())
    print("done", len(seen))
except AaiclickError as error:
    print("space" if "space" in str(error) or "bytes left" in str(error) else error, len(seen))
os._exit(0)
"""


@pytest.mark.proof
@pytest.mark.parametrize("case", SWEPT)
def test_the_disk_is_full_behind_each_statement(disk: Path, case: str) -> None:
    prepare, declared = SWEPT[case]
    each = AT.replace("DECLARED", declared)
    play(disk, f"{FIRST}\nfrom aaiclick import View\n{prepare}")
    shutil.copytree(disk / "data", disk.parent / "before", symlinks=True)
    total = int(play(disk, each.replace("POINT", "-1")).split()[-1])
    assert total > 3
    for point in range(1, total + 1, int(os.environ.get("AAICLICK_PROOF_EVERY", "1"))):
        shutil.rmtree(disk / "data")
        shutil.copytree(disk.parent / "before", disk / "data", symlinks=True)
        play(disk, each.replace("POINT", str(point)))
        (disk / "neighbour").unlink()
        assert play(disk, LOOK.replace("FROM t", "FROM merge('default', '^[tn]$')")).split() == [
            "1000",
            "499500",
            "0",
        ], point
        assert play(disk, each.replace("POINT", "-1")).startswith("done"), point
        assert play(disk, SETTINGS_LEFT) == "0", point


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
