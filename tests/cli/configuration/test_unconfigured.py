"""Nothing says which schema is meant: the oplog in a database of its own, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.cli.schema_reference import DEFAULT
from aaiclick.testing import EngineServer
from tests.cli.conftest import Ran
from tests.oplog.states import PLAIN

Run = Callable[..., Ran]
SHOP = """
from aaiclick import Column, MergeTree, Schema, Table
SHOP = Schema("shop", version=1, objects=[Table("orders", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])
"""


@pytest.fixture
def there(
    run: Run,
    aaiclick_server: EngineServer,
    aaiclick_server_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    """The command line in an empty folder, on an empty database of a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    database = f"clickhouse://127.0.0.1:{aaiclick_server.port}/{aaiclick_server_client.database}"
    monkeypatch.setenv("AAICLICK_CH_URL", database)
    return run


def test_an_empty_database_and_one_of_the_oplog(there: Run, aaiclick_server_client: Client) -> None:
    assert there("status").stdout.startswith("✗ oplog is empty")
    for statement in PLAIN[0].statements:
        aaiclick_server_client.command(statement)
    # Nothing is recorded, but its tables are there.
    assert there("status").stdout.startswith("✗ oplog is at v1")


def test_tables_of_somebody_else(there: Run, aaiclick_server_client: Client) -> None:
    for number in range(7):
        aaiclick_server_client.command(f"CREATE TABLE t{number} (a UInt8) ENGINE = Memory")
    for command in (
        ["status"],
        ["migrate"],
        ["migrate", "--dry-run"],
        ["history"],
        ["rollback"],
        ["adopt", "--version", "1"],
    ):
        ran = there(*command)
        assert (ran.code, ran.stdout) == (2, ""), command
        assert (
            "error: this database holds other tables (t0, t1, t2, t3, t4, ...), no recorded schema and no oplog"
            in ran.stderr
        )
        assert ("nothing was changed" in ran.stderr) == (command[0] in ("migrate", "rollback", "adopt"))
        assert 'write schema = "MODULE:ATTRIBUTE" below [tool.aaiclick] in pyproject.toml' in ran.stderr
    assert there("status", "--schema", DEFAULT).code == 1
    assert there("reflect").code == 0


def test_a_database_in_which_another_schema_is_recorded(
    there: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unconfigured_shop.py").write_text(SHOP)
    assert there("migrate", "--schema", "unconfigured_shop:SHOP").code == 0
    ran = there("status")
    assert ran.code == 2
    assert "error: this database is of another schema (shop), and there is no oplog in it. Say which" in ran.stderr
    monkeypatch.setenv("AAICLICK_SCHEMA", "unconfigured_shop:SHOP")
    assert there("status").code == 0
    # What is typed in a folder below the project finds the project's modules all the same.
    monkeypatch.delenv("AAICLICK_SCHEMA")
    (tmp_path / "aaiclick.toml").write_text('schema = "unconfigured_shop:SHOP"\n[env.strict]\npolicy = "check"\n')
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert there("status").code == 0
    declared = (tmp_path / "unconfigured_shop.py").read_text()
    (tmp_path / "unconfigured_next.py").write_text(
        declared.replace("version=1", "version=2").replace('"UInt64")]', '"UInt64"), Column("b", "String")]')
    )
    monkeypatch.setenv("AAICLICK_SCHEMA", "unconfigured_next:SHOP")
    refused = there("migrate", "--env", "strict")
    assert refused.code == 1
    # The configured policy is what refused: without another one the same line would be refused again.
    assert refused.stderr.endswith("Run: aaiclick migrate --env strict --policy lossless\n")
    typed = there("migrate", "--policy", "check", "--schema", "unconfigured_next:SHOP")
    assert typed.stderr.endswith("Run: aaiclick migrate\n"), "the environment says which schema"
    assert there("migrate", "--env", "strict", "--policy", "lossless").code == 0


def test_what_works_on_files_has_to_be_told(there: Run) -> None:
    for command in ("check", "revision"):
        ran = there(command)
        assert (ran.code, ran.stdout) == (2, "")
        assert ran.stderr.startswith(
            "error: nothing says which schema is meant: give --schema MODULE:ATTRIBUTE, set AAICLICK_SCHEMA"
        )
    assert there("ddl").stdout.startswith("-- oplog v5")
