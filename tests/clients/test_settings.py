"""What a session or profile has set changes no answer, no row and no definition; what permits, costs, waits or logs
holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aaiclick import Policy, ensure_schema
from aaiclick.clients import open_connection
from aaiclick.clients.embedded import EmbeddedConnection
from aaiclick.clients.settings import (
    MEANING,
    ChangedSetting,
    changed_of,
    engine_defaults,
    is_kept,
    read_changed_settings,
)
from aaiclick.errors import StatementError, UsageError
from aaiclick.routine import Query, Rows
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.clients.conftest import open_session
from tests.clients.hostile import ONE, Raw, live
from tests.clients.hostile_values import hostile_values

UNREADABLE = ("dialect", "implicit_table_at_top_level")
"""Under these no statement of a session is read as it stands."""


@pytest.fixture
def raw(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Raw]:
    plain = open_session(aaiclick_engine.path)
    plain.query(f"USE {aaiclick_database}")
    yield lambda sql: plain.query(sql, "TSVRaw").bytes().decode()
    plain.close()


@pytest.fixture(scope="module")
def peaceful(aaiclick_engine: EmbeddedEngine) -> Iterator[list[tuple[str, str]]]:
    """The life of the database without any setting."""
    session = open_session(aaiclick_engine.path)
    session.query("CREATE DATABASE peaceful")
    session.query("USE peaceful")
    yield [
        (step, told.replace("peaceful.", ""))
        for step, told in live(session, lambda sql: session.query(sql, "TSVRaw").bytes().decode())
    ]
    session.query("DROP DATABASE peaceful SYNC")
    session.close()


def set_all(session: Any, settings: dict[str, str]) -> None:
    """Limits last: SET itself is under them."""
    for name in sorted(
        settings, key=lambda name: (name in ("max_execution_time", "limit", "offset", "implicit_transaction"), name)
    ):
        value = settings[name].replace("'", "\\'")
        session.query(f"SET {name} = '{value}'")


def chosen(raw: Raw, wanted: Any) -> dict[str, str]:
    return {name: value for name, value in hostile_values(raw).items() if wanted(name) and name not in UNREADABLE}


APART = ("use_query_cache", "implicit_transaction", "dialect")
"""With these a session cannot even SET or ask anything more."""


@pytest.mark.slow
def test_a_session_with_every_meaning_changed_leads_the_same_life(
    session: Any, raw: Raw, aaiclick_database: str, peaceful: list[tuple[str, str]]
) -> None:
    hostile = chosen(raw, lambda name: name in MEANING and name not in APART)
    assert len(hostile) > 50
    set_all(session, hostile)
    assert [(step, told.replace(f"{aaiclick_database}.", "")) for step, told in live(session, raw)] == peaceful


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param("apply_deleted_mask = 0", marks=pytest.mark.proof),  # among every_meaning too
        pytest.param("implicit_transaction = 1", marks=pytest.mark.proof),
        "use_query_cache = 1, query_cache_system_table_handling = 'save', implicit_transaction = 1",
    ],
)
def test_one_setting_changes_nothing(
    setting: str, session: Any, raw: Raw, aaiclick_database: str, peaceful: list[tuple[str, str]]
) -> None:
    session.query(f"SET {setting}")
    assert [(step, told.replace(f"{aaiclick_database}.", "")) for step, told in live(session, raw)] == peaceful


@pytest.mark.slow
def test_settings_of_a_client_over_http_change_nothing(
    aaiclick_server: EngineServer, aaiclick_server_database: str, raw: Raw, peaceful: Any
) -> None:
    hostile = chosen(raw, lambda name: name in MEANING and name not in APART)
    plain = aaiclick_server.client(database=aaiclick_server_database)
    client = aaiclick_server.client(database=aaiclick_server_database, settings=hostile)

    def ask(sql: str) -> str:
        if sql.startswith("SELECT"):
            return str(plain.raw_query(sql, fmt="TSVRaw").decode())
        plain.command(sql)
        return ""

    try:
        # Up to the copy: the way back is of the same statements.
        lived = [
            (step, told.replace(f"{aaiclick_server_database}.", ""))
            for step, told in itertools.islice(live(client, ask), 5)
        ]
        assert lived == peaceful[:5]
    finally:
        client.close()
        plain.close()


def test_a_warm_start_is_one_question_also_where_settings_are_changed(
    session: Any, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_schema(session, ONE)
    session.query("SET final = 1, join_use_nulls = 1, session_timezone = 'Pacific/Apia'")
    asked: list[str] = []
    monkeypatch.setattr(EmbeddedConnection, "_apart", lambda *given: pytest.fail(f"asked {given[1]}"))
    original = session.query

    def heard(sql: str, *more: Any, **named: Any) -> Any:
        asked.append(sql)
        return original(sql, *more, **named)

    monkeypatch.setattr(session, "query", heard)
    assert ensure_schema(session, ONE).in_sync
    assert len(asked) == 1


def test_nothing_is_set_on_a_session_that_was_handed_in(session: Any, raw: Raw) -> None:
    session.query("SET join_use_nulls = 1, limit = 7, apply_deleted_mask = 0")
    changed = (
        "SELECT name, value FROM system.settings WHERE changed AND name IN ('join_use_nulls', 'limit', "
        "'apply_deleted_mask', 'final') ORDER BY name"
    )
    before = str(session.query(changed, "TSV"))
    ensure_schema(session, ONE)
    assert str(session.query(changed, "TSV")) == before


@pytest.mark.parametrize("name", sorted(MEANING))
def test_no_setting_that_changes_meanings_is_kept(name: str) -> None:
    assert not is_kept(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_memory_usage",
        "max_threads",
        "allow_suspicious_low_cardinality_types",
        "enable_time_time64_type",
        "log_comment",
    ],
)
def test_what_permits_costs_or_logs_is_kept(name: str) -> None:
    assert is_kept(name)


def test_what_a_constraint_fixes_is_named_where_it_changes_meanings_and_let_be_elsewhere() -> None:
    changed = (
        ChangedSetting("join_algorithm", "hash", "auto", fixed=True),
        ChangedSetting("max_threads", "1", "4"),
        ChangedSetting("offset", "1", "0"),
    )
    assert engine_defaults(changed) == {"offset": "0"}
    with pytest.raises(
        UsageError, match="the profile of this user fixes limit = '1', which changes what statements mean"
    ):
        engine_defaults((ChangedSetting("limit", "1", "0", fixed=True),))


class Refusing:
    """Answers to ``read_changed_settings``: errors are raised."""

    def __init__(self, *answers: Rows | StatementError) -> None:
        self.answers = list(answers)
        self.asked: list[Query] = []

    def all(self) -> Rows:
        routine = read_changed_settings()
        effect = next(routine)
        while True:
            assert isinstance(effect, Query)
            self.asked.append(effect)
            answer = self.answers.pop(0)
            try:
                effect = routine.throw(answer) if isinstance(answer, StatementError) else routine.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]


def refused(name: str) -> StatementError:
    return StatementError(
        f"Code: 164. DB::Exception: Cannot modify '{name}' setting in readonly mode. (READONLY)", 164, "READONLY"
    )


def test_a_user_who_may_change_nothing_is_asked_without_the_limits_it_has() -> None:
    answers = Refusing(
        refused("max_execution_time"), refused("max_rows_to_read"), (("max_execution_time", "60", "0", 1),)
    )
    assert engine_defaults(changed_of(answers.all())) == {}
    assert "max_execution_time" not in answers.asked[-1].sql


def test_a_user_whose_answers_are_cut_off_is_told_by_what() -> None:
    with pytest.raises(UsageError, match="the profile of this user fixes setting limit"):
        Refusing(refused("limit")).all()


def test_compatibility_goes_back_as_a_whole() -> None:
    answers = Refusing((("compatibility", "22.3", "", 0), ("final", "0", "0", 0)), (("compatibility", "", "", 0),))
    assert answers.all() == (("compatibility", "", "", 0),)
    assert "compatibility = ''" in answers.asked[1].sql


def test_what_cannot_be_read_at_all_is_said() -> None:
    error = StatementError("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", 62, "SYNTAX_ERROR")
    answers = Refusing(error, error)
    with pytest.raises(UsageError, match=r"put back what it has set of .*dialect"):
        answers.all()
    assert answers.asked[1].settings["dialect"] == "clickhouse"


def test_a_dialect_of_the_session_is_named(session: Any) -> None:
    session.query("SET allow_experimental_kusto_dialect = 1, dialect = 'kusto'")
    with pytest.raises(UsageError, match="dialect"):
        ensure_schema(session, ONE, Policy.everything())


def test_the_values_are_not_the_defaults(raw: Raw) -> None:
    hostile = hostile_values(raw)
    rows = raw("SELECT name, default FROM system.settings FORMAT JSONEachRow").splitlines()
    defaults = {row["name"]: row["default"] for row in map(json.loads, rows)}
    assert len(hostile) > 900
    assert not [name for name, value in hostile.items() if value == defaults[name]]
    assert not [
        name
        for name in MEANING & defaults.keys() - hostile.keys()
        if name not in ("enable_analyzer", "allow_experimental_analyzer", "cast_string_to_date_time_mode")
    ]


def test_a_connection_learns_once(aaiclick_engine: EmbeddedEngine, aaiclick_database: str, session: Any) -> None:
    connection = open_connection(session)
    assert connection.query(Query("SELECT 1 AS a")) == ((1,),)
    session.query("SET limit = 0")
    assert connection.query(Query("SELECT number AS a FROM numbers(2)")) == ((0,), (1,))
    connection.close()
