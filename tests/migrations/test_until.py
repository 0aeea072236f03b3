"""Stopping at a version below the newest."""

from __future__ import annotations

import shutil

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    TableFamily,
    ensure_schema,
    plan_schema,
    validate_schema,
)
from aaiclick.api.revision import revise
from aaiclick.errors import MigrationError, UsageError
from aaiclick.variables import Variable
from aaiclick.versions.migrate_to import schema_until
from tests.migrations.projects import Project

DAYS = Variable("ttl_days", default=60)
MORE = (Column("at", "DateTime"), Column("kind", "String"), Column("n", "UInt32"))


def schema(project: Project, version: int) -> Schema:
    engine = MergeTree(order_by=["id"], ttl=f"at + INTERVAL {DAYS} DAY")
    table = Table("events", [Column("id", "UInt64"), *MORE[:version]], engine=engine)
    return Schema("shop", version=version, objects=[table], migrations=project.package, variables=[DAYS])


def released(project: Project) -> Schema:
    """Three versions; the package as it was at the second one lies in ``older``."""
    for version in (1, 2, 3):
        revise(schema(project, version), f"v{version}")
        project.forget()
        if version == 2:
            shutil.copytree(project.folder, project.home / "older")
    return schema(project, 3)


def test_a_run_stops_there_and_the_code_of_that_version_is_content(aaiclick_client: Client, project: Project) -> None:
    newest = released(project).given(ttl_days=70)
    ensure_schema(aaiclick_client, schema_until(newest, 1))
    # What an operator has added is not taken away: that version says nothing of it.
    aaiclick_client.command("ALTER TABLE events ADD INDEX own id TYPE minmax")
    report = ensure_schema(aaiclick_client, schema_until(newest, 2))
    assert (report.from_version, report.to_version, report.in_sync) == (1, 2, True)
    shown = str(aaiclick_client.command("SHOW CREATE TABLE events"))
    assert [f"`{name}`" in shown for name in ("id", "at", "kind", "n")] == [True, True, True, False]
    assert "toIntervalDay(70)" in shown
    assert "INDEX own" in shown
    assert ensure_schema(aaiclick_client, schema_until(newest, 2)).steps == ()
    newer = project.folder.rename(project.home / "newer")
    older = (project.home / "older").rename(project.folder)
    project.forget()
    assert validate_schema(aaiclick_client, schema(project, 2).given(ttl_days=70)).in_sync
    # From there it goes to the newest.
    shutil.rmtree(older)
    newer.rename(project.folder)
    project.forget()
    plan = plan_schema(aaiclick_client, newest)
    assert (plan.from_version, plan.to_version) == (2, 3)
    assert ensure_schema(aaiclick_client, newest, policy=Policy.safe()).in_sync
    versions = aaiclick_client.query("SELECT version FROM schema_version ORDER BY seq").result_rows
    assert [row[0] for row in versions] == [1, 2, 3]


def test_what_the_project_does_not_know_is_an_error(project: Project) -> None:
    newest = released(project)
    with pytest.raises(UsageError, match=r"shop has no version 9 in its lock file: it has versions 1 to 3"):
        schema_until(newest, 9)
    for migrations in (None, [Migration(2)]):
        with pytest.raises(UsageError, match=r"there is none \(aaiclick revision writes it\)"):
            schema_until(newest.model_copy(update={"migrations": migrations}), 1)


def renamed(project: Project, version: int, former: str | None) -> Schema:
    columns = [Column("id", "UInt64"), *MORE[: version - 1]]
    table = Table("logs" if version > 1 else "events", columns, engine=MergeTree(order_by=["id"]))
    if former is not None:
        table = table.model_copy(update={"renamed_from": former})
    return Schema("shop", version=version, objects=[table], migrations=project.package)


@pytest.mark.parametrize("remark", ["events", None])
def test_a_table_that_was_renamed_on_the_way_keeps_its_rows(
    aaiclick_client: Client, project: Project, remark: str | None
) -> None:
    for version in (1, 2, 3):
        revise(renamed(project, version, {1: None, 2: "events", 3: remark}[version]), f"v{version}")
        project.forget()
    newest = renamed(project, 3, remark)
    ensure_schema(aaiclick_client, schema_until(newest, 1))
    aaiclick_client.command("INSERT INTO events VALUES (7)")
    ensure_schema(aaiclick_client, schema_until(newest, 2))
    assert list(aaiclick_client.query("SELECT id FROM logs").result_rows) == [(7,)]


def revised_without_remark(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three versions as earlier releases wrote them, which left the remark out of the migration."""
    monkeypatch.setattr("aaiclick.versions.release._remarked", lambda *_: dict[str, str]())
    monkeypatch.setattr("aaiclick.api.revision.unwritten_remarks", lambda *_: ())
    for version in (1, 2, 3):
        revise(renamed(project, version, "events" if version == 2 else None), f"v{version}")
        project.forget()


def test_a_table_that_may_have_been_renamed_stops_the_run_where_it_has_the_old_name(
    aaiclick_client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    revised_without_remark(project, monkeypatch)
    newest = renamed(project, 3, None)
    ensure_schema(aaiclick_client, schema_until(newest, 1))
    aaiclick_client.command("INSERT INTO events VALUES (7)")
    # The same answer as of a jump to the newest version: there is one place that decides.
    for target in (schema_until(newest, 2), newest):
        with pytest.raises(MigrationError, match=r"table events: is not in version 2, which has logs instead, and"):
            ensure_schema(aaiclick_client, target)
    aaiclick_client.command("RENAME TABLE events TO logs")
    ensure_schema(aaiclick_client, schema_until(newest, 2))
    assert list(aaiclick_client.query("SELECT id FROM logs").result_rows) == [(7,)]


def test_where_no_table_has_the_old_name_nothing_can_have_been_renamed(
    aaiclick_client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    revised_without_remark(project, monkeypatch)
    assert ensure_schema(aaiclick_client, schema_until(renamed(project, 3, None), 2)).in_sync


def with_family(project: Project, version: int) -> Schema:
    made = TableFamily("made_*", columns=[Column(name, "UInt8") for name in ("x", "y")[: version - 1]])
    table = Table("events", [Column("id", "UInt64"), *MORE[:version]], engine=MergeTree(order_by=["id"]))
    return Schema("shop", version=version, objects=[table, made], migrations=project.package)


def test_tables_of_a_family_are_left_to_the_newest_version(aaiclick_client: Client, project: Project) -> None:
    for version in (1, 2, 3):
        revise(with_family(project, version), f"v{version}")
        project.forget()
    newest, every = with_family(project, 3), Policy.everything()
    ensure_schema(aaiclick_client, schema_until(newest, 1))
    aaiclick_client.command("CREATE TABLE made_1 (k UInt8) ENGINE = MergeTree ORDER BY k")
    report = ensure_schema(aaiclick_client, schema_until(newest, 2), policy=every)
    assert [step.id for step in (*report.steps, *report.pending)] == ["events:alter"]
    shown = "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = 'made_1'"
    assert aaiclick_client.query(shown).result_rows == [(["k"],)]
    # From there, and as well over both versions at once.
    assert ensure_schema(aaiclick_client, newest, policy=every).in_sync
    assert aaiclick_client.query(shown).result_rows == [(["k", "x", "y"],)]
