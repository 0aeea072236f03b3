"""A jump over versions that convert a column whose name has a dot, with expressions and defaults that read it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Policy, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows, schema, table
from tests.migrations.projects import empty_package

BYTE, SHORT, TEXT = Column("l.m", "UInt8"), Column("l.m", "UInt16"), Column("l.m", "String")
LEAF, WIDE, TEXTS = (Column("n.a", f"Array({kind})") for kind in ("UInt8", "UInt32", "String"))
OVER = Column("c", "UInt32", default="`l.m` + 300")


def made(kind: str, suffix: str) -> Column:
    return Column("n.c", f"Array({kind})", default=f"arrayMap(q -> concat(toString(q), '{suffix}'), n.a)")


WAYS: dict[str, tuple[list[tuple[Column, ...]], dict[int, str], str, str]] = {
    "a default over a converted column, and an expression over that": (
        [(BYTE,), (SHORT,), (SHORT, OVER), (SHORT, OVER)],
        {4: "c = c * 2"},
        "7",
        "`l.m`, c",
    ),
    "an expression over the column itself": (
        [(BYTE,), (TEXT,), (TEXT,)],
        {3: "`l.m` = concat(l.m, '!')"},
        "7",
        "`l.m`",
    ),
    "a leaf that is made, converted, and gets another default": (
        [
            (LEAF,),
            (WIDE, made("String", "")),
            (WIDE, made("LowCardinality(String)", "z")),
            (TEXTS, made("String", "y")),
        ],
        {},
        "[1, 2]",
        "n.a, n.c",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_package(tmp_path, "dotted_jumps", monkeypatch)


def to(client: Client, folder: Path, locked: list[LockedVersion], tables: list[Table], version: int) -> None:
    (folder / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(locked[:version]))), encoding="utf-8")
    ensure_schema(client, schema(version, tables[version - 1], migrations="dotted_jumps"))


@pytest.mark.parametrize("way", WAYS)
def test_a_jump_reads_what_the_versions_made_of_it(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path, way: str
) -> None:
    columns, fills, value, look = WAYS[way]
    tables = [table(*each) for each in columns]
    locked = [LockedVersion(number, locked_forms(aaiclick_engine, [each])) for number, each in enumerate(tables, 1)]
    found: list[object] = []
    for versions in (range(2, len(tables) + 1), [len(tables)]):
        ensure_schema(aaiclick_client, schema(1, tables[0]))
        aaiclick_client.command(f"INSERT INTO t VALUES (1, {value})")
        for path in folder.glob("*.sql"):
            path.unlink()
        for version in versions:
            for number, line in fills.items():
                if number <= version:
                    text = f"-- strategy: rebuild t\n--   {line}\n"
                    (folder / f"{number:04d}_fill.sql").write_text(text, encoding="utf-8")
            to(aaiclick_client, folder, locked, tables, version)
        found.append(rows(aaiclick_client, "t", look))
        listed = aaiclick_client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
        for (name,) in listed:
            aaiclick_client.command(f"DROP TABLE IF EXISTS `{name}`")
    assert found[1] == found[0]


def test_where_a_parameter_has_its_first_name_the_jump_stops_with_that_alone(
    aaiclick_client: Client, aaiclick_engine: EmbeddedEngine, folder: Path
) -> None:
    tables = [table(BYTE), table(SHORT), table(SHORT)]
    locked = [LockedVersion(number, locked_forms(aaiclick_engine, [each])) for number, each in enumerate(tables, 1)]
    ensure_schema(aaiclick_client, schema(1, tables[0]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 7)")
    text = "-- strategy: rebuild t\n--   `l.m` = arrayMap(l -> l.m, [tuple(1)::Tuple(m UInt8)])[1]\n"
    (folder / "0003_fill.sql").write_text(text, encoding="utf-8")
    with pytest.raises(BlockedError) as stopped:
        to(aaiclick_client, folder, locked, tables, 3)
    assert str(stopped.value).startswith(
        "s cannot be migrated now: t: 0003_fill.sql reads l.m, which an earlier version makes or converts, and also l "
        "alone: which of the two is meant nobody knows."
    )


def test_what_is_suggested_is_a_shell_command(aaiclick_client: Client) -> None:
    """Also for a name with a quote."""
    ensure_schema(aaiclick_client, schema(1, table(Column("it's", "UInt8"))))
    aaiclick_client.command("INSERT INTO t VALUES (1, 2)")
    second = schema(2, table(Column("it's", "UInt8", alias="1")))
    key = "change-default t.it's"
    with pytest.raises(SchemaVersionError) as refused:
        ensure_schema(aaiclick_client, second, policy=Policy.lossless())
    command = str(refused.value).partition("Run: ")[2].splitlines()[0]
    assert key in shlex.split(command)
    shown = str(plan_schema(aaiclick_client, second))
    assert key in shlex.split(shown.partition("[--allow")[2].partition("]")[0])
