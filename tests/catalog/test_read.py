"""Reading a live database."""

from __future__ import annotations

import uuid

import pytest

from aaiclick.catalog.forms import DictionaryForm, TableForm, UnsupportedForm, ViewForm
from aaiclick.catalog.read import MOST_NAMES, read_catalog, server_facts, version_numbers
from aaiclick.errors import UsageError
from aaiclick.routine import Command, Connection, Query, run
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.catalog.helpers import Recording

NIL = "00000000-0000-0000-0000-000000000000"


def test_everything_in_one_query(connection: Connection, aaiclick_database: str) -> None:
    for sql in (
        "CREATE TABLE src (a UInt64, b String) ENGINE = MergeTree ORDER BY a PARTITION BY a % 2",
        "CREATE TABLE tgt (a UInt64) ENGINE = MergeTree ORDER BY a",
        "CREATE MATERIALIZED VIEW mv TO tgt AS SELECT a FROM src",
        "CREATE VIEW v AS SELECT a FROM src",
        "CREATE TABLE odd AS numbers(10)",
        (
            "CREATE DICTIONARY dic (a UInt64, b String) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'src')) LIFETIME(0) "
            "LAYOUT(FLAT())"
        ),
        "INSERT INTO src SELECT number, 'x' FROM numbers(100)",
    ):
        connection.command(Command(sql, database=aaiclick_database))
    recording = Recording(connection)
    catalog = run(read_catalog(aaiclick_database), recording)
    assert len(recording.seen) == 1
    assert (catalog.database, catalog.database_engine) == (aaiclick_database, "Atomic")
    assert list(catalog.objects) == ["dic", "mv", "odd", "src", "tgt", "v"]
    src = catalog.objects["src"]
    assert isinstance(src.form, TableForm)
    assert (src.database, src.engine, src.rows, src.parts, src.replicas) == (aaiclick_database, "MergeTree", 100, 2, 0)
    assert src.bytes > 0
    assert src.text.startswith(f"CREATE TABLE {aaiclick_database}.src (")
    assert src.dependents == (f"{aaiclick_database}.dic", f"{aaiclick_database}.mv")
    shown = connection.query(
        Query(
            "SELECT toString(uuid) FROM system.tables WHERE database = {d:String} AND name = 'src'",
            {"d": aaiclick_database},
        )
    )
    assert src.uuid == shown[0][0]
    assert catalog.objects["tgt"].rows == 100
    assert isinstance(catalog.objects["mv"].form, ViewForm)
    assert isinstance(catalog.objects["v"].form, ViewForm)
    assert isinstance(catalog.objects["dic"].form, DictionaryForm)
    odd = catalog.objects["odd"].form
    assert isinstance(odd, UnsupportedForm)
    assert (odd.name, odd.reason) == ("odd", "a table without an engine of its own at 'AS numbers(10)'")
    assert catalog.get("nothing") is None
    connection.command(Command("DROP DICTIONARY dic", database=aaiclick_database))


def test_only_what_is_named(connection: Connection, aaiclick_database: str) -> None:
    names = ["a,b", "a'b", "plain", "tab\tbed", "é"]
    for name in names:
        connection.command(Command(f"CREATE TABLE `{name}` (x UInt8) ENGINE = Memory", database=aaiclick_database))
    catalog = run(read_catalog(aaiclick_database, ["plain", "a,b", "missing", "tab\tbed"]), connection)
    assert list(catalog.objects) == ["a,b", "plain", "tab\tbed"]
    assert run(read_catalog(aaiclick_database, []), connection).objects == {}
    many = [*names[:2], *(f"missing{place}" for place in range(MOST_NAMES))]
    assert list(run(read_catalog(aaiclick_database, many), connection).objects) == ["a'b", "a,b"]
    assert list(run(read_catalog(aaiclick_database), connection).objects) == sorted(names)


def test_the_connections_own_database(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> None:
    from aaiclick.clients.opening import open_url

    here = open_url(aaiclick_engine.url)
    try:
        assert run(read_catalog(None), here).database == "default"
        assert run(read_catalog(None, []), here).server.current_database == "default"
    finally:
        here.close()


def test_the_real_uuid_in_the_default_database(connection: Connection) -> None:
    """There the catalogue shows a nil one."""
    name = fresh_name("t")
    connection.command(Command(f"CREATE TABLE default.{name} (a UInt8) ENGINE = MergeTree ORDER BY a"))
    try:
        live = run(read_catalog("default", [name]), connection).objects[name]
        again = run(read_catalog("default", [name]), connection).objects[name]
    finally:
        connection.command(Command(f"DROP TABLE default.{name} SYNC"))
    assert str(uuid.UUID(live.uuid)) == live.uuid == again.uuid != NIL


def test_a_table_without_data_on_disk_in_default_has_no_uuid(connection: Connection) -> None:
    name = fresh_name("t")
    connection.command(Command(f"CREATE TABLE default.{name} (a UInt8) ENGINE = Memory"))
    try:
        assert run(read_catalog("default", [name]), connection).objects[name].uuid == ""
    finally:
        connection.command(Command(f"DROP TABLE default.{name} SYNC"))


def test_a_database_that_is_not_there(connection: Connection) -> None:
    with pytest.raises(UsageError, match=r"^database no such \\ 'base' does not exist\. Create it first"):
        run(read_catalog("no such \\ 'base'"), connection)


def test_a_wrong_cut_is_unsupported(connection: Connection, aaiclick_database: str) -> None:
    """What the key columns contradict is reported with the contradiction."""
    connection.command(Command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", database=aaiclick_database))

    class Lying(Recording):
        def query(self, effect: Query, /) -> list[list[object]]:
            return [
                [value.replace('["a","a"', '["b","b"') if isinstance(value, str) else value for value in row]
                for row in super().query(effect)
            ]

    form = run(read_catalog(aaiclick_database), Lying(connection)).objects["t"].form
    assert isinstance(form, UnsupportedForm)
    assert (form.name, form.reason) == ("t", "its sort key was read as a, the server says b")


def test_the_server(connection: Connection) -> None:
    facts = run(server_facts(), connection)
    assert facts.version == version_numbers(facts.version_text)
    assert facts.version >= (23, 8)
    assert (facts.user, facts.current_database) == ("default", "default")
    assert facts.timezone


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("26.9.2.1", (26, 9, 2, 1)),
        ("25.8.1.1-lts", (25, 8, 1, 1)),
        ("24.3", (24, 3)),
        ("26.9.2.1.altinity7", (26, 9, 2, 1)),
    ],
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers
