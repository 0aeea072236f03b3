"""A run that dies at any point: no row is lost or doubled, and the next run puts things right.

Only statements change anything, so a kill after each of them (and before the first) covers every state a dead run can
leave.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from aaiclick.apply.rebuild.staging import create_from
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.merges import MERGES_STOPPED, stop_merges
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.tables import require_table
from aaiclick.errors import ApplyError
from aaiclick.events import Waiting
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Command, Effect, Row
from aaiclick.state.rebuild_mark import new_mark, update_mark, write_mark
from tests.apply.applying import Killed, Lab, forms, rebuild
from tests.reliability.counts import note

OLD = (
    "CREATE TABLE t (k UInt32, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS "
    "parts_to_delay_insert = 700"
)
NEW = "CREATE TABLE wanted (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY k % 3 ORDER BY (v, k)"
ROW = "toUInt64(k), p, v"
LATE = Counter[Row]((f"({1000 + number},{number % 3},'late')",) for number in range(30))
Make = Callable[[Lab], "RebuildWork | AttachWork"]


def make(lab: Lab) -> None:
    lab.sql("DROP TABLE IF EXISTS t SYNC", OLD)
    lab.sql(
        *(
            f"INSERT INTO t SELECT number + {part} * 100, number % 2, toString(number) FROM numbers(100)"
            for part in range(2)
        )
    )


def plain(lab: Lab) -> RebuildWork:
    return rebuild(lab, "t", NEW)


def fenced(lab: Lab) -> RebuildWork:
    return rebuild(lab, "t", NEW, fenced=True)


def ordered(lab: Lab) -> RebuildWork:
    return rebuild(lab, "t", NEW.replace("MergeTree", "ReplacingMergeTree"), fenced=True, ordered=True)


def attach(lab: Lab) -> AttachWork:
    lab.sql("CREATE TABLE wanted (k UInt32, p UInt8, v String) ENGINE = ReplacingMergeTree PARTITION BY p ORDER BY k")
    form = forms(lab, "wanted")["wanted"]
    lab.sql("DROP TABLE wanted SYNC")
    return AttachWork("t", form)


class Straggler:
    """A writer whose rows land in the old storage in the last moment: after the copy was made, before the exchange."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rows = 0

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            self.lab.sql("INSERT INTO t SELECT 1000 + number, number % 3, 'late' FROM numbers(30)")
            self.rows += 30


def holding(lab: Lab, table: str) -> set[str]:
    return {name for name, _ in MERGES_STOPPED if f"{name} = " in lab.definition(table)}


def check_clean(lab: Lab, expected: object, kept: bool) -> None:
    assert lab.bag("t", ROW) == expected
    assert holding(lab, "t") <= {"parts_to_delay_insert"}
    assert "table_readonly" not in lab.definition("t")
    assert FENCE_CONSTRAINT not in lab.definition("t")
    assert {name.split("_")[2] for name in lab.ours()} <= (
        {"old", "journal"} if kept else set()
    )  # whose storage has its setting because of us
    assert lab.merging("t")


def restart(lab: Lab) -> None:
    """What a restart of the server does to tables: SYSTEM STOP MERGES is forgotten, settings are not."""
    for (name,) in lab.rows(f"SELECT name FROM system.tables WHERE database = '{lab.database}' ORDER BY name"):
        lab.sql(f"DETACH TABLE `{name}` SYNC", f"ATTACH TABLE `{name}`")


def sweep(lab: Lab, kind: Make, *, late: bool = False, keep: int = 0, stride: int = 1) -> int:
    """Kill after every statement in turn (or every so many of them); how often that was."""
    options = ApplyOptions(keep_old_seconds=keep, chunk_rows=200)
    make(lab)
    work = kind(lab)
    total = [isinstance(effect, Command) for effect in lab.effects(lab.work(work, options))]
    # Late rows add statements (and answers) behind the ones that were counted.
    points = [
        -1,
        *(index for index, command in enumerate(total) if command),
        *(len(total) + each for each in range(40 if late else 0)),
    ]
    killed = 0
    for turn, stop in enumerate(points[::stride]):
        make(lab)
        straggler = Straggler(lab.other()) if late else None
        expected = lab.bag("t", ROW)
        try:
            lab.run(lab.work(work, options), before=straggler, stop=max(stop, 0), answered=stop >= 0)
        except Killed:
            killed += 1
        missing = Counter[Row]()
        if straggler is not None:
            straggler.lab.close()
            missing = LATE if straggler.rows else missing
        if turn % 2:
            restart(lab)
        # Nothing is there twice, and only rows that came in the last moment may still be in the old storage alone.
        live = lab.bag("t", ROW)
        assert not live - (expected + missing)
        assert not expected - live
        expected += missing
        assert not [result for result in lab.clean(options) if result.action == "left"]
        check_clean(lab, expected, keep > 0)
        assert lab.clean() == ()
        if turn % 5 == 0:
            lab.apply(work)
            check_clean(lab, expected, keep > 0)
        lab.sql(*(f"DROP TABLE `{name}` SYNC" for name in sorted(lab.ours())))
    note(
        "rebuild and attach in small chunks, killed after every statement, late rows too",
        sweeps=1,
        kills=killed,
        rows=killed * expected.total(),
    )
    return killed


@pytest.mark.slow
@pytest.mark.parametrize("kind", [plain, fenced, ordered, attach])
def test_killed_after_every_seventh_statement(lab: Lab, kind: Make) -> None:
    assert sweep(lab, kind, stride=7) > 2


@pytest.mark.proof
@pytest.mark.parametrize("kind", [plain, fenced, ordered, attach])
def test_killed_after_any_statement(lab: Lab, kind: Make) -> None:
    assert sweep(lab, kind) > 15


@pytest.mark.slow
@pytest.mark.usefixtures("no_readonly_setting")
@pytest.mark.parametrize("kind", [fenced, attach])
def test_killed_after_every_seventh_statement_behind_a_constraint(lab: Lab, kind: Make) -> None:
    assert sweep(lab, kind, stride=7) > 2


@pytest.mark.proof
@pytest.mark.usefixtures("no_readonly_setting")
@pytest.mark.parametrize("kind", [fenced, ordered, attach])
def test_killed_after_any_statement_behind_a_constraint(lab: Lab, kind: Make) -> None:
    assert sweep(lab, kind) > 15


@pytest.mark.parametrize("late", [0, 30])
def test_an_attach_of_earlier_releases_that_exchanged_first_is_brought_to_its_end(lab: Lab, late: int) -> None:
    """So they did on servers without ``table_readonly``: all rows are in the old table yet."""
    make(lab)
    expected = lab.bag("t", ROW)
    work = attach(lab)
    source = lab.run(require_table(lab.database, "t"))
    mark = lab.run(write_mark(lab.database, new_mark(work, source, "earlier", 0)))
    lab.run(stop_merges(source))
    lab.run(create_from(work.form, lab.database, mark.shadow_name, ()))
    shadow = lab.run(require_table(lab.database, mark.shadow_name))
    mark = lab.run(update_mark(lab.database, replace(mark, shadow=shadow.uuid, phase="swap")))
    lab.sql(f"EXCHANGE TABLES t AND `{mark.shadow_name}`")
    if late:
        lab.sql(f"INSERT INTO `{mark.shadow_name}` SELECT 1000 + number, number % 3, 'late' FROM numbers({late})")
        expected += LATE
    assert not lab.bag("t", ROW)
    lab.clean()
    check_clean(lab, expected, kept=False)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0, 3600])
def test_killed_with_late_rows(lab: Lab, keep: int) -> None:
    assert sweep(lab, plain, late=True, keep=keep, stride=13) > 2


@pytest.mark.proof
@pytest.mark.parametrize("keep", [0, 3600])
def test_killed_with_late_rows_everywhere(lab: Lab, keep: int) -> None:
    assert sweep(lab, plain, late=True, keep=keep) > 30


def test_a_second_run_does_not_touch_what_it_cannot_explain(lab: Lab) -> None:
    make(lab)
    lab.sql(
        "CREATE TABLE _aaiclick_new_abc_t AS t",
        "INSERT INTO _aaiclick_new_abc_t SELECT * FROM t",
        "CREATE TABLE _aaiclick_stage_abc_0_t AS t",
    )
    results = lab.clean()
    assert [(result.object, result.action) for result in results] == [
        ("_aaiclick_new_abc_t", "left"),
        ("_aaiclick_stage_abc_0_t", "dropped"),
    ]
    assert lab.value("SELECT count() FROM {db}._aaiclick_new_abc_t") == 200


def killed_before_the_exchange(lab: Lab) -> str:
    """The name of the mark that is left."""
    make(lab)
    work = plain(lab)
    with pytest.raises(Killed):
        lab.run(
            lab.work(work),
            stop=next(i for i, e in enumerate(lab.effects(lab.work(work))) if "EXCHANGE" in getattr(e, "sql", "")) - 1,
        )
    return next(name for name in lab.ours() if "_mark_" in name)


def test_a_mark_that_cannot_be_read_is_left(lab: Lab) -> None:
    lab.sql(f"ALTER TABLE {killed_before_the_exchange(lab)} MODIFY COMMENT 'hello'")
    before = lab.ours()
    assert [result.action for result in lab.clean()] == ["left"]
    assert lab.ours() == before


@pytest.mark.parametrize("what", ["replaced", "dropped"])
def test_a_mark_whose_table_somebody_dropped_settles_by_itself(lab: Lab, what: str) -> None:
    """The copy was of a table that its owner did not want any more; what has its name now is as it was."""
    killed_before_the_exchange(lab)
    lab.sql("DROP TABLE t SYNC", *([OLD] if what == "replaced" else []))
    assert [result.action for result in lab.clean()] == ["undone"]
    assert not [name for name in lab.ours() if "_mark_" in name or "_new_" in name or "_stage_" in name]
    if what == "replaced":
        assert lab.value("SELECT count() FROM {db}.t") == 0


def test_restart_between_exchange_and_late_rows(lab: Lab) -> None:
    """After a restart nothing but the table's own settings keeps late rows from being merged with rows that are copied
    already."""
    lab.sql(OLD.replace("PARTITION BY p ", ""), "SYSTEM STOP MERGES t")
    lab.sql(*(f"INSERT INTO t SELECT number + {part} * 10, number % 2, 'x' FROM numbers(10)" for part in range(25)))
    expected = lab.bag("t", ROW) + LATE
    straggler = Straggler(lab.other())
    work = plain(lab)

    def die(effect: Effect) -> None:
        straggler(effect)
        if straggler.rows and "system.processes" in getattr(effect, "sql", ""):
            raise Killed

    with pytest.raises(Killed):
        lab.run(lab.work(work), before=die)
    straggler.lab.close()
    restart(lab)
    old = next(name for name in lab.ours() if "_new_" in name)
    time.sleep(2)  # background merges of 25 small parts begin at once where nothing holds them
    assert (
        lab.value(f"SELECT count() FROM system.parts WHERE active AND database = '{lab.database}' AND table = '{old}'")
        == 26
    )
    assert [result.action for result in lab.clean()] == ["finished"]
    check_clean(lab, expected, kept=False)


def wait_until_it_writes(lab: Lab) -> None:
    """Until the slow INSERT has passed the server's look at ``table_readonly``: it is listed before that, so that it
    has read a row is asked for."""
    deadline = time.monotonic() + 30
    while not lab.value(
        "SELECT count() FROM system.processes WHERE query LIKE '%5000%' AND query_kind = 'Insert' AND read_rows > 0"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_insert_that_runs_at_the_exchange_is_waited_for(lab: Lab) -> None:
    make(lab)
    expected = lab.bag("t", ROW) + Counter[Row]([("(5000,1,'slow')",)])
    other = lab.other()
    slow = "INSERT INTO t SELECT 5000, 1, 'slow' FROM numbers(1) WHERE sleepEachRow(1.5) = 0 SETTINGS async_insert = 0"
    thread = threading.Thread(target=other.sql, args=(slow,))

    def begin(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            thread.start()
            wait_until_it_writes(lab)

    outcome = lab.apply(plain(lab), before=begin)
    thread.join()
    other.close()
    assert outcome[0].rows == 201
    assert [event for event in lab.events if isinstance(event, Waiting)]
    check_clean(lab, expected, kept=False)


def test_an_insert_that_never_ends_leaves_the_rest_to_the_next_run(lab: Lab) -> None:
    make(lab)
    expected = lab.bag("t", ROW) + Counter[Row]([("(5000,1,'slow')",)])
    other = lab.other()
    slow = "INSERT INTO t SELECT 5000, 1, 'slow' FROM numbers(1) WHERE sleepEachRow(2) = 0 SETTINGS async_insert = 0"
    thread = threading.Thread(target=other.sql, args=(slow,))

    def begin(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            thread.start()
            wait_until_it_writes(lab)

    with pytest.raises(ApplyError, match="1 insert is still running"):
        lab.apply(plain(lab), before=begin, options=ApplyOptions(drain_seconds=0.1))
    assert lab.value("SELECT count() FROM {db}.t") == 200
    assert [result.action for result in lab.clean()] == ["finished"]
    thread.join()
    other.close()
    check_clean(lab, expected, kept=False)


def test_a_fence_that_takes_too_long_is_lifted(lab: Lab) -> None:
    make(lab)
    other = lab.other()
    slow = "INSERT INTO t SELECT 5000, 1, 'slow' FROM numbers(1) WHERE sleepEachRow(1) = 0 SETTINGS async_insert = 0"
    thread = threading.Thread(target=other.sql, args=(slow,))

    def begin(effect: Effect) -> None:
        if isinstance(effect, Command) and "table_readonly = 1" in effect.sql:
            thread.start()
            wait_until_it_writes(lab)

    old = lab.uuid("t")
    with pytest.raises(ApplyError, match="still running"):
        lab.apply(fenced(lab), before=begin, options=ApplyOptions(fence_seconds=0.1))
    assert lab.uuid("t") == old
    lab.sql("INSERT INTO t VALUES (1, 1, 'x')")
    thread.join()
    other.close()
    assert lab.value("SELECT count() FROM {db}.t") == 202
    assert not lab.ours()
