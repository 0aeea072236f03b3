"""Replicated releases on one host, where their tables are made of the local engine (``replicate="where-possible"``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema, validate_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.catalog.forms import Catalog, DatabaseForm, LiveObject, ServerFacts, TableForm, ViewForm
from aaiclick.catalog.local_engines import unreplicated
from aaiclick.errors import DoesNotFitError
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms

ARGUMENTS = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
FIRST = [Column("id", "UInt64")]
SECOND = [*FIRST, Column("note", "String")]


def declared(columns: list[Column], replicated: str | None = "") -> Table:
    return Table("t", columns, engine=MergeTree(order_by=["id"], replicated=replicated))


def package(engine: EmbeddedEngine, folder: Path) -> str:
    home = folder / (name := fresh_name("replicated_code"))
    home.mkdir()
    (home / "__init__.py").touch()
    versions: list[LockedVersion] = []
    for number, columns in enumerate((FIRST, SECOND), 1):
        form = locked_forms(engine, [declared(columns, None)])["t"]
        assert isinstance(form, TableForm)
        form = replace(form, engine="ReplicatedMergeTree", arguments=ARGUMENTS)
        versions.append(LockedVersion(number, {"t": form}))
    (home / LOCK_FILE).write_text(dump_lock(Lock("app", tuple(versions))), encoding="utf-8")
    return name


def test_a_database_without_a_record_is_recognised_and_adopted(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = package(aaiclick_engine, tmp_path)
    wanted = Schema("app", version=2, objects=[declared(SECOND)], migrations=code, replicate="where-possible")
    aaiclick_client.command("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(DoesNotFitError, match="engine MergeTree -> ReplicatedMergeTree"):
        adopt_schema(aaiclick_client, wanted.model_copy(update={"replicate": "as-declared"}), 1)
    assert validate_schema(aaiclick_client, wanted).live_version == 1
    adopt_schema(aaiclick_client, wanted, 1)
    aaiclick_client.command("DROP TABLE schema_version SYNC")
    report = ensure_schema(aaiclick_client, wanted)
    assert (report.from_version, [step.object for step in report.steps]) == (1, ["t"])
    # The record has the checksums of the lock as it stands in the file.
    status = validate_schema(aaiclick_client, wanted)
    assert (status.live_version, status.in_sync) == (2, True)


def test_what_is_replicated_there_stays_so() -> None:
    def there(database: str, *forms: TableForm | ViewForm) -> Catalog:
        found = {form.name: LiveObject("d", form.name, form, "", "") for form in forms}
        return Catalog("d", database, ServerFacts((26, 9), "26.9", "d", "u", "UTC"), found)

    table = TableForm("t", "ReplicatedSummingMergeTree", (), arguments=f"{ARGUMENTS}, (a, b)")
    local = replace(table, engine="SummingMergeTree", arguments="(a, b)")
    view = ViewForm("v", "SELECT 1", materialized=True, inner="ENGINE = ReplicatedMergeTree ORDER BY a")
    database = DatabaseForm("(database)", "Replicated('/d', '{shard}', '{replica}')", None)
    assert unreplicated(table, there("Atomic")) == unreplicated(table, there("Atomic", local)) == local
    assert unreplicated(view, there("Atomic")).inner == "ENGINE = MergeTree ORDER BY a"  # type: ignore[union-attr]
    assert unreplicated(database, there("Atomic")).database_engine == ""  # type: ignore[union-attr]
    for form in (table, view, database):
        assert unreplicated(form, there("Replicated", table, view)) == form
