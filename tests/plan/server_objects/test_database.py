"""The database itself: its comment follows the declaration, its engine is told, on no server is anything done in
silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    reflect_schema,
    validate_schema,
)
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.create_database import create_database
from aaiclick.api.revision import check_schema, revise
from aaiclick.catalog.forms import Catalog, DatabaseForm, ServerFacts
from aaiclick.catalog.server_objects.databases import database_changes, other_arguments
from aaiclick.cli.text.create import create_statements, sql_file
from aaiclick.cli.text.source import python_source
from aaiclick.errors import BlockedError, DoesNotFitError, SpecChangedError, SpecError
from aaiclick.plan.server_objects.database import plan_database
from aaiclick.server_objects import Database
from aaiclick.specs.server_objects.databases import DATABASE
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.migrations.projects import Project

TABLE = Table("t", [Column("a", "UInt64")], engine=MergeTree(order_by="a"))


def schema(version: int, database: Database) -> Schema:
    return Schema("s", version=version, objects=[TABLE, database])


def database(client: Client) -> str:
    return str(client.command("SELECT currentDatabase()"))


def comment(client: Client) -> str:
    return str(client.query("SELECT comment FROM system.databases WHERE name = currentDatabase()").result_rows[0][0])


def test_the_comment_follows_the_declaration(aaiclick_client: Client) -> None:
    first = schema(1, Database(engine="Atomic", comment="What's sold"))
    steps = [(step.object, step.change, step.strategy) for step in ensure_schema(aaiclick_client, first).steps]
    assert steps == [(DATABASE, r"comment '' -> 'What\'s sold'", "alter"), ("t", "table is missing", "create")]
    assert comment(aaiclick_client) == "What's sold"
    assert ensure_schema(aaiclick_client, first).steps == ()
    aaiclick_client.command(f"ALTER DATABASE `{database(aaiclick_client)}` MODIFY COMMENT 'by hand'")
    assert validate_schema(aaiclick_client, first).differences == (rf"{DATABASE}: comment 'by hand' -> 'What\'s sold'",)
    # The warm start sees it, too.
    assert [step.object for step in ensure_schema(aaiclick_client, first).steps] == [DATABASE]
    assert plan_schema(aaiclick_client, first).steps == ()
    with pytest.raises(SpecChangedError, match=r"\(database\): the definition differs"):
        ensure_schema(aaiclick_client, schema(1, Database(engine="Atomic", comment="other")))
    assert ensure_schema(aaiclick_client, schema(2, Database())).steps == ()
    assert comment(aaiclick_client) == "What's sold"
    assert len(ensure_schema(aaiclick_client, schema(3, Database(comment=None))).steps) == 1
    assert comment(aaiclick_client) == ""


def test_another_engine_stops_the_plan_and_says_why(aaiclick_client: Client) -> None:
    wanted = schema(1, Database(engine="Replicated('/x', '{shard}', '{replica}')"))
    (blocked, _) = plan_schema(aaiclick_client, wanted).steps
    assert blocked.change == "engine is Atomic, Replicated is declared"
    with pytest.raises(BlockedError, match="no statement changes the engine of a database"):
        ensure_schema(aaiclick_client, wanted)
    # On one host the local engine does.
    elsewhere = wanted.model_copy(update={"replicate": "where-possible"})
    assert [step.object for step in ensure_schema(aaiclick_client, elsewhere).steps] == ["t"]


@pytest.mark.parametrize(
    ("declared", "live", "changes", "arguments"),
    [
        ("Atomic", "Overlay", (), False),
        ("Atomic", "Shared", (), False),
        ("", "Replicated('/x', 's', 'r')", (), False),
        ("Replicated", "Replicated('/x', 's', 'r')", (), False),
        ("Replicated('/x','s','r')", "Replicated('/x', 's', 'r')", (), False),
        ("Replicated('/y', 's', 'r')", "Replicated('/x', 's', 'r')", (), True),
        ("Ordinary", "Atomic", ("engine is Atomic, Ordinary is declared",), False),
    ],
)
def test_which_engines_differ(declared: str, live: str, changes: tuple[str, ...], arguments: bool) -> None:
    wanted, there = DatabaseForm(DATABASE, declared, None), DatabaseForm(DATABASE, live, "x")
    assert database_changes(wanted, there) == changes
    assert other_arguments(wanted, there) is arguments


def test_a_database_that_takes_no_comment_is_noted() -> None:
    found = Catalog("default", "Overlay", ServerFacts((26, 9), "26.9", "default", "default", "UTC"), {})
    with pytest.raises(StopIteration) as planned:
        next(plan_database(Schema("s", objects=[Database(engine="Atomic", comment="x")]), found))
    assert planned.value.value.steps == ()
    assert planned.value.value.notes == (
        "database default: comment '' -> 'x': the database default of the embedded engine takes none (left alone)",
    )


def test_create_database_makes_it_as_declared(aaiclick_server: EngineServer, tmp_path: Path) -> None:
    path, name = tmp_path / "schema.sql", fresh_name()
    path.write_text("CREATE DATABASE shop ENGINE Atomic COMMENT 'all of it'; CREATE TABLE t (a Int8) ENGINE = Memory")
    declared = Schema.from_sql(path, name="shop", version=1)
    assert create_database(f"{aaiclick_server.url}/{name}", None, "", declared) == name
    with aaiclick_server.client(database=name) as client:
        assert comment(client) == "all of it"
        steps = ensure_schema(client, declared).steps
        assert [step.object for step in steps] == ["t"]
        reflected = reflect_schema(client)
        assert reflected.objects[0] == Database(engine="Atomic", comment="all of it")
        assert reflect_schema(client, only=["t"]).get(DATABASE) is None
        assert "from aaiclick.server_objects import Database\n" in python_source(reflected)
        text = sql_file(reflected)
        assert f"CREATE DATABASE `{name}` ENGINE = Atomic COMMENT 'all of it';" in text
        path.write_text(text)
        assert plan_schema(client, Schema.from_sql(path, name="other")).steps == ()
        client.command(f"DROP DATABASE {name}")


def test_what_the_text_does_not_say_is_not_there(aaiclick_client: Client, tmp_path: Path) -> None:
    path = tmp_path / "schema.sql"
    ensure_schema(aaiclick_client, schema(1, Database(comment="x")))
    path.write_text("CREATE DATABASE s; CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    plain = Schema.from_sql(path, name="s", version=2)
    assert [step.change for step in plan_schema(aaiclick_client, plain).steps] == ["comment 'x' -> ''"]
    path.write_text("\n-- all\nCREATE DATABASE other /* name */")
    named = Schema.from_sql(path, name="s", version=2, objects=[])
    path.write_text("CREATE DATABASE s")
    assert named.fingerprint == Schema.from_sql(path, name="s").fingerprint
    assert [item.sql for item in create_statements(named, "here")] == ["CREATE DATABASE `here`"]
    path.write_text("CREATE DATABASE s ENGINE = Atomic TABLE OVERRIDE t (PARTITION BY a)")
    with pytest.raises(SpecError, match=r"schema.sql, line 1, CREATE DATABASE s: .*ENGINE, SETTINGS and COMMENT"):
        plan_schema(aaiclick_client, Schema.from_sql(path, name="s"))


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("MySQL('h:1', 'd', 'u', 'hush')", "nothing can be migrated"),
        ("Atomic COMMENT 'x'", "COMMENT 'x' does not belong to an engine"),
        ("", "is the name of an engine"),
        ("Atomic(", "bracket|closed|\\("),
    ],
)
def test_a_wrong_engine_is_refused(engine: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        Database(engine=engine)
    assert "hush" not in str(caught.value)


def test_lock_file_check_revision_and_adopt(
    aaiclick_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path)

    def declared(version: int, *objects: Database) -> Schema:
        return Schema("s", version=version, objects=[TABLE, *objects], migrations=project.package)

    try:
        revise(declared(1, Database(engine="Replicated", comment="x")), "first")
        lock = json.loads((project.folder / "schema.lock.json").read_text())
        assert lock["versions"]["1"]["objects"][DATABASE]["form"]["database_engine"] == "Replicated"
        assert check_schema(declared(1, Database(engine="Replicated", comment="x"))).problems == ()
        changed = revise(declared(2, Database(engine="Atomic", comment="y")), "second")
        assert changed.changes == (f"{DATABASE}: engine Replicated -> Atomic", f"{DATABASE}: comment 'x' -> 'y'")
        aaiclick_client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        second = declared(2, Database(engine="Atomic", comment="y"))
        with pytest.raises(DoesNotFitError, match="comment '' -> 'y'"):
            adopt_schema(aaiclick_client, second, 2)
        aaiclick_client.command(f"ALTER DATABASE `{database(aaiclick_client)}` MODIFY COMMENT 'y'")
        adopt_schema(aaiclick_client, second, 2)
        assert validate_schema(aaiclick_client, second).state == "in sync"
        assert revise(declared(3), "third").changes == (f"{DATABASE}: database is no longer declared",)
    finally:
        project.forget()
