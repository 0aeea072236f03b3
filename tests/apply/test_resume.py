"""A copy that was killed goes on: chunks that were filled are not copied again, and nothing stays of one that nobody
goes on with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aaiclick.apply.rebuild.resume import abandon
from aaiclick.apply.recovery import recover_killed_runs
from aaiclick.apply.run import ApplyOptions, StepOutcome
from aaiclick.clickhouse.names import taken_table
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.plan.operations import AlterWork, RebuildWork, Work
from aaiclick.routine import Command, Effect, Row
from aaiclick.state.owned import read_owned
from tests.apply.applying import Killed, Lab, rebuild
from tests.apply.test_rebuild_kill import check_clean, restart

OLD = "CREATE TABLE t (k UInt32, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k"
NEW = "CREATE TABLE wanted (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY k % 3 ORDER BY (v, k)"
OPTIONS = ApplyOptions(chunk_rows=100)
ROW = "toUInt64(k), p, v"
CHUNKS = 6


def make(lab: Lab) -> Counter[Row]:
    """Six parts of a hundred rows, each a chunk."""
    lab.sql("DROP TABLE IF EXISTS t SYNC", OLD, "SYSTEM STOP MERGES t")
    lab.sql(
        *(
            f"INSERT INTO t SELECT number + {part} * 100, {part} % 2, toString(number) FROM numbers(100)"
            for part in range(CHUNKS)
        )
    )
    return lab.bag("t", ROW)


def fills(effect: Effect) -> bool:
    return isinstance(effect, Command) and effect.sql.startswith("INSERT INTO") and "_aaiclick_stage_" in effect.sql


def marks_filled(effect: Effect) -> bool:
    return isinstance(effect, Command) and "MODIFY COMMENT" in effect.sql and "_aaiclick_stage_" in effect.sql


def killed_after(lab: Lab, work: Work, filled: int) -> None:
    """A run that is killed when so many chunks were filled."""
    count = 0

    def die(effect: Effect) -> None:
        nonlocal count
        if count == filled:
            raise Killed
        count += marks_filled(effect)

    with pytest.raises(Killed):
        lab.apply(work, before=die, options=OPTIONS)


def go_on(
    lab: Lab, *works: Work, before: Callable[[Effect], object] | None = None
) -> tuple[int, tuple[StepOutcome, ...]]:
    """The next run; how many chunks it filled."""
    seen: list[Effect] = []

    def watch(effect: Effect) -> None:
        seen.append(effect)
        if before is not None:
            before(effect)

    left = lab.run(recover_killed_runs(lab.run(read_owned(lab.database)), OPTIONS, resume=True), before=before)
    options = replace(OPTIONS, resumable=frozenset(each.object for each in left if each.action == "waiting"))
    try:
        done = lab.apply(*works, before=watch, options=options)
    finally:
        lab.run(abandon(lab.database, options))
    return sum(fills(effect) for effect in seen), done


def said(lab: Lab) -> list[str]:
    return [event.text for event in lab.events if isinstance(event, Note)]


@pytest.mark.parametrize("filled", [1, 4, CHUNKS])
@pytest.mark.parametrize("kind", ["plain", "fenced", "ordered"])
def test_filled_chunks_are_not_copied_again(lab: Lab, filled: int, kind: str) -> None:
    expected = make(lab)
    wanted = NEW.replace("MergeTree", "ReplacingMergeTree") if kind == "ordered" else NEW
    work = rebuild(lab, "t", wanted, fenced=kind != "plain", ordered=kind == "ordered")
    killed_after(lab, work, filled)
    if filled == 4:
        restart(lab)
    again, outcome = go_on(lab, work)
    assert again == CHUNKS - filled
    assert outcome[0].rows == 100 * (CHUNKS - filled)
    about = (
        f"t: {filled} of {CHUNKS} chunks are there already"
        if filled < CHUNKS
        else f"t: all {CHUNKS} chunks are there already"
    )
    assert [text for text in said(lab) if text.startswith(about)]
    check_clean(lab, expected, kept=False)
    assert lab.clean() == ()


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("ALTER TABLE t DELETE WHERE k = 5", 1),
        ("DELETE FROM t WHERE k IN (5, 205)", 2),
        ("ALTER TABLE t UPDATE v = 'new' WHERE k = 105", 1),
        ("ALTER TABLE t DELETE WHERE k = 999999", 0),
        ("INSERT INTO t SELECT 5000 + number, 0, 'new' FROM numbers(10)", 1),
        ("ALTER TABLE t DROP PARTITION 1", -2),
    ],
)
def test_only_what_was_changed_in_between_is_copied_again(lab: Lab, change: str, again: int) -> None:
    """A mutation gives every part another name; what it does not touch keeps its content. (Two chunks are left to fill
    anyway, both of the dropped partition.)"""
    make(lab)
    work = rebuild(lab, "t", NEW)
    killed_after(lab, work, 4)
    lab.sql("SYSTEM START MERGES t")
    lab.connection.command(
        Command(change, settings={"mutations_sync": 2, "lightweight_deletes_sync": 2}, database=lab.database)
    )
    expected = lab.bag("t", ROW)
    assert go_on(lab, work)[0] == 2 + again
    check_clean(lab, expected, kept=False)


def test_a_mutation_that_waits_is_let_through_first(lab: Lab) -> None:
    """The dead run had stopped it."""
    make(lab)
    work = rebuild(lab, "t", NEW)
    killed_after(lab, work, 4)
    lab.connection.command(
        Command("ALTER TABLE t DELETE WHERE k = 5", settings={"mutations_sync": 0}, database=lab.database)
    )
    assert go_on(lab, work)[0] == 3
    assert lab.value("SELECT count() FROM {db}.t") == 599
    assert not lab.ours()


def test_a_changed_default_makes_it_another_copy(lab: Lab) -> None:
    make(lab)
    lab.sql("ALTER TABLE t ADD COLUMN added String DEFAULT 'a'")
    work = rebuild(lab, "t", NEW.replace("v String", "v String, added String"))
    killed_after(lab, work, 4)
    lab.sql("ALTER TABLE t MODIFY COLUMN added DEFAULT 'b'")
    assert go_on(lab, work)[0] == CHUNKS
    assert lab.rows("SELECT added, count() FROM {db}.t GROUP BY added") == (("b", 600),)


def other_form(lab: Lab, work: RebuildWork) -> Work:
    return rebuild(lab, "t", NEW.replace("(v, k)", "(p, k)"))


def alter(lab: Lab, work: RebuildWork) -> Work:
    """It would wait for ever for its mutation while merges are stopped."""
    from aaiclick.plan.operations import Alter

    return AlterWork(
        "t", (Alter(f"ALTER TABLE `{lab.database}`.t MODIFY COLUMN v LowCardinality(String)", mutates=True),)
    )


def failing(lab: Lab, work: RebuildWork) -> Work:
    return RebuildWork("missing", work.form, work.columns)


@pytest.mark.parametrize("kind", [other_form, alter, failing])
def test_nothing_stays_of_a_copy_that_is_not_wanted(lab: Lab, kind: Callable[[Lab, RebuildWork], Work]) -> None:
    expected = make(lab)
    work = rebuild(lab, "t", NEW)
    other = kind(lab, work)
    killed_after(lab, work, 4)
    try:
        assert go_on(lab, other)[0] in (0, CHUNKS)
    except ApplyError:
        assert kind is failing
    check_clean(lab, expected, kept=False)
    assert lab.clean() == ()


def test_a_table_whose_rows_were_replaced_is_copied_anew(lab: Lab) -> None:
    make(lab)
    work = rebuild(lab, "t", NEW)
    killed_after(lab, work, 4)
    tampered = next(name for name in sorted(lab.ours()) if "_stage_" in name)
    lab.sql(
        f"SYSTEM START MERGES `{tampered}`",
        f"ALTER TABLE `{tampered}` DELETE WHERE k % 2 = 0 SETTINGS mutations_sync = 2",
    )
    expected = lab.bag("t", ROW)
    assert go_on(lab, work)[0] == 3  # it holds fewer rows than it says
    check_clean(lab, expected, kept=False)


def resume_sweep(lab: Lab, turns: int, seed: int) -> int:
    """Killed at a random command, then again in each run that goes on; the last one comes to its end."""
    moment = random.Random(seed)
    killed = 0
    for turn in range(turns):
        expected = make(lab)
        kind: dict[str, Any] = [{}, {"fenced": True}, {"fenced": True, "ordered": True}][turn % 3]
        work = rebuild(lab, "t", NEW.replace("MergeTree", "ReplacingMergeTree") if "ordered" in kind else NEW, **kind)
        for _ in range(3):
            left = moment.randrange(1, 45)

            def die(effect: Effect) -> None:
                nonlocal left
                left -= isinstance(effect, Command)
                if not left:
                    raise Killed

            try:
                go_on(lab, work, before=die)
                break
            except Killed:
                killed += 1
                if moment.random() < 0.3:
                    restart(lab)
            # Readers saw every row once all the time, and writers were never kept out for good.
            assert lab.bag("t", ROW) == expected
        go_on(lab, work)
        check_clean(lab, expected, kept=False)
        assert lab.clean() == ()
    return killed


def test_killed_while_it_goes_on(lab: Lab) -> None:
    assert resume_sweep(lab, 3, 1) > 3


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(4))
def test_killed_while_it_goes_on_again_and_again(lab: Lab, seed: int) -> None:
    assert resume_sweep(lab, 30, seed) > 40


def test_chunks_of_two_runs_over_the_same_parts_are_not_both_taken(lab: Lab) -> None:
    """One was paused for longer than its lease, and filled chunks beside its successor."""
    expected = make(lab)
    work = rebuild(lab, "t", NEW)
    killed_after(lab, work, 4)
    first = [name for name in sorted(lab.ours()) if name.startswith(("_aaiclick_stage_", "_aaiclick_mark_"))]
    lab.sql(*(f"RENAME TABLE {name} TO away{place}" for place, name in enumerate(first)))
    killed_after(lab, work, 5)
    lab.sql(*(f"RENAME TABLE away{place} TO {name}" for place, name in enumerate(first)))
    again, _ = go_on(lab, work)
    assert again == 1
    check_clean(lab, expected, kept=False)
    assert lab.clean() == ()


def test_a_new_table_that_was_about_to_be_dropped_goes_while_a_copy_waits(lab: Lab) -> None:
    """A second run went on with the chunks of a first one and was killed before its mark had the UUID of its new table;
    a third one, killed too, had renamed that table to drop it: no mark finds it any more."""
    expected = make(lab)
    work = rebuild(lab, "t", NEW)
    killed_after(lab, work, 3)
    left = taken_table("0123456789abcdef01234567", "t")
    lab.sql(f"CREATE TABLE {left} (k UInt64, p UInt8, v String) ENGINE = MergeTree ORDER BY k")
    again, _ = go_on(lab, work)
    assert again == CHUNKS - 3
    check_clean(lab, expected, kept=False)
    assert lab.clean() == ()
