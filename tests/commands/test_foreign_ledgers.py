"""Taking a database over from another tool: its ledger is read as that tool reads it, and left as it is."""

from __future__ import annotations

import re

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema, reflect_schema, validate_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.history import schema_history
from aaiclick.cli.commands.adopt import Tool
from aaiclick.commands.adopt import ForeignLedger
from aaiclick.errors import DoesNotFitError, UsageError
from aaiclick.state.record import ledger_of_record
from aaiclick.versions.ledgers import TOOLS

GOLANG = "schema_migrations (version Int64, dirty UInt8, sequence UInt64) ENGINE = TinyLog"
DBMATE = (
    "schema_migrations (version String, ts DateTime DEFAULT now(), applied UInt8 DEFAULT 1) "
    "ENGINE = ReplacingMergeTree(ts) PRIMARY KEY version ORDER BY version"
)
GOOSE = (
    "goose_db_version (version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now()) "
    "ENGINE = MergeTree() ORDER BY (date)"
)
PYTHON = (
    "schema_versions (version UInt32, md5 String, script String, created_at DateTime DEFAULT now()) "
    "ENGINE = MergeTree ORDER BY tuple(created_at)"
)
NODE = (
    "_migrations (uid UUID DEFAULT generateUUIDv4(), version UInt32, checksum String, migration_name String, "
    "applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY tuple(applied_at)"
)
COLUMNS = [Column("id", "UInt64")]
V1 = Schema("app", version=1, objects=[Table("events", COLUMNS, engine=MergeTree(order_by=["id"]))])
V2 = Schema(
    "app", version=2, objects=[Table("events", [*COLUMNS, Column("b", "String")], engine=MergeTree(order_by=["id"]))]
)


@pytest.fixture
def database(aaiclick_client: Client) -> Client:
    aaiclick_client.command("CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id")
    return aaiclick_client


@pytest.mark.parametrize(
    ("tool", "table", "columns", "rows", "version"),
    [
        ("golang-migrate", GOLANG, "", "(1, 1, 10), (1, 0, 11), (2, 1, 12), (2, 0, 13), (1, 0, 14)", "1"),
        ("golang-migrate", GOLANG.replace("TinyLog", "MergeTree ORDER BY sequence"), "", "(7, 0, 10)", "7"),
        ("golang-migrate", GOLANG.replace("schema_migrations", "elsewhere"), "", "(7, 0, 10)", "7"),
        (
            "dbmate",
            DBMATE,
            "(version, ts, applied)",
            "('20240101', 1, 1), ('20250101', 1, 1), ('20250101', 2, 0)",
            "20240101",
        ),
        ("goose", GOOSE, "(version_id, is_applied, tstamp)", "(0, 1, 1), (1, 1, 2), (2, 1, 3), (2, 0, 4)", "1"),
        ("clickhouse-migrations", PYTHON, "(version, md5, script)", "(1, 'a', 'b'), (3, 'a', 'b')", "3"),
        ("clickhouse-migrations", NODE, "(version, checksum, migration_name)", "(2, 'a', '2_x.sql')", "2"),
    ],
)
def test_a_ledger_is_read_recorded_and_kept(
    database: Client, tool: str, table: str, columns: str, rows: str, version: str
) -> None:
    name = table.partition(" ")[0]
    database.command(f"CREATE TABLE {table}")
    database.command(f"INSERT INTO {name} {columns} VALUES {rows}")
    before = database.query(f"SELECT * FROM {name} ORDER BY ALL").result_rows
    record = adopt_schema(database, V1, 1, ledger=ForeignLedger(tool))
    assert ledger_of_record(record) == {"tool": tool, "table": name, "version": version}
    assert [ledger_of_record(each)["version"] for each in schema_history(database, V1)] == [version]
    assert database.query(f"SELECT * FROM {name} ORDER BY ALL").result_rows == before
    assert validate_schema(database, V1).in_sync


def test_a_dirty_ledger_stops_an_adoption_that_does_not_name_it(database: Client) -> None:
    database.command(f"CREATE TABLE {GOLANG}")
    database.command("INSERT INTO schema_migrations VALUES (1, 0, 1), (2, 1, 1)")  # of one moment: what failed counts
    with pytest.raises(UsageError, match=r"version 2 of golang-migrate failed half-way \(dirty\).*--force"):
        adopt_schema(database, V1, 1)
    assert validate_schema(database, V1).live_version is None
    assert adopt_schema(database, V1, 1, force=True).version == 1


def test_a_dirty_ledger_is_refused_with_its_version_whoever_forces_it(database: Client) -> None:
    database.command(f"CREATE TABLE {GOLANG}")
    database.command("INSERT INTO schema_migrations VALUES (1, 0, 10), (42, 1, 11)")
    for force in (False, True):
        with pytest.raises(UsageError, match=r"version 42 failed half-way \(dirty\): nothing was recorded"):
            adopt_schema(database, V1, 1, force, ledger=ForeignLedger("golang-migrate"))
    assert schema_history(database, V1) == ()


def test_what_is_no_ledger_of_the_tool(database: Client) -> None:
    def refused(tool: str, table: str | None = None) -> str:
        with pytest.raises(UsageError) as caught:
            adopt_schema(database, V1, 1, ledger=ForeignLedger(tool, table))
        return str(caught.value)

    assert "has no ledger of goose (usually goose_db_version). Is it in another database" in refused("goose")
    assert "there is no table nothing in database" in refused("goose", "nothing")
    assert refused("goose", "events") == "events is no ledger of goose: its columns are others"
    assert "'flyway' is no tool whose ledger can be read: there are golang-migrate, dbmate" in refused("flyway")
    database.command(f"CREATE TABLE {DBMATE}")
    assert "schema_migrations is the ledger of dbmate" in refused("golang-migrate")
    assert refused("golang-migrate", "schema_migrations").endswith("it is one of dbmate")
    assert "says that dbmate has applied nothing" in refused("dbmate")
    for name in ("a", "b"):
        database.command(f"CREATE TABLE {GOLANG.replace('schema_migrations', name)}")
    assert "several ledgers of golang-migrate: say which with --ledger a or b" in refused("golang-migrate")
    database.command("INSERT INTO b VALUES (-1, 0, 1)")
    assert "applied nothing" in refused("golang-migrate", "b")
    assert tuple(tool.value for tool in Tool) == TOOLS


def test_the_declared_version_is_adopted_where_the_tables_are_as_declared(database: Client) -> None:
    record = adopt_schema(database, V1, 1)
    assert (record.version, record.state, record.spec) == (1, "adopted", V1.fingerprint)
    report = ensure_schema(database, V2)
    assert (report.from_version, report.to_version) == (1, 2)


def test_a_version_that_was_never_released_is_not_offered_by_force(database: Client) -> None:
    with pytest.raises(DoesNotFitError, match="column b is missing") as caught:
        adopt_schema(database, V2, 2)
    assert "--force" not in str(caught.value)
    assert re.search(r"never released: correct the declaration.* Run: aaiclick migrate", str(caught.value))
    with pytest.raises(UsageError, match=r"nothing says what app v1 is: there is no schema\.lock\.json") as unknown:
        adopt_schema(database, V2, 1)
    assert "--force" not in str(unknown.value)
    with pytest.raises(UsageError, match="is declared without a version"):
        adopt_schema(database, Schema("app", objects=list(V1.objects)), 1)
    assert schema_history(database, V1) == ()


def test_a_part_is_reflected(database: Client) -> None:
    for name in ("shop_a", "shop_b", "log"):
        database.command(f"CREATE TABLE {name} (a UInt8) ENGINE = MergeTree ORDER BY a")

    def names(only: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
        return [item.name for item in reflect_schema(database, name="s", only=only, exclude=exclude).objects]

    assert names() == ["events", "log", "shop_a", "shop_b"]
    assert names(("shop_*",)) == ["shop_a", "shop_b"]
    assert names(("shop_*", "log"), ("*_b",)) == ["log", "shop_a"]
    assert names(exclude=("shop_*", "log")) == ["events"]
    with pytest.raises(UsageError, match="is called shop_c: did you mean shop_"):
        names(("shop_c",))
    with pytest.raises(UsageError, match=r"is called x\*$"):
        names(exclude=("x*",))
    with pytest.raises(UsageError, match=r"^nothing is left: what log names is excluded by l\*$"):
        names(("log",), ("l*",))
