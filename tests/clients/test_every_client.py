"""What holds for every kind of client, in-process and over HTTP, sync and async."""

from __future__ import annotations

import pytest

from aaiclick.errors import StatementError
from aaiclick.routine import Query, scalar_rows
from tests.clients.conftest import Subject

HOSTILE = [
    "",
    "plain",
    "tab\there",
    "new\nline\r\n",
    "back\\slash \\n \\N \\x41",
    "\\N",
    "'single' \"double\" `back`",
    "100% %s %(name)s {name:String} {x}",
    "snow ☃ and 🎉",
    "nul \0 inside",
    "\b\f\v\x1b bell \a",
    "ends in backslash \\",
    "-- comment /* and */ ; DROP TABLE x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_bound_strings_arrive_letter_by_letter(subject: Subject, text: str) -> None:
    assert subject.value("SELECT hex({text:String}) AS h", {"text": text}) == text.encode().hex().upper()
    if not subject.kind.startswith("async foreign"):
        assert subject.value("SELECT {text:String} AS t", {"text": text}) == text


def test_hex_carries_any_string_through_any_client(subject: Subject) -> None:
    text = "".join(HOSTILE)
    assert (
        subject.value("SELECT hex(unhex({text:String})) AS h", {"text": text.encode().hex()})
        == text.encode().hex().upper()
    )


def test_commands_take_parameters_too(subject: Subject) -> None:
    subject.run("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    text = "tab\tnew\nline\\ 'q' %s"
    subject.run(
        "INSERT INTO t SELECT {number:UInt64}, unhex({text:String})",
        {"number": 2**63, "text": text.encode().hex(), "unused": "%"},
    )
    assert subject.rows("SELECT toString(a), hex(b) FROM t") in (
        [(str(2**63), text.encode().hex().upper())],
        ((str(2**63), text.encode().hex().upper()),),
    )


def test_types_that_routines_ask_for(subject: Subject) -> None:
    sql = (
        "SELECT toUInt8(1) AS a, toInt64(-9223372036854775808) AS b, toUInt64(18446744073709551615) AS c, 1.5 AS d, "
        "CAST(NULL, 'Nullable(String)') AS e, toNullable('x') AS f, toNullable(toUInt64(7)) AS g, 'text' AS h, "
        "CAST(NULL, 'Nullable(UInt64)') AS i, 0 = 1 AS j"
    )
    row = scalar_rows(subject.rows(sql))[0]
    assert row == (1, -9223372036854775808, 18446744073709551615, 1.5, None, "x", 7, "text", None, 0)
    assert [type(value) for value in row[:4]] == [int, int, int, float]


def test_no_rows_are_no_rows(subject: Subject) -> None:
    assert list(subject.rows("SELECT 1 AS a WHERE 0")) == []


def test_large_answers_are_complete(subject: Subject) -> None:
    rows = subject.rows("SELECT number, repeat('x', 100) AS filler FROM numbers(150000) ORDER BY number")
    assert len(rows) == 150_000
    assert tuple(rows[-1]) == (149_999, "x" * 100)


def test_select_takes_settings(subject: Subject) -> None:
    assert (
        subject.value("SELECT toString(getSetting('max_block_size')) AS s", settings={"max_block_size": 4321}) == "4321"
    )
    assert (
        subject.value("SELECT toString(getSetting('log_comment')) AS s", settings={"log_comment": "it's \\ here"})
        == "it's \\ here"
    )
    assert subject.value("SELECT toString(getSetting('max_block_size')) AS s") != "4321"


def test_settings_of_a_create_are_not_settings_of_the_table(subject: Subject) -> None:
    settings: dict[str, str | int] = {
        "allow_suspicious_low_cardinality_types": 1,
        "flatten_nested": 0,
        "mutations_sync": 2,
    }
    with pytest.raises(StatementError) as refused:
        subject.run("CREATE TABLE t (k UInt8, v LowCardinality(UInt8)) ENGINE = MergeTree ORDER BY k")
    assert refused.value.code == 455
    sql = (
        "CREATE TABLE t (k UInt8, v LowCardinality(UInt8), n Nested(a UInt8, b String)) ENGINE = MergeTree ORDER BY "
        "k SETTINGS index_granularity = 1024"
    )
    subject.run(sql, settings=settings)
    text = subject.value(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'"
    )
    assert "Nested(a UInt8, b String)" in text
    assert "suspicious" not in text
    assert "mutations_sync" not in text
    assert "index_granularity = 1024" in text


def test_every_kind_of_statement_takes_settings(subject: Subject) -> None:
    subject.run("CREATE TABLE t (a UInt64, b UInt8, m UInt64 MATERIALIZED a + 1) ENGINE = MergeTree ORDER BY a")
    subject.run(
        "INSERT INTO t (a, m) SELECT number, 5 FROM numbers(10)",
        settings={"insert_allow_materialized_columns": 1, "async_insert": 0},
    )
    assert subject.value("SELECT toString(sum(m)) AS s FROM t") == "50"
    subject.run("ALTER TABLE t UPDATE b = 6 WHERE 1", settings={"mutations_sync": 2})
    assert subject.value("SELECT toString(sum(b)) AS s FROM t") == "60"
    subject.run(
        "ALTER TABLE t (ADD COLUMN c String), (MODIFY SETTING parts_to_throw_insert = 4000)", settings={"alter_sync": 2}
    )
    subject.run("SYSTEM STOP MERGES t", settings={"max_threads": 1})
    subject.run("SYSTEM START MERGES t", settings={"max_threads": 1})
    subject.run("OPTIMIZE TABLE t FINAL", settings={"optimize_throw_if_noop": 0})
    subject.run("RENAME TABLE t TO t2", settings={"lock_acquire_timeout": 100})
    subject.run("DROP TABLE t2 SYNC", settings={"max_table_size_to_drop": 0})


def test_settings_the_server_does_not_know_are_left_out(subject: Subject) -> None:
    settings: dict[str, str | int] = {
        "setting_of_a_later_version": 1,
        "max_block_size": 4321,
        "another_later_setting": "x",
    }
    assert subject.value("SELECT toString(getSetting('max_block_size')) AS s", settings=settings) == "4321"
    subject.run("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", settings=settings)
    subject.run("INSERT INTO t SELECT 1", settings=settings)
    assert subject.value("SELECT toString(count()) AS c FROM t") == "1"


def test_a_wrong_value_of_a_setting_is_an_error(subject: Subject) -> None:
    with pytest.raises(StatementError) as refused:
        subject.run("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", settings={"max_threads": "many"})
    assert refused.value.code > 0


def test_a_query_id_is_accepted(subject: Subject) -> None:
    subject.run(
        "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", settings={"query_id": f"{subject.database}-nonce"}
    )
    assert subject.value("SELECT toString(count()) AS c FROM t") == "0"


def test_the_current_database_is_the_clients(subject: Subject) -> None:
    assert subject.value("SELECT currentDatabase() AS d") == subject.database
    assert subject.value("SELECT currentDatabase() AS d", settings={"max_threads": 1}) == subject.database
    subject.run("CREATE TABLE here (a UInt8) ENGINE = MergeTree ORDER BY a")
    assert (
        subject.value(
            "SELECT database FROM system.tables WHERE name = 'here' AND database = {d:String}", {"d": subject.database}
        )
        == subject.database
    )


def test_a_command_may_run_in_another_database(subject: Subject) -> None:
    other = f"{subject.database} `other'"
    quoted = "`" + other.replace("`", "\\`") + "`"
    subject.run(f"CREATE DATABASE {quoted}")
    try:
        subject.run(
            "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", settings={"max_threads": 1}, database=other
        )
        subject.run("INSERT INTO t SELECT 7", database=other)
        assert subject.value(f"SELECT toString(sum(a)) AS s FROM {quoted}.t") == "7"
        asked = Query("SELECT toString(sum(a)) AS s FROM t", settings={"max_threads": 1}, database=other)
        assert subject.wait(subject.raw.query(asked))[0][0] == "7"
        assert (
            subject.value("SELECT toString(count()) AS c FROM system.tables WHERE database = currentDatabase()") == "0"
        )
        assert subject.value("SELECT currentDatabase() AS d") == subject.database
    finally:
        subject.run(f"DROP DATABASE {quoted} SYNC")


def test_errors_carry_the_servers_code_and_name(subject: Subject) -> None:
    with pytest.raises(StatementError) as of_query:
        subject.rows("SELECT * FROM no_such_table_here")
    with pytest.raises(StatementError) as of_command:
        subject.run("DROP TABLE no_such_table_here", settings={"max_threads": 1})
    for caught in (of_query.value, of_command.value):
        assert (caught.code, caught.name) == (60, "UNKNOWN_TABLE")
        assert "no_such_table_here" in str(caught)
        assert "no_such_table_here" in caught.sql
        assert caught.__cause__ is not None
        assert str(caught).startswith("Code: 60. DB::Exception: ")
        assert str(caught).count("DB::Exception") == 1
        assert "for url" not in str(caught)
    with pytest.raises(StatementError) as syntax:
        subject.run("CREATE TABLE (")
    assert syntax.value.code == 62


def test_an_error_in_the_middle_of_a_result_is_an_error(subject: Subject) -> None:
    with pytest.raises(StatementError) as caught:
        subject.rows(
            "SELECT number, throwIf(number = 900000, 'too far') AS x FROM numbers(1000000)",
            settings={"max_block_size": 1000},
        )
    assert caught.value.code == 395


def test_embedded_and_identity(subject: Subject) -> None:
    assert subject.embedded is not subject.on_server
    assert subject.identity == subject.identity
    if subject.embedded:
        assert subject.identity.startswith("chdb:///")
    assert subject.database not in subject.identity


def test_the_handed_in_client_stays_open_and_as_it_was(subject: Subject) -> None:
    if isinstance(subject.client, str):
        pytest.skip("nothing was handed in")
    before = state_of(subject)
    subject.run(
        "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", settings={"max_threads": 3, "mutations_sync": 2}
    )
    subject.run("INSERT INTO t SELECT 1", settings={"max_block_size": 4321})
    subject.run(
        "CREATE TABLE IF NOT EXISTS one_of_default (a UInt8) ENGINE = Memory",
        database="default",
        settings={"max_threads": 3},
    )
    subject.run("DROP TABLE one_of_default SYNC", database="default")
    assert subject.value("SELECT 5 AS a", settings={"max_threads": 3}) == 5
    subject.close()
    assert state_of(subject) == before
    assert before[0] == subject.database


def state_of(subject: Subject) -> list[str]:
    """Current database and settings, as the handed-in client itself sees them."""
    # The test server marks each query with a log_comment of its own.
    asked = (
        "SELECT currentDatabase() AS d, arrayStringConcat(arraySort(groupArray(concat(name, '=', value))), '|') AS s "
    )
    asked += "FROM system.settings WHERE changed AND name != 'log_comment'"
    if "Session" in subject.kind:
        return str(subject.client.query(asked, "TSV").bytes().decode()).rstrip("\n").split("\t")
    result = subject.wait(subject.client.query(asked))
    return [str(value) for value in result.result_rows[0]]


def test_a_sibling_works_beside(subject: Subject) -> None:
    beside = subject.raw.sibling()
    if subject.kind == "async foreign lazy http":
        assert beside is None
        return

    assert [tuple(row) for row in subject.wait(beside.query(Query("SELECT currentDatabase() AS d")))] == [
        (subject.database,)
    ]
    assert beside.identity == subject.identity
    subject.wait(beside.close())
    assert subject.value("SELECT 1 AS a") == 1
