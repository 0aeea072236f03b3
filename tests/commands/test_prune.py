"""Old tables that are kept for a rollback go when somebody says so, and no sooner."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    ensure_schema,
    reflect_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.api.prune import prune_kept
from aaiclick.errors import SchemaError, UsageError
from aaiclick.state.kept_tables import COMMENT, parse_kept


def schema(version: int) -> Schema:
    columns = [Column("a", "UInt64"), Column("b", "String")]
    key = ["a"] if version == 1 else ["b", "a"]
    tables = [Table(name, columns, engine=MergeTree(order_by=key)) for name in ("t", "u")]
    return Schema("app", version=version, objects=tables)


@pytest.fixture
def database(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, schema(1))
    for name in ("t", "u"):
        aaiclick_client.command(f"INSERT INTO {name} SELECT number, toString(number) FROM numbers(100)")
    ensure_schema(aaiclick_client, schema(2), policy=Policy.lossless())
    return aaiclick_client


def kept(client: Client) -> list[str]:
    return sorted(one.table for one in validate_schema(client, schema(2)).kept_tables)


def test_what_is_kept_goes_and_the_tables_stay_as_they_are(database: Client) -> None:
    assert [(row.kept.table, goes) for row, goes in prune_kept(database, dry_run=True)] == [("t", True), ("u", True)]
    assert kept(database) == ["t", "u"]
    assert [(row.kept.table, goes) for row, goes in prune_kept(database, tables=["u"])] == [("t", False), ("u", True)]
    assert kept(database) == ["t"]
    with pytest.raises(UsageError, match=r"nothing of u is kept in database \w+; there is something of t$"):
        prune_kept(database, tables=["t", "u"])
    assert [goes for _, goes in prune_kept(database)] == [True]
    assert prune_kept(database) == ()
    assert kept(database) == []
    status = validate_schema(database, schema(2))
    assert (status.in_sync, status.notes) == (True, ())
    assert database.query("SELECT count(), sum(a) FROM t").result_rows == [(100, 4950)]
    # Block numbers were there for the sake of the kept tables.
    assert "enable_block_number_column" not in str(database.command("SHOW CREATE TABLE t"))
    with pytest.raises(SchemaError, match="no table of v1 is kept"):
        rollback_schema(database, schema(1))


@pytest.mark.parametrize("how", ["prune", "start"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "by hand"])
def test_a_setting_that_is_not_ours_stays_when_what_is_kept_goes(
    aaiclick_client: Client, declared: bool, how: str
) -> None:
    """Block numbers are asked for by lightweight updates, too."""
    settings = {"enable_block_number_column": 1, "enable_block_offset_column": 1}

    def numbered(version: int) -> Schema:
        engine = MergeTree(order_by=["a"] if version == 1 else ["b", "a"], settings=settings if declared else {})
        columns = [Column(name, "UInt64") for name in "abc"]
        return Schema("app", version=version, objects=[Table("t", columns, engine=engine)])

    ensure_schema(aaiclick_client, numbered(1))
    if not declared:
        words = ", ".join(f"{name} = {value}" for name, value in settings.items())
        aaiclick_client.command(f"ALTER TABLE t MODIFY SETTING {words}")
    aaiclick_client.command("INSERT INTO t SELECT number, number, number FROM numbers(10)")
    ensure_schema(aaiclick_client, numbered(2), policy=Policy.lossless(keep_old=timedelta(seconds=1)))
    if how == "prune":
        assert [goes for _, goes in prune_kept(aaiclick_client)] == [True]
    else:
        time.sleep(2.1)
        assert ensure_schema(aaiclick_client, numbered(2)).steps == ()
    assert kept(aaiclick_client) == []
    aaiclick_client.command("UPDATE t SET c = 77 WHERE a = 3")
    assert aaiclick_client.query("SELECT a FROM t WHERE c = 77").result_rows == [(3,)]
    assert ensure_schema(aaiclick_client, numbered(2)).steps == ()


def test_what_is_not_as_it_was_shown_stays(database: Client) -> None:
    shown = [row for row, _ in prune_kept(database, dry_run=True)]
    seen = [shown[0], replace(shown[1], rows=shown[1].rows + 1)]
    assert [goes for _, goes in prune_kept(database, shown=seen[1:])] == [False, False]
    assert [(row.kept.table, goes) for row, goes in prune_kept(database, shown=seen)] == [("t", True), ("u", False)]
    assert kept(database) == ["u"]


def test_what_a_table_has_for_the_sake_of_a_kept_one_is_not_reflected(database: Client) -> None:
    assert "enable_block_number_column" in str(database.command("SHOW CREATE TABLE t"))
    engines = {table.name: table.engine for table in reflect_schema(database).tables}
    assert "enable_block_number_column" not in engines["t"].settings
    database.command(
        "CREATE TABLE own (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS enable_block_number_column = 1"
    )
    own = {table.name: table.engine for table in reflect_schema(database).tables}["own"]
    assert own.settings["enable_block_number_column"] == 1


def test_one_that_somebody_has_to_look_at_goes_by_its_own_name_only(database: Client) -> None:
    (name,) = (row.name for row, _ in prune_kept(database, dry_run=True) if row.kept.table == "t")
    said = str(
        database.query(
            f"SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = '{name}'"
        ).result_rows[0][0]
    )
    comment = parse_kept(said)
    assert comment is not None
    held = COMMENT.dump(replace(comment, expires=0, reason="3 rows reached it")).replace("'", "\\'")
    # A kept table refuses writers, and comments too.
    database.command(f"ALTER TABLE {name} RESET SETTING table_readonly")
    database.command(f"ALTER TABLE {name} MODIFY COMMENT '{held}'")
    assert [(row.kept.table, goes) for row, goes in prune_kept(database)] == [("t", False), ("u", True)]
    assert [goes for _, goes in prune_kept(database, tables=["t"])] == [False]
    assert [goes for _, goes in prune_kept(database, tables=[name])] == [True]
    assert prune_kept(database) == ()
