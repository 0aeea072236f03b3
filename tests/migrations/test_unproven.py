"""A database without a record whose tables look like the newest version: their form does not tell whether values were
converted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema, validate_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.errors import UnknownConversionError
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PRICE = table(Column("price", "UInt64"))
CENTS = (
    "from aaiclick import Migration, Rebuild\nmigration = Migration(2, rebuild={'t': Rebuild(columns={'price': "
    "'price * 100'})})\n"
)
SQL = (
    "from aaiclick import Migration\nmigration = Migration(2, sql=['ALTER TABLE t UPDATE price = price * 100 WHERE "
    "1'])\n"
)
LABEL = (
    "from aaiclick import Migration, Rebuild\nmigration = Migration(2, rebuild={'t': Rebuild(columns={'label': "
    "'toString(price)'})})\n"
)


def package(engine: EmbeddedEngine, folder: Path, script: str, released: dict[int, list[Table]]) -> str:
    name = fresh_name("unproven_code")
    home = folder / name
    home.mkdir()
    (home / "0002_change.py").write_text(script, encoding="utf-8")
    versions = tuple(LockedVersion(version, locked_forms(engine, tables)) for version, tables in released.items())
    (home / LOCK_FILE).write_text(dump_lock(Lock("s", versions)), encoding="utf-8")
    return name


def forget(client: Client) -> None:
    client.command("DROP TABLE schema_version SYNC")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("script", [CENTS, SQL], ids=["expression", "statement"])
def test_two_versions_with_one_form_are_asked_about(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, folder: Path, script: str
) -> None:
    code = package(aaiclick_engine, folder, script, {1: [PRICE], 2: [PRICE]})
    newest = Schema("s", version=2, objects=[PRICE], migrations=code)
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[PRICE]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5)")
    forget(aaiclick_client)
    adopt = "aaiclick adopt --schema MODULE:NAME --version"
    with pytest.raises(
        UnknownConversionError, match=rf"0002_change.*{adopt} 1 where they were not, {adopt} 2 where they were"
    ):
        ensure_schema(aaiclick_client, newest)
    assert validate_schema(aaiclick_client, newest).state == "unrecognised"
    assert "aaiclick adopt" in plan_schema(aaiclick_client, newest).notes[-1]
    adopt_schema(aaiclick_client, newest, 1)
    ensure_schema(aaiclick_client, newest)
    assert rows(aaiclick_client) == [(1, 500)]
    forget(aaiclick_client)
    adopt_schema(aaiclick_client, newest, 2)
    assert ensure_schema(aaiclick_client, newest).steps == ()
    assert rows(aaiclick_client) == [(1, 500)]


def test_without_rows_there_is_nothing_to_ask(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, folder: Path
) -> None:
    newest = Schema(
        "s", version=2, objects=[PRICE], migrations=package(aaiclick_engine, folder, CENTS, {1: [PRICE], 2: [PRICE]})
    )
    ensure_schema(aaiclick_client, newest)
    forget(aaiclick_client)
    assert ensure_schema(aaiclick_client, newest).from_version == 2


def test_where_the_form_tells_it_is_taken_for_that_and_said(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, folder: Path
) -> None:
    after = table(Column("price", "UInt64"), Column("label", "String"))
    newest = Schema(
        "s", version=2, objects=[after], migrations=package(aaiclick_engine, folder, LABEL, {1: [PRICE], 2: [after]})
    )
    ensure_schema(aaiclick_client, newest)
    aaiclick_client.command("INSERT INTO t VALUES (1, 5, 'five')")
    forget(aaiclick_client)
    report = ensure_schema(aaiclick_client, newest)
    assert report.from_version == 2
    assert [
        note
        for note in report.notes
        if "does not tell whether values were converted: 0002_change.py: column label of t (1 row)" in note
    ]
    assert rows(aaiclick_client) == [(1, 5, "five")]


def test_in_a_mix_each_table_counts_by_itself(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, folder: Path
) -> None:
    old, new, other = (
        table(Column("a", "UInt8"), name="u"),
        table(Column("b", "UInt8"), name="u"),
        table(Column("c", "UInt8"), name="w"),
    )
    newer = table(Column("d", "UInt8"), name="w")
    code = package(aaiclick_engine, folder, CENTS, {1: [PRICE, old, other], 2: [PRICE, new, newer]})
    ensure_schema(aaiclick_client, Schema("x", version=1, objects=[PRICE, old, newer]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5)")
    forget(aaiclick_client)
    with pytest.raises(UnknownConversionError, match="column price of t"):
        ensure_schema(aaiclick_client, Schema("s", version=2, objects=[PRICE, new, newer], migrations=code))
    assert rows(aaiclick_client) == [(1, 5)]


def test_migrations_without_a_lock_file_are_asked_about(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[PRICE]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5)")
    forget(aaiclick_client)
    newest = Schema(
        "s",
        version=2,
        objects=[PRICE],
        migrations=[Migration(2, title="cents", rebuild={"t": Rebuild(columns={"price": "price * 100"})})],
    )
    with pytest.raises(
        UnknownConversionError, match="aaiclick adopt --schema MODULE:NAME --version 1 where they were not"
    ):
        ensure_schema(aaiclick_client, newest)
    adopt_schema(aaiclick_client, newest, 1, force=True)
    ensure_schema(aaiclick_client, newest)
    assert rows(aaiclick_client) == [(1, 500)]


def test_where_the_record_alone_was_lost_the_journal_is_told(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[PRICE]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5)")
    work = Migration(2, rebuild={"t": Rebuild(columns={"price": "price * 100"})}, sql=["SELECT 1"])
    newest = Schema("s", version=2, objects=[PRICE], migrations=[work])
    ensure_schema(aaiclick_client, newest, policy=Policy.lossless())
    forget(aaiclick_client)
    carried_out = (
        r"its journal says that this was carried out: the copy of t of migration 2, statement 1 of migration 2\)"
    )
    with pytest.raises(UnknownConversionError, match=carried_out):
        ensure_schema(aaiclick_client, newest)
