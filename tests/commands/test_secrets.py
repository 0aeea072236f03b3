"""Secrets of a declaration reach the server, and stand in no file, no record and nothing that is printed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Plan, Schema, ensure_schema, plan_schema
from aaiclick.api.declared_forms import declared_forms
from aaiclick.catalog.forms import TableForm
from aaiclick.plan.approval.compare import changed_since
from aaiclick.versions.lockfile import Lock, LockedVersion, dump_lock
from aaiclick.versions.recognition import is_exactly

SQL = """
CREATE TABLE src (a UInt64, b String) ENGINE = MergeTree ORDER BY a;
CREATE TABLE u (a UInt8) ENGINE = URL('http://user:SEKRETA@127.0.0.1:1/x?sig=SEKRETB', 'CSV',
    headers('Authorization' = 'SEKRETC'));
CREATE DICTIONARY d (a UInt64, b String) PRIMARY KEY a SOURCE(HTTP(URL 'http://127.0.0.1:1/x?token=SEKRETD'
    FORMAT 'TSV' HEADERS(HEADER(NAME 'X-Api-Key' VALUE 'SEKRETE')))) LAYOUT(FLAT()) LIFETIME(10);
CREATE VIEW v AS SELECT encrypt('aes-256-ofb', b, 'SEKRETFaaaaaaaaaaaaaaaaaaaaaaaaa') AS e FROM src;
"""


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    return aaiclick_client


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    (tmp_path / "schema.sql").write_text(SQL, encoding="utf-8")
    return Schema.from_sql(tmp_path / "schema.sql", name="s", version=1)


def test_secrets_are_sent_and_nowhere_else(client: Client, schema: Schema) -> None:
    plan = plan_schema(client, schema)
    saved = plan.to_json()
    assert "SEKRET" not in saved + str(plan)
    assert "encrypt('aes-256-ofb', b, '[HIDDEN]')" in saved
    assert not changed_since(Plan.from_json(saved), plan)
    ensure_schema(client, schema, plan=Plan.from_json(saved))
    recorded = client.query("SELECT plan, forms FROM schema_version").result_rows
    assert "SEKRET" not in str(recorded)
    key = "length(decrypt('aes-256-ofb', e, 'SEKRETFaaaaaaaaaaaaaaaaaaaaaaaaa'))"
    client.command("INSERT INTO src VALUES (1, 'four')")
    assert client.query(f"SELECT {key} FROM v").result_rows == [(4,)]
    assert plan_schema(client, schema).in_sync
    ensure_schema(client, schema)


def test_a_lock_file_holds_none_and_names_what_is_there(schema: Schema) -> None:
    _, forms = declared_forms(schema)
    text = dump_lock(Lock("s", (LockedVersion(1, forms),)))
    assert "SEKRET" not in text
    assert "?sig=[HIDDEN]" in text


def test_a_database_is_recognised_by_what_the_lock_file_hides() -> None:
    released = TableForm("u", "URL", (), "'http://h/x?sig=[HIDDEN]', 'CSV'")
    assert is_exactly(replace(released, arguments="'http://h/x?sig=SEKRET', 'CSV'"), released)
    older = replace(released, arguments="'http://h/x?sig=SEKRET', 'CSV'")  # of a release that did not hide it
    assert is_exactly(released, older)
    assert not is_exactly(replace(released, arguments="'http://h/y?sig=SEKRET', 'CSV'"), released)


def test_ddl_prints_them_and_says_so(schema: Schema, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from aaiclick import Schema\nSHOP = Schema.from_sql('schema.sql', name='s', version=1)\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "aaiclick", "ddl", "--schema", "shop:SHOP"], capture_output=True, text=True, check=False
    )
    assert "SEKRETA" in done.stdout, done.stderr
    assert "note: secrets are printed as they are declared: u, d, v" in " ".join(done.stderr.split())
