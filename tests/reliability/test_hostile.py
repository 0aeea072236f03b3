"""Names and comments that look like SQL, through every stage; and a password that is nowhere to be found."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.cli.main import main
from aaiclick.clients.opening import open_url
from aaiclick.errors import AaiclickError
from aaiclick.events import Event
from aaiclick.routine import Command, Query, scalar_rows
from aaiclick.sql.quoting import quote_name
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

NAMES = {
    "backtick": "a`b``c",
    "quotes": 'it\'s "quoted"',
    "dots and spaces": "a.b c. d",
    "injection": "t`; DROP TABLE x; --",
    "unicode": "таблица 表 \N{PILE OF POO}",
    "backslash": "a\\'b\\",
    "braces": "{x:String} %s %(a)s ?",
    "comment": "/* a */ -- b",
    "long": "n" * 180,
}
COMMENT = 'it\'s a `comment` -- \\ with "everything" /* in */ {x:String} %s\n\ttwo lines'


def versions(name: str) -> tuple[Schema, Schema]:
    key, value = f"{name} k", f"{name} v"
    old = Table(
        name,
        columns=[Column(key, "UInt32", comment=COMMENT), Column(value, "String")],
        engine=MergeTree(order_by=[quote_name(key)]),
        comment=COMMENT,
    )
    columns = [Column(key, "UInt64", comment=COMMENT + "!"), Column(value, "String", comment=COMMENT)]
    new = Table(name, columns=columns, engine=MergeTree(order_by=[quote_name(value), quote_name(key)]), comment=COMMENT)
    return Schema(name, version=1, objects=[old]), Schema(name, version=2, objects=[new])


def there_and_back(url: str, name: str, database: str) -> None:
    """Create, rebuild, go back; every row is there each time."""
    one, two = versions(name)
    connection = open_url(url)
    table = f"{quote_name(database)}.{quote_name(name)}"
    try:
        connection.command(Command(f"CREATE DATABASE {quote_name(database)}"))
        ensure_schema(url, one, database=database, policy=Policy.lossless())
        connection.command(
            Command(
                f"INSERT INTO {table} SELECT number, toString(number) FROM numbers(50)", settings={"async_insert": 0}
            )
        )
        assert [
            step.strategy for step in ensure_schema(url, two, database=database, policy=Policy.lossless()).steps
        ] == ["rebuild"]
        assert ensure_schema(url, two, database=database, policy=Policy.lossless()).steps == ()
        connection.command(Command(f"INSERT INTO {table} VALUES (1000, 'x')", settings={"async_insert": 0}))
        comments = "SELECT comment FROM system.tables WHERE database = unhex({d:String}) AND name = unhex({n:String})"
        bound = {"d": database.encode().hex(), "n": name.encode().hex()}
        assert scalar_rows(connection.query(Query(comments, bound))) == ((COMMENT,),)
        assert validate_schema(url, two, database=database).kept_tables[0].table == name
        assert not plan_schema(url, two, database=database).steps
        rollback_schema(url, two, database=database)
        counted = f"SELECT count(), uniqExact({quote_name(f'{name} k')}) FROM {table}"
        assert [tuple(str(value) for value in row) for row in scalar_rows(connection.query(Query(counted)))] == [
            ("51", "51")
        ]
        assert scalar_rows(connection.query(Query(comments, bound))) == ((COMMENT,),)
    finally:
        connection.command(Command(f"DROP DATABASE IF EXISTS {quote_name(database)} SYNC"))
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_hostile_names_on_the_embedded_engine(name: str, aaiclick_engine: EmbeddedEngine) -> None:
    there_and_back(aaiclick_engine.url, name, fresh_name(f"d{name[:3]}"))


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_hostile_name_over_http(name: str, aaiclick_server: EngineServer) -> None:
    there_and_back(aaiclick_server.url, name, fresh_name(f"d{name[:3]}"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAMES["injection"]], ids=["injection"])
def test_hostile_names_over_http(name: str, aaiclick_server: EngineServer) -> None:
    there_and_back(aaiclick_server.url, name, fresh_name(f"d{name[:3]}"))


PASSWORD = "S3cr3t/pass:w@rd?&%"


class Heard(logging.Handler):
    """Every log record of every logger, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text or ''}\n")


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_the_password_is_nowhere(
    heard: Heard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    one, two = versions("secret")

    def tell(event: Event) -> None:
        seen.append(repr(event))

    def attempt(url: str, schema: Schema, policy: Policy) -> None:
        try:
            report = ensure_schema(url, schema, policy=policy, on_event=tell)
            seen.extend((repr(report), str(report)))
        except AaiclickError as error:
            seen.extend((repr(error), str(error), repr(error.__dict__)))

    with EngineServer(user="anne", password=PASSWORD) as server:
        url = f"clickhouse://anne:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/default"
        attempt(url, one, Policy.lossless())
        server.command("INSERT INTO secret SELECT number, 'x' FROM numbers(10)")
        attempt(url, two, Policy.check())
        attempt(url, two, Policy.lossless())
        attempt(url, one, Policy.lossless())
        attempt(url.replace("anne:", "bert:"), two, Policy.lossless())
        attempt(url.replace("/default", "/nowhere"), two, Policy.lossless())
        with closing(open_url(url)) as connection:
            seen.extend((repr(connection), connection.identity))
        names = server.command("SELECT name FROM system.tables WHERE database = 'default'").split()
        seen.extend(
            server.command(f"SELECT * FROM default.`{name}` FORMAT JSONEachRow")
            for name in names
            if not name.startswith("_aaiclick_lock")
        )
        seen.append(
            server.command(
                "SELECT name, comment, create_table_query FROM system.tables WHERE database = 'default' FORMAT "
                "JSONEachRow"
            )
        )
        for command in (
            ["status", "--json"],
            ["migrate", "--json", "--debug"],
            ["migrate"],
            ["rollback", "--json"],
            ["status", "--debug"],
        ):
            main([*command, "--url", url])
        monkeypatch.setenv("AAICLICK_CH_URL", url)
        main(["status", "--json", "--database", "nowhere"])
        server.stop()
        attempt(url, two, Policy.lossless())
        main(["migrate", "--json", "--debug", "--url", url])
    captured = capsys.readouterr()
    everything = "\n".join([*seen, captured.out, captured.err, heard.text.getvalue()])
    assert json.dumps("secret")[1:-1] in everything
    assert "127.0.0.1" in everything
    for form in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), json.dumps(PASSWORD)[1:-1], "S3cr3t"):
        assert form not in everything
