"""SQL as declarations: what is taken, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.errors import SpecError
from aaiclick.specs.sql_objects import SqlMaterializedView, SqlTable

TAIL = " (a UInt8) ENGINE = MergeTree ORDER BY a"
EVENTS = f"CREATE TABLE events{TAIL}"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "schema.sql"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT 1", "only a CREATE of a table"),
        ("DROP TABLE u", "only a CREATE of a table"),
        ("INSERT INTO t VALUES (1)", "only a CREATE of a table"),
        ("/* CREATE TABLE t */ DROP TABLE u", "only a CREATE of a table"),
        ("-- CREATE TABLE t (\nTRUNCATE u", "only a CREATE of a table"),
        ("EXPLAIN CREATE TABLE t (a UInt8) ENGINE = Memory", "only a CREATE of a table"),
        ("REPLACE TABLE t (a UInt8) ENGINE = Memory", "only a CREATE of a table"),
        ("CREATE USER u IDENTIFIED BY 'hush'", "whoever administers the server"),
        ("CREATE ROW POLICY p ON t USING a = 1 TO u", "whoever administers the server"),
        ("CREATE NAMED COLLECTION c AS key = concat('hush')", "a text, a number, true or false was expected"),
        ("ALTER NAMED COLLECTION c SET key = 'hush'", "only a CREATE of a table"),
        ("CREATE DATABASE d UUID '6e3fc3b9-9c3c-4c3c-9c3c-9c3c9c3c9c3c' ENGINE = Atomic", "a UUID is given"),
        ("CREATE DATABASE d ON CLUSTER c", "ON CLUSTER is said once"),
        ("CREATE INDEX i ON t (a) TYPE minmax", "belongs to its table"),
        ("CREATE WORKLOAD w", "belong to the server"),
        (f"CREATE TABLE schema_version{TAIL}", "this library's own tables"),
        (f"CREATE TABLE _aaiclick_kept{TAIL}", "this library's own tables"),
        ("CREATE WINDOW VIEW v AS SELECT 1", "only a CREATE of a table"),
        (f"ATTACH TABLE t{TAIL}", "write CREATE"),
        (f"CREATE OR REPLACE TABLE t{TAIL}", "replaces nothing by itself"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "replaces nothing by itself"),
        (f"CREATE TEMPORARY TABLE t{TAIL}", "belongs to one session"),
        (f"CREATE TABLE app.t{TAIL}", "write t without app"),
        (f"CREATE TABLE t UUID '61f0c404-5cb3-11e7-907b-a6006ad3dba0'{TAIL}", "UUID is given by the server"),
        (f"CREATE TABLE t ON CLUSTER c{TAIL}", r"Schema\(cluster="),
        ("CREATE VIEW v ON CLUSTER '{c}' AS SELECT 1", r"Schema\(cluster="),
        ("CREATE TABLE {t:Identifier} (a UInt8) ENGINE = Memory", "a name was expected"),
        ("CREATE TABLE t (a UInt8) ORDER BY a", "no ENGINE"),
        ("CREATE TABLE t ENGINE = Memory", "a list of columns was expected"),
        (f"CREATE TABLE t{TAIL} AS SELECT 1", "would run a query"),
        (f"CREATE TABLE t{TAIL} AS WITH 1 AS x SELECT x", "would run a query"),
        ("CREATE TABLE t ENGINE = Memory AS (SELECT 1)", "would run a query"),
        ("CREATE TABLE t EMPTY AS SELECT 1", "EMPTY is about rows"),
        ("CREATE TABLE t CLONE AS u", "CLONE is about rows"),
        ("CREATE TABLE t AS u", "columns of another table"),
        ("CREATE TABLE t AS numbers(3)", "a table function"),
        ("CREATE TABLE t AS s3('u', 'k', 'hush')", "a table function"),
        ("CREATE MATERIALIZED VIEW v ENGINE = Memory POPULATE AS SELECT 1", "backfill: true"),
        ("CREATE MATERIALIZED VIEW v REFRESH EVERY 1 HOUR TO t EMPTY AS SELECT 1", "EMPTY is about rows"),
        ("CREATE VIEW v AS SELECT * FROM s3('u', 'k', 'hush')", r"the arguments of s3\(\)"),
        (
            "CREATE VIEW v AS SELECT * FROM remoteSecure('h', 'd', 't', 'u', 'hush')",
            r"the arguments of remoteSecure\(\)",
        ),
        (f"CREATE TABLE t{TAIL} PARALLEL WITH DROP TABLE u", "PARALLEL WITH does not belong"),
        ("CREATE VIEW v AS SELECT 1 PARALLEL WITH DROP TABLE u", "PARALLEL WITH does not belong"),
        ("CREATE VIEW v AS SELECT 1 INTO OUTFILE 'x'", "INTO OUTFILE does not belong"),
    ],
)
def test_refused_before_anything_is_sent(tmp_path: Path, statement: str, words: str) -> None:
    path = write(tmp_path, f"{EVENTS};\n\n{statement}")
    with pytest.raises(SpecError, match=words) as caught:
        Schema.from_sql(path, name="shop", version=1)
    line = 4 if "\n" in statement else 3
    assert caught.value.path.startswith(f"{path}, line {line}, ")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (b"", "schema.sql", "holds no CREATE"),
        (b"-- nothing\n;;\n", "schema.sql", "holds no CREATE"),
        (b"\xff\xfeC\x00", "schema.sql, line 1", "no UTF-8"),
        (b"-- \xe9t\xe9\n", "schema.sql, line 1", "byte 0xe9 is no UTF-8"),
        (f"{EVENTS};\n{EVENTS}", "schema.sql, line 2, CREATE TABLE events", "declared in line 1 already"),
        (f"{EVENTS}\n/* open", "schema.sql, line 2", "a comment begins here"),
        (f"{EVENTS} COMMENT 'open", "schema.sql, line 1", "a string begins here"),
        ("\nCREATE TABLE t (a UInt8", "schema.sql, line 2", "never closed"),
        (f"{EVENTS} COMMENT \u2018open", "schema.sql, line 1", "unexpected"),
        (f"{EVENTS}\0", "schema.sql, line 1", "unexpected"),
    ],
)
def test_files_that_are_not_read_name_the_place(tmp_path: Path, text: str | bytes, path: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SpecError, match=words) as caught:
        Schema.from_sql(file, name="shop")
    assert caught.value.path == path.replace("schema.sql", str(file))


def test_a_file_that_is_not_there_is_named_as_it_was_looked_for() -> None:
    with pytest.raises(SpecError, match="No such file") as caught:
        Schema.from_sql("nowhere.sql", name="shop")
    assert caught.value.path == str(Path(__file__).parent / "nowhere.sql")


@pytest.mark.parametrize(("mark", "line_end"), [(b"\xef\xbb\xbf", b"\n"), (b"", b"\r\n"), (b"", b"\r")])
def test_what_an_editor_does_to_a_file_declares_nothing(tmp_path: Path, mark: bytes, line_end: bytes) -> None:
    text = f"-- one\nCREATE TABLE IF NOT EXISTS\n`o'dd`{TAIL} COMMENT 'a\nb';\n\n;;".encode()
    plain = Schema.from_sql(write(tmp_path, text), name="shop")
    edited = Schema.from_sql(write(tmp_path, mark + text.replace(b"\n", line_end)), name="shop")
    assert [item.name for item in edited.objects] == ["o'dd"]
    assert plain.fingerprint == edited.fingerprint


def test_layout_declares_nothing_and_everything_else_does() -> None:
    def fingerprint(sql: str) -> str:
        return Schema("s", objects=[Table.from_sql(sql)]).fingerprint

    assert fingerprint(EVENTS) == fingerprint(
        "create  table-- x\n events (a UInt8) ENGINE =\nMergeTree ORDER BY a;".replace("create  table", "CREATE TABLE ")
    )
    assert fingerprint(EVENTS) != fingerprint(f"{EVENTS} COMMENT 'x'")
    assert fingerprint(EVENTS) != fingerprint(f"-- renamed_from: old\n{EVENTS}")


def test_sql_stands_beside_python(tmp_path: Path) -> None:
    path = write(tmp_path, EVENTS)
    other = Table("other", [Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))
    schema = Schema.from_sql(path, name="shop", version=2, objects=[other, Table.from_sql(f"CREATE TABLE third{TAIL}")])
    assert (schema.name, schema.version) == ("shop", 2)
    assert [item.name for item in schema.objects] == ["events", "other", "third"]
    assert schema.table_names == {"events", "other", "third"}
    with pytest.raises(SpecError, match="only when an engine has read it"):
        _ = schema.tables
    with pytest.raises(SpecError, match="shop: table events: declared twice"):
        Schema.from_sql(
            path, name="shop", objects=[Table("events", [Column("a", "UInt8")], engine=MergeTree(order_by=[]))]
        )


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "holds 0"),
        (f"{EVENTS};{EVENTS}", "holds 2"),
        ("CREATE VIEW v AS SELECT 1", "a CREATE of a table was expected"),
    ],
)
def test_a_text_holds_one_table(sql: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Table.from_sql(sql)


def renames(sql: str) -> tuple[str | None, dict[str, str]]:
    found = Table.from_sql(sql)
    assert isinstance(found, SqlTable)
    return found.renamed_from, found.column_renames


def test_former_names_stand_above_or_behind() -> None:
    assert renames(f"-- renamed_from: old\n{EVENTS}") == ("old", {})
    assert renames(f"{EVENTS}; -- renamed_from: old") == ("old", {})
    assert renames(
        "CREATE TABLE t ( -- renamed_from: `o d`\n a UInt8, b UInt8 -- renamed_from: c\n) ENGINE = Memory"
    ) == ("o d", {"b": "c"})
    text = """CREATE TABLE t (
        -- The key.
        a UInt8, -- renamed_from: x
        # renamed_from: y
        b Tuple(UInt8,
                UInt8), /* renamed_from: not this line's */
        INDEX i b TYPE minmax,
        `c d` UInt8 /* renamed_from: z */, n.e Array(UInt8) -- renamed_from: m.e
    ) ENGINE = Memory"""
    with pytest.raises(SpecError, match="is no name"):
        renames(text)
    assert renames(text.replace("/* renamed_from: not this line's */", "")) == (
        None,
        {"a": "x", "b": "y", "c d": "z", "n.e": "m.e"},
    )


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE TABLE t (\n a UInt8\n -- renamed_from: b\n) ENGINE = Memory", "is about no column"),
        (
            "CREATE TABLE t (\n a UInt8,\n INDEX i a TYPE minmax -- renamed_from: j\n) ENGINE = Memory",
            "is about no column",
        ),
        (
            "CREATE TABLE t (\n -- renamed_from: b\n a UInt8, -- renamed_from: c\n) ENGINE = Memory".replace(",", ""),
            "a former name already",
        ),
        (f"{EVENTS};\n\n-- renamed_from: old\n", "stands above nothing"),
        (f"-- rename_from: old\n{EVENTS}", "did you mean renamed_from"),
        (f"-- renamed_from: a b\n{EVENTS}", "is no name"),
        (f"-- renamed_from: a\n-- renamed_from: b\n{EVENTS}", "has a former name already"),
        (f"-- backfill: true\n{EVENTS}", "is for a materialized view"),
    ],
)
def test_remarks_are_never_lost(sql: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        Table.from_sql(sql)
    assert caught.value.path.startswith("line ")


def test_remarks_are_of_the_statement_below_them(tmp_path: Path) -> None:
    text = (
        f"{EVENTS};\n-- renamed_from: was\nCREATE TABLE u{TAIL};\n"
        "-- note: nothing is said here\n-- backfill: true\nCREATE MATERIALIZED VIEW v TO u AS SELECT a FROM events"
    )
    events, renamed, view = Schema.from_sql(write(tmp_path, text), name="shop").objects
    assert isinstance(events, SqlTable)
    assert isinstance(renamed, SqlTable)
    assert isinstance(view, SqlMaterializedView)
    assert (events.renamed_from, renamed.renamed_from, view.backfill) == (None, "was", True)
    with pytest.raises(SpecError, match="only tables and columns are renamed"):
        Schema.from_sql(write(tmp_path, text.replace("backfill: true", "renamed_from: x")), name="shop")


def test_a_carriage_return_in_a_literal_is_not_lost_in_silence(tmp_path: Path) -> None:
    text = "CREATE TABLE t (\n    a String DEFAULT 'x{}y'\n) ENGINE = MergeTree ORDER BY a;\n"
    path = tmp_path / "schema.sql"
    path.write_bytes(text.format("\r\n").encode())
    with pytest.raises(SpecError, match=r"line 1, CREATE TABLE t.*a literal holds a carriage return"):
        Schema.from_sql(path, name="s")
    for whole in (text.format("\n").replace("\n", "\r\n"), text.format("\\r\\n")):
        path.write_bytes(whole.encode())
        Schema.from_sql(path, name="s")
