"""A writer between the look at the rows and the change that rests on it: refused, or found before anything is changed;
never converted unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from time import monotonic, sleep

import pytest

from aaiclick import ensure_schema
from aaiclick.apply.executor import apply_steps
from aaiclick.clickhouse.names import GUARD
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.storages import add_guards
from aaiclick.clickhouse.tables import Physical
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.errors import ApplyError, StatementError
from aaiclick.plan.model import Plan
from aaiclick.plan.operations import AlterWork, AttachWork, RebuildWork
from aaiclick.routine import Command, Effect, Query
from aaiclick.specs.columns import Column, Constraint, Index
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.migrations import Migration, Rebuild
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from tests.apply.applying import Killed, Lab

OLD = "CREATE TABLE t (k UInt32, v UInt32) ENGINE = MergeTree ORDER BY k"
NEW = Table("t", columns=[Column("k", "UInt32"), Column("v", "UInt16")], engine=MergeTree(order_by="k"))
GOOD, BAD = "INSERT INTO t (k, v) VALUES (7, 7)", "INSERT INTO t (k, v) VALUES (80, 70000)"


def plan(lab: Lab, table: Table) -> Plan:
    found = lab.run(inspect_database(Schema("shop", objects=[table]), lab.database))
    return lab.run(make_plan(found)).plan


def carry_out(
    lab: Lab,
    planned: Plan,
    before: Callable[[Effect], object] | None = None,
    stop: int | None = None,
    answered: bool = True,
) -> None:
    lab.run(apply_steps(planned.required, lab.database, lab.nonce()), before, stop, answered)


def sent(effect: Effect, *words: str) -> bool:
    return isinstance(effect, Command) and all(word in effect.sql for word in words)


def once(
    lab: Lab, when: Callable[[Effect], bool], sql: str, refusals: list[str] | None = None
) -> Callable[[Effect], None]:
    """A writer that comes before the first effect of a kind."""
    done: list[bool] = []

    def hook(effect: Effect) -> None:
        if done or not when(effect):
            return
        done.append(True)
        try:
            lab.sql(sql)
        except StatementError as error:
            if refusals is None:
                raise
            refusals.append(str(error))

    return hook


def guards(lab: Lab) -> int:
    return lab.definition("t").count(GUARD)


def adds_guard(effect: Effect) -> bool:
    return sent(effect, "ADD CONSTRAINT", GUARD, "CHECK")


def drops_guard(effect: Effect) -> bool:
    return sent(effect, "DROP CONSTRAINT", GUARD, "MODIFY COLUMN")


@pytest.mark.parametrize("rows", ["INSERT INTO t SELECT number, number FROM numbers(10)", ""], ids=["full", "empty"])
def test_what_came_in_before_the_guard_is_found(lab: Lab, rows: str) -> None:
    lab.sql(OLD, *([rows] if rows else []))
    planned = plan(lab, NEW)
    before = lab.definition("t")
    with pytest.raises(
        ApplyError,
        match=r"1 row holds a value of v that UInt16 cannot hold, for instance \(?70000\)?: it came in after the count",
    ):
        carry_out(lab, planned, once(lab, adds_guard, BAD))
    assert lab.definition("t") == before
    assert lab.value("SELECT max(v) FROM {db}.t") == 70000
    # The next plan sees it.
    assert "1 row holds a value of v that UInt16 cannot hold" in plan(lab, NEW).steps[0].blocked


def test_what_comes_behind_the_guard_is_refused(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(10)")
    refusals: list[str] = []
    carry_out(lab, plan(lab, NEW), once(lab, drops_guard, BAD, refusals))
    assert len(refusals) == 1
    assert "VIOLATED_CONSTRAINT" in refusals[0]
    assert (lab.value("SELECT count() FROM {db}.t"), guards(lab)) == (10, 0)


def test_other_writers_go_on(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(10)")
    carry_out(lab, plan(lab, NEW), once(lab, drops_guard, GOOD))
    assert lab.value("SELECT count() FROM {db}.t") == 11


def test_only_newer_parts_are_counted_again(lab: Lab) -> None:
    lab.sql(
        OLD,
        "INSERT INTO t SELECT number, number FROM numbers(10)",
        "ALTER TABLE t UPDATE v = v + 1 WHERE 1 SETTINGS mutations_sync = 1",
    )
    planned = plan(lab, NEW)
    counts: list[str] = []

    def see(effect: Effect) -> None:
        if isinstance(effect, Query) and "anyIf(toString(" in effect.sql:
            counts.append(effect.sql)

    carry_out(lab, planned, see)
    assert not counts
    lab.sql("ALTER TABLE t MODIFY COLUMN v UInt32 SETTINGS alter_sync = 2")
    planned = plan(lab, NEW)
    lab.sql(GOOD)
    carry_out(lab, planned, see)
    assert len(counts) == 1
    assert "splitByChar('_', _part)" in counts[0]


def test_an_update_of_old_rows_is_seen(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(10)")
    with pytest.raises(ApplyError, match="10 rows hold a value of v"):
        carry_out(
            lab,
            plan(lab, NEW),
            once(lab, adds_guard, "ALTER TABLE t UPDATE v = 70000 WHERE 1 SETTINGS mutations_sync = 1"),
        )
    assert guards(lab) == 0


def test_an_insert_that_was_running_is_waited_for(lab: Lab) -> None:
    """It has resolved the table before the guard is there, so the guard does not refuse it; it goes on until it is
    looked for."""
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(10)")
    planned = plan(lab, NEW)
    other = lab.other()
    writer = Thread(
        target=lambda: other.sql(
            "INSERT INTO t SELECT 80, 70000 + sleepEachRow(0.2) FROM numbers(3) SETTINGS max_block_size = 1"
        )
    )
    try:
        with pytest.raises(ApplyError, match="3 rows hold a value of v"):
            carry_out(lab, planned, once_started(lab, writer))
    finally:
        writer.join()
        other.close()
    assert guards(lab) == 0


def once_started(lab: Lab, writer: Thread) -> Callable[[Effect], None]:
    """The writer runs when the guard is about to be put up."""

    def hook(effect: Effect) -> None:
        if adds_guard(effect) and writer.ident is None:
            writer.start()
            end = monotonic() + 10
            while monotonic() < end and not lab.value(
                "SELECT count() FROM system.processes WHERE query LIKE '%70000 + sleepEachRow%' AND query_kind = "
                "'Insert'"
            ):
                sleep(0.01)

    return hook


RENAMED = Table(
    "t", columns=[Column("k", "UInt32"), Column("w", "UInt16", renamed_from="v")], engine=MergeTree(order_by="k")
)
CHECKED = Table(
    "t",
    columns=[Column("k", "UInt32"), Column("v", "UInt32")],
    engine=MergeTree(order_by="k"),
    constraints=[Constraint("small", check="v < 100")],
)
CHECKED_NEW = Table(
    "t",
    columns=[Column("k", "UInt32"), Column("v", "UInt16"), Column("z", "UInt32", default="v * 2")],
    engine=MergeTree(order_by="k"),
    constraints=[Constraint("small", check="z < 100000")],
)
INDEXED = "CREATE TABLE t (k UInt32, v DateTime('UTC'), INDEX i toHour(v) TYPE minmax) ENGINE = MergeTree ORDER BY k"
INDEXED_NEW = Table(
    "t",
    columns=[Column("k", "UInt32"), Column("v", "DateTime('Asia/Kolkata')")],
    engine=MergeTree(order_by="k"),
    indexes=[Index("i", expr="toHour(v)", type="minmax")],
)


@pytest.mark.parametrize(
    ("old", "rows", "new", "bad"),
    [
        (OLD, "INSERT INTO t SELECT number, number FROM numbers(9)", RENAMED, BAD),
        (OLD, "INSERT INTO t SELECT number, number FROM numbers(9)", CHECKED, BAD),
        (
            OLD,
            "INSERT INTO t SELECT number, number FROM numbers(9)",
            CHECKED_NEW,
            "INSERT INTO t (k, v) VALUES (80, 60000)",
        ),
    ],
    ids=["renamed", "constraint", "constraint-over-a-new-column"],
)
def test_every_kind_of_look(lab: Lab, old: str, rows: str, new: Table, bad: str) -> None:
    lab.sql(old, rows)
    planned = plan(lab, new)
    with pytest.raises(ApplyError, match=r"1 row .* came in after the count"):
        carry_out(lab, planned, once(lab, adds_guard, bad))
    assert guards(lab) == 0
    lab.sql("ALTER TABLE t DELETE WHERE k = 80 SETTINGS mutations_sync = 2")
    refusals: list[str] = []
    carry_out(lab, plan(lab, new), once(lab, lambda effect: sent(effect, "DROP CONSTRAINT", GUARD), bad, refusals))
    assert len(refusals) == 1
    assert guards(lab) == 0
    assert plan(lab, new).in_sync


def test_what_an_index_computes_of_a_row_that_comes_in(lab: Lab) -> None:
    """The hours of rows at midnight differ between the zones for every row but none is there: in place, as long as none
    comes."""
    lab.sql(INDEXED)
    planned = plan(lab, INDEXED_NEW)
    with pytest.raises(ApplyError, match="1 row gives another value for index i"):
        carry_out(lab, planned, once(lab, adds_guard, "INSERT INTO t VALUES (1, 1000000)"))
    again = plan(lab, INDEXED_NEW)
    carry_out(lab, again)
    assert "DROP INDEX" in str(again)
    assert lab.value("SELECT count() FROM {db}.t WHERE toHour(v) = 19") == 1


KEYED = Table("t", columns=[Column("k", "UInt32"), Column("v", "UInt16")], engine=MergeTree(order_by="v"))


def test_a_copy_is_held_to_it_as_well(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(9)")
    planned = plan(lab, KEYED)
    assert [type(step.work) for step in planned.required] == [RebuildWork]
    before = lab.definition("t")
    with pytest.raises(ApplyError, match="1 row holds a value of v that UInt16 cannot hold"):
        carry_out(lab, planned, once(lab, adds_guard, BAD))
    assert (lab.definition("t"), lab.ours()) == (before, set())
    lab.sql("ALTER TABLE t DELETE WHERE k = 80 SETTINGS mutations_sync = 2")
    refusals: list[str] = []
    carry_out(lab, plan(lab, KEYED), once(lab, lambda effect: sent(effect, "EXCHANGE"), BAD, refusals))
    assert len(refusals) == 1
    assert (lab.value("SELECT count() FROM {db}.t"), guards(lab)) == (9, 0)


def test_a_delete_that_comes_before_the_count_of_a_copy_runs_although_merges_are_stopped(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(9)")
    delete = "ALTER TABLE t DELETE WHERE k = 3 SETTINGS mutations_sync = 0"
    carry_out(lab, plan(lab, KEYED), once(lab, adds_guard, delete))
    assert lab.rows("SELECT count(), countIf(k = 3) FROM {db}.t") == ((8, 0),)
    assert (lab.ours(), guards(lab)) == (set(), 0)


ATTACHED = Table(
    "t",
    columns=[Column("k", "UInt32"), Column("v", "UInt32")],
    engine=MergeTree(order_by="k", settings={"index_granularity": 1024}),
    constraints=[Constraint("small", check="v < 100")],
)


def test_an_attach_is_held_to_it_as_well(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(9)")
    planned = plan(lab, ATTACHED)
    assert [type(step.work) for step in planned.required] == [AttachWork]
    with pytest.raises(ApplyError, match="1 row violates the constraint small"):
        carry_out(lab, planned, once(lab, adds_guard, BAD))
    assert (lab.ours(), guards(lab)) == (set(), 0)
    # What the new table alone would bring is counted behind the fence.
    (step,) = planned.required
    assert isinstance(step.work, AttachWork)
    rest = replace(step.work, alters=(), guards=step.work.alters[0].guards)
    with pytest.raises(ApplyError, match="1 row violates the constraint small"):
        lab.apply(rest)
    assert (lab.ours(), guards(lab)) == (set(), 0)
    lab.sql(GOOD)


def goes_on(lab: Lab) -> None:
    """The run after one that was killed."""
    carry_out(lab, plan(lab, NEW))
    assert plan(lab, NEW).in_sync
    assert lab.rows("SELECT toTypeName(v), sum(v), count() FROM {db}.t GROUP BY 1") == (("UInt16", 10, 5),)
    assert guards(lab) == 0


@pytest.mark.parametrize("killed", [adds_guard, drops_guard], ids=["guarded", "altered"])
def test_a_guard_that_was_left_behind_is_taken_away(lab: Lab, killed: Callable[[Effect], bool]) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number FROM numbers(5)")
    effects: list[Effect] = []

    def hook(effect: Effect) -> None:
        if effects and killed(effects[-1]):
            raise Killed
        effects.append(effect)

    with pytest.raises(Killed):
        carry_out(lab, plan(lab, NEW), hook)
    goes_on(lab)


@pytest.mark.proof
@pytest.mark.parametrize("answered", [True, False], ids=["after", "before"])
def test_a_kill_anywhere_leaves_nothing_that_the_next_run_does_not_put_right(lab: Lab, answered: bool) -> None:
    number = 0
    while True:
        lab.sql("DROP TABLE IF EXISTS t SYNC", OLD, "INSERT INTO t SELECT number, number FROM numbers(5)")
        planned = plan(lab, NEW)
        work = planned.required[0].work
        assert isinstance(work, AlterWork)
        assert work.alters[0].guards
        try:
            carry_out(lab, planned, stop=number, answered=answered)
        except Killed:
            goes_on(lab)
            number += 1
            continue
        break
    assert number > 8


def test_an_expression_of_a_migration_is_held_to_it(lab: Lab) -> None:
    wide = Table("t", columns=[Column("k", "UInt32"), Column("v", "UInt32")], engine=MergeTree(order_by="k"))
    ensure_schema(lab.url, Schema("shop", version=1, objects=[wide]), database=lab.database)
    lab.sql("INSERT INTO t SELECT number, number FROM numbers(9)")
    tripled = Migration(version=2, title="triple", rebuild={"t": Rebuild(columns={"v": "v * 3"})}, oldest_code=1)
    schema = Schema("shop", version=2, objects=[NEW], migrations=[tripled])
    planned = lab.run(make_plan(lab.run(inspect_database(schema, lab.database)))).plan
    assert [type(step.work) for step in planned.required] == [RebuildWork]
    with pytest.raises(
        ApplyError, match=r"1 row gives a value of v = v \* 3 that UInt16 cannot hold, for instance \(90000\)"
    ):
        carry_out(lab, planned, once(lab, adds_guard, "INSERT INTO t VALUES (80, 30000)"))
    assert guards(lab) == 0


def test_rows_that_wait_in_a_buffer_are_held_to_it(lab: Lab) -> None:
    """The buffer would write them behind the change, and cut them to size."""
    lab.sql(
        OLD,
        f"CREATE TABLE b AS t ENGINE = Buffer(`{lab.database}`, t, 1, 1000, 1000, 100000, 100000, 10000000, 10000000)",
    )
    lab.sql("INSERT INTO b VALUES (80, 70000)")
    with pytest.raises(ApplyError, match=r"b.? holds rows that the table would not take any more: .*v = 70000"):
        carry_out(lab, plan(lab, NEW))
    assert (lab.value("SELECT sum(v) FROM {db}.b"), guards(lab)) == (70000, 0)
    lab.sql("DROP TABLE b SYNC")


def test_a_guard_over_a_nested_in_one_column_is_looked_at_as_one_column() -> None:
    """25.8 takes the session's ``flatten_nested`` for the table's own."""
    asking = add_guards(Physical("d", "t", "", "MergeTree"), ["CHECK length(n) < 5"])
    next(asking)
    command = asking.send((("7",),))
    assert isinstance(command, Command)
    assert (command.sql, command.settings["flatten_nested"]) == (
        "ALTER TABLE `d`.`t` ADD CONSTRAINT _aaiclick_guard_7 CHECK length(n) < 5",
        0,
    )
    # So is every other ALTER as long as the guard is there.
    fence = next(ddl("ALTER TABLE d.t MODIFY COMMENT ''"))
    assert isinstance(fence, Command)
    assert fence.settings["flatten_nested"] == 0
