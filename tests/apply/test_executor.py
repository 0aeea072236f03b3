"""Steps in their order, with news for whoever watches."""

from __future__ import annotations

import pytest

from aaiclick.apply.executor import apply_steps
from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import StepDone, StepStarted
from aaiclick.plan.operations import Alter, AlterWork, CallableWork, CreateWork, DropWork, ReplaceWork, SqlWork
from aaiclick.routine import Command, Effect, Routine
from aaiclick.state.entries.step_entries import StepEntries
from aaiclick.state.progress import JournalScope
from tests.apply.applying import Lab, step


def test_every_kind_of_step(lab: Lab) -> None:
    moved: list[int] = []

    def runner(work: CallableWork | SqlWork) -> Routine[None]:
        moved.append(work.migration)
        statements = work.statements if isinstance(work, SqlWork) else ("INSERT INTO t VALUES (3, '')",)
        for statement in statements:
            yield Command(statement, settings={"mutations_sync": 1}, database=lab.database)

    outcomes = lab.apply(
        CreateWork("CREATE TABLE t (k UInt32) ENGINE = MergeTree ORDER BY k"),
        AlterWork("t", (Alter("ALTER TABLE t ADD COLUMN v String"),)),
        SqlWork(("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "ALTER TABLE t UPDATE v = 'c' WHERE k = 1"), 4),
        CallableWork(5),
        ReplaceWork(("CREATE OR REPLACE VIEW seen AS SELECT k FROM t",)),
        CreateWork("CREATE TABLE gone (k UInt32) ENGINE = Memory"),
        DropWork("DROP TABLE gone"),
        options=ApplyOptions(runner=runner),
    )
    assert moved == [4, 5]
    assert lab.rows("SELECT k, v FROM {db}.t ORDER BY k") == ((1, "c"), (2, "b"), (3, ""))
    assert lab.value("SELECT count() FROM {db}.seen") == 3
    assert [outcome.strategy for outcome in outcomes] == [
        "create",
        "mutate",
        "sql",
        "callable",
        "replace",
        "create",
        "drop",
    ]
    assert [event.index for event in lab.events if isinstance(event, StepStarted)] == list(range(1, 8))
    assert [event.index for event in lab.events if isinstance(event, StepDone)] == list(range(1, 8))


def test_a_function_needs_somebody_who_runs_it(lab: Lab) -> None:
    with pytest.raises(ApplyError, match="migration 5 moves data with a function"):
        lab.apply(CallableWork(5))


def test_an_error_names_the_step_and_what_is_done(lab: Lab) -> None:
    create = CreateWork("CREATE TABLE t (k UInt32) ENGINE = Memory")
    with pytest.raises(ApplyError, match=r"step create-2 .*TABLE_ALREADY_EXISTS.*Done before: create-1\."):
        lab.run(apply_steps([step(create, 1), step(create, 2)], lab.database, "abc"))


@pytest.mark.parametrize(("code", "times", "passes"), [(517, 3, True), (517, 50, False), (57, 1, False)])
def test_refusals_that_pass_are_tried_again(lab: Lab, code: int, times: int, passes: bool) -> None:
    seen: list[str] = []

    def refuse(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("CREATE"):
            seen.append(effect.sql)
            if len(seen) <= times:
                raise StatementError("refused", code, "SOME_CODE")

    work = CreateWork("CREATE TABLE t (k UInt32) ENGINE = Memory")
    if passes:
        lab.apply(work, before=refuse)
        assert len(seen) == times + 1
    else:
        with pytest.raises(ApplyError, match="refused"):
            lab.apply(work, before=refuse)
        assert len(seen) == (1 if code == 57 else 10)


def test_an_unknown_outcome_is_not_repeated_and_not_dressed_up(lab: Lab) -> None:
    seen: list[Effect] = []

    def lose(effect: Effect) -> None:
        if isinstance(effect, Command):
            seen.append(effect)
            raise OutcomeUnknownError("connection lost", 517)

    with pytest.raises(OutcomeUnknownError):
        lab.apply(CreateWork("CREATE TABLE t (k UInt32) ENGINE = Memory"), before=lose)
    assert len(seen) == 1


@pytest.mark.parametrize("fails", ["CREATE TABLE aside", "INSERT INTO"], ids=["step", "its entry"])
def test_ttl_merges_are_stopped_before_the_first_step(lab: Lab, fails: str) -> None:
    from tests.apply.applying import rebuild

    lab.sql(
        "CREATE TABLE t (k UInt32, at DateTime) ENGINE = MergeTree ORDER BY k TTL at + INTERVAL 1 DAY SETTINGS "
        "merge_with_ttl_timeout = 0"
    )
    lab.sql("SYSTEM STOP TTL MERGES t", "INSERT INTO t SELECT number, 0 FROM numbers(100)", "SYSTEM START TTL MERGES t")
    work = rebuild(lab, "t", "CREATE TABLE wanted (k UInt64, at DateTime) ENGINE = MergeTree ORDER BY k")
    seen: list[str] = []

    def watch(effect: Effect) -> None:
        if isinstance(effect, Command):
            seen.append(effect.sql)
            if effect.sql.startswith(fails):
                raise StatementError("no", 57)

    entries = StepEntries(JournalScope(lab.database, "s", 0), (), filled={"1": [2]})
    with pytest.raises(ApplyError, match="step create-1"):
        lab.apply(
            CreateWork("CREATE TABLE aside (k UInt8) ENGINE = Memory"),
            work,
            options=ApplyOptions(entries=entries),
            before=watch,
        )
    merges = [sql for sql in seen if "TTL MERGES" in sql]
    if fails == "INSERT INTO":
        assert merges == []  # it is in the journal first
        return
    assert [sql.split()[1] for sql in merges] == ["STOP", "START"]
    assert seen[-1] == merges[-1]
    assert seen.index(merges[0]) == seen.index("CREATE TABLE aside (k UInt8) ENGINE = Memory") - 1
