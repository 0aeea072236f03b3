"""A server older than supported is refused in one sentence, whether or not it understands the question about its
catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema, validate_schema
from aaiclick.catalog.forms import ServerFacts
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.errors import AaiclickError, StatementError, UsageError
from aaiclick.routine import Command, Query, Routine, run

SCHEMA = Schema("app", version=1, objects=[Table("t", [Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))])


class Refusing:
    """A connection whose server does not know the columns that are asked for."""

    embedded = False
    identity = "old"

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        raise StatementError("Code: 47. DB::Exception: Missing columns", 47)

    def command(self, effect: Command, /) -> None:
        raise AssertionError(effect)

    def close(self) -> None:
        """Nothing was opened."""


@pytest.mark.parametrize(("version", "error"), [((22, 8, 5), UsageError), ((25, 8, 1), StatementError)])
def test_a_refused_question_is_blamed_on_the_version_only_where_it_is_too_old(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], error: type[Exception]
) -> None:
    def facts() -> Routine[ServerFacts]:
        yield from ()
        return ServerFacts(version, ".".join(map(str, version)), "default", "default", "UTC")

    monkeypatch.setattr("aaiclick.commands.inspection.inspect.server_facts", facts)
    with pytest.raises(
        error,
        match="the oldest that is supported is 23.10: upgrade the server" if error is UsageError else "Missing columns",
    ):
        run(inspect_database(SCHEMA, "db"), Refusing())


def test_a_release_on_which_no_change_was_shown_is_read_and_filled_but_not_changed(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aaiclick.clickhouse.features.OLDEST_THAT_CHANGES", (99, 1))
    assert [step.strategy for step in ensure_schema(aaiclick_client, SCHEMA).steps] == ["create"]
    assert validate_schema(aaiclick_client, SCHEMA).in_sync
    wider = Schema(
        "app",
        version=2,
        objects=[Table("t", [Column("a", "UInt16"), Column("b", "UInt8")], engine=MergeTree(order_by=["a"]))],
    )
    (step,) = plan_schema(aaiclick_client, wider).steps
    assert step.change == "column b is missing; column a: type UInt8 -> UInt16"
    with pytest.raises(
        AaiclickError, match=r"changed from ClickHouse 99\.1 on, and this server is \d+\.\d+.*: upgrade the server"
    ):
        ensure_schema(aaiclick_client, wider, policy=Policy.everything())
    assert aaiclick_client.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 't'"
    ).result_rows == [("a", "UInt8")]
