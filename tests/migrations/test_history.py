"""``revision``, ``check``, edited histories, rolling deploys and adoption."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Policy, ensure_schema, validate_schema
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.history import schema_history
from aaiclick.api.revision import check_schema, require_named, revise
from aaiclick.errors import (
    DoesNotFitError,
    EditedLockError,
    EditedMigrationError,
    MigrationError,
    MissingVersionError,
    SchemaAheadError,
    UndecidedError,
    UnrecognisedSchemaError,
    UsageError,
)
from aaiclick.state.record import is_forced
from aaiclick.testing import UpgradeFactory, locked_versions
from aaiclick.versions.lockfile import LOCK_FILE, Lock, dump_lock, read_lock, version_seal
from aaiclick.versions.scripts import read_migrations
from tests.migrations.building import records, rows, schema, table
from tests.migrations.projects import Project

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

OP, OPERATION, N = Column("op", "String"), Column("operation", "String"), Column("n", "UInt8")
SCRIPT = "0002_sort_by_operation.sql"


def released(project: Project) -> None:
    """Version 1, and version 2 that renames ``op`` and sorts by it."""
    revise(project.schema(1, OP), "first")
    revise(
        project.schema(2, OPERATION, order="operation"), "Sort by operation", {"events.op": "operation"}, oldest_code=2
    )


V2 = {"order": "operation"}


def test_the_first_revision_makes_the_package_and_the_lock_file(project: Project) -> None:
    assert check_schema(project.schema(1, OP)).problems == ('version 1 was not released: aaiclick revision -m "..."',)
    made = revise(project.schema(1, OP), "first")
    assert [path.rpartition("/")[2] for path in made.files] == [LOCK_FILE]
    assert (project.folder / "__init__.py").is_file()
    assert check_schema(project.schema(1, OP)).problems == ()
    assert revise(project.schema(1, OP), "again").files == ()


def test_a_change_without_a_new_version_is_no_revision(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    with pytest.raises(UsageError, match=r"events: column n is missing\. Write version=2 and run this again"):
        revise(project.schema(1, OP, N), "n")
    (problem,) = check_schema(project.schema(1, OP, N)).problems
    assert "the declaration changed without a revision: events: column n is missing. Write version=2" in problem
    (problem,) = check_schema(project.schema(2, OP, N)).problems
    assert problem == 'version 2 has no revision: aaiclick revision -m "..."'
    with pytest.raises(UsageError, match="goes from version 1 to 4: write version=2"):
        revise(project.schema(4, OP, N), "n")


def test_what_is_gone_is_decided_and_never_guessed(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    with pytest.raises(
        UndecidedError,
        match=r"events\.op "
        r"is "
        r"no "
        r"longer "
        r"declared "
        r"\(new: "
        r"operation\): "
        r"--rename "
        r"events\.op=NEW_NAME, "
        r"or "
        r"--drop "
        r"events\.op",
    ):
        revise(project.schema(2, OPERATION), "x")
    assert not (project.folder / "0002_x.sql").exists()
    with pytest.raises(UsageError, match="no such column"):
        revise(project.schema(2, OPERATION), "x", {"events.nope": "operation"})
    with pytest.raises(UsageError, match="other is not declared"):
        revise(project.schema(2, OPERATION), "x", {"events.op": "other"})
    made = revise(project.schema(2, OPERATION), "x", drops=["events.op"])
    assert "rename" not in (project.folder / "0002_x.sql").read_text(encoding="utf-8")
    assert "events: column op is no longer declared" in made.changes


def test_a_decision_goes_into_the_file_that_is_there(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    file = project.folder / "0002_x.sql"
    file.write_bytes(b"-- title: x\r\n-- strategy: sql\r\nSELECT 1;\r\n")
    revise(project.schema(2, OPERATION), "x", drops=["events.op"], oldest_code=1)
    text = "-- title: x\r\n-- oldest_code: 1\r\n-- allow: drop-column events.op\r\n-- strategy: sql\r\nSELECT 1;\r\n"
    assert file.read_bytes().decode() == text
    assert check_schema(project.schema(2, OPERATION)).problems == ()
    # It is released. What is decided after that is no more lost than before.
    with pytest.raises(UsageError, match="add --amend"):
        revise(project.schema(2, OPERATION), "x", drops=["events.op"])
    revise(project.schema(2, OPERATION), "x", drops=["events.op"], amend=True)
    assert file.read_bytes().decode() == text
    with pytest.raises(UsageError, match="says oldest_code 1: edit it there"):
        revise(project.schema(2, OPERATION), "x", drops=["events.op"], oldest_code=2, amend=True)


def test_a_rename_goes_into_the_file_that_is_there(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    file = project.folder / "0002_x.sql"
    file.write_text("-- strategy: derived\n", encoding="utf-8")
    revise(project.schema(2, OPERATION), "x", {"events.op": "operation"})
    assert file.read_text(encoding="utf-8") == "-- rename: events.op -> operation\n-- strategy: derived\n"


def test_a_decision_that_cannot_be_written_is_refused_with_its_line(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    file = project.folder / "0002_x.py"
    text = "from aaiclick import Migration\n\nmigration = Migration(version=2)\n"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"write allow=\['drop-column events\.op'\] into its Migration"):
        revise(project.schema(2, OPERATION), "x", drops=["events.op"])
    lock = read_lock(project.folder)
    assert lock is not None
    assert ([each.version for each in lock.versions], file.read_text(encoding="utf-8")) == ([1], text)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("drop-column events.oq", "drop-column events.op"),
        ("drop-column event.op", "drop-column events.op"),
        ("drop-column events.op; DROP TABLE events", "drop-column events.op"),
        ("drop-table event", ""),
        ("change-ttl eventz", "change-ttl events"),
        ("run-sql 0002_y.sql", "run-sql 0002_x.sql"),
        ("drop-view events", ""),
    ],
)
def test_what_a_migration_allows_is_about_something(project: Project, key: str, meant: str) -> None:
    revise(project.schema(1, OP), "first")
    file, two = project.folder / "0002_x.sql", project.schema(2, OPERATION)
    file.write_text(f"-- strategy: derived\n\n-- allow: {key}\n".replace("\n\n", "\n"), encoding="utf-8")
    said = f"0002_x.sql, line 2: '{key}' names nothing that this or an earlier version declares"
    said += f": did you mean '{meant}'?" if meant else ""
    with pytest.raises(MigrationError) as raised:
        revise(two, "x", drops=["events.op"])
    assert str(raised.value).endswith(said)
    (problem, *_) = check_schema(two).problems
    assert problem.endswith(said)


def test_a_plan_refuses_what_is_about_nothing_and_code_that_runs_does_not(project: Project) -> None:
    """It was released before anybody looked: a start cannot refuse what nobody may edit any more."""
    revise(project.schema(1, OP), "first")
    (project.folder / "0002_x.sql").write_text(
        "-- strategy: derived\n-- allow: drop-column events.op\n", encoding="utf-8"
    )
    two = project.schema(2, OPERATION)
    revise(two, "x", drops=["events.op"])
    require_named(two, 1)
    _released_with(project, "drop-column events.oq")
    with pytest.raises(MigrationError, match=r"0002_x\.sql, line 2: .*did you mean 'drop-column events\.op'"):
        require_named(two, 1)
    require_named(two, 2)
    require_named(two, 0)


def _released_with(project: Project, key: str) -> None:
    """As an earlier release of the library wrote it."""
    file = project.folder / "0002_x.sql"
    file.write_text(f"-- strategy: derived\n-- allow: {key}\n", encoding="utf-8")
    lock = read_lock(project.folder)
    assert lock is not None
    checksum = read_migrations(project.folder)[0].checksum
    last = replace(lock.versions[-1], migration=checksum, seal="")
    text = dump_lock(Lock(lock.schema, (*lock.versions[:-1], replace(last, seal=version_seal(last)))))
    (project.folder / LOCK_FILE).write_text(text, encoding="utf-8")


def test_a_revision_writes_what_follows_from_the_difference(project: Project) -> None:
    released(project)
    assert (project.folder / SCRIPT).read_text(encoding="utf-8").splitlines() == [
        "-- title: Sort by operation",
        "-- strategy: derived",
        "-- rename: events.op -> operation",
        "-- oldest_code: 2",
        "",
        "-- Derived from the declarations, not to be repeated here:",
        "--   events: column op is renamed to operation",
        "--   events: sort key id -> operation",
    ]
    assert check_schema(project.schema(2, OPERATION, **V2)).problems == ()
    assert locked_versions(project.schema(2, OPERATION, **V2)) == (1, 2)


def test_a_python_revision_holds_a_function(project: Project, aaiclick_client: Client) -> None:
    revise(project.schema(1, OP), "first")
    revise(project.schema(2, OP, N), "Fill n", python=True)
    assert "def move(context: MoveContext) -> None:" in (project.folder / "0002_fill_n.py").read_text(encoding="utf-8")
    ensure_schema(aaiclick_client, project.schema(1, OP).model_copy(update={"migrations": None}))
    assert [step.strategy for step in ensure_schema(aaiclick_client, project.schema(2, OP, N)).steps] == [
        "alter",
        "callable",
    ]


def test_upgrades_from_every_locked_version(project: Project, aaiclick_upgrade: UpgradeFactory) -> None:
    released(project)
    declared = project.schema(2, OPERATION, **V2)
    for version in locked_versions(declared):
        for recorded in (True, False):
            old = aaiclick_upgrade(declared, version, recorded=recorded)
            old.client.command("INSERT INTO events SELECT number, toString(number) FROM numbers(50)")
            assert old.upgrade().from_version == version
            assert old.client.query("SELECT count(), uniqExact(operation) FROM events").result_rows == [(50, 50)]


def test_an_edited_migration(project: Project, aaiclick_client: Client) -> None:
    released(project)
    path = project.folder / SCRIPT
    plain = path.read_text(encoding="utf-8")
    path.write_text(plain.replace("Sort by", "Sorted  by") + "\n-- another remark\n", encoding="utf-8")
    assert check_schema(project.schema(2, OPERATION, **V2)).problems == ()
    path.write_text(plain.replace("-- oldest_code: 2", "-- oldest_code: 1"), encoding="utf-8")
    with pytest.raises(
        EditedMigrationError,
        match=r"0002_sort_by_operation.sql: was edited after version 2 was released. Undo the edit",
    ):
        ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))
    (problem,) = check_schema(project.schema(2, OPERATION, **V2)).problems
    assert "aaiclick revision --amend" in problem
    revise(project.schema(2, OPERATION, **V2), "", amend=True)
    assert check_schema(project.schema(2, OPERATION, **V2)).problems == ()


def test_a_migration_that_was_applied_is_held_against_the_code(project: Project, aaiclick_client: Client) -> None:
    released(project)
    ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))
    revise(project.schema(3, OPERATION, N, **V2), "n")
    path = project.folder / SCRIPT
    path.write_text(
        path.read_text(encoding="utf-8").replace("-- oldest_code: 2", "-- oldest_code: 1"), encoding="utf-8"
    )
    lock = project.folder / LOCK_FILE
    entry = json.loads(lock.read_text(encoding="utf-8"))
    del entry["versions"]["2"]["seal"], entry["versions"]["2"]["migration"]  # as if the lock file said nothing
    lock.write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    declared = project.schema(3, OPERATION, N, **V2)
    with pytest.raises(
        EditedMigrationError,
        match=r"differs from the migration that was applied.*aaiclick adopt --schema MODULE:NAME --version 2 --force",
    ):
        ensure_schema(aaiclick_client, declared)
    adopt_schema(aaiclick_client, declared, 2, force=True)
    assert ensure_schema(aaiclick_client, declared).to_version == 3


def test_a_migration_that_is_gone(project: Project, aaiclick_client: Client) -> None:
    released(project)
    (project.folder / SCRIPT).unlink()
    with pytest.raises(
        MissingVersionError, match=r"version 2: its migration was released, but the file is gone. Put it back"
    ):
        ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))


def test_a_migration_that_was_added_afterwards(project: Project) -> None:
    revise(project.schema(1, OP), "first")
    (project.folder / "0001_late.sql").write_text("-- strategy: derived\n", encoding="utf-8")
    (problem,) = check_schema(project.schema(1, OP)).problems
    assert "0001_late.sql: was added to version 1 after that was released. Give it the next number" in problem


def test_an_edited_or_thinned_lock_file(project: Project, aaiclick_client: Client) -> None:
    released(project)
    revise(project.schema(3, OPERATION, N, **V2), "n")
    path = project.folder / LOCK_FILE
    plain = path.read_text(encoding="utf-8")
    path.write_text(plain.replace('"name": "op"', '"name": "oq"', 1), encoding="utf-8")
    declared = project.schema(3, OPERATION, N, **V2)
    with pytest.raises(EditedLockError, match=r"schema.lock.json, version 1: was edited after it was released"):
        ensure_schema(aaiclick_client, declared)
    content = json.loads(plain)
    del content["versions"]["2"]
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with pytest.raises(MissingVersionError, match="goes from version 1 to 3: version 2 is missing"):
        ensure_schema(aaiclick_client, declared)
    path.write_text(plain, encoding="utf-8")
    (project.folder / "0003_n.sql").unlink()
    with pytest.raises(MissingVersionError, match="holds version 3, but shop declares 2"):
        ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))


def test_a_form_that_was_applied_is_held_against_the_lock_file(project: Project, aaiclick_client: Client) -> None:
    released(project)
    ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))
    path = project.folder / LOCK_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["versions"].values():
        entry.pop("seal")
    content["versions"]["1"]["objects"]["events"]["form"]["order_by"] = "op"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aaiclick_client.command("ALTER TABLE events ADD COLUMN more UInt8")  # so that the start looks closely
    with pytest.raises(
        EditedLockError,
        match=r"shop v1: schema.lock.json describes it differently from what was applied to this database",
    ):
        ensure_schema(aaiclick_client, project.schema(2, OPERATION, **V2))


def test_an_applied_version_that_a_list_no_longer_has(aaiclick_client: Client) -> None:
    tables = table(N)
    ensure_schema(aaiclick_client, schema(1, tables))
    ensure_schema(aaiclick_client, schema(2, tables, migrations=[Migration(2, sql=["OPTIMIZE TABLE t"])]))
    with pytest.raises(
        MissingVersionError, match="s v2: its migration was applied to this database, but the code does not have it"
    ):
        ensure_schema(aaiclick_client, schema(3, tables, migrations=[Migration(3)]))


@pytest.mark.parametrize(
    ("promises", "code", "runs"),
    [
        ({2: 1}, 1, True),
        ({2: 2}, 1, False),
        ({2: None}, 1, False),
        ({2: 1, 3: 1}, 1, True),
        ({2: 1, 3: 2}, 1, False),
        ({2: 1, 3: 2}, 2, True),
        ({2: None, 3: 1}, 1, False),
    ],
)
def test_older_code_runs_on_a_newer_database_where_every_version_on_the_way_says_so(
    aaiclick_client: Client, promises: dict[int, int | None], code: int, runs: bool
) -> None:
    tables = table(N)
    newest = max(promises)
    migrations = [Migration(version, oldest_code=oldest) for version, oldest in promises.items()]
    old = schema(code, tables, migrations=[one for one in migrations if one.version <= code])
    ensure_schema(aaiclick_client, schema(1, tables))
    ensure_schema(aaiclick_client, schema(newest, tables, migrations=migrations))
    if runs:
        report = ensure_schema(aaiclick_client, old)
        assert (report.steps, report.in_sync, report.to_version) == ((), True, newest)
        assert "which can still run on it" in report.notes[0]
        assert validate_schema(aaiclick_client, old).in_sync
    else:
        with pytest.raises(SchemaAheadError, match=f"s is at v{newest}, code expects v{code}") as caught:
            ensure_schema(aaiclick_client, old)
        assert (caught.value.live, caught.value.expected) == (newest, code)


def test_adopting_a_version(project: Project, aaiclick_client: Client) -> None:
    released(project)
    declared = project.schema(2, OPERATION, **V2)
    aaiclick_client.command("CREATE TABLE events (id UInt64, op String, id2 UInt8) ENGINE = MergeTree ORDER BY op")
    aaiclick_client.command("INSERT INTO events VALUES (1, 'a', 2)")
    with pytest.raises(UnrecognisedSchemaError, match="aaiclick adopt --schema MODULE:NAME --version"):
        ensure_schema(aaiclick_client, declared)
    with pytest.raises(
        DoesNotFitError,
        match=r"shop "
        r"does "
        r"not "
        r"fit "
        r"v1: "
        r"events: "
        r"sort "
        r"key "
        r"op "
        r"-> "
        r"id.*aaiclick "
        r"adopt "
        r"--schema "
        r"MODULE:NAME "
        r"--version "
        r"1 "
        r"--force",
    ):
        adopt_schema(aaiclick_client, declared, 1)
    assert records_of(aaiclick_client) == []
    with pytest.raises(UsageError, match="versions 1 to 2"):
        adopt_schema(aaiclick_client, declared, 3, force=True)
    adopt_schema(aaiclick_client, declared, 1, force=True)
    report = ensure_schema(aaiclick_client, declared, policy=Policy.lossless())
    assert report.from_version == 1
    assert rows(aaiclick_client, "events", "id, operation") == [(1, "a")]
    history = schema_history(aaiclick_client, declared)
    assert [(record.state, record.version, is_forced(record)) for record in history] == [
        ("adopted", 1, True),
        ("applied", 2, False),
    ]


def records_of(client: Client) -> list[tuple[object, ...]]:
    exists = client.query(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'"
    ).result_rows[0][0]
    return records(client) if exists else []


def test_adopting_what_fits_needs_no_force(project: Project, aaiclick_client: Client) -> None:
    released(project)
    declared = project.schema(2, OPERATION, **V2)
    aaiclick_client.command("CREATE TABLE events (id UInt64, op String) ENGINE = MergeTree ORDER BY id")
    adopt_schema(aaiclick_client, declared, 1)
    assert [is_forced(record) for record in schema_history(aaiclick_client, declared)] == [False]
    assert read_lock(project.folder) is not None
