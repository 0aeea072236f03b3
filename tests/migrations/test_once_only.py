"""What a migration does by itself happens once, also where the run ended before the version was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Policy, Rebuild, ensure_schema, plan_schema
from aaiclick.commands import migrate
from aaiclick.errors import ApplyError, DriftRemainsError, SchemaVersionError
from aaiclick.events import Progress, StepDone, StepStarted
from tests.migrations.building import rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = table(Column("n", "UInt64"))


class Killed(BaseException):
    """The process is gone."""


def stopped(client: Client, monkeypatch: pytest.MonkeyPatch, *migrations: Migration) -> None:
    """Everything was carried out, but the process died before the version was recorded."""

    def dies(*_: object) -> None:
        raise Killed

    ensure_schema(client, schema(1, T))
    client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "append", dies)
        with pytest.raises(Killed):
            ensure_schema(client, schema(2, T, migrations=list(migrations)))
    client.command(
        "DROP TABLE IF EXISTS _aaiclick_lock SYNC"
    )  # its holder is dead: nobody has to wait for the lease to run out


def test_expressions_of_a_rebuild_are_not_applied_twice(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 2"})})
    stopped(aaiclick_client, monkeypatch, double)
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]
    assert ensure_schema(aaiclick_client, schema(2, T, migrations=[double])).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]


def test_statements_are_not_sent_twice(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    more = Migration(2, sql=["INSERT INTO t SELECT id + 10, n FROM t"])
    stopped(aaiclick_client, monkeypatch, more)
    assert ensure_schema(aaiclick_client, schema(2, T, migrations=[more])).steps == ()
    assert rows(aaiclick_client) == [(1, 1), (2, 2), (11, 1), (12, 2)]


@pytest.mark.parametrize(("answer", "expected"), [("rerun", [(1, 1), (2, 2), (9, 9)]), ("skip", [(1, 1), (2, 2)])])
def test_a_statement_that_may_have_happened_is_asked_about(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, answer: str, expected: object
) -> None:
    from aaiclick.apply import script_steps

    more = Migration(2, sql=["INSERT INTO t VALUES (9, 9)"])
    declared = schema(2, T, migrations=[more])
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (2, 2)")

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(script_steps, "send", dies)
        with pytest.raises(Killed):
            ensure_schema(aaiclick_client, declared)
    aaiclick_client.command("DROP TABLE IF EXISTS _aaiclick_lock SYNC")
    with pytest.raises(SchemaVersionError, match=r"--allow 'rerun migration 2:1'"):
        ensure_schema(aaiclick_client, declared)
    assert "'skip migration 2:1' takes it for done" in str(plan_schema(aaiclick_client, declared))
    ensure_schema(aaiclick_client, declared, policy=Policy.lossless().allow(f"{answer} migration 2:1"))
    assert rows(aaiclick_client) == expected


DOUBLE = Migration(2, rebuild={"t": Rebuild(columns={"n": "n * 2"})})


def put_another(client: Client) -> None:
    """An operator puts another table under the name, with rows that no run has converted."""
    client.command("CREATE TABLE other AS t")
    client.command("INSERT INTO other VALUES (5, 5)")
    client.command("EXCHANGE TABLES t AND other")


@pytest.mark.parametrize(("answer", "expected"), [("rerun", [(5, 10)]), ("skip", [(5, 5)])])
def test_another_table_under_the_name_is_not_taken_for_the_one_that_was_converted(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, answer: str, expected: object
) -> None:
    stopped(aaiclick_client, monkeypatch, DOUBLE)
    put_another(aaiclick_client)
    declared = schema(2, T, migrations=[DOUBLE])
    with pytest.raises(SchemaVersionError, match=r"--allow 'rerun migration 2:t'"):
        ensure_schema(aaiclick_client, declared)
    assert rows(aaiclick_client) == [(5, 5)]
    assert "'skip migration 2:t' takes them as they are" in str(plan_schema(aaiclick_client, declared))
    ensure_schema(aaiclick_client, declared, policy=Policy.lossless().allow(f"{answer} migration 2:t"))
    assert rows(aaiclick_client) == expected


def test_no_version_is_recorded_over_a_table_that_came_in_the_last_moment(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, T))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (2, 2)")
    declared = schema(2, T, migrations=[DOUBLE])

    def watch(event: object) -> None:
        if isinstance(event, StepDone):
            put_another(aaiclick_client)

    with pytest.raises(DriftRemainsError, match=r"'rerun migration 2:t' converts them"):
        ensure_schema(aaiclick_client, declared, on_event=watch)
    with pytest.raises(SchemaVersionError, match=r"rerun migration 2:t"):
        ensure_schema(aaiclick_client, declared)
    aaiclick_client.command("EXCHANGE TABLES t AND other")
    assert ensure_schema(aaiclick_client, declared).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]


@pytest.mark.parametrize("moment", [StepStarted, Progress])
def test_who_lets_another_table_be_converted_and_puts_the_first_one_back_has_it_as_it_was(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch, moment: type[object]
) -> None:
    """The permission is for the rows that are under the name, and those of the first one are converted."""
    stopped(aaiclick_client, monkeypatch, DOUBLE)
    put_another(aaiclick_client)
    declared = schema(2, T, migrations=[DOUBLE])
    policy = Policy.lossless().allow("rerun migration 2:t")

    def put_back(event: object) -> None:
        if isinstance(event, moment):
            aaiclick_client.command("EXCHANGE TABLES t AND other")

    with pytest.raises(ApplyError, match=r"somebody else"):
        ensure_schema(aaiclick_client, declared, policy=policy, on_event=put_back)
    assert ensure_schema(aaiclick_client, declared, policy=policy).steps == ()
    assert rows(aaiclick_client) == [(1, 2), (2, 4)]
