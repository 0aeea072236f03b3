"""Tables and columns whose names have a dot: a release takes decisions about them, and its migration carries them out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Schema, Table, ensure_schema
from aaiclick.api.revision import check_schema, revise
from aaiclick.errors import SpecError, UndecidedError, UsageError
from aaiclick.specs.renames import (
    column_renames,
    is_new_name,
    new_name_text,
    rename_said,
    renamed_parts,
    table_and_column,
    table_renames,
)
from tests.migrations.projects import empty_package

KEY = Column("id", "UInt64")


def schema(version: int, *tables: Table) -> Schema:
    return Schema("dotted", version=version, objects=list(tables), migrations="dotted_migrations")


def table(name: str, *columns: Column, renamed_from: str | None = None) -> Table:
    return Table(name, [KEY, *columns], engine=MergeTree(order_by=["id"]), renamed_from=renamed_from)


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_package(tmp_path, "dotted_migrations", monkeypatch)


@pytest.mark.parametrize(
    ("what", "split"),
    [
        ("a.b", ("a.b", "")),
        ("a.b.c", ("a.b", "c")),
        ("a.b.n.x", ("a.b", "n.x")),
        ("a.c", ("a", "c")),
        ("t.n.x", ("t", "n.x")),
    ],
)
def test_the_longest_table_counts(what: str, split: tuple[str, str]) -> None:
    assert table_and_column(what, {"a", "a.b", "other"}) == split


@pytest.mark.parametrize("python", [False, True])
def test_what_a_release_decides_is_carried_out(aaiclick_client: Client, python: bool) -> None:
    first = schema(
        1, table("a.b", Column("x.y", "String"), Column("gone.b", "String")), table("other", Column("v", "String"))
    )
    revise(first, "")
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command("INSERT INTO `a.b` VALUES (1, '7', 'x')")
    second = schema(
        2,
        table("a.c", Column("x.z", "UInt64", renamed_from="x.y"), renamed_from="a.b"),
        table("other", Column("w.w", "String", renamed_from="v")),
    )
    with pytest.raises(UndecidedError) as undecided:
        revise(second, "Next")
    assert undecided.value.undecided == (
        "a.c.gone.b is no longer declared: --rename '`a.c`.`gone.b`=NEW_NAME', or --drop a.c.gone.b",
    )
    with pytest.raises(UsageError, match=r"a\.c\.gone\.c: the last released version has no such column"):
        revise(second, "Next", drops=["a.c.gone.c"])
    revise(second, "Next", drops=["a.c.gone.b"], python=python)
    sys.modules.pop("dotted_migrations.0002_next", None)
    assert check_schema(second).problems == ()
    ensure_schema(aaiclick_client, second)
    assert aaiclick_client.query("SELECT * FROM `a.c`").result_rows == [(1, 7)]
    third = schema(3, table("a.c"), table("other", Column("w.w", "String")))
    revise(third, "Less", drops=["a.c.x.z"])
    assert check_schema(third).problems == ()
    ensure_schema(aaiclick_client, third)
    assert aaiclick_client.query("SELECT * FROM `a.c`").result_rows == [(1,)]


@pytest.mark.parametrize(("old", "new"), [("ab", "ac"), ("a.b", "a.c")])
def test_a_remark_counts_before_a_function(aaiclick_client: Client, old: str, new: str) -> None:
    """No migration says the rename: what runs first has to find the rows under the new names all the same."""
    seen: list[object] = []
    first = Schema("dotted", version=1, objects=[table(old, Column(old, "String"))])
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command(f"INSERT INTO `{old}` VALUES (1, '7')")
    moves = Migration(
        2, move=lambda context: seen.extend(context.client.query(f"SELECT `{new}` FROM `{new}`").result_rows)
    )
    wanted = table(new, Column(new, "UInt64", renamed_from=old), renamed_from=old)
    ensure_schema(aaiclick_client, Schema("dotted", version=2, objects=[wanted], migrations=[moves]))
    assert [tuple(row) for row in seen] == [("7",)]  # type: ignore[arg-type]
    assert aaiclick_client.query(f"SELECT * FROM `{new}`").result_rows == [(1, 7)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("t", ("t", "")),
        ("t.n.x", ("t", "n.x")),
        ("`a.b`", ("a.b", "")),
        ("`a.b`.`n.x`", ("a.b", "n.x")),
        ("`a.b`.x", ("a.b", "x")),
        ("t.`n.x`", ("t", "n.x")),
        ("`back\\`tick.`.`it``s`", ("back`tick.", "it`s")),
        ("`", ("`", "")),
    ],
)
def test_backticks_hold_a_name_together(text: str, parts: tuple[str, str]) -> None:
    assert renamed_parts(text) == parts
    assert renamed_parts(rename_said(*parts)) == parts


def test_a_new_name_with_a_dot_stands_in_backticks() -> None:
    renames = {"`a.b`": "`a.c`", "`a.b`.`n.x`": "n.y", "t.v": "`w.w`", "t": "u"}
    assert all(is_new_name(*pair) for pair in renames.items())
    assert not is_new_name("t.v", "w.w")
    assert not is_new_name("t", "t.w")
    assert table_renames(renames) == {"a.b": "a.c", "t": "u"}
    assert column_renames(renames, "a.b") == {"n.x": "n.y"}
    assert column_renames(renames, "t", "u") == {"v": "w.w"}
    assert [new_name_text("t.v", new) for new in ("w", "w.w", "`")] == ["w", "`w.w`", "`\\``"]


FORMER = {"`a.b`": "`a.c`", "`a.b`.`n.x`": "`n.y`", "`a.b`.v": "`w.w`"}


@pytest.mark.parametrize("python", [False, True])
def test_a_rename_says_them(aaiclick_client: Client, python: bool) -> None:
    """Also where the database jumps over the version, and later declarations have no remark."""
    first = schema(1, table("a.b", Column("n.x", "Array(UInt8)"), Column("v", "UInt8")))
    revise(first, "")
    ensure_schema(aaiclick_client, first)
    aaiclick_client.command("INSERT INTO `a.b` VALUES (1, [7], 8)")
    second = schema(2, table("a.c", Column("n.y", "Array(UInt8)"), Column("w.w", "UInt8")))
    revise(second, "Next", renames=FORMER, python=python)
    sys.modules.pop("dotted_migrations.0002_next", None)
    assert check_schema(second).problems == ()
    third = schema(3, table("a.c", Column("n.y", "Array(UInt8)"), Column("w.w", "UInt8"), Column("z", "UInt8")))
    revise(third, "More")
    ensure_schema(aaiclick_client, third)
    assert aaiclick_client.query("SELECT * FROM `a.c`").result_rows == [(1, [7], 8, 0)]


def test_without_backticks_it_is_said_how() -> None:
    revise(schema(1, table("a.b", Column("v", "UInt8"))), "")
    said = r"a\.b\.v: the last released version has no such column\. Names with a dot stand in backticks"
    with pytest.raises(UsageError, match=said):
        revise(schema(2, table("a.b", Column("w", "UInt8"))), "Next", renames={"a.b.v": "w"})
    with pytest.raises(SpecError, match="and in backticks where it has a dot"):
        Migration(2, renames={"t": "a.b"})


def test_what_a_release_allows_follows_the_names(aaiclick_client: Client) -> None:
    first = Schema("dotted", version=1, objects=[table("a.b", Column("v", "UInt8"), Column("gone", "UInt8"))])
    ensure_schema(aaiclick_client, first)
    moves = [Migration(2, allow=["drop-column a.b.gone"]), Migration(3, renames={"`a.b`": "`a.c`"})]
    ensure_schema(
        aaiclick_client, Schema("dotted", version=3, objects=[table("a.c", Column("v", "UInt8"))], migrations=moves)
    )
    assert aaiclick_client.query("DESCRIBE `a.c`").result_columns[0] == ["id", "v"]
