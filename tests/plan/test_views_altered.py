"""A materialized view that changes itself in the version in which its tables change: both have to follow."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import SchemaVersionError

QUERY = "SELECT k, a FROM t"
LATER = "SELECT k, a FROM t WHERE k != 3"
CHANGES: dict[str, dict[str, str]] = {
    "schedule": {"refresh": "EVERY 2 YEAR APPEND"},
    "comment": {"comment": "later"},
    "query": {"query": LATER},
    "query and comment": {"query": LATER, "comment": "later"},
}
TYPES = (("UInt8", "UInt64"), ("Enum8('a' = 1)", "LowCardinality(String)"))


def declared(kind: str, to: str, **view: str) -> Schema:
    columns = [Column("k", "UInt64"), Column("a", kind)]
    owned = {} if to else {"engine": MergeTree(order_by=["k"])}
    objects: list[object] = [Table("t", columns, engine=MergeTree(order_by=["k"]))]
    if to:
        objects.append(Table(to, columns, engine=MergeTree(order_by=["k"])))
    objects.append(MaterializedView("m", to=to or None, **{"query": QUERY, **view}, **owned))  # type: ignore[arg-type]
    return Schema("views", objects=objects)  # type: ignore[arg-type]


def stored(client: Client) -> list[tuple[object, ...]]:
    """The columns of the view and of the table behind it."""
    asked = client.query(
        "SELECT if(table LIKE '.inner%', 'inner', table), name, type FROM system.columns WHERE database = "
        "currentDatabase() AND table NOT LIKE '_aaiclick%' AND table NOT LIKE 'schema_version' ORDER BY ALL"
    )
    return [tuple(row) for row in asked.result_rows]


@pytest.mark.parametrize("to", ["", "g"], ids=["own table", "target"])
@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize(("before", "after"), TYPES, ids=[kind for _, kind in TYPES])
def test_a_view_is_altered_and_its_types_follow(
    aaiclick_client: Client, to: str, change: str, before: str, after: str
) -> None:
    schedule = {"refresh": "EVERY 1 YEAR APPEND"} if change == "schedule" else {}
    ensure_schema(aaiclick_client, declared(before, to, **schedule))
    wanted = declared(after, to, **{**schedule, **CHANGES[change]})
    policy = Policy.lossless()
    try:
        ensure_schema(aaiclick_client, wanted, policy=policy)
    except SchemaVersionError as error:
        assert "replace-view m" in str(error)  # noqa: PT017 - asked for by name is as good
        ensure_schema(aaiclick_client, wanted, policy=policy.allow("replace-view m"))
    assert plan_schema(aaiclick_client, wanted).steps == ()
    tables = [name for name in ("g", "inner", "m", "t") if (name == "g") == bool(to) or name in ("m", "t")]
    tables = [name for name in tables if name != ("inner" if to else "g")]
    assert stored(aaiclick_client) == [
        (table, column, kind) for table in tables for column, kind in (("a", after), ("k", "UInt64"))
    ]


EVERY = "EVERY 1 YEAR"


@pytest.mark.parametrize(
    ("to", "was", "becomes", "steps", "asked"),
    [
        ("g", EVERY, EVERY, ["t", "m", "m"], []),
        ("", EVERY, None, ["t", "m"], ["replace-view m"]),
        ("", None, EVERY, ["m", "t", "m", "m"], ["replace-view m"]),
        ("g", None, None, ["m", "t", "m"], ["replace-view m"]),
    ],
    ids=["stays refreshable", "no longer refreshable", "becomes refreshable", "set off by inserts"],
)
def test_a_view_follows_a_renamed_column(
    aaiclick_client: Client, to: str, was: str | None, becomes: str | None, steps: list[str], asked: list[str]
) -> None:
    def version(name: str, refresh: str | None, former: str | None) -> Schema:
        read = Column(name, "UInt8", renamed_from=former) if former else Column(name, "UInt8")
        made = [Column("k", "UInt64"), Column("a", "UInt8")]
        query = f"SELECT k, {name} AS a FROM t"
        engine = None if to else MergeTree(order_by=["k"])
        view = MaterializedView("m", to=to or None, engine=engine, refresh=refresh, query=query)
        tables = [Table("t", [Column("k", "UInt64"), read], engine=MergeTree(order_by=["k"]))]
        return Schema(
            "views", objects=[*tables, *([Table("g", made, engine=MergeTree(order_by=["k"]))] if to else []), view]
        )

    ensure_schema(aaiclick_client, version("a", was, None))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    wanted = version("b", becomes, "a")
    plan = plan_schema(aaiclick_client, wanted)
    assert [step.object for step in plan.steps] == steps
    assert [hazard.allow for step in plan.steps for hazard in step.hazards if hazard.allow] == asked
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow(*asked))
    assert plan_schema(aaiclick_client, wanted).steps == ()
    aaiclick_client.command("INSERT INTO t VALUES (2, 2)")  # refused where the old query is still there
    for refresh in ["SYSTEM REFRESH VIEW m", "SYSTEM WAIT VIEW m"] if becomes else []:
        aaiclick_client.command(refresh)
    assert (2, 2) in aaiclick_client.query("SELECT k, a FROM m").result_rows


def test_a_comment_that_is_not_declared_stays_on_a_view_that_is_made_anew(aaiclick_client: Client) -> None:
    """One that is replaced, one that becomes a materialized view, one with another target, and one with another query."""

    def version(number: int, query: str, to: str) -> Schema:
        columns = [Column("k", "UInt64"), Column("a", "UInt8")]
        tables = [Table(name, columns, engine=MergeTree(order_by=["k"])) for name in ("t", "g", "h")]
        turned = View("turned", query=QUERY) if number == 1 else MaterializedView("turned", to="h", query=QUERY)
        views = [View("plain", query=query), turned, MaterializedView("moved", to=to, query=QUERY)]
        views.append(MaterializedView("queried", to="g", query=query))
        return Schema("views", version=number, objects=[*tables, *views])

    ensure_schema(aaiclick_client, version(1, QUERY, "g"))
    for name in ("plain", "turned", "moved", "queried"):
        aaiclick_client.command(f"ALTER TABLE {name} MODIFY COMMENT 'by hand', COMMENT COLUMN a 'of a'")
    # Nobody declares the comments of their columns, so they are no difference.
    assert plan_schema(aaiclick_client, version(1, QUERY, "g")).steps == ()
    policy = Policy.lossless().allow("replace-view turned", "replace-view moved")
    assert ensure_schema(aaiclick_client, version(2, LATER, "h"), policy=policy).in_sync
    said = (
        "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%View' ORDER BY 1"
    )
    assert [tuple(row) for row in aaiclick_client.query(said).result_rows] == [
        (name, "by hand") for name in ("moved", "plain", "queried", "turned")
    ]
    of_column = "SELECT table FROM system.columns WHERE database = currentDatabase() AND comment = 'of a' ORDER BY 1"
    assert [row[0] for row in aaiclick_client.query(of_column).result_rows] == ["moved", "plain", "queried", "turned"]
    assert plan_schema(aaiclick_client, version(2, LATER, "h")).steps == ()


def test_what_is_not_declared_stays_on_a_view_whose_own_table_cannot_follow(aaiclick_client: Client) -> None:
    """The key of that table gets a wider type, and the query changes, too: the view is made anew in one step."""

    def version(number: int, kind: str, query: str) -> Schema:
        table = Table("t", [Column("k", kind), Column("a", "UInt8")], engine=MergeTree(order_by=["a"]))
        view = MaterializedView("m", query=query, engine=MergeTree(order_by=["k"]))
        return Schema("views", version=number, objects=[table, view])

    ensure_schema(aaiclick_client, version(1, "UInt8", QUERY))
    aaiclick_client.command("ALTER TABLE m MODIFY COMMENT 'by hand'")
    security = "DEFINER = default SQL SECURITY DEFINER"
    aaiclick_client.command(f"ALTER TABLE m MODIFY {security}")
    policy = Policy.lossless().allow("replace-view m")
    report = ensure_schema(aaiclick_client, version(2, "UInt64", LATER), policy=policy)
    assert [step.object for step in report.steps if step.strategy == "replace"] == ["m"]
    shown = str(aaiclick_client.query("SHOW CREATE TABLE m").result_rows[0][0])
    assert security in shown
    assert "COMMENT 'by hand'" in shown
    assert "k != 3" in shown
    assert plan_schema(aaiclick_client, version(2, "UInt64", LATER)).steps == ()
