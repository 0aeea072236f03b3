"""Objects declared as SQL: the engine reads them, and from there on they are declarations like any other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema, validate_schema
from aaiclick.api.revision import check_schema, revise
from aaiclick.cli.text.create import create_statements
from aaiclick.errors import ApplyError, SpecChangedError, SpecError, UndecidedError
from aaiclick.testing.engine import fresh_name
from tests.migrations.projects import Project

FUNCTION = fresh_name("twice").replace("-", "_")
FILE = f"""-- Everything that a shop needs.
CREATE TABLE IF NOT EXISTS events /* of /* one; */ day */ (
    id UInt64 DEFAULT generateSnowflakeID(), # the id
    kind LowCardinality(String),
    note String NULL,
    at DEFAULT now64(3, 'UTC'),
    n Int NOT NULL,
    INDEX by_kind kind TYPE minmax,
    CONSTRAINT positive CHECK n > 0,
    PROJECTION by_n (SELECT n, count() GROUP BY n),
    amount Decimal(18, 2) CODEC(ZSTD(3)) COMMENT 'a;b'
) ENGINE MergeTree PARTITION BY toYYYYMM(at) ORDER BY (kind, id) TTL toDateTime(at) + INTERVAL 30 DAY SETTINGS index_granularity = 1024;

CREATE VIEW big AS SELECT id, {FUNCTION}(amount) AS twice FROM events WHERE amount > 10 // x ;
;
CREATE MATERIALIZED VIEW to_daily TO daily AS SELECT toDate(at) AS day, count() AS n FROM events GROUP BY day;
CREATE TABLE daily (day Date PRIMARY KEY, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree COMMENT $$sums;$$;
CREATE DICTIONARY kinds (kind String, note String DEFAULT '-') PRIMARY KEY kind
    SOURCE(CLICKHOUSE(TABLE 'events')) LIFETIME(300) LAYOUT(COMPLEX_KEY_HASHED());
CREATE FUNCTION {FUNCTION} AS (x) -> x * 2;
CREATE TABLE far (a String) ENGINE = MySQL('h:1', 'd', 't', 'u', 'hush');
"""


@pytest.fixture
def client(aaiclick_client: Client) -> Iterator[Client]:
    yield aaiclick_client
    aaiclick_client.command(f"DROP FUNCTION IF EXISTS {FUNCTION}")


def table(sql: str) -> Schema:
    return Schema("s", objects=[Table.from_sql(sql)])


def words(client: Client, schema: Schema) -> list[str]:
    return [step.change for step in plan_schema(client, schema).steps if not step.optional]


def test_a_file_is_created_whole_and_in_sync(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "schema.sql"
    path.write_text(FILE)
    schema = Schema.from_sql(path, name="shop", version=1)
    planned = plan_schema(client, schema)
    assert "hush" not in planned.to_json()
    steps = ensure_schema(client, schema).steps
    assert {step.object for step in steps} == {FUNCTION, "events", "daily", "kinds", "big", "to_daily", "far"}
    assert ensure_schema(client, schema).steps == ()
    assert validate_schema(client, schema).notes == ()
    shown = str(client.command("SHOW CREATE TABLE events"))
    assert "`note` Nullable(String)" in shown
    assert "`at` DateTime64(3" in shown
    client.command("INSERT INTO events (kind, n, amount) VALUES ('a', 1, 20)")
    assert client.query("SELECT twice FROM big").result_rows[0][0] == 40
    assert client.query("SELECT n FROM daily").result_rows == [(1,)]
    recorded = client.query("SELECT * FROM schema_version").result_rows
    assert "hush" not in str(recorded)
    assert "hush" not in str(
        client.query("SELECT comment FROM system.tables WHERE database = currentDatabase()").result_rows
    )


def test_the_same_tables_said_in_python_are_no_difference(client: Client) -> None:
    said = table("CREATE TABLE t (a UInt8, b String DEFAULT 'x') ENGINE = MergeTree ORDER BY (a, b)")
    ensure_schema(client, said)
    python = Table(
        "t", [Column("a", "UInt8"), Column("b", "String", default="'x'")], engine=MergeTree(order_by=["a", "b"])
    )
    assert words(client, Schema("s", objects=[python])) == []


def test_what_the_text_does_not_say_is_not_there_but_for_settings(client: Client) -> None:
    client.command(
        "CREATE TABLE t (a UInt8, b String DEFAULT 'x' COMMENT 'c' CODEC(ZSTD(1)), d Date, INDEX i a TYPE minmax,"
        " CONSTRAINT c CHECK a > 0, PROJECTION p (SELECT a ORDER BY a)) ENGINE = MergeTree ORDER BY a"
        " TTL d + INTERVAL 1 DAY SETTINGS index_granularity = 100 COMMENT 'x'"
    )
    said = table("CREATE TABLE t (a UInt8, b String, d Date) ENGINE = MergeTree ORDER BY a")
    change = "; ".join(words(client, said))
    for part in ("index i", "constraint c", "projection p", "TTL", "comment 'x' -> ''", "DEFAULT 'x'", "ZSTD(1)"):
        assert part in change
    ensure_schema(client, said, policy=Policy.everything())
    shown = str(client.command("SHOW CREATE TABLE t"))
    assert shown.count("SETTINGS index_granularity = 100") == 1
    assert words(client, said) == []


def test_a_column_and_a_table_keep_their_rows_under_new_names(client: Client) -> None:
    ensure_schema(client, table("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a"))
    client.command("INSERT INTO t VALUES (1, 'x')")
    renamed = table(
        "-- renamed_from: t\nCREATE TABLE u (a UInt8,\n c String -- renamed_from: b\n) ENGINE = MergeTree ORDER BY a"
    )
    ensure_schema(client, renamed, policy=Policy.lossless())
    assert client.query("SELECT c FROM u").result_rows == [("x",)]
    assert ensure_schema(client, renamed).steps == ()


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("CREATE TABLE u (a UInt8,\n\n b Strin) ENGINE = MergeTree ORDER BY a", "line 4, CREATE TABLE u", "Strin"),
        (
            "CREATE TABLE u (a UInt8\n b UInt8) ENGINE = MergeTree ORDER BY a",
            "line 5, CREATE TABLE u",
            "cannot parse it at b",
        ),
        ("CREATE TABLE u (ä 'x') ENGINE = Memory", "line 4", "unexpected"),
        ("CREATE TABLE u (`ä` UInt8\n, 'hush') ENGINE = Memory", "line 5, CREATE TABLE u", "cannot parse it"),
        (
            "CREATE TABLE u (a UInt8) ENGINE = MergeTree ORDER BY z",
            "line 4, CREATE TABLE u",
            "order_by: unknown column z",
        ),
        ("CREATE TABLE u (a DEFAULT nosuch()) ENGINE = Memory", "line 4, CREATE TABLE u", "nosuch"),
        (
            "CREATE TABLE u (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS nosuch = 1",
            "line 4, CREATE TABLE u",
            "nosuch",
        ),
        ("CREATE VIEW u AS SELECT nosuch FROM t", "line 4, CREATE VIEW u", "nosuch"),
        ("CREATE VIEW u (a String) AS SELECT 1 AS a", "line 4, CREATE VIEW u", "name them in its query"),
        ("CREATE VIEW u AS SELECT 1 FORMAT Null", "line 4, CREATE VIEW u", "FORMAT"),
        ("CREATE FUNCTION u AS 1", "line 4, CREATE FUNCTION u", "lambda"),
        (
            "CREATE DICTIONARY u (a UInt8) PRIMARY KEY b SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)",
            "line 4, CREATE DICTIONARY u",
            "unknown column b",
        ),
        (
            "CREATE TABLE u (a String) ENGINE = MySQL('h:1', 'd', 't', 'u', '[HIDDEN]')",
            "line 4, CREATE TABLE u",
            "write it",
        ),
    ],
)
def test_errors_of_the_engine_name_file_line_and_statement(
    client: Client, tmp_path: Path, text: str, place: str, said: str
) -> None:
    path = tmp_path / "schema.sql"
    path.write_text(f"\nCREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a;\n\n{text}", encoding="utf-8")
    with pytest.raises((SpecError, ApplyError), match=re.escape(said)) as caught:
        ensure_schema(client, Schema.from_sql(path, name="s"))
    assert str(caught.value).startswith(f"{path}, {place}")
    assert "hush" not in str(caught.value)
    if isinstance(caught.value, SpecError):
        assert client.query("SELECT count() FROM system.tables WHERE database = currentDatabase()").result_rows == [
            (0,)
        ]


def test_lock_file_check_and_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path)
    file = project.home / "schema.sql"
    far = "CREATE TABLE far (a String) ENGINE = MySQL('h:1', 'd', 't', 'u', 'hush')"

    def schema(version: int, column: str) -> Schema:
        function = f"CREATE FUNCTION {FUNCTION} AS x -> x + 1"
        file.write_text(f"CREATE TABLE t (a UInt8, {column}\n) ENGINE = MergeTree ORDER BY a;\n{far};\n{function}")
        return Schema.from_sql(file, name="shop", version=version, migrations=project.package)

    try:
        revise(schema(1, "b String"), "first")
        lock = (project.folder / "schema.lock.json").read_text()
        assert "hush" not in lock
        assert set(json.loads(lock)["versions"]["1"]["objects"]) == {"far", "t", FUNCTION}
        assert check_schema(schema(1, "-- said otherwise\n b  String")).problems == ()
        (problem,) = check_schema(schema(1, "b UInt8")).problems
        assert "t: column b" in problem
        with pytest.raises(UndecidedError, match=r"--rename t\.b"):
            revise(schema(2, "c String"), "renamed")
        renamed = revise(schema(2, "c String -- renamed_from: b"), "renamed")
        assert renamed.changes == ("t: column b is renamed to c",)
        assert check_schema(schema(2, "c String -- renamed_from: b")).problems == ()
    finally:
        project.forget()


def test_a_released_version_that_was_edited_is_told(client: Client) -> None:
    def schema(kind: str) -> Schema:
        return Schema(
            "s", version=1, objects=[Table.from_sql(f"CREATE TABLE t (a {kind}) ENGINE = MergeTree ORDER BY a")]
        )

    ensure_schema(client, schema("UInt8"))
    with pytest.raises(SpecChangedError, match="UInt16"):
        ensure_schema(client, schema("UInt16"))
    assert ensure_schema(client, schema("UInt8 /* layout */")).steps == ()


def test_ddl_prints_what_was_written() -> None:
    function = Table.from_sql("-- of /* all */\nCREATE TABLE IF NOT EXISTS `t 1` ( -- x\n  a UInt8\n) ENGINE = Memory")
    schema = Schema("s", objects=[function])
    (plain,) = create_statements(schema)
    assert plain.sql == "CREATE TABLE `t 1` (\n  a UInt8\n) ENGINE = Memory"
    (placed,) = create_statements(schema, "d")
    assert placed.sql.startswith("CREATE TABLE `d`.`t 1` (")
