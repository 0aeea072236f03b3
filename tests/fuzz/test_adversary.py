"""The adversary itself: what it takes for right is right, and it finds what is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz import compare
from tests.fuzz.catalogue import form, left_behind
from tests.fuzz.declare import declared
from tests.fuzz.ground import Ground
from tests.fuzz.reduce import reduced
from tests.fuzz.reference import convert, copy_part, fill, kept, taken
from tests.fuzz.schema import Batch, Column, Engine, Index, Projection, State, Table, World
from tests.fuzz.types import Type, enum, plain, quoted
from tests.fuzz.worlds import world

OLD = enum((("a", 1), ("b", 2)))
NEW = enum((("a", 1), ("mid", 2), ("b", 3)))


def test_labels_go_by_text_at_every_depth(ground: Ground) -> None:
    shells = (
        (lambda kind: kind, "'b'", "b"),
        (lambda kind: Type("Nullable", (kind,)), "'b'", "b"),
        (lambda kind: Type("Array", (kind,)), "['a', 'b']", "[\\'a\\',\\'b\\']"),
        (lambda kind: Type("Map", (kind, kind)), "map('b', 'b')", "{\\'b\\':\\'b\\'}"),
        (
            lambda kind: Type("Tuple", (Type("Array", (kind,)), plain("UInt8")), ("x", "y")),
            "(['b'], 1)",
            "([\\'b\\'],1)",
        ),
    )
    for shell, value, right in shells:
        old, new = shell(OLD), shell(NEW)
        assert ground.rows(f"SELECT toString({convert(f'CAST({value} AS {old.sql})', old, new)})") == [(right,)]


def test_a_json_is_the_same_whatever_stands_beside_it(ground: Ground) -> None:
    """In its bytes the paths of one come in another order where the rows before it have others."""
    column = Column("v", plain("JSON"), "", "")
    values = ", ".join(f"""('{value}')""" for value in ('{"c":{"d":[1,2]}}', "{}", '{"a":2,"b":"x"}'))
    ground.run(f"CREATE TABLE {ground.live}.j (v JSON) ENGINE = MergeTree ORDER BY ()")
    ground.run(f"INSERT INTO {ground.live}.j VALUES {values}")
    looked = kept(column, replace(column, type=Type("Nullable", (plain("String"),))))
    assert ground.rows(f"SELECT DISTINCT {looked} FROM {ground.live}.j") == [("2",)]


@pytest.mark.parametrize(
    ("old", "new", "value", "worst"),
    [
        (plain("UInt16"), plain("UInt8"), "300", 0),
        (plain("UInt16"), plain("UInt8"), "44", 2),
        (plain("String"), plain("UInt8"), "'007'", 0),
        (plain("DateTime64", "3", "'UTC'"), plain("DateTime", "'UTC'"), "'2020-01-01 00:00:00.5'", 0),
        (Type("Array", (OLD,)), Type("Array", (NEW,)), "['b']", 2),
        (Type("Variant", (plain("String"), plain("UInt64"))), plain("String"), "NULL", 0),
        (OLD, plain("Int8"), "'b'", 1),
        (Type("Nullable", (plain("FixedString", "4"),)), Type("Nullable", (plain("FixedString", "8"),)), "'7xxx'", 2),
        (
            Type("LowCardinality", (Type("Nullable", (plain("FixedString", "2"),)),)),
            Type("Nullable", (plain("FixedString", "8"),)),
            "'ab'",
            2,
        ),
        (plain("Int128"), plain("Float64"), f"'{-(2**127)}'", 1),
        (plain("UInt256"), plain("Float64"), f"'{2**255}'", 1),
        (plain("UInt256"), plain("Float64"), f"'{2**255 + 1}'", 0),
        (plain("UInt128"), plain("Float32"), "'3'", 2),
        (Type("Array", (plain("Int256"),)), Type("Array", (plain("Float64"),)), f"['-1', '{-(2**254)}']", 1),
        (Type("Nullable", (plain("Int128"),)), Type("Nullable", (plain("Float64"),)), "NULL", 2),
    ],
)
def test_whether_a_value_comes_back(ground: Ground, old: Type, new: Type, value: str, worst: int) -> None:
    ground.run(f"CREATE TABLE {ground.live}.t (v {old.sql}) ENGINE = MergeTree ORDER BY tuple()")
    ground.run(f"INSERT INTO {ground.live}.t VALUES ({value})")
    assert ground.rows(f"SELECT {kept(Column('v', old), Column('v', new))} FROM {ground.live}.t") == [(str(worst),)]


def test_a_time_zone_that_was_changed_in_place_is_found(ground: Ground) -> None:
    """The server takes it for a change of metadata: rows lie in partitions that the key no longer gives, and an index
    prunes them."""
    name = f"{ground.live}.t"
    before = Table(
        "t",
        (Column("k", plain("DateTime", "'UTC'")), Column("v", plain("UInt8"))),
        order_by=("`v`",),
        partition_by="toYYYYMM(`k`)",
        settings=(("index_granularity", "1"),),
        indexes=(Index("ix", "toDate(`k`)", "minmax"),),
    )
    ground.run(before.create(ground.live))
    ground.run(f"INSERT INTO {name} VALUES ('2020-01-31 23:30:00', 1), ('2020-02-01 10:00:00', 2)")
    after = replace(
        before, columns=(replace(before.columns[0], type=plain("DateTime", "'Asia/Kolkata'")), before.columns[1])
    )
    assert compare.pruned(ground, name, before) == []
    ground.run(f"ALTER TABLE {name} MODIFY COLUMN k {after.columns[0].type.sql}")
    assert {failure.kind for failure in compare.pruned(ground, name, after)} == {"answers"}


def test_a_projection_over_what_was_is_found(ground: Ground) -> None:
    name, key = f"{ground.live}.t", "toDate(`k`)"
    grouped = Projection("pj", f"SELECT {key}, count() GROUP BY {key}")
    table = Table(
        "t",
        (Column("k", plain("DateTime", "'UTC'")), Column("v", plain("UInt8"))),
        order_by=("`v`",),
        projections=(grouped,),
    )
    ground.run(table.create(ground.live))
    ground.run(f"INSERT INTO {name} VALUES ('2020-01-31 23:30:00', 1), ('2020-02-01 10:00:00', 2)")
    assert compare.projected(ground, name, table) == []
    ground.run(f"ALTER TABLE {name} MODIFY COLUMN k DateTime('Asia/Kolkata')")
    assert [failure.kind for failure in compare.projected(ground, name, table)] == ["projection"]


def test_rows_in_the_wrong_partition_are_found(ground: Ground) -> None:
    name = f"{ground.live}.t"
    table = Table(
        "t",
        (Column("k", enum((("a", 1), ("b", 2)))), Column("v", plain("UInt8"))),
        partition_by="toString(`k`)",
        order_by=("`v`",),
    )
    ground.run(table.create(ground.live))
    ground.run(f"INSERT INTO {name} VALUES ('a', 1)")
    assert compare.keyed(ground, name, table) == []
    ground.run(f"ALTER TABLE {name} MODIFY COLUMN k Enum8('z' = 1, 'b' = 2)")
    assert [failure.kind for failure in compare.keyed(ground, name, table)] == ["partition"]


def test_other_rows_and_forms_are_found(ground: Ground) -> None:
    table = Table("t", (Column("k", plain("UInt64")), Column("v", plain("Float64"))), order_by=("`k`",))
    for database in (ground.live, ground.want):
        ground.run(table.create(database))
    ground.run(f"INSERT INTO {ground.live}.t VALUES (1, 0), (2, nan)")
    (part,) = ground.rows(f"SELECT name FROM system.parts WHERE database = '{ground.live}'")[0]
    ground.run(fill(table, table, ground.live, ground.want, part))
    live, want = (
        compare.lines(ground, f"{database}.t", list(table.columns)) for database in (ground.live, ground.want)
    )
    assert compare.differ(live, want) == ""
    assert form(ground, ground.live, "t", ground.want) == ""
    ground.run(f"ALTER TABLE {ground.live}.t UPDATE v = -0. WHERE k = 1")
    assert compare.differ(compare.lines(ground, f"{ground.live}.t", list(table.columns)), want)
    ground.run(f"ALTER TABLE {ground.live}.t MODIFY COLUMN v DEFAULT 1")
    assert "column v" in form(ground, ground.live, "t", ground.want)


def test_what_a_run_leaves_is_found(ground: Ground) -> None:
    assert left_behind(ground) == []
    ground.run(f"CREATE TABLE {ground.live}._aaiclick_stage_x (a UInt8) ENGINE = Memory")
    assert left_behind(ground) == ["table _aaiclick_stage_x"]


def test_a_failing_case_is_made_small() -> None:
    columns = tuple(Column(name, plain("UInt8"), comment="c") for name in ("k", "a", "b", "c"))
    before = Table("t", columns, order_by=("`k`",), indexes=(Index("ix", "`a`", "minmax"),), partition_by="`b`")
    after = replace(before, columns=(*columns[:3], replace(columns[3], type=plain("UInt16"))), comment="other")
    rows = tuple({column.name: "1" for column in columns} for _ in range(3))
    case = World(
        0,
        State((before,)),
        State((after,)),
        (Batch("t", rows), Batch("t", rows)),
        ("DELETE FROM {db}.`t` WHERE 1",),
        (Batch("t", rows),),
        True,
    )

    def fails(world: World) -> bool:
        """The type of c changes, and there is a row."""
        found = world.after.tables[0].column("c")
        return found is not None and found.type.name == "UInt16" and bool(world.batches)

    small = reduced(case, fails)
    assert [column.name for column in small.before.tables[0].columns] == ["c"]
    assert [len(batch.rows) for batch in small.batches] == [1]
    assert (small.touches, small.later, small.drop) == ((), (), False)
    assert small.after.tables[0].partition_by == small.after.tables[0].comment == ""
    assert quoted("c") not in small.before.tables[0].order_by


def test_a_kind_alone_is_in_every_case() -> None:
    """Of each kind some columns are there before and after the change, and some come with it."""
    for name, sign in (("dots", "m"), ("older", "p")):
        cases = [world(seed, only=(name,)) for seed in range(40)]
        found = [case for case in cases if any(_of(sign, column) for column in case.after.tables[0].columns)]
        new = [case for case in found if any(not _was(case, column) for column in case.after.tables[0].columns)]
        assert len(found) > 25
        assert len(new) > 10


def _of(sign: str, column: Column) -> bool:
    return column.name.partition(".")[0].partition(" ")[0].startswith(sign)


def _was(case: World, column: Column) -> bool:
    return case.before.tables[0].column(column.old_name) is not None


def test_it_owes_nothing_to_the_planner() -> None:
    """Only the faults that are put back know what is inside."""
    inside = re.compile(r"^\s*(?:from|import) aaiclick\.(?:plan|apply|catalog|api|clients)\b", re.MULTILINE)
    wrong = [
        path.name
        for path in Path(__file__).parent.glob("*.py")
        if path.name != "mutants.py" and inside.search(path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_rows_of_which_no_column_is_left_are_as_many_defaults(ground: Ground) -> None:
    before = Table("t", (Column("a", plain("UInt8")),))
    after = replace(before, columns=(Column("b", plain("UInt8"), kind="DEFAULT", expr="7"),))
    ground.run(before.create(ground.live))
    ground.run(after.create(ground.want))
    ground.run(f"INSERT INTO {ground.live}.t VALUES (1), (2)")
    copy_part(ground, before, after, ground.live, ground.want, "all_1_1_0")
    assert ground.rows(f"SELECT b FROM {ground.want}.t") == [("7",), ("7",)]


def test_a_column_that_an_engine_adds_under_a_former_name_can_be_declared() -> None:
    """In this case ``ver`` gets another name and the new engine a ``ver`` of its own."""
    case = world(402443)
    assert {"rename column", "engine"} <= set(case.changes)
    assert declared(case, "live").tables
    assert all(not column.source for column in case.after.tables[0].columns)


@pytest.mark.parametrize(("sign", "takes"), [("1", True), ("toInt8(k + 12)", False)])
def test_rows_that_no_insert_takes_disprove_no_refusal(ground: Ground, sign: str, takes: bool) -> None:
    """The copy of the adversary is written without ``optimize_on_insert``."""
    table = Table(
        "t", (Column("k", plain("UInt8")), Column("s", plain("Int8"))), engine=Engine("CollapsingMergeTree", ("s",))
    )
    ground.run(table.create(ground.want))
    ground.run(f"INSERT INTO {ground.want}.t SELECT number AS k, {sign} FROM numbers(3)")
    assert taken(ground, table) is takes
