"""A table that a materialized view reads: no row may reach the new table in the moment in which the server has
forgotten its views."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.apply.interrupted import end_interrupted
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.errors import StatementError
from aaiclick.lease.acquire import acquire, this_process
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Command, Effect, Query
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import CLOSING_FORMAT, CONSTRAINT_FORMAT, FORMAT
from tests.apply.applying import Killed, Lab, forms, rebuild

REFUSED = "Code: (774|469)"
OLD = "CREATE TABLE t (k UInt32, v String) ENGINE = MergeTree ORDER BY k"
Make = Callable[[Lab], "RebuildWork | AttachWork"]


def copied(lab: Lab) -> RebuildWork:
    return rebuild(lab, "t", "CREATE TABLE wanted (k UInt64, v String) ENGINE = MergeTree ORDER BY (v, k)", fenced=True)


def attached(lab: Lab) -> AttachWork:
    lab.sql("CREATE TABLE wanted (k UInt32, v String) ENGINE = ReplacingMergeTree ORDER BY k")
    form = forms(lab, "wanted")["wanted"]
    lab.sql("DROP TABLE wanted SYNC")
    return AttachWork("t", form)


def make(lab: Lab, view: bool = True) -> None:
    lab.sql("DROP TABLE IF EXISTS t SYNC", OLD, "INSERT INTO t SELECT number, toString(number) FROM numbers(50)")
    if view:
        lab.sql("DROP TABLE IF EXISTS seen SYNC", "CREATE TABLE seen (k UInt64) ENGINE = MergeTree ORDER BY k")
        lab.sql("DROP VIEW IF EXISTS mv SYNC", "CREATE MATERIALIZED VIEW mv TO seen AS SELECT k FROM t")
        # The server shows the paths of t for both: neither is the storage that is looked for, whatever its name.
        lab.sql(
            "DROP VIEW IF EXISTS a_view SYNC", "CREATE TABLE IF NOT EXISTS front (k UInt32, v String) ENGINE = Null"
        )
        lab.sql("CREATE MATERIALIZED VIEW a_view TO t AS SELECT k, v FROM front")
        lab.sql("CREATE TABLE IF NOT EXISTS alias ENGINE = Alias(t)")


def fences(lab: Lab) -> set[str]:
    listed = lab.rows(
        f"SELECT name FROM system.tables WHERE database = '{lab.database}' AND (position(engine_full, 'table_readonly "
        f"= 1') > 0 OR position(create_table_query, '{FENCE_CONSTRAINT}') > 0)"
    )
    return {str(name) for (name,) in listed}


def check_open(lab: Lab) -> None:
    assert not fences(lab)
    assert not [name for name in lab.ours() if "lease" not in name]
    lab.sql("INSERT INTO t VALUES (1000, 'new')")
    assert lab.rows("SELECT count() FROM {db}.t") == ((51,),)
    assert lab.rows("SELECT k FROM {db}.seen") == ((1000,),)


@pytest.mark.usefixtures("fence")
@pytest.mark.parametrize("kind", [copied, attached], ids=["rebuild", "attach"])
def test_both_tables_refuse_writers_across_the_exchange(lab: Lab, kind: Make) -> None:
    make(lab)
    work = kind(lab)
    seen: list[tuple[str, set[str]]] = []

    def look(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            seen.append(("before", fences(lab)))
        elif seen and seen[-1][0] == "before" and isinstance(effect, Query):
            seen.append(("after", fences(lab)))
            with pytest.raises(StatementError, match=REFUSED):
                lab.sql("INSERT INTO t VALUES (2000, 'too early')")

    lab.apply(work, before=look)
    assert [when for when, _ in seen] == ["before", "after"]
    assert all(len(closed) == 2 and "t" in closed for _, closed in seen)
    check_open(lab)


def test_without_a_view_the_new_table_is_open_at_once(lab: Lab) -> None:
    make(lab, view=False)
    work = copied(lab)
    seen: list[set[str]] = []

    def look(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            seen.append(fences(lab))

    lab.apply(work, before=look)
    assert seen == [{"t"}]


@pytest.mark.usefixtures("fence")
@pytest.mark.parametrize("kind", [copied, attached], ids=["rebuild", "attach"])
def test_killed_around_the_exchange_the_next_run_lets_writers_in(lab: Lab, kind: Make) -> None:
    make(lab)
    work = kind(lab)
    effects = lab.effects(lab.work(work))
    exchange = next(
        index
        for index, effect in enumerate(effects)
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE")
    )
    make(lab)
    closed = 0
    points = [
        index
        for index, effect in enumerate(effects)
        if isinstance(effect, Command) and exchange - 3 <= index <= exchange + 8
    ]
    for stop in points:
        make(lab)
        with pytest.raises(Killed):
            lab.run(lab.work(work), stop=stop)
        marks = {mark.format for mark in lab.run(read_owned(lab.database)).marks() if not isinstance(mark, str)}
        # An earlier release, which knows no fence on the new table, must not be able to read such a mark.
        assert (marks == {FORMAT} and len(fences(lab)) < 2) or marks in ({CLOSING_FORMAT}, {CONSTRAINT_FORMAT})
        closed += len(fences(lab)) == 2
        lab.clean()
        check_open(lab)
    assert closed >= 2


@pytest.mark.usefixtures("fence")
def test_an_interrupted_run_lets_writers_in(lab: Lab) -> None:
    make(lab)
    lease = lab.run(acquire(lab.database, this_process()))
    with pytest.raises(Killed):
        lab.run(lab.work(copied(lab)), before=killed_after_the_exchange())
    assert lease is not None
    assert "t" in fences(lab)
    lab.run(end_interrupted(lease))
    assert not fences(lab)
    lab.clean()
    check_open(lab)


def killed_after_the_exchange() -> Callable[[Effect], None]:
    exchanged: list[Effect] = []

    def look(effect: Effect) -> None:
        if exchanged:
            raise Killed
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            exchanged.append(effect)

    return look


def test_a_new_insert_is_waited_for_before_writers_go_on(lab: Lab) -> None:
    """One that has read nothing yet may have looked for the views too early: it has to be refused, not let in."""
    make(lab)
    asked = [effect.sql for effect in lab.effects(lab.work(copied(lab))) if isinstance(effect, Query | Command)]
    exchange = next(index for index, sql in enumerate(asked) if sql.startswith("EXCHANGE"))
    waiting = next(index for index, sql in enumerate(asked) if index > exchange and "written_rows = 0" in sql)
    lifting = next(
        index for index, sql in enumerate(asked) if index > exchange and "RESET SETTING table_readonly" in sql
    )
    assert exchange < waiting < lifting


@pytest.mark.usefixtures("no_readonly_setting")
def test_a_copy_of_a_table_behind_a_constraint_lets_writers_in(lab: Lab) -> None:
    """``CREATE TABLE ... AS`` takes the constraint along."""
    make(lab)
    work = copied(lab)

    def clone(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("EXCHANGE"):
            lab.sql("CREATE TABLE of_the_old AS t", f"CREATE TABLE of_the_new AS `{new_of(lab)}`")

    lab.apply(work, before=clone)
    check_open(lab)
    lab.sql("INSERT INTO of_the_old VALUES (1, 'a')", "INSERT INTO of_the_new VALUES (1, 'a')")


def new_of(lab: Lab) -> str:
    return next(name for name in lab.ours() if name.startswith("_aaiclick_new_"))
