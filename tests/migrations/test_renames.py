"""Renames that meet: chains, a name that is given to another column at once, names that go round in a circle."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Rebuild,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError, MigrationError, SpecError
from aaiclick.specs.moves import MoveContext
from aaiclick.specs.renames import applicable, circle

ID = Column("id", "UInt64")
BEFORE = [ID, Column("a", "Int64"), Column("b", "Int64")]

SWAPPED = "columns a, b swap names on the way: migrate version by version, or fill them in a Rebuild"


def schema(version: int, columns: list[Column], *migrations: Migration, order_by: str = "id") -> Schema:
    return Schema(
        "app",
        version=version,
        objects=[Table("t", columns, engine=MergeTree(order_by=[order_by]))],
        migrations=list(migrations),
    )


@pytest.mark.parametrize(
    ("renames", "after", "order_by", "rows"),
    [
        ({"t.a": "b", "t.b": "c"}, [ID, Column("b", "Int64"), Column("c", "Int64")], "id", (1, 5, 6)),
        ({"t.a": "b", "t.b": "c"}, [ID, Column("b", "String"), Column("c", "Int64")], "id", (1, "5", 6)),
        ({"t.a": "b", "t.b": "c"}, [ID, Column("b", "Int64"), Column("c", "Int64")], "c", (1, 5, 6)),
        ({"t.a": "c"}, [ID, Column("a", "String"), Column("b", "Int64"), Column("c", "Int64")], "id", (1, "", 6, 5)),
        ({"t.a": "c"}, [ID, Column("a", "String"), Column("b", "Int64"), Column("c", "Int64")], "c", (1, "", 6, 5)),
        (
            {"t.a": "b", "t.b": "c"},
            [ID, Column("a", "String"), Column("b", "Int64"), Column("c", "Int64")],
            "id",
            (1, "", 5, 6),
        ),
    ],
)
def test_every_value_goes_where_its_column_goes(
    aaiclick_client: Client, renames: dict[str, str], after: list[Column], order_by: str, rows: tuple[object, ...]
) -> None:
    ensure_schema(aaiclick_client, schema(1, BEFORE))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5, 6)")
    wanted = schema(2, after, Migration(version=2, renames=renames), order_by=order_by)
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    names = ", ".join(column.name for column in after)
    assert aaiclick_client.query(f"SELECT {names} FROM t").result_rows == [rows]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_names_that_go_round_are_refused(aaiclick_client: Client) -> None:
    with pytest.raises(SpecError, match="migration 2: renames of t: a, b swap names: say it as rebuild="):
        Migration(version=2, renames={"t.a": "b", "t.b": "a"})
    with pytest.raises(SpecError, match="c is the new name of two"):
        Migration(version=2, renames={"t.a": "c", "t.b": "c"})
    swapped = [ID, Column("a", "Int64", renamed_from="b"), Column("b", "Int64", renamed_from="a")]
    with pytest.raises(SpecError, match=r"t: a, b swap names \(renamed_from\): say it in a Migration as rebuild="):
        Table("t", swapped, engine=MergeTree(order_by=["id"]))
    for old, new in (("a", "b"), ("b", "a")):
        with pytest.raises(SpecError, match=f"t: column {new}: renamed_from {old}, which is declared itself"):
            Table(
                "t",
                [ID, Column(new, "Int64", renamed_from=old), Column(old, "Int64")],
                engine=MergeTree(order_by=["id"]),
            )
    # Three versions, none of them a circle, make one together.
    steps = [
        Migration(version=2, renames={"t.a": "x"}),
        Migration(version=3, renames={"t.b": "a"}),
        Migration(version=4, renames={"t.x": "b"}),
    ]
    ensure_schema(aaiclick_client, schema(1, BEFORE))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5, 6)")
    before, other = (
        Table(name, columns, engine=MergeTree(order_by=["id"])) for name, columns in (("t", BEFORE), ("other", [ID]))
    )
    plan = plan_schema(aaiclick_client, Schema("app", version=4, objects=[before, other], migrations=steps))
    assert {step.object: step.blocked for step in plan.required} == {"t": SWAPPED, "other": ""}
    with pytest.raises(BlockedError, match=f"t: {SWAPPED}"):
        ensure_schema(aaiclick_client, schema(4, BEFORE, *steps))
    ensure_schema(
        aaiclick_client,
        schema(2, BEFORE, Migration(version=2, rebuild={"t": Rebuild(columns={"a": "b", "b": "a"})})),
        policy=Policy.lossless(),
    )
    assert aaiclick_client.query("SELECT a, b FROM t").result_rows == [(6, 5)]


def test_a_table_is_made_from_one_live_table_only(aaiclick_client: Client) -> None:
    def tables(version: int, names: str, **renames: str) -> Schema:
        objects = [Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in names]
        return Schema(
            "app",
            version=version,
            objects=list(objects),
            migrations=[Migration(version=2, renames=renames)] if renames else None,
        )

    ensure_schema(aaiclick_client, tables(1, "ab"))
    with pytest.raises(MigrationError, match="app: table a: is what c and d are both made from"):
        ensure_schema(
            aaiclick_client,
            Schema(
                "app",
                version=3,
                objects=[Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in "bcd"],
                migrations=[Migration(version=2, renames={"a": "c"}), Migration(version=3, renames={"a": "d"})],
            ),
        )


@pytest.mark.parametrize("stop", [False, True], ids=["in one go", "killed behind the first rename"])
@pytest.mark.parametrize(
    ("renames", "declared", "rows"),
    [
        ({"a": "c"}, "cab", {"a": 0, "b": 2, "c": 1}),
        ({"a": "b", "b": "c"}, "bc", {"b": 1, "c": 2}),
        ({"a": "b", "b": "c"}, "abc", {"a": 0, "b": 1, "c": 2}),
    ],
    ids=["made anew", "a chain", "a chain and made anew"],
)
def test_a_name_that_a_table_gives_up_is_free(
    aaiclick_client: Client, renames: dict[str, str], declared: str, rows: dict[str, int], stop: bool
) -> None:
    """Old tables have one column, new ones two; the rows stay with the table that is renamed."""
    old = [Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in "ab"]
    ensure_schema(aaiclick_client, Schema("app", version=1, objects=list(old)))
    for name, count in (("a", 1), ("b", 2)):
        aaiclick_client.command(f"INSERT INTO {name} SELECT number FROM numbers({count})")
    if stop:
        last = max(renames.values())
        aaiclick_client.command(f"RENAME TABLE {next(old for old, new in renames.items() if new == last)} TO {last}")
    columns = [ID, Column("more", "String", default="'x'")]
    wanted = Schema(
        "app",
        version=2,
        objects=[Table(name, columns, engine=MergeTree(order_by=["id"])) for name in declared],
        migrations=[Migration(version=2, renames=renames)],
    )
    ensure_schema(aaiclick_client, wanted)
    for name, count in rows.items():
        assert aaiclick_client.query(f"SELECT count(), any(more) FROM {name}").result_rows == [
            (count, "x" if count else "")
        ]
    assert plan_schema(aaiclick_client, wanted).steps == ()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (["SELECT 1"], [(1,)]),
        (["INSERT INTO other VALUES (7)"], [(1,)]),
        (["ALTER TABLE c DELETE WHERE id = 1"], []),
        (["INSERT INTO a VALUES (5)", "SELECT 1"], [(1,)]),
    ],
)
def test_a_name_is_free_beside_statements(
    aaiclick_client: Client, sql: list[str], rows: list[tuple[object, ...]]
) -> None:
    def version(number: int, names: list[str], *migrations: Migration) -> Schema:
        objects = [Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in names]
        return Schema("app", version=number, objects=list(objects), migrations=list(migrations))

    ensure_schema(aaiclick_client, version(1, ["a", "other"]))
    aaiclick_client.command("INSERT INTO a VALUES (1)")
    migration = Migration(2, renames={"a": "c"}, sql=sql)
    policy = Policy.lossless().allow("run-sql migration 2")
    ensure_schema(aaiclick_client, version(2, ["a", "c", "other"], migration), policy=policy)
    assert aaiclick_client.query("SELECT id FROM c").result_rows == rows
    expected = [(5,)] if "INSERT INTO a" in sql[0] else []
    assert aaiclick_client.query("SELECT id FROM a").result_rows == expected


def test_a_function_finds_the_tables_of_its_version(aaiclick_client: Client) -> None:
    def version(number: int, names: str, *migrations: Migration) -> Schema:
        objects = [Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in names]
        return Schema("app", version=number, objects=list(objects), migrations=list(migrations))

    ensure_schema(aaiclick_client, version(1, "a"))
    aaiclick_client.command("INSERT INTO a VALUES (1)")
    found: dict[str, object] = {}

    def move(context: MoveContext) -> None:
        for name in "ac":
            found[name] = context.client.query(f"SELECT count() FROM {context.table(name)}").result_rows[0][0]

    migration = Migration(2, renames={"a": "c"}, move=move)
    ensure_schema(aaiclick_client, version(2, "ac", migration), policy=Policy.lossless())
    assert found == {"a": 0, "c": 1}


def test_a_view_into_a_freed_name_is_named_in_one_sentence(aaiclick_client: Client) -> None:
    """Right after the CREATE it would write into the new table."""
    engine = MergeTree(order_by=["id"])
    source, target, aside = (Table(name, [ID], engine=engine) for name in ("source", "a", "c"))
    view = MaterializedView("written", query="SELECT id FROM source", to="a")
    ensure_schema(aaiclick_client, Schema("app", version=1, objects=[source, target, view]))
    migration = Migration(version=2, renames={"a": "c"})
    wanted = Schema("app", version=2, objects=[source, aside, target, view], migrations=[migration])
    said = "it writes into a, which becomes c while a new table gets its name: let another version come between"
    assert [step.blocked for step in plan_schema(aaiclick_client, wanted).steps if step.blocked] == [said]
    with pytest.raises(BlockedError, match=f"written: {said}$"):
        ensure_schema(aaiclick_client, wanted)


def test_a_view_that_a_freed_name_sets_off_is_named(aaiclick_client: Client) -> None:
    """Right after the CREATE it would take the rows of the new table. A plain one may read both."""
    kept = Table("kept", [ID], engine=MergeTree(order_by=["id"]))
    old = Table("a", [ID], engine=MergeTree(order_by=["id"]))

    def views(source: str) -> list[View | MaterializedView]:
        return [
            View("shown", query="SELECT id FROM " + " UNION ALL SELECT id FROM ".join(source)),
            MaterializedView("written", query=f"SELECT id FROM {source[0]}", to="kept"),
        ]

    ensure_schema(aaiclick_client, Schema("app", version=1, objects=[old, kept, *views("a")]))
    aaiclick_client.command("INSERT INTO a VALUES (1)")
    moved = [Table("c", [ID], engine=MergeTree(order_by=["id"])), kept]
    migration = Migration(version=2, renames={"a": "c"})
    wanted = Schema("app", version=2, objects=[*moved, old, *views("ca")], migrations=[migration])
    with pytest.raises(
        BlockedError, match="written: it is set off by inserts into a, which becomes c while a new table"
    ):
        ensure_schema(aaiclick_client, wanted)
    aaiclick_client.command("DROP VIEW written")
    wanted = Schema("app", version=2, objects=[*moved, old, views("ca")[0]], migrations=[migration])
    ensure_schema(aaiclick_client, wanted)
    assert aaiclick_client.query("SELECT id FROM shown").result_rows == [(1,)]


@pytest.mark.parametrize(
    ("renames", "present", "expected"),
    [
        ({"a": "b"}, "a", [("a", "b")]),
        ({"a": "b"}, "ab", []),
        ({"a": "b"}, "b", []),
        ({"a": "b", "b": "c"}, "ab", [("b", "c"), ("a", "b")]),
        ({"a": "b", "b": "c"}, "abc", []),
        ({"a": "b", "b": "c"}, "bc", []),
        ({"a": "b", "b": "a"}, "ab", []),
        ({"c": "d", "b": "c", "a": "b"}, "abc", [("c", "d"), ("b", "c"), ("a", "b")]),
    ],
)
def test_which_renames_apply(renames: dict[str, str], present: str, expected: list[tuple[str, str]]) -> None:
    assert list(applicable(renames, present)) == expected


def test_circles() -> None:
    assert circle({"a": "b", "b": "c", "x": "y"}) == ()
    assert circle({"z": "a", "a": "b", "b": "c", "c": "a"}) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("renames", "after", "read"),
    [
        ({"t.n": "m"}, Column("m", "Nested(a UInt8, b String)"), "m.a, m.b"),
        ({"t.n.a": "n.c"}, Column("n", "Nested(c UInt8, b String)"), "n.c, n.b"),
        ({"t.n": "m", "t.n.b": "m.d"}, Column("m", "Nested(a UInt8, d String)"), "m.a, m.d"),
    ],
)
def test_a_nested_takes_its_parts_with_it(
    aaiclick_client: Client, renames: dict[str, str], after: Column, read: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, [ID, Column("n", "Nested(a UInt8, b String)")]))
    aaiclick_client.command("INSERT INTO t VALUES (1, [1, 2], ['x', 'y'])")
    wanted = schema(2, [ID, after], Migration(version=2, renames=renames))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert aaiclick_client.query(f"SELECT {read} FROM t").result_rows == [([1, 2], ["x", "y"])]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_a_declared_nested_under_a_new_name_takes_its_parts_with_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, [ID, Column("n", "Nested(a UInt8, b String)")]))
    aaiclick_client.command("INSERT INTO t VALUES (1, [1, 2], ['x', 'y'])")
    ensure_schema(
        aaiclick_client,
        schema(2, [ID, Column("m", "Nested(a UInt8, b String)", renamed_from="n")]),
        policy=Policy.lossless(),
    )
    assert aaiclick_client.query("SELECT m.a, m.b FROM t").result_rows == [([1, 2], ["x", "y"])]


def test_a_new_name_has_no_table_in_it() -> None:
    for old, new in (("t.a", "t.b"), ("t.n.a", "t.n.b"), ("t", "x.y"), ("t.a", "n.b")):
        with pytest.raises(SpecError, match="is no new name"):
            Migration(version=2, renames={old: new})


def test_an_old_column_beside_its_new_name_is_named(aaiclick_client: Client) -> None:
    """Older code that still runs has added it again: a rename would have to lose one of the two."""
    aaiclick_client.command("CREATE TABLE t (id UInt64, old Int64, new Int64) ENGINE = MergeTree ORDER BY id")
    wanted = schema(2, [ID, Column("new", "Int64", renamed_from="old")])
    plan = plan_schema(aaiclick_client, wanted)
    assert (
        "t: column old is there beside new, its new name: nothing is renamed, and what old holds is not in new (left "
        "alone)" in plan.notes
    )
    assert [(step.id, step.optional) for step in plan.steps] == [("t:drop-column:old", True)]
    ensure_schema(aaiclick_client, schema(1, [ID]))
    plan = plan_schema(
        aaiclick_client, schema(2, [ID, Column("new", "Int64")], Migration(version=2, renames={"t.old": "new"}))
    )
    assert any("column old is there beside new" in note for note in plan.notes)


@pytest.mark.parametrize("by", ["hint", "migration"])
def test_an_old_table_beside_its_new_name_is_named(aaiclick_client: Client, by: str) -> None:
    ensure_schema(
        aaiclick_client, Schema("app", version=1, objects=[Table("old", [ID], engine=MergeTree(order_by=["id"]))])
    )
    aaiclick_client.command("CREATE TABLE new (id UInt64) ENGINE = MergeTree ORDER BY id")
    aaiclick_client.command("INSERT INTO old SELECT number FROM numbers(1200)")
    migrations = [Migration(version=2, renames={"old": "new"})] if by == "migration" else None
    hint = {"renamed_from": "old"} if by == "hint" else {}
    table = Table("new", [ID], engine=MergeTree(order_by=["id"]), **hint)  # type: ignore[arg-type]
    wanted = Schema("app", version=2, objects=[table], migrations=migrations)
    plan = plan_schema(aaiclick_client, wanted)
    note = (
        "table old is there beside new, its new name: nothing is renamed, and its 1,200 rows are not in new (left "
        "alone)"
    )
    assert (plan.required, note in plan.notes) == ((), True)
    assert [(step.id, step.optional, step.hazards[0].allow) for step in plan.steps] == [
        ("old:drop", True, "drop-table old")
    ]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    later = plan_schema(aaiclick_client, wanted)
    assert ([step.id for step in later.steps], note in later.notes) == (
        ["old:drop"],
        by == "hint",
    )  # what a migration said is done
    assert aaiclick_client.command("SELECT count() FROM old") == 1200


@pytest.mark.parametrize("by", ["migration", "hint"])
def test_a_rename_to_a_name_that_the_version_before_declared_is_an_error(aaiclick_client: Client, by: str) -> None:
    """One of the two columns would have to lose its values, and nobody could say which."""
    ensure_schema(aaiclick_client, schema(1, BEFORE))
    aaiclick_client.command("INSERT INTO t VALUES (1, 10, 20)")
    migration = Migration(version=2, renames={"t.b": "a"} if by == "migration" else {}, allow=["drop-column t.a"])
    after = [ID, Column("a", "Int64", renamed_from="b" if by == "hint" else None)]
    for make in (plan_schema, ensure_schema):
        with pytest.raises(MigrationError, match=r"column t\.b: is to be renamed to a, and a column a is still there"):
            make(aaiclick_client, schema(2, after, migration))
    drop = Migration(version=2, allow=["drop-column t.a"])
    ensure_schema(aaiclick_client, schema(2, [ID, BEFORE[2]], drop), policy=Policy.lossless())
    later = schema(3, after, drop, Migration(version=3, renames=dict(migration.renames)))
    ensure_schema(aaiclick_client, later, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT * FROM t").result_rows == [(1, 20)]


def test_a_table_that_takes_a_declared_name_is_an_error(aaiclick_client: Client) -> None:
    def tables(version: int, *names: str, **more: list[Migration]) -> Schema:
        made = [Table(name, [ID], engine=MergeTree(order_by=["id"])) for name in names]
        return Schema("app", version=version, objects=made, migrations=more.get("migrations"))

    ensure_schema(aaiclick_client, tables(1, "old", "new"))
    wanted = tables(2, "new", migrations=[Migration(version=2, renames={"old": "new"}, allow=["drop-table new"])])
    with pytest.raises(MigrationError, match="table old: is to be renamed to new, and a table new is still there"):
        plan_schema(aaiclick_client, wanted)
    aaiclick_client.command("DROP TABLE new")
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert plan_schema(aaiclick_client, wanted).steps == ()
