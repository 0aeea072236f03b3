"""What single changes say about themselves. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.alters import batches
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn, DropColumn, RenameColumn
from aaiclick.diff.changes.keys import ChangeEngine
from aaiclick.diff.changes.materialize_columns import ColumnToWrite, MaterializeColumns
from aaiclick.diff.changes.ttl import ChangeTtl, keeps_all
from aaiclick.diff.conversion.combining import combines_alike
from aaiclick.diff.conversion.convert import conversion
from aaiclick.diff.conversion.labels import enum_labels


@pytest.mark.parametrize(
    ("old", "new", "keeps"),
    [
        ("a + toIntervalDay(30)", "", True),
        ("a + toIntervalDay(30)", "a + toIntervalDay(90)", True),
        ("a + toIntervalDay(30)", "a + toIntervalDay(30)", True),
        ("a + toIntervalDay(30)", "a + toIntervalDay(29)", False),
        ("a + toIntervalDay(30)", "b + toIntervalDay(90)", False),
        ("a + toIntervalDay(30)", "a + toIntervalMonth(30)", False),
        ("", "a + toIntervalDay(30)", False),
        ("a + toIntervalDay(30), b + toIntervalDay(5)", "a + toIntervalDay(90), b + toIntervalDay(4)", False),
        # A DateTime that passes its end begins again in 1970.
        ("a + toIntervalYear(1)", "a + toIntervalYear(50)", True),
        ("a + toIntervalYear(1)", "a + toIntervalYear(100)", False),
        ("a + toIntervalDay(365)", "a + toIntervalDay(36500)", False),
        ("a + toIntervalYear(100)", "a + toIntervalYear(100)", True),
        # A longer interval that is not added lets rows expire earlier, or others.
        ("a - toIntervalDay(1)", "a - toIntervalDay(30)", False),
        ("a - toIntervalDay(30)", "a - toIntervalDay(1)", False),
        ("a - (toIntervalDay(1) + toIntervalDay(2))", "a - (toIntervalDay(1) + toIntervalDay(3))", False),
        ("x + (a - toIntervalDay(1))", "x + (a - toIntervalDay(2))", False),
        (
            "toStartOfInterval(a, toIntervalDay(1)) + toIntervalDay(9)",
            "toStartOfInterval(a, toIntervalDay(99)) + toIntervalDay(9)",
            False,
        ),
        (
            "toStartOfInterval(a, toIntervalDay(1)) + toIntervalDay(9)",
            "toStartOfInterval(a, toIntervalDay(1)) + toIntervalDay(99)",
            True,
        ),
        ("(a + toIntervalDay(1)) + toIntervalHour(2)", "(a + toIntervalDay(2)) + toIntervalHour(2)", True),
        ("toDateTime(a + toIntervalDay(1))", "toDateTime(a + toIntervalDay(2))", True),
        ("b - toDateTime(a + toIntervalDay(1))", "b - toDateTime(a + toIntervalDay(2))", False),
        ("if(k = 1, a + toIntervalDay(1), b)", "if(k = 1, a + toIntervalDay(2), b)", False),
        (
            "a + toIntervalDay(1) WHERE b < (c + toIntervalDay(1))",
            "a + toIntervalDay(1) WHERE b < (c + toIntervalDay(2))",
            False,
        ),
        (
            "a + toIntervalDay(1) WHERE k = 1, b + toIntervalDay(1)",
            "a + toIntervalDay(2) WHERE k = 1, b + toIntervalDay(3)",
            True,
        ),
    ],
)
def test_a_ttl_keeps_all_rows_only_where_it_is_gone_or_longer(old: str, new: str, keeps: bool) -> None:
    assert keeps_all(old, new) is keeps
    assert (ChangeTtl("t", old, new).hazards == ()) is keeps


def test_commands_that_can_fail_on_the_data_are_sent_alone_and_never_beside_a_drop_or_rename() -> None:
    retype = RetypeColumn("t", ColumnForm("bad", "String"), ColumnForm("bad", "UInt64"))
    changes: list[Change] = [
        RenameColumn("t", "v", "w"),
        retype,
        DropColumn("t", ColumnForm("f", "UInt8")),
        AddColumn("t", ColumnForm("n", "UInt8"), ""),
    ]
    made = batches(changes)
    risky = [batch for batch in made if batch.risky]
    assert len(risky) == 1
    assert [command.text for command in risky[0].commands] == ["MODIFY COLUMN `bad` UInt64"]
    assert risky[0].recovery == "MODIFY COLUMN `bad` String"
    assert [command.text for batch in made for command in batch.commands][:3] == [
        "DROP COLUMN `f`",
        "RENAME COLUMN `v` TO `w`",
        "ADD COLUMN `n` UInt8 FIRST",
    ]


def test_several_commands_stand_in_parentheses_from_24_8_on() -> None:
    made = batches([RenameColumn("t", "v", "w"), DropColumn("t", ColumnForm("f", "UInt8"))])
    assert made[0].sql("t", True) == "ALTER TABLE t (DROP COLUMN `f`), (RENAME COLUMN `v` TO `w`)"
    assert made[0].sql("t", False) == "ALTER TABLE t DROP COLUMN `f`, RENAME COLUMN `v` TO `w`"


def test_an_enum_label_that_takes_over_a_number_is_a_hazard_and_one_that_goes_is_counted() -> None:
    old = ColumnForm("e", "Enum8('a' = 1, 'b' = 2)")
    relabelled = RetypeColumn("t", old, ColumnForm("e", "Enum8('a' = 1, 'z' = 2)"))
    assert [hazard.allow for hazard in relabelled.hazards if hazard.destructive] == ["relabel-enum t.e"]
    assert relabelled.checks == ()
    shrunk = RetypeColumn("t", old, ColumnForm("e", "Enum8('a' = 1)"))
    assert not [hazard for hazard in shrunk.hazards if hazard.destructive]
    assert [check.condition for check in shrunk.checks] == ["toString(`e`) IN ('b')"]


def test_enum_to_enum_is_converted_by_label() -> None:
    assert conversion("`e`", "Enum8('a' = 1)", "Enum8('a' = 2)") == "CAST(toString(`e`), 'Enum8(\\'a\\' = 2)')"
    assert conversion("`e`", "UInt8", "UInt8") == "`e`"
    assert enum_labels("Nullable(Enum8('it\\'s' = -1))") == {"it\\'s": -1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UInt8", "UInt64"),
        ("Int32", "Nullable(Int64)"),
        ("Float32", "Float64"),
        ("Date", "LowCardinality(Date32)"),
        ("String", "LowCardinality(Nullable(String))"),
        ("UInt64", "String"),
        (
            "Array(Map(String, Tuple(a UInt8, b Decimal(9, 2))))",
            "Array(Map(String, Tuple(a UInt16, b Decimal(18, 4), c String)))",
        ),
        ("Enum8('a' = 1, 'b' = 2)", "Enum16('b' = 1, 'a' = 2, 'c' = 3)"),
        ("Nullable(FixedString(4))", "Nullable(FixedString(8))"),
    ],
)
def test_a_type_that_holds_every_value_costs_no_look_at_the_rows(old: str, new: str) -> None:
    assert RetypeColumn("t", ColumnForm("c", old), ColumnForm("c", new)).checks == ()


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("SimpleAggregateFunction(max, UInt8)", "SimpleAggregateFunction(max, UInt64)", True),
        ("SimpleAggregateFunction(max, UInt64)", "SimpleAggregateFunction(max, String)", False),
        ("SimpleAggregateFunction(max, Int64)", "SimpleAggregateFunction(max, UInt64)", False),
        (
            "SimpleAggregateFunction(max, Enum8('a' = 1, 'b' = 2))",
            "SimpleAggregateFunction(max, Enum8('b' = 1, 'a' = 2))",
            False,
        ),
        (
            "SimpleAggregateFunction(max, Enum8('a' = 1, 'b' = 2))",
            "SimpleAggregateFunction(max, Enum16('a' = 5, 'b' = 7))",
            True,
        ),
        ("SimpleAggregateFunction(anyLast, UInt64)", "SimpleAggregateFunction(anyLast, String)", True),
        ("SimpleAggregateFunction(sum, UInt64)", "SimpleAggregateFunction(sum, Float64)", False),
        ("SimpleAggregateFunction(sum, UInt64)", "SimpleAggregateFunction(max, UInt64)", False),
        ("UInt64", "SimpleAggregateFunction(sum, UInt64)", False),
        (
            "SimpleAggregateFunction(groupUniqArrayArray, Array(UInt8))",
            "SimpleAggregateFunction(groupUniqArrayArray, Array(String))",
            True,
        ),
    ],
)
def test_merges_combine_alike_only_where_the_order_of_values_stays(old: str, new: str, alike: bool) -> None:
    assert combines_alike(old, new) is alike


def test_a_nullable_column_that_becomes_plain_is_counted_and_gets_a_default_for_a_moment() -> None:
    change = RetypeColumn("t", ColumnForm("n", "Nullable(String)"), ColumnForm("n", "String"))
    assert [check.condition for check in change.checks] == ["isNull(`n`)"]
    assert [command.text for command in change.commands] == [
        "MODIFY COLUMN `n` String DEFAULT defaultValueOfTypeName('String')",
        "MODIFY COLUMN `n` REMOVE DEFAULT",
    ]


def test_what_parts_do_not_hold_is_written_down_under_the_name_and_kind_that_the_column_has() -> None:
    five, plain, alias = (
        ColumnForm("n", "UInt8", "DEFAULT", "5"),
        ColumnForm("n", "UInt8"),
        ColumnForm("n", "UInt8", "ALIAS", "k + 1"),
    )
    assert [command.text for command in MaterializeColumns((ColumnToWrite(five, 3),), patched=True).commands] == [
        "APPLY PATCHES",
        "MATERIALIZE COLUMN `n`",
    ]
    assert [command.text for command in MaterializeColumns((ColumnToWrite(plain, 3, "0"),)).commands] == [
        "MODIFY COLUMN `n` UInt8 DEFAULT 0",
        "MATERIALIZE COLUMN `n`",
        "MODIFY COLUMN `n` REMOVE DEFAULT",
    ]
    assert [
        command.text for command in MaterializeColumns((ColumnToWrite(alias, 3, "k + 1", restored=False),)).commands
    ] == [
        "MODIFY COLUMN `n` UInt8 DEFAULT k + 1",
        "MATERIALIZE COLUMN `n`",
    ]
    batch = batches(
        (ChangeDefault("t", five, replace(five, expression="7")), MaterializeColumns((ColumnToWrite(five, 3),)))
    )
    assert [each.sql("t", True) for each in batch] == [
        "ALTER TABLE t MATERIALIZE COLUMN `n`",
        "ALTER TABLE t MODIFY COLUMN `n` UInt8 DEFAULT 7",
    ]


def test_what_is_stored_no_longer_is_a_hazard() -> None:
    gone = ChangeDefault("t", ColumnForm("n", "UInt8"), ColumnForm("n", "UInt8", "ALIAS", "1"))
    assert [hazard.allow for hazard in gone.hazards] == ["change-default t.n"]


def test_engines_that_combine_rows_are_hazards() -> None:
    assert [
        hazard.allow for hazard in ChangeEngine("t", "MergeTree", "ReplacingMergeTree", "ReplacingMergeTree").hazards
    ] == ["change-engine t"]
    (back,) = ChangeEngine("t", "ReplacingMergeTree", "MergeTree", "MergeTree").hazards
    assert (back.kind, back.allow) == ("old-code-breaks", "")
    assert ChangeEngine("t", "MergeTree", "ReplicatedMergeTree", "ReplicatedMergeTree").hazards == ()
