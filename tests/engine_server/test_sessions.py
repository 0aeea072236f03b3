"""Sessions: SET, USE and temporary tables stay with a session_id, and with it only."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any


def test_a_session_keeps_its_settings_database_and_temporary_tables(ask: Any, aaiclick_server_database: str) -> None:
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    ask(body=b"SET max_block_size = 55", session_id=one)
    ask(body=f"USE {aaiclick_server_database}".encode(), session_id=one)
    ask(body=b"CREATE TEMPORARY TABLE mine AS SELECT 1 AS a", session_id=one)
    state = b"SELECT currentDatabase(), getSetting('max_block_size') = 55"
    assert ask(body=state, session_id=one).text == f"{aaiclick_server_database}\t1\n"
    assert ask(body=b"SELECT * FROM mine", session_id=one).text == "1\n"
    assert ask(body=state, session_id=two).text == "default\t0\n"
    assert ask(body=b"SELECT * FROM mine", session_id=two).headers["x-clickhouse-exception-code"] == "60"
    assert ask(body=state).text == "default\t0\n"


def test_what_the_url_says_holds_for_one_statement_of_a_session(ask: Any, aaiclick_server_database: str) -> None:
    session = str(uuid.uuid4())
    state = "SELECT currentDatabase(), getSetting('max_block_size'), getSetting('max_insert_block_size')"
    default = ask("SELECT getSetting('max_insert_block_size')").text
    ask(body=b"SET max_block_size = 55", session_id=session)
    laid_over = ask(
        state, session_id=session, database=aaiclick_server_database, max_block_size="66", max_insert_block_size="7"
    ).text
    assert laid_over == f"{aaiclick_server_database}\t66\t7\n"
    assert ask(state, session_id=session).text == f"default\t55\t{default}"


def test_a_set_under_a_url_setting_stays(ask: Any) -> None:
    session = str(uuid.uuid4())
    ask(body=b"SET max_block_size = 44", session_id=session, max_block_size="66")
    assert ask("SELECT getSetting('max_block_size')", session_id=session, max_block_size="66").text == "66\n"
    assert ask("SELECT getSetting('max_block_size')", session_id=session).text == "44\n"


def test_a_use_under_a_url_database_stays(ask: Any, aaiclick_server_database: str) -> None:
    session = str(uuid.uuid4())
    ask(body=f"USE {aaiclick_server_database}".encode(), session_id=session, database="system")
    assert ask("SELECT currentDatabase()", session_id=session, database="system").text == "system\n"
    assert ask("SELECT currentDatabase()", session_id=session).text == f"{aaiclick_server_database}\n"


def test_a_failed_statement_leaves_no_setting_behind(ask: Any) -> None:
    session = str(uuid.uuid4())
    assert ask("SELECT throwIf(1)", session_id=session, max_block_size="66").status == 500
    assert (
        ask("SELECT 1", session_id=session, max_threads="1", no_such_setting="1").headers["x-clickhouse-exception-code"]
        == "115"
    )
    assert (
        ask("SELECT getSetting('max_block_size') = 66, getSetting('max_threads') = 1", session_id=session).text
        == "0\t0\n"
    )


def test_one_statement_at_a_time(ask: Any) -> None:
    session = str(uuid.uuid4())
    sql = (
        "SELECT sleepEachRow(0.2) FROM numbers(300) SETTINGS max_block_size = 1, "
        "function_sleep_max_microseconds_per_block = 0"
    )
    thread = threading.Thread(target=lambda: ask(sql, session_id=session, query_id=session))
    thread.start()
    deadline = time.monotonic() + 30
    while (
        ask(f"SELECT count() FROM system.processes WHERE Settings['log_comment'] = '{session}'").text != "1\n"
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    busy = ask("SELECT 1", session_id=session)
    ask(body=f"KILL QUERY WHERE Settings['log_comment'] = '{session}' SYNC".encode())
    thread.join()
    assert busy.headers["x-clickhouse-exception-code"] == "373"
    assert ask("SELECT 1", session_id=session).text == "1\n"


def test_sessions_are_checked_and_expire(ask: Any) -> None:
    session = str(uuid.uuid4())
    assert ask("SELECT 1", session_id=session, session_check="1").headers["x-clickhouse-exception-code"] == "372"
    ask(body=b"SET max_block_size = 55", session_id=session, session_timeout="0")
    time.sleep(0.01)
    assert ask("SELECT getSetting('max_block_size') = 55", session_id=session).text == "0\n"
    assert ask("SELECT 1", session_id=session, session_timeout="7200").headers["x-clickhouse-exception-code"] == "374"
