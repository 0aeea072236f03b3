"""Rebuilds that fail before the exchange: the live table stays as it was, and nothing of the attempt stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError, VerificationError
from aaiclick.events import Note
from aaiclick.plan.operations import CopyColumn
from aaiclick.routine import Command, Effect, Query
from tests.apply.applying import Lab, rebuild

OLD = "CREATE TABLE t (k UInt32, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY k"
NEW = "CREATE TABLE wanted (k UInt64, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY (p, k)"


@pytest.fixture(autouse=True)
def table(lab: Lab) -> None:
    lab.sql(
        OLD, "INSERT INTO t SELECT number, number % 3, if(number % 4 = 0, NULL, toString(number)) FROM numbers(300)"
    )


def untouched(lab: Lab, work: Callable[[], object], error: type[Exception], match: str) -> None:
    before, uuid, text = lab.bag("t"), lab.uuid("t"), lab.definition("t")
    with pytest.raises(error, match=match):
        work()
    assert (lab.bag("t"), lab.uuid("t"), lab.definition("t")) == (before, uuid, text)
    assert not lab.ours()
    assert lab.merging("t")
    lab.sql("INSERT INTO t VALUES (1, 1, 'x')")


class Once:
    """Does something right before the first effect that matches."""

    def __init__(self, matches: Callable[[str], bool], action: Callable[[str], object]) -> None:
        self.matches, self.action, self.done = matches, action, False

    def __call__(self, effect: Effect) -> None:
        sql = effect.sql if isinstance(effect, Query | Command) else ""
        if not self.done and self.matches(sql):
            self.done = True
            self.action(sql)


def staging_of(sql: str) -> str:
    return next(word.split("`")[-2] for word in sql.split() if "_aaiclick_stage_" in word)


@pytest.mark.parametrize(
    ("tamper", "match"),
    [
        (
            "INSERT INTO `{}` VALUES (7, 1, 'foreign')",
            r"partition 0, 1, 2 differs: 300 rows were read, 301 are in the copy",
        ),
        ("ALTER TABLE `{}` UPDATE v = 'wrong' WHERE k = 5", r"300 rows on both sides, but column v differs"),
        ("ALTER TABLE `{}` UPDATE v = '' WHERE k = 4", r"column v differs"),
    ],
)
def test_a_copy_that_differs_is_never_swapped(lab: Lab, tamper: str, match: str) -> None:
    work = rebuild(lab, "t", NEW)

    def spoil(sql: str) -> None:
        lab.connection.command(
            Command(tamper.format(staging_of(sql)), settings={"mutations_sync": 2}, database=lab.database)
        )

    hook = Once(lambda sql: sql.startswith("SELECT count()") and "_aaiclick_stage_" in sql, spoil)
    untouched(lab, lambda: lab.apply(work, before=hook), VerificationError, match)
    assert hook.done


def test_a_value_that_does_not_cast(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW.replace("v Nullable(String)", "v UInt32"), expressions={"v": "coalesce(v, 'none')"})
    untouched(lab, lambda: lab.apply(work), ApplyError, "CANNOT_PARSE_TEXT")


def test_a_row_that_violates_a_new_constraint_is_told_with_its_values(lab: Lab) -> None:
    """It came in behind the count: the plan has found none."""
    work = rebuild(lab, "t", NEW.replace("v Nullable(String))", "v Nullable(String), CONSTRAINT small CHECK k < 1000)"))
    lab.sql("INSERT INTO t VALUES (70000, 1, 'late')")
    told = r"t: a row violates the constraint small \(k < 1000\): .*70000.*\. It came in since rows were looked at\."
    untouched(lab, lambda: lab.apply(work), ApplyError, told)


def test_a_null_is_not_turned_into_a_default(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW.replace("v Nullable(String)", "v String"))
    untouched(lab, lambda: lab.apply(work), ApplyError, "NULL")


@pytest.mark.parametrize(
    "marker",
    [
        "CREATE TABLE",
        "MODIFY SETTING max_bytes",
        "SYSTEM STOP MERGES",
        "INSERT INTO",
        "ATTACH PARTITION",
        "table_readonly = 1",
        "EXCHANGE",
    ],
)
@pytest.mark.parametrize("kind", [StatementError, OSError, ZeroDivisionError])
def test_any_failing_statement(lab: Lab, marker: str, kind: type[Exception]) -> None:
    work = rebuild(lab, "t", NEW, fenced=True)

    def fail(_: str) -> None:
        raise kind("out of luck")

    hook = Once(lambda sql: marker in sql and "ENGINE = Null" not in sql, fail)
    expected = ApplyError if kind is StatementError else kind
    untouched(lab, lambda: lab.apply(work, before=hook), expected, "out of luck")
    assert hook.done


def test_a_lost_answer_to_the_exchange_is_probed(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW)
    before = lab.bag("t", "toUInt64(k), p, v")

    def lose(sql: str) -> None:
        lab.sql(sql)
        raise OutcomeUnknownError("connection lost")

    lab.apply(work, before=Once(lambda sql: sql.startswith("EXCHANGE"), lose))
    assert lab.bag("t") == before
    assert not lab.ours()


def test_too_little_memory_is_met_with_smaller_blocks(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW)
    before = lab.bag("t", "toUInt64(k), p, v")

    def limit(sql: str) -> None:
        lab.sql(sql + " LIMIT 100")  # blocks that were written before the limit was met
        raise StatementError("limit", 241, "MEMORY_LIMIT_EXCEEDED")

    lab.apply(work, before=Once(lambda sql: sql.startswith("INSERT INTO"), limit))
    assert lab.bag("t") == before
    assert not lab.ours()


@pytest.mark.parametrize(
    "change", ["ALTER TABLE t DELETE WHERE k = 5", "ALTER TABLE t DROP PARTITION 1", "DELETE FROM t WHERE k = 6"]
)
def test_rows_deleted_during_the_copy_do_not_come_back(lab: Lab, change: str) -> None:
    work = rebuild(lab, "t", NEW)
    other = lab.other()

    def delete(_: str) -> None:
        # Merges are stopped, so the mutation has to wait for the rebuild to give way.
        other.connection.command(
            Command(change, settings={"mutations_sync": 0, "lightweight_deletes_sync": 0}, database=lab.database)
        )

    hook = Once(lambda sql: "ATTACH PARTITION" in sql, delete)
    lab.apply(work, before=hook)
    other.close()
    expected = {"5": 299, "1": 200, "6": 299}[change[-1]]
    assert lab.value("SELECT count() FROM {db}.t") == expected
    assert [event for event in lab.events if isinstance(event, Note) and "copied again" in event.text]
    assert not lab.ours()


def test_rows_that_keep_being_deleted_end_the_attempts(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW)
    other = lab.other()
    count = 0

    def delete(effect: Effect) -> None:
        nonlocal count
        if isinstance(effect, Command) and "ATTACH PARTITION" in effect.sql:
            count += 1
            other.connection.command(
                Command(
                    f"ALTER TABLE t DELETE WHERE k = {count}", settings={"mutations_sync": 0}, database=lab.database
                )
            )

    with pytest.raises(ApplyError, match="3 times in a row"):
        lab.apply(work, before=delete, options=ApplyOptions(restarts=2))
    other.close()
    assert not lab.ours()
    assert lab.merging("t")
    assert lab.value("SELECT count() FROM {db}.t") == 300 - count


def test_a_delete_in_the_moment_of_the_exchange_keeps_the_old_table(lab: Lab) -> None:
    work = rebuild(lab, "t", NEW)
    other = lab.other()

    def delete(_: str) -> None:
        other.connection.command(
            Command("ALTER TABLE t DELETE WHERE k = 5", settings={"mutations_sync": 0}, database=lab.database)
        )
        other.sql("INSERT INTO t VALUES (5, 1, 'late'), (1000, 1, 'late')")

    outcome = lab.apply(work, before=Once(lambda sql: sql.startswith("EXCHANGE"), delete))
    other.close()
    assert "DELETE WHERE k = 5" in outcome[0].notes[0]
    assert outcome[0].kept in lab.ours()
    assert lab.value("SELECT count() FROM {db}.t") == 302


def test_the_first_of_two_steps_is_named_when_the_second_fails(lab: Lab) -> None:
    bad = rebuild(lab, "t", NEW)
    with pytest.raises(ApplyError, match=r"step rebuild-missing \(missing: changes\).*Done before: rebuild-t\."):
        lab.apply(rebuild(lab, "t", NEW), type(bad)("missing", bad.form, (CopyColumn("k", "k"),)))
