"""What reads or feeds a table through another object: an Alias, a view, a Buffer table, a dictionary."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    Engine,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError
from tests.plan.migrating import rows

BUFFER = "1, 1000, 1000, 1000000, 1000000, 1000000000, 1000000000"
ALIAS = "CREATE TABLE al ENGINE = Alias('t')"
FRONT = "CREATE TABLE front (k UInt64, a UInt8) ENGINE = "
TARGET = "CREATE TABLE other (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k"


def table(name: str = "t", column: str = "a", kind: str = "UInt8") -> Table:
    return Table(name, [Column("k", "UInt64"), Column(column, kind)], engine=MergeTree(order_by="k"))


def front(column: str, engine: Engine) -> Table:
    return Table("front", [Column("k", "UInt64"), Column(column, "UInt8")], engine=engine)


def schema(*objects: object, renames: dict[str, str] | None = None, version: int = 2) -> Schema:
    migrations = [Migration(version, renames=renames)] if renames else []
    return Schema("outside", version=version, objects=list(objects), migrations=migrations)  # type: ignore[arg-type]


def begin(client: Client, objects: list[object], *statements: str) -> None:
    ensure_schema(client, schema(*objects, version=1))
    for sql in statements:
        client.command(sql.replace("{db}", str(client.database)))


def wide(**_: object) -> Schema:
    return schema(table(kind="Int64"))


def renamed(view: str = "") -> Schema:
    more = [View("v", query=view)] if view else []
    return schema(table(column="b"), *more, renames={"t.a": "b"})


SHOWS = View("v", query="SELECT k, a FROM t")
LOOKUP = "CLICKHOUSE(TABLE 't')"


def looked_up(attribute: str) -> Dictionary:
    return Dictionary(
        "look",
        columns=[Column("k", "UInt64"), Column(attribute, "UInt8")],
        primary_key=["k"],
        source=LOOKUP,
        layout="FLAT()",
        lifetime="0",
    )


IN_THE_WAY = {
    "a materialized view on an Alias": (
        [table()],
        (ALIAS, TARGET, "CREATE MATERIALIZED VIEW mv TO other AS SELECT k, a FROM al"),
        wide(),
        "mv: values would be changed on their way into its target other: a is UInt8 there",
    ),
    "a materialized view into an Alias": (
        [table()],
        (ALIAS, TARGET, "CREATE MATERIALIZED VIEW mv TO al AS SELECT k, a FROM other"),
        renamed(),
        "mv: values would be changed on their way into its target t: it has no column a",
    ),
    "a view over an Alias": (
        [table()],
        (ALIAS, "CREATE VIEW v AS SELECT k, a FROM al"),
        renamed(),
        "the view v reads t and would fail",
    ),
    "a Buffer table before an Alias": (
        [table()],
        (ALIAS, f"{FRONT}Buffer('{{db}}', 'al', {BUFFER})"),
        renamed(),
        "front: its table will have no column a, and the Buffer table would",
    ),
    "a Merge table over an Alias": (
        [table()],
        (ALIAS, f"{FRONT}Merge('{{db}}', '^al$')"),
        wide(),
        "front: the Merge table would give other values: a is UInt8 in it, and will be Int64",
    ),
    "a Merge table over a view": (
        [table(), SHOWS],
        (f"{FRONT}Merge('{{db}}', '^v$')",),
        schema(table(kind="Int64"), SHOWS),
        "front: the Merge table would give other values: a is UInt8 in it, and will be Int64",
    ),
    "a Merge table over a view that shows another name": (
        [table(), SHOWS],
        (f"{FRONT}Merge('{{db}}', '^v$')",),
        renamed("SELECT k, b FROM t"),
        "front: its table will have no column a, and the Merge table would",
    ),
    "a Buffer table before a materialized view": (
        [table("s"), table(), MaterializedView("mv", to="t", query="SELECT k, a FROM s")],
        (f"{FRONT}Buffer('{{db}}', 'mv', {BUFFER})",),
        schema(
            table("s"),
            table(column="b"),
            MaterializedView("mv", to="t", query="SELECT k, a AS b FROM s"),
            renames={"t.a": "b"},
        ),
        "front: its table will have no column a, and the Buffer table would",
    ),
    "a table in front of a dictionary": (
        [table(), looked_up("a")],
        (f"{FRONT}Dictionary('{{db}}.look')",),
        schema(table(column="b"), looked_up("b"), renames={"t.a": "b"}),
        "front: its table will have no column a, and the Dictionary table would",
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_nobody_declares_stands_in_the_way(aaiclick_client: Client, case: str) -> None:
    objects, statements, wanted, said = IN_THE_WAY[case]
    begin(aaiclick_client, objects, *statements)  # type: ignore[arg-type]
    with pytest.raises(BlockedError) as raised:
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("replace-table front"))
    assert said in str(raised.value)


def test_a_column_that_a_buffer_has_through_an_alias_is_not_dropped(aaiclick_client: Client) -> None:
    begin(aaiclick_client, [table()], ALIAS, f"{FRONT}Buffer('{{db}}', 'al', {BUFFER})")
    wanted = schema(Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by="k")))
    with pytest.raises(BlockedError, match="the Buffer table front has the column too, and keeps it"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-column t.a"))


def test_a_view_over_an_alias_loses_a_column_with_the_table(aaiclick_client: Client) -> None:
    begin(aaiclick_client, [table()], ALIAS, "CREATE VIEW v AS SELECT * FROM al", "INSERT INTO t VALUES (1, 1)")
    wanted = schema(Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by="k")))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-column t.a"))
    assert rows(aaiclick_client, "SELECT * FROM v") == [(1,)]


def test_a_view_over_an_alias_follows_the_table(aaiclick_client: Client) -> None:
    """Also one over a view over it, and one that joins both names of the table."""
    begin(
        aaiclick_client,
        [table()],
        ALIAS,
        "CREATE VIEW v AS SELECT * FROM al",
        "CREATE VIEW w AS SELECT v.a AS one, t.a AS two FROM v JOIN t USING k",
    )
    done = ensure_schema(aaiclick_client, wide())
    assert sorted(step.object for step in done.steps) == ["t", "v", "w"]
    aaiclick_client.command("INSERT INTO al VALUES (1, -70000)")
    assert rows(aaiclick_client, "SELECT one, two FROM w") == [(-70000, -70000)]
    assert plan_schema(aaiclick_client, wide()).steps == ()


@pytest.mark.parametrize("matched", ["al", "v"])
def test_a_view_over_merge_follows_what_it_matches(aaiclick_client: Client, matched: str) -> None:
    over = f"CREATE VIEW w AS SELECT * FROM merge(currentDatabase(), '^{matched}$')"
    begin(aaiclick_client, [table()], ALIAS, "CREATE VIEW v AS SELECT * FROM t", over)
    ensure_schema(aaiclick_client, wide())
    aaiclick_client.command("INSERT INTO t VALUES (1, -70000)")
    assert rows(aaiclick_client, "SELECT a FROM w") == [(-70000,)]


def test_what_is_declared_over_an_alias_is_made_over_the_new_table(aaiclick_client: Client) -> None:
    """A materialized view is dropped before the rename: it would refuse what is inserted through the Alias."""

    def views(column: str) -> list[object]:
        query = f"SELECT k, {column} AS a FROM al"
        return [table("other"), View("v", query=query), MaterializedView("mv", to="other", query=query)]

    begin(aaiclick_client, [table()], ALIAS)
    ensure_schema(aaiclick_client, schema(table(), *views("a")))
    wanted = schema(table(column="b"), *views("b"), renames={"t.a": "b"}, version=3)
    done = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("replace-view mv"))
    assert [step.object for step in done.steps] == ["mv", "t", "v", "mv"]
    aaiclick_client.command("INSERT INTO al VALUES (1, 5)")
    assert rows(aaiclick_client, "SELECT a FROM v UNION ALL SELECT a FROM other") == [(5,), (5,)]


@pytest.mark.parametrize("through", ["al", "mv"])
def test_what_a_declared_buffer_holds_goes_through_before_the_name_changes(
    aaiclick_client: Client, through: str
) -> None:
    def objects(column: str) -> list[object]:
        written = MaterializedView("mv", to="t", query=f"SELECT k, a AS {column} FROM s")
        return [table("s"), table(column=column), *([written] if through == "mv" else [])]

    buffer = Engine("Buffer", f"currentDatabase(), {through}, {BUFFER}")
    begin(aaiclick_client, objects("a"), *([ALIAS] if through == "al" else []))
    ensure_schema(aaiclick_client, schema(*objects("a"), front("a", buffer)))
    aaiclick_client.command("INSERT INTO front VALUES (5, 55)")
    wanted = schema(*objects("b"), front("b", buffer), renames={"t.a": "b", "front.a": "b"}, version=3)
    keys = [hazard.allow for hazard in plan_schema(aaiclick_client, wanted).hazards if hazard.allow]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow(*keys))
    assert rows(aaiclick_client, "SELECT k, b FROM t") == [(5, 55)]


def test_of_two_buffers_the_first_is_emptied_into_the_second(aaiclick_client: Client) -> None:
    def objects(column: str) -> list[object]:
        inner = front(column, Engine("Buffer", f"currentDatabase(), t, {BUFFER}"))
        outer = front(column, Engine("Buffer", f"currentDatabase(), front, {BUFFER}")).model_copy(
            update={"name": "outer"}
        )
        return [table(column=column), inner, outer]

    begin(aaiclick_client, objects("a"), "INSERT INTO outer VALUES (5, 55)")
    wanted = schema(*objects("b"), renames={"t.a": "b", "front.a": "b", "outer.a": "b"})
    policy = Policy.lossless().allow("replace-table front", "replace-table outer")
    done = ensure_schema(aaiclick_client, wanted, policy=policy)
    assert [step.object for step in done.steps][:3] == ["outer", "front", "t"]
    assert rows(aaiclick_client, "SELECT k, b FROM t") == [(5, 55)]
