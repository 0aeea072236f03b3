"""Rows that merges would combine under another key, inserted between the plan that counts them and the exchange: the
copy is given up, with the sentence that the plan would have had."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from aaiclick import ensure_schema
from aaiclick.apply.executor import apply_steps
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.errors import ApplyError
from aaiclick.plan.gate import judge
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.plan.policy import Policy
from aaiclick.routine import Command, Effect, Query
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import MergeTree, ReplacingMergeTree, SummingMergeTree
from aaiclick.specs.migrations import Migration, Rebuild
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from tests.apply.applying import Lab

K, X, VER = Column("k", "UInt64"), Column("x", "UInt64"), Column("ver", "UInt64")


def table(engine: MergeTree) -> Table:
    return Table("t", [K, X, VER], engine=engine)


def replacing(*order_by: str, version: str | None = "ver", partition_by: str | None = None) -> Table:
    return table(ReplacingMergeTree(order_by=list(order_by), version=version, partition_by=partition_by))


def summing(*order_by: str) -> Table:
    return Table("t", [K, X], engine=SummingMergeTree(order_by=list(order_by)))


@dataclass(frozen=True)
class Case:
    """A table, what it becomes, a row that merges would combine with one of 0 .. 9, and what is said of it."""

    old: Table
    new: Table
    row: str
    said: str
    values: str = "number, 0, 1"
    columns: dict[str, str] = field(default_factory=dict[str, str])


CASES = {
    "a shorter key": Case(
        replacing("k", "x"),
        replacing("k"),
        "7, 1, 2",
        r"loses-rows: .* rows of \d+ keys? are combined to \d+\. .*'change-sort-key t'",
    ),
    "a shorter key where the later row wins": Case(
        replacing("k", "x", version=None),
        replacing("k", version=None),
        "7, 1, 2",
        r"loses-rows: .* rows of \d+ keys? are combined to \d+\. .*'change-sort-key t'",
    ),
    "a longer key": Case(
        replacing("k"),
        replacing("x", "k"),
        "7, 1, 2",
        r"changes-values: .* rows of \d+ keys?, which it would combine, stay apart as \d+\. .*'change-sort-key t'",
    ),
    "no partitions": Case(
        replacing("k", partition_by="x"),
        replacing("k"),
        "7, 1, 2",
        r"loses-rows: .*: rows of \d+ groups? come together in \d+\. .*'change-partition-key t'",
    ),
    "values that are added up": Case(
        summing("k", "x"),
        summing("k"),
        "7, 5",
        r"changes-values: .* x leaves the sort key.*1 row of t stands beside others .*'change-sort-key t'",
        values="number, 5",
    ),
    "rows that hold nothing": Case(
        summing("k", "x"),
        summing("k"),
        "17, 0",
        r"loses-rows: .* 1 row of t holds nothing else in x\. .*'change-sort-key t'",
        values="number, 5",
    ),
    "a version that is filled": Case(
        replacing("k"),
        replacing("k"),
        "7, 0, 2",
        r"loses-rows: .*other rows of t survive \(1 key\)\. .*'change-sort-key t'",
        columns={"ver": "100 - ver"},
    ),
    "a key that is filled": Case(
        replacing("k"),
        replacing("k"),
        "107, 0, 2",
        r"loses-rows: .* rows of \d+ keys? are combined to \d+\. .*'change-sort-key t'",
        columns={"k": "k % 100"},
    ),
}
NEW, FENCE = "_aaiclick_new_", "table_readonly"


def planned(lab: Lab, case: Case, policy: Policy) -> tuple[Step, ...]:
    ensure_schema(lab.url, Schema("shop", version=1, objects=[case.old]), database=lab.database)
    lab.sql(f"INSERT INTO t SELECT {case.values} FROM numbers(10)")
    migration = Migration(
        2, title="t", rebuild={"t": Rebuild(columns=case.columns)} if case.columns else {}, oldest_code=1
    )
    schema = Schema("shop", version=2, objects=[case.new], migrations=[migration])
    decision = judge(lab.run(make_plan(lab.run(inspect_database(schema, lab.database)))).plan, policy)
    assert not decision.refused
    return decision.run


def carried_out(lab: Lab, steps: tuple[Step, ...], word: str, sql: str) -> None:
    """A writer comes before the first statement with that word."""
    done: list[str] = []

    def hook(effect: Effect) -> None:
        if not done and isinstance(effect, Command) and word in effect.sql:
            done.append(effect.sql)
            lab.sql(sql)

    try:
        lab.run(apply_steps(steps, lab.database, lab.nonce()), hook)
    finally:
        assert done


@pytest.mark.parametrize("kind", CASES)
def test_a_row_that_came_after_the_plan_is_not_combined_unasked(lab: Lab, kind: str) -> None:
    case = CASES[kind]
    steps = planned(lab, case, Policy.lossless())
    works = [step.work for step in steps if isinstance(step.work, RebuildWork | AttachWork)]
    # Behind the fence, where there is one; else just before the exchange.
    fenced = any(isinstance(work, AttachWork) or work.fenced for work in works)
    with pytest.raises(ApplyError, match=case.said) as caught:
        carried_out(lab, steps, FENCE if fenced else NEW, f"INSERT INTO t VALUES ({case.row})")
    assert "Some of these rows came in after the count. Nothing was exchanged, and the table is as it was" in str(
        caught.value
    )
    assert lab.value("SELECT count() FROM {db}.t") == 11
    left = f"SELECT name FROM system.tables WHERE database = '{lab.database}' AND match(name, '_(new|stage|mark|old)_')"
    assert lab.rows(left) == ()
    lab.sql("INSERT INTO t SELECT * FROM t LIMIT 0")


@pytest.mark.parametrize("kind", CASES)
def test_what_the_plan_has_counted_is_not_counted_again(lab: Lab, kind: str) -> None:
    """Such a count may take as long as the copy itself. A merge in between brings no row."""
    steps = planned(lab, CASES[kind], Policy.lossless())
    lab.sql("OPTIMIZE TABLE t FINAL")
    looks = [look for step in steps if isinstance(step.work, RebuildWork | AttachWork) for look in step.work.looks]
    sent: list[str] = []
    lab.run(
        apply_steps(steps, lab.database, lab.nonce()),
        lambda effect: sent.append(effect.sql) if isinstance(effect, Query) else None,
    )
    assert looks
    assert not [sql for sql in sent for look in looks if look.columns[0] in sql]


def test_what_is_allowed_is_not_looked_for(lab: Lab) -> None:
    case = CASES["a shorter key"]
    steps = planned(lab, case, Policy.lossless().allow("change-sort-key t"))
    carried_out(lab, steps, NEW, f"INSERT INTO t VALUES ({case.row})")
    assert lab.rows("SELECT k, x, ver FROM {db}.t FINAL WHERE k = 7") == ((7, 1, 2),)


def test_rows_that_are_combined_in_any_case_stop_nothing(lab: Lab) -> None:
    steps = planned(lab, CASES["a shorter key where the later row wins"], Policy.lossless())
    carried_out(lab, steps, FENCE, "INSERT INTO t VALUES (7, 0, 2), (70, 3, 1)")
    assert lab.value("SELECT count() FROM {db}.t FINAL") == 11
