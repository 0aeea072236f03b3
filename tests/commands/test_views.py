"""Views, materialized views and dictionaries: created in order, replaced in place, and never broken by a change of what
they read."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Dictionary,
    MaterializedView,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError, SpecError

EVENTS = Table(
    "events",
    [Column("id", "UInt64"), Column("name", "String"), Column("size", "UInt32")],
    engine=MergeTree(order_by=["id"]),
)
COUNTS = Table("counts", [Column("name", "String"), Column("total", "UInt64")], engine=MergeTree(order_by=["name"]))
FEED = MaterializedView("feed", to="counts", query="SELECT name, toUInt64(length(name) + size) AS total FROM events")
SHORT = View("short", query="SELECT id, name FROM events WHERE length(name) < 5")


def schema(version: int, *objects: object) -> Schema:
    return Schema("app", version=version, objects=list(objects))  # type: ignore[arg-type]


def count(client: Client, table: str) -> int:
    return int(str(client.command(f"SELECT count() FROM {table}")))


def test_objects_are_created_after_what_they_read_whatever_the_order_of_declaration(aaiclick_client: Client) -> None:
    over = View("a_view_over_a_view", query="SELECT count() AS c FROM short")
    lookup = Dictionary(
        "lookup",
        columns=[Column("id", "UInt64"), Column("name", "String")],
        primary_key=["id"],
        source="CLICKHOUSE(TABLE 'events')",
        layout="HASHED()",
        lifetime="60",
    )
    report = ensure_schema(aaiclick_client, schema(1, over, FEED, SHORT, lookup, EVENTS, COUNTS))
    created = [step.object for step in report.steps]
    assert created.index("short") < created.index("a_view_over_a_view")
    assert created.index("events") < created.index("feed")
    aaiclick_client.command("INSERT INTO events VALUES (1, 'abc', 4)")
    assert aaiclick_client.query("SELECT name, total FROM counts").result_rows == [("abc", 7)]
    assert ensure_schema(aaiclick_client, schema(1, over, FEED, SHORT, lookup, EVENTS, COUNTS)).steps == ()
    assert plan_schema(aaiclick_client, schema(1, over, FEED, SHORT, lookup, EVENTS, COUNTS)).steps == ()


def test_a_column_called_like_a_view_is_no_circle_and_a_query_of_a_dictionary_is_read(aaiclick_client: Client) -> None:
    database = aaiclick_client.database
    lookup = Dictionary(
        "lookup",
        columns=[Column("id", "UInt64"), Column("name", "String")],
        primary_key=["id"],
        source=f"CLICKHOUSE(QUERY 'SELECT id, name FROM {database}.short')",
        layout="HASHED()",
        lifetime="60",
    )
    totals, daily = (
        View("totals", query="SELECT size AS daily FROM events"),
        View("daily", query="SELECT * FROM totals"),
    )
    report = ensure_schema(aaiclick_client, schema(1, EVENTS, lookup, daily, totals, SHORT))
    created = [step.object for step in report.steps]
    assert created.index("short") < created.index("lookup")
    assert created.index("totals") < created.index("daily")


def test_a_query_may_end_with_a_comment_or_a_semicolon(aaiclick_client: Client) -> None:
    shown = View("shown", query="SELECT id FROM events -- all of them", comment="of the view")
    ended = View("ended", query="SELECT id FROM events;\n", comment="another")
    wanted = schema(1, EVENTS, shown, ended)
    ensure_schema(aaiclick_client, wanted)
    assert plan_schema(aaiclick_client, wanted).steps == ()
    rows = aaiclick_client.query("SELECT comment FROM system.tables WHERE name IN ('shown', 'ended') ORDER BY name")
    assert rows.result_rows == [("another",), ("of the view",)]


def test_views_over_what_is_new_are_made_behind_it(aaiclick_client: Client) -> None:
    """A materialized view over a missing view and a missing dictionary; then a view over a new one, and over an
    attribute that the dictionary gets in the same version."""

    def lookup(*more: Column) -> Dictionary:
        return Dictionary(
            "lookup",
            columns=[Column("id", "UInt64"), Column("size", "UInt64"), *more],
            primary_key=["id"],
            source=f"CLICKHOUSE(TABLE 'events' DB '{aaiclick_client.database}')",
            layout="HASHED()",
            lifetime="60",
        )

    feed = MaterializedView(
        "feed",
        query="SELECT dictGet('lookup', 'size', id) AS n FROM events WHERE id IN (SELECT id FROM a_view)",
        engine=MergeTree(order_by=["n"]),
    )
    a_view, shown = View("a_view", query="SELECT id FROM events"), View("a_shown", query="SELECT id FROM events")
    report = ensure_schema(aaiclick_client, schema(1, EVENTS, feed, shown, a_view, lookup()))
    assert report.steps[-1].object == "feed"
    more = View("z", query="SELECT dictGet('lookup', 'name', id) AS n, id FROM events")
    shown = View("a_shown", query="SELECT n FROM z")
    wanted = schema(2, EVENTS, feed, shown, a_view, more, lookup(Column("name", "String")))
    report = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert [step.object for step in report.steps] == ["lookup", "z", "a_shown"]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_views_that_read_each_other_are_named(aaiclick_client: Client) -> None:
    one, two = View("one", query="SELECT * FROM two"), View("two", query="SELECT * FROM one")
    with pytest.raises(SpecError, match="in a circle: one, two"):
        ensure_schema(aaiclick_client, schema(1, one, two))


def test_changed_queries_are_applied_in_place(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, COUNTS, FEED, SHORT))
    feed = MaterializedView("feed", to="counts", query="SELECT name, toUInt64(1000 + size) AS total FROM events")
    short = View("short", query="SELECT name FROM events WHERE length(name) < 3")
    report = ensure_schema(aaiclick_client, schema(2, EVENTS, COUNTS, feed, short), policy=Policy.safe())
    assert {(step.object, step.strategy) for step in report.steps} == {("feed", "replace"), ("short", "replace")}
    aaiclick_client.command("INSERT INTO events VALUES (1, 'abc', 4), (2, 'ab', 5)")
    assert aaiclick_client.query("SELECT total FROM counts ORDER BY total").result_rows == [(1004,), (1005,)]
    assert aaiclick_client.query("SELECT * FROM short").result_rows == [("ab",)]
    assert plan_schema(aaiclick_client, schema(2, EVENTS, COUNTS, feed, short)).steps == ()


def test_another_target_of_a_materialized_view_misses_no_insert(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, COUNTS, FEED))
    other = Table("others", COUNTS.columns, engine=MergeTree(order_by=["name"]))
    moved = schema(2, EVENTS, COUNTS, other, MaterializedView("feed", to="others", query=FEED.query))
    with pytest.raises(SchemaVersionError, match="target counts -> others"):
        ensure_schema(aaiclick_client, moved, policy=Policy.safe())
    report = ensure_schema(aaiclick_client, moved, policy=Policy.lossless())
    assert [hazard.kind for step in report.steps for hazard in step.hazards] == ["holds-up-writers"]
    aaiclick_client.command("INSERT INTO events VALUES (1, 'abc', 4)")
    assert (count(aaiclick_client, "counts"), count(aaiclick_client, "others")) == (0, 1)


def test_a_table_that_a_materialized_view_reads_is_rebuilt_and_the_view_goes_on(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, COUNTS, FEED, SHORT))
    aaiclick_client.command("INSERT INTO events SELECT number, toString(number), number FROM numbers(1000)")
    reshaped = Table("events", EVENTS.columns, engine=MergeTree(order_by=["name", "id"]))
    report = ensure_schema(aaiclick_client, schema(2, reshaped, COUNTS, FEED, SHORT), policy=Policy.lossless())
    assert [step.strategy for step in report.steps] == ["rebuild"]
    assert "holds-up-writers" in {hazard.kind for hazard in report.steps[0].hazards}
    assert (count(aaiclick_client, "events"), count(aaiclick_client, "counts")) == (1000, 1000)
    aaiclick_client.command("INSERT INTO events VALUES (5000, 'x', 1)")
    assert (count(aaiclick_client, "events"), count(aaiclick_client, "counts")) == (1001, 1001)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            [Column("id", "UInt64"), Column("name", "String"), Column("bytes", "UInt32", renamed_from="size")],
            "the materialized view feed reads events and would fail",
        ),
        (
            [Column("id", "UInt64"), Column("title", "String", renamed_from="name"), Column("size", "UInt32")],
            "the view short reads events and would fail",
        ),
    ],
)
def test_a_change_that_would_break_a_view_is_blocked(aaiclick_client: Client, columns: list[Column], said: str) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, COUNTS, FEED, SHORT))
    changed = Table("events", columns, engine=MergeTree(order_by=["id"]))
    with pytest.raises(BlockedError, match=said):
        ensure_schema(aaiclick_client, schema(2, changed, COUNTS, FEED, SHORT), policy=Policy.lossless())
    aaiclick_client.command("INSERT INTO events VALUES (1, 'abc', 4)")
    assert count(aaiclick_client, "counts") == 1


def test_dropping_a_column_inside_a_function_of_a_materialized_view_is_blocked_too(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, COUNTS, FEED))
    fewer = Table("events", [Column("id", "UInt64"), Column("name", "String")], engine=MergeTree(order_by=["id"]))
    policy = Policy.lossless().allow("drop-column events.size")
    with pytest.raises(BlockedError, match="feed"):
        ensure_schema(aaiclick_client, schema(2, fewer, COUNTS, FEED), policy=policy)


def test_a_view_that_stays_as_it_is_is_never_broken(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, EVENTS, SHORT))
    columns = [Column("id", "UInt64"), Column("title", "String", renamed_from="name"), Column("size", "UInt32")]
    changed = Table("events", columns, engine=MergeTree(order_by=["id"]))
    with pytest.raises(BlockedError, match="the view short reads events and would fail"):
        ensure_schema(aaiclick_client, schema(2, changed, SHORT), policy=Policy.everything())
    follows = View("short", query="SELECT id, title AS name FROM events WHERE length(title) < 5")
    report = ensure_schema(aaiclick_client, schema(2, changed, follows), policy=Policy.lossless())
    assert [(step.object, step.strategy) for step in report.steps] == [("events", "mutate"), ("short", "replace")]
