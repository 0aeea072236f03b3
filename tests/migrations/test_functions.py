"""The function of a migration: it is resumed at its bookmark, called once for a version, and its errors carry the
migration's name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from aaiclick import Column, Migration, ensure_schema, ensure_schema_async, validate_schema
from aaiclick.apply import migration_function
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Event, Progress
from aaiclick.routine import Routine
from aaiclick.specs.moves import AsyncMoveContext, MoveContext
from aaiclick.state import progress
from aaiclick.state.progress import JournalScope
from tests.migrations.building import records, rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = table(Column("n", "UInt32"))
LOG = table(Column("what", "String"), name="log")


def before(client: Client) -> None:
    ensure_schema(client, schema(1, T))
    client.command("INSERT INTO t SELECT number, number FROM numbers(6)")


def after(move: Callable[..., object]) -> object:
    return schema(2, T, LOG, migrations=[Migration(2, title="log", move=move)])


class Slices:
    """Copies rows of ``t`` to ``log``, two at a time; fails once before the slice ``at``."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.calls: list[object] = []
        self.attempts: list[int] = []
        self.__name__ = "slices"

    def __call__(self, context: MoveContext) -> None:
        self.calls.append(context.bookmark)
        self.attempts.append(context.attempt)
        for first in range(cast("int", context.bookmark or 0), 6, 2):
            if first == self.at:
                self.at = None
                raise ValueError("no luck today")
            sql = (
                f"INSERT INTO {context.table('log')} SELECT id, concat('v', toString(id)) FROM {context.table('t')} "
                f"WHERE id >= {first} AND id < {first + 2}"
            )
            context.client.command(sql)
            context.set_bookmark(first + 2)
            context.progress(first + 2, 6)


ALL = [(i, f"v{i}") for i in range(6)]


def test_a_function_gets_what_it_needs(aaiclick_client: Client) -> None:
    seen: dict[str, object] = {}

    def move(context: MoveContext) -> None:
        seen["before"] = {item.name for item in context.before.tables}
        seen["after"] = (context.after.version, {item.name for item in context.after.tables})
        seen["version"], seen["bookmark"], seen["database"] = context.version, context.bookmark, context.database
        seen["rows"] = context.client.query(
            f"SELECT sum(n), {{x:String}} FROM {context.table('t')}", parameters={"x": "y"}
        ).result_rows
        context.client.command("INSERT INTO log SELECT id, 'here' FROM t WHERE id = 1", settings={"max_threads": 1})
        context.set_bookmark({"done": [1, None]})
        seen["later"] = context.bookmark

    before(aaiclick_client)
    events: list[Event] = []
    report = ensure_schema(aaiclick_client, after(move), on_event=events.append)  # type: ignore[arg-type]
    assert [step.strategy for step in report.steps] == ["create", "callable"]
    assert seen == {
        "before": {"t", "log"},
        "after": (2, {"t", "log"}),
        "version": 2,
        "bookmark": None,
        "database": aaiclick_client.database,
        "rows": ((15, "y"),),
        "later": {"done": [1, None]},
    }
    assert rows(aaiclick_client, "log") == [(1, "here")]


def test_progress_is_told(aaiclick_client: Client) -> None:
    before(aaiclick_client)
    events: list[Event] = []
    ensure_schema(aaiclick_client, after(Slices()), on_event=events.append)  # type: ignore[arg-type]
    assert [(event.done, event.total) for event in events if isinstance(event, Progress) and event.phase == "move"] == [
        (2, 6),
        (4, 6),
        (6, 6),
    ]


def test_a_failure_leaves_the_version_unrecorded_and_the_next_run_goes_on_at_the_bookmark(
    aaiclick_client: Client,
) -> None:
    move = Slices(at=4)
    before(aaiclick_client)
    with pytest.raises(
        ApplyError, match=r"migration 2 \(log\): slices failed: ValueError: no luck today.*goes on at its bookmark"
    ) as caught:
        ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, ApplyError)
    assert records(aaiclick_client) == [(1, 0, "applied", None)]
    assert rows(aaiclick_client, "log") == ALL[:4]
    assert not validate_schema(aaiclick_client, after(move)).in_sync  # type: ignore[arg-type]
    ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert (move.calls, move.attempts) == ([None, 4], [1, 2])
    assert rows(aaiclick_client, "log") == ALL
    assert records(aaiclick_client)[-1] == (2, 1, "applied", None)
    ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert len(move.calls) == 2


def test_a_function_that_ended_is_not_called_again_where_something_behind_it_failed(aaiclick_client: Client) -> None:
    calls: list[int] = []

    def move(context: MoveContext) -> None:
        calls.append(1)
        context.client.command("INSERT INTO log VALUES (1, 'once')")

    before(aaiclick_client)
    failing = [Migration(2, move=move), Migration(3, sql=["INSERT INTO log SELECT throwIf(n = 3), '' FROM t"])]
    declared = schema(3, T, LOG, migrations=failing)
    with pytest.raises(ApplyError, match="statement 1 of migration 3"):
        ensure_schema(aaiclick_client, declared)
    repaired = schema(3, T, LOG, migrations=[failing[0], Migration(3, sql=["INSERT INTO log SELECT 2, 'later'"])])
    from aaiclick import Policy

    ensure_schema(aaiclick_client, repaired, policy=Policy.lossless().allow("rerun migration 3:1"))
    assert calls == [1]
    assert rows(aaiclick_client, "log") == [(1, "once"), (2, "later")]


def test_an_error_of_a_statement_reaches_the_function(aaiclick_client: Client) -> None:
    def move(context: MoveContext) -> None:
        with pytest.raises(StatementError) as caught:
            context.client.query("SELECT no_such_function(1)")
        assert caught.value.code == 46
        context.client.command("INSERT INTO log VALUES (1, 'went on')")

    before(aaiclick_client)
    ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert rows(aaiclick_client, "log") == [(1, "went on")]


async def copy(context: AsyncMoveContext) -> None:
    await asyncio.sleep(0)
    found = await context.client.query(f"SELECT count() FROM {context.table('t')}")
    await context.client.command(f"INSERT INTO log VALUES ({found.result_rows[0][0]}, 'async')")
    await context.set_bookmark("x")
    await context.progress(1, 1)
    ran_in.append((threading.current_thread() is threading.main_thread(), id(asyncio.get_running_loop())))


ran_in: list[tuple[bool, int]] = []


def test_an_async_function_under_a_sync_call(aaiclick_client: Client) -> None:
    before(aaiclick_client)
    ran_in.clear()
    ensure_schema(aaiclick_client, after(copy))  # type: ignore[arg-type]
    assert rows(aaiclick_client, "log") == [(6, "async")]
    assert [main for main, _ in ran_in] == [False]


def test_an_async_function_under_an_async_call_runs_on_its_loop(aaiclick_client: Client) -> None:
    before(aaiclick_client)
    ran_in.clear()

    async def work() -> int:
        await ensure_schema_async(aaiclick_client, after(copy))  # type: ignore[arg-type]
        return id(asyncio.get_running_loop())

    loop = asyncio.run(work())
    assert ran_in == [(True, loop)]
    assert rows(aaiclick_client, "log") == [(6, "async")]


def test_a_sync_function_under_an_async_call(aaiclick_client: Client) -> None:
    before(aaiclick_client)
    move = Slices(at=2)
    with pytest.raises(ApplyError, match="no luck today"):
        asyncio.run(ensure_schema_async(aaiclick_client, after(move)))  # type: ignore[arg-type]
    asyncio.run(ensure_schema_async(aaiclick_client, after(move)))  # type: ignore[arg-type]
    assert (move.calls, rows(aaiclick_client, "log")) == ([None, 2], ALL)


def test_a_forgotten_async_def_is_told(aaiclick_client: Client) -> None:
    before(aaiclick_client)

    def forgot(context: AsyncMoveContext) -> object:
        return copy(context)

    with pytest.raises(ApplyError, match="declare it with async def"):
        ensure_schema(aaiclick_client, after(forgot))  # type: ignore[arg-type]


def test_the_end_is_entered_although_the_journal_is_out_of_order_for_a_moment(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    real = progress.enter_end

    def enter_end(scope: JournalScope, key: str) -> Routine[None]:
        if len(refused) < 2:
            refused.append(key)
            raise StatementError("Memory limit exceeded", 241)
        yield from real(scope, key)

    before(aaiclick_client)
    move = Slices()
    monkeypatch.setattr(migration_function, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(migration_function, "enter_end", enter_end)
    ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert (refused, move.calls, rows(aaiclick_client, "log")) == (["2:move", "2:move"], [None], ALL)


def test_an_end_that_cannot_be_entered_is_told_and_the_next_call_knows_that_it_is_a_repeated_one(
    aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def move(context: MoveContext) -> None:
        attempts.append(context.attempt)

    def enter_end(*_: object) -> Routine[None]:
        yield from ()
        raise StatementError("Memory limit exceeded", 241)

    before(aaiclick_client)
    with monkeypatch.context() as patched:
        patched.setattr(migration_function, "PAUSES", (0.0,))
        patched.setattr(migration_function, "enter_end", enter_end)
        with pytest.raises(
            ApplyError,
            match=r"migration 2 \(log\): move ended, but that could not be entered.*calls it again, with attempt > 1",
        ):
            ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    ensure_schema(aaiclick_client, after(move))  # type: ignore[arg-type]
    assert attempts == [1, 2]
