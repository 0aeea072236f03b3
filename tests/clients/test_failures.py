from __future__ import annotations

import pytest

from aaiclick.clients.answers import decode_rows
from aaiclick.clients.failures import http_failure, statement_error, unknown_setting
from aaiclick.errors import ConnectionFailed, OutcomeUnknownError, StatementError, UsageError


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        (
            "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE)",
            60,
            "UNKNOWN_TABLE",
            "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE)",
        ),
        (
            (
                "Received ClickHouse exception, code: 60, server response: Code: 60. DB::Exception: No t. "
                "(UNKNOWN_TABLE) (version 25.8.2.29 (official build)) (for url http://h:8123)"
            ),
            60,
            "UNKNOWN_TABLE",
            "Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)",
        ),
        (
            (
                "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'nope'. (UNKNOWN_SETTING) "
                "(version 26.9.2.1). (UNKNOWN_SETTING)"
            ),
            115,
            "UNKNOWN_SETTING",
            "Code: 115. DB::Exception: Unknown setting 'nope'. (UNKNOWN_SETTING)",
        ),
        (
            (
                "Code: 36. DB::Exception: Bad. Stack trace (when copying this message, always include the lines "
                "below):\n\n0. x\n1. y"
            ),
            36,
            "",
            "Code: 36. DB::Exception: Bad.",
        ),
        ("something else", 0, "", "something else"),
    ],
)
def test_code_and_name_are_the_servers(text: str, code: int, name: str, message: str) -> None:
    error = statement_error(text, "SELECT 1")
    assert (error.code, error.name, error.sql, str(error)) == (code, name, "SELECT 1", message)


@pytest.mark.parametrize(
    "text",
    [
        "Code: 115. DB::Exception: Unknown setting 'from_tomorrow'. (UNKNOWN_SETTING)",
        "Code: 115. DB::Exception: Unknown setting from_tomorrow: Maybe you meant ['x']. (UNKNOWN_SETTING)",
        (
            "Code: 115. DB::Exception: Setting from_tomorrow is neither a builtin setting nor started with the "
            "prefix 'SQL_' registered for user-defined settings. (UNKNOWN_SETTING)"
        ),
    ],
)
def test_the_unknown_setting_is_named(text: str) -> None:
    assert unknown_setting(statement_error(text, "")) == "from_tomorrow"


def test_other_errors_name_no_setting() -> None:
    assert unknown_setting(StatementError("Unknown setting 'x'", 62)) is None


class OperationalError(Exception):
    """Named as clickhouse-connect names it."""


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (ConnectionRefusedError(111, "refused"), ConnectionFailed, "nothing listens at http://h:1"),
        (ConnectionResetError(104, "reset"), OutcomeUnknownError, "it may have happened"),
        (TimeoutError("read timed out"), OutcomeUnknownError, "it may have happened"),
    ],
)
def test_a_lost_connection_is_told_from_one_that_never_was(cause: Exception, kind: type[Exception], words: str) -> None:
    outer = OperationalError("Error executing HTTP request")
    outer.__cause__ = cause
    told = http_failure(outer, "SELECT 1", "http://h:1")
    assert type(told) is kind
    assert words in str(told)


def test_a_gateway_that_gave_up_leaves_the_outcome_open() -> None:
    assert isinstance(
        http_failure(OperationalError("HTTP driver received HTTP status 504"), "", "http://h:1"), OutcomeUnknownError
    )
    plain = http_failure(OperationalError("HTTP driver received HTTP status 413"), "", "http://h:1")
    assert type(plain) is StatementError


def test_a_client_in_use_elsewhere_is_a_usage_error() -> None:
    text = (
        "Attempt to execute concurrent queries within the same session. Please use a separate client instance per "
        "thread/process."
    )
    assert isinstance(http_failure(Exception(text), "", "http://h:1"), UsageError)


@pytest.mark.parametrize(
    "body",
    [
        b'["a"]\n["UInt8"]\n[1]\n[2',
        b'["a"]\n',
        b'["a"]\n["UInt8"]\n[1]',
        b'["a","b"]\n["UInt8","UInt8"]\n["c"]\n["String"]\n["x"]\n',
    ],
)
def test_a_truncated_answer_is_not_taken_for_a_short_one(body: bytes) -> None:
    with pytest.raises(ValueError, match="the answer"):
        decode_rows(body)


def test_quoted_integers_and_bytes() -> None:
    body = b'["a","b","c","d"]\n["UInt64","LowCardinality(Nullable(Int64))","String","IntervalDay"]\n'
    body += b'["18446744073709551615","-5","\xff","7"]\n[1,null,"\\u0000",null]\n'
    assert decode_rows(body) == ((2**64 - 1, -5, "\udcff", "7"), (1, None, "\0", None))


def test_a_piece_of_a_statement_is_not_shown_where_the_statement_holds_a_secret() -> None:
    """The server shows 160 characters from where it stopped: within a value, as often as not."""
    text = "Code: 62. DB::Exception: Syntax error: failed at position 44 (=): = 'hush', b = 'hu... Expected one of: name. (SYNTAX_ERROR)"
    secret = statement_error(text, "CREATE NAMED COLLECTION c AS = 'hush', b = 'hush'")
    assert "failed at position 44 [HIDDEN]. Expected one of: name." in secret.message
    assert "hu" not in secret.message
    short = statement_error(text.partition("Expected")[0], "CREATE USER u IDENTIFIED BY 'hush' HOSTT")
    assert short.message.endswith("failed at position 44 [HIDDEN].")
    assert "= 'hush'" in statement_error(text, "SELECT a = 'hush'").message
