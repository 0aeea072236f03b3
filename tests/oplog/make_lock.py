"""Makes ``aaiclick/oplog/migrations/schema.lock.json`` from ``aaiclick/oplog/versions.py``: ``python -m
tests.oplog.make_lock``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aaiclick.oplog.migrations
from aaiclick.catalog.forms import UnsupportedForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.oplog.versions import RELEASED, VARIABLES
from aaiclick.specs import Schema, Table
from aaiclick.specs.ddl import create_table_sql
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedForm, LockedVersion, dump_lock, version_seal
from aaiclick.versions.scripts import read_migrations

COMMITTED = Path(aaiclick.oplog.migrations.__path__[0]) / LOCK_FILE


def engine_form(command: Callable[[str], str], database: str, table: Table) -> LockedForm:
    """The canonical form of a declared table: created, read back, and dropped."""
    command(create_table_sql(table, database))
    text = command(
        f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = '{table.name}' "
        "FORMAT TSVRaw"
    )
    command(f"DROP TABLE {quote_name(database)}.{quote_name(table.name)} SYNC")
    form = split_create(text.strip(), database)
    assert not isinstance(form, UnsupportedForm), form.reason
    return form


def make_lock(engine: EmbeddedEngine) -> Lock:
    """The lock of the five released versions."""
    database = fresh_name("lock")
    engine.command(f"CREATE DATABASE {quote_name(database)}")
    try:
        return Lock("oplog", tuple(_version(engine, database, schema) for schema in RELEASED))
    finally:
        engine.command(f"DROP DATABASE {quote_name(database)} SYNC")


def _version(engine: EmbeddedEngine, database: str, schema: Schema) -> LockedVersion:
    assert schema.version is not None
    forms = {table.name: engine_form(engine.command, database, table) for table in schema.tables}
    scripts = {script.version: script.checksum for script in read_migrations("aaiclick.oplog.migrations")}
    locked = LockedVersion(schema.version, forms, VARIABLES.get(schema.version, {}), scripts.get(schema.version, ""))
    return replace(locked, seal=version_seal(locked))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, EmbeddedEngine(folder) as opened:
        COMMITTED.write_text(dump_lock(make_lock(opened)), encoding="utf-8")
