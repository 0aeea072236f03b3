"""A newline in a name ends no line: not of an error, a plan, a log record, nor of what a command prints."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import AaiclickError, SchemaVersionError, StatementError
from aaiclick.printable import shown_sql
from aaiclick.sql.quoting import quote_name
from tests.cli.processes import Install

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

NAME = "a\n; DROP TABLE b\x1b[2J"
ESCAPED = r"a\n; DROP TABLE b\x1b[2J"


def schema(version: int, *columns: str) -> Schema:
    listed = [Column("id", "UInt64"), *(Column(name, "UInt8") for name in columns)]
    return Schema("shop", version=version, objects=[Table(NAME, listed, engine=MergeTree(order_by=["id"]))])


def test_errors_plans_and_log_records(aaiclick_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    ensure_schema(aaiclick_client, schema(1, "x", "y\nz"))
    wanted = schema(2, "x", "new\ncolumn")
    with pytest.raises(SchemaVersionError) as caught:
        ensure_schema(aaiclick_client, wanted, Policy.check())
    assert str(caught.value).startswith(f"shop is at v1, code expects v2: {ESCAPED}: column new\\ncolumn is missing")
    assert str(caught.value).isprintable()
    text = str(plan_schema(aaiclick_client, wanted))
    assert ESCAPED in text
    assert all(line.startswith(("--", "ALTER TABLE ")) for line in text.splitlines() if line), text
    with caplog.at_level(logging.DEBUG, "aaiclick"):
        ensure_schema(aaiclick_client, wanted, Policy.lossless())
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert ensure_schema(aaiclick_client, wanted).steps == ()


def test_printed_sql_means_the_same(aaiclick_client: Client) -> None:
    odd = "a\x1b\x9b\x7f\nb"
    aaiclick_client.command(shown_sql(f"CREATE TABLE {quote_name(odd)} (x UInt8) ENGINE = Memory"))
    found = aaiclick_client.query("SELECT hex(name) FROM system.tables WHERE database = currentDatabase()").result_rows
    assert [row[0] for row in found] == [odd.encode().hex().upper()]


def test_what_a_server_says_in_several_lines_stays_so() -> None:
    assert str(AaiclickError("a\nb")) == r"a\nb"
    assert str(StatementError("one\ntwo\x1b[2J")) == "one\ntwo\\x1b[2J"


def test_commands(tmp_path: Path) -> None:
    install = Install(tmp_path)
    module = (
        f"from aaiclick import *\nSHOP = Schema('shop', version=1, objects=[Table({NAME!r}, [Column('id', "
        "'UInt64')], engine=MergeTree(order_by=['id']))])\n"
    )
    (install.home / "shop.py").write_text(module)
    for command in (("status",), ("migrate", "--dry-run"), ("migrate",)):
        done = install.aaiclick(*command, "--schema", "shop:SHOP")
        said = done.stdout + done.stderr
        assert not any(line.startswith("; DROP") for line in said.splitlines()), said
        assert "\x1b" not in said
        assert ESCAPED in said or "--dry-run" not in command
