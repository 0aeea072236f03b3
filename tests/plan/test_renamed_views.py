"""Views that get another name are renamed: each row goes through a materialized view once, whatever else changes."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
    rollback_schema,
)
from aaiclick.errors import BlockedError, MigrationError, SchemaError, SchemaVersionError
from aaiclick.events import Event, StepDone, StepStarted
from aaiclick.plan.model import Plan
from tests.plan.migrating import rows

INNER = MergeTree(order_by=["x"])
RENAMED = Migration(version=2, renames={"mv": "mv2"})


def schema(version: int, *objects: object, **more: object) -> Schema:
    return Schema("app", version=version, objects=list(objects), **more)  # type: ignore[arg-type]


def table(name: str, *columns: str, key: str = "") -> Table:
    made = [Column(column, "UInt64") for column in columns]
    return Table(name, made, engine=MergeTree(order_by=[key or columns[0]]))


def view(name: str, query: str = "SELECT id AS x FROM t", to: str | None = "g", **more: object) -> MaterializedView:
    return MaterializedView(name, query=query, to=to, **more)  # type: ignore[arg-type]


def hourly(name: str) -> MaterializedView:
    return MaterializedView(name, query="SELECT id AS x FROM t", engine=INNER, refresh="EVERY 1 HOUR")


TABLES = table("t", "id"), table("g", "x")


def writing(
    client: Client, wanted: Schema, *allow: str, names: tuple[str, ...] = ("t",)
) -> tuple[list[int], list[str]]:
    """Migrates while somebody inserts before and behind each step; what was inserted, and the steps."""
    inserted: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, StepDone | StepStarted):
            name = next(name for name in names if client.command(f"EXISTS TABLE {name}"))
            inserted.append(10 + len(inserted))
            client.command(f"INSERT INTO {name} VALUES ({inserted[-1]})")

    policy = Policy.lossless().allow(*allow) if allow else Policy.lossless()
    report = ensure_schema(client, wanted, policy=policy, on_event=watch)
    assert plan_schema(client, wanted).required == ()
    assert inserted
    return inserted, [step.id for step in report.steps]


def seen(client: Client, name: str = "g", column: str = "x") -> list[object]:
    return [row[0] for row in rows(client, f"SELECT {column} FROM {name} ORDER BY {column}")]


def test_a_renamed_view_counts_every_row_once(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    wanted = schema(2, *TABLES, view("mv2"), migrations=[RENAMED])
    assert plan_schema(aaiclick_client, wanted).steps[0].change == "materialized view mv is renamed to mv2"
    inserted, steps = writing(aaiclick_client, wanted)
    assert steps == ["mv2:rename"]
    assert seen(aaiclick_client) == [1, *inserted]
    assert aaiclick_client.command("EXISTS VIEW mv") == 0


def test_a_rename_that_was_made_already_is_not_made_again(aaiclick_client: Client) -> None:
    """By a run that was killed right behind it."""
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    aaiclick_client.command("RENAME TABLE mv TO mv2")
    wanted = schema(2, *TABLES, view("mv2", "SELECT id + 0 AS x FROM t"), migrations=[RENAMED])
    inserted, steps = writing(aaiclick_client, wanted)
    assert (steps, seen(aaiclick_client)) == (["mv2:replace"], inserted)


def test_so_it_is_with_one_that_owns_its_table(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, TABLES[0], view("mv", to=None, engine=INNER)))
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    wanted = schema(2, TABLES[0], view("mv2", to=None, engine=INNER), migrations=[RENAMED])
    inserted, steps = writing(aaiclick_client, wanted)
    assert (steps, seen(aaiclick_client, "mv2")) == (["mv2:rename"], [1, *inserted])


@pytest.mark.parametrize("target", ["g", "h"])
def test_another_query_and_another_target_follow(aaiclick_client: Client, target: str) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES, table("h", "x"), view("mv")))
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    again = view("mv2", "SELECT id + 0 AS x FROM t", target)
    wanted = schema(2, *TABLES, table("h", "x"), again, migrations=[RENAMED])
    inserted, steps = writing(aaiclick_client, wanted)
    assert steps == ["mv2:rename", "mv2:replace"]
    both = sorted([*seen(aaiclick_client), *seen(aaiclick_client, "h")])  # type: ignore[type-var]
    assert both == [1, *inserted]
    assert bool(seen(aaiclick_client, "h")) == (target == "h")


def test_with_its_source_and_its_target_in_one_version(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    moved = Migration(version=2, renames={"mv": "mv2", "t": "t2", "g": "g2"})
    again = view("mv2", "SELECT id AS x FROM t2", "g2")
    wanted = schema(2, table("t2", "id"), table("g2", "x"), again, migrations=[moved])
    inserted: list[int] = []

    def watch(event: Event) -> None:
        # Behind the rename of the source INSERTs are refused (60) until the view writes into the new target.
        if isinstance(event, StepDone) and event.object == "mv2":
            name = "t2" if aaiclick_client.command("EXISTS TABLE t2") else "t"
            inserted.append(10 + len(inserted))
            aaiclick_client.command(f"INSERT INTO {name} VALUES ({inserted[-1]})")

    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless(), on_event=watch)
    assert plan_schema(aaiclick_client, wanted).steps == ()
    assert len(inserted) > 1
    assert seen(aaiclick_client, "g2") == [1, *inserted]


def test_a_refreshable_and_a_plain_view(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, TABLES[0], hourly("mv"), View("v", query="SELECT id FROM t")))
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    aaiclick_client.command("SYSTEM REFRESH VIEW mv")
    aaiclick_client.command("SYSTEM WAIT VIEW mv")
    aaiclick_client.command("SYSTEM STOP VIEW mv")
    renamed = Migration(version=2, renames={"mv": "mv2", "v": "v2"})
    after = hourly("mv2"), View("v2", query="SELECT id, 1 AS n FROM t")
    inserted, steps = writing(aaiclick_client, schema(2, TABLES[0], *after, migrations=[renamed]))
    assert steps == ["mv2:rename", "v2:rename", "v2:replace"]
    assert seen(aaiclick_client, "mv2") == [1]
    assert rows(
        aaiclick_client, "SELECT view, status FROM system.view_refreshes WHERE database = currentDatabase()"
    ) == [("mv2", "Disabled")]
    assert seen(aaiclick_client, "v2", "id") == [1, *inserted]


def test_a_chain_of_renames_over_versions_at_once(aaiclick_client: Client) -> None:
    before = view("a"), view("b", "SELECT id + 1000 AS x FROM t")
    ensure_schema(aaiclick_client, schema(1, *TABLES, *before))
    first, second = Migration(version=2, renames={"b": "c", "a": "b"}), Migration(version=3, renames={"c": "d"})
    after = view("b"), view("d", "SELECT id + 1000 AS x FROM t")
    inserted, steps = writing(aaiclick_client, schema(3, *TABLES, *after, migrations=[first, second]))
    assert steps == ["d:rename", "b:rename"]
    assert seen(aaiclick_client) == [*inserted, *(each + 1000 for each in inserted)]


def test_before_the_statements_of_its_version(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    said = Migration(version=2, renames={"mv": "mv2"}, sql=["INSERT INTO t SELECT 7 FROM numbers(1)"])
    wanted = schema(2, *TABLES, view("mv2"), migrations=[said])
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert seen(aaiclick_client) == [7]
    assert plan_schema(aaiclick_client, wanted).steps == ()


def test_what_reads_it_in_a_join_names_it_in_the_same_step(aaiclick_client: Client) -> None:
    names = View("names", query="SELECT id FROM t")
    joined = "SELECT id AS x FROM s WHERE id NOT IN (SELECT id FROM {})"
    tables = table("s", "id"), *TABLES
    ensure_schema(aaiclick_client, schema(1, *tables, names, view("mv", joined.format("names"))))
    renamed = Migration(version=2, renames={"names": "known"})
    after = View("known", query="SELECT id FROM t"), view("mv", joined.format("known"))
    inserted, _ = writing(aaiclick_client, schema(2, *tables, *after, migrations=[renamed]), names=("s",))
    assert seen(aaiclick_client) == inserted


def refused(client: Client, wanted: Schema) -> Plan:
    with pytest.raises((SchemaVersionError, BlockedError)):
        ensure_schema(client, wanted, policy=Policy.lossless())
    return plan_schema(client, wanted)


def test_a_name_that_is_taken_is_said_with_the_way_out(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    aaiclick_client.command("CREATE MATERIALIZED VIEW mv2 TO g AS SELECT id AS x FROM t")
    plan = refused(aaiclick_client, schema(2, *TABLES, view("mv2"), migrations=[RENAMED]))
    said = plan.steps[0].blocked
    assert said.startswith("a view mv2 is there beside the materialized view mv, and both write into g. Drop the one")
    aaiclick_client.command("DROP VIEW mv2")
    assert writing(aaiclick_client, schema(2, *TABLES, view("mv2"), migrations=[RENAMED]))[1] == ["mv2:rename"]


@pytest.mark.parametrize("query", ["SELECT id AS x FROM t", "SELECT id + 0 AS x FROM t"])
def test_a_new_view_takes_the_place_of_one_that_is_declared_no_longer(aaiclick_client: Client, query: str) -> None:
    """Beside it each row would come twice, and behind its drop rows would pass by."""
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    wanted = schema(2, *TABLES, view("mv2", query))
    step = refused(aaiclick_client, wanted).steps[0]
    assert (step.id, step.hazards[-1].allow) == ("mv2:rename", "drop-view mv")
    assert "mv, which is no longer declared, writes into g as well" in step.hazards[-1].message
    inserted, _ = writing(aaiclick_client, wanted, "drop-view mv")
    assert seen(aaiclick_client) == inserted
    assert aaiclick_client.command("EXISTS VIEW mv") == 0


def test_a_view_of_somebody_else_that_writes_the_same_blocks_a_new_one(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES))
    aaiclick_client.command("CREATE MATERIALIZED VIEW theirs TO g AS SELECT id AS x FROM t")
    wanted = schema(2, *TABLES, view("mv"))
    (step,) = refused(aaiclick_client, wanted).steps
    assert step.blocked.startswith("the materialized view theirs, which nobody declares, writes the same rows into g")
    aaiclick_client.command("ALTER TABLE theirs MODIFY QUERY SELECT id + 1000 AS x FROM t")
    said = (
        "the materialized view theirs, which nobody declares, writes into g what the same table gets, as mv will: what "
        "both take of an INSERT is in it twice until theirs is dropped"
    )
    assert said in plan_schema(aaiclick_client, wanted).notes
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    assert seen(aaiclick_client) == [1, 1001]


@pytest.mark.parametrize("query", ["SELECT id * 2 AS y, id AS x FROM t", "SELECT 2 AS y, id AS x FROM other"])
def test_the_same_rows_in_another_order_block_it_and_another_source_does_not(
    aaiclick_client: Client, query: str
) -> None:
    tables = TABLES[0], table("other", "id"), table("g", "x", "y")
    ensure_schema(aaiclick_client, schema(1, *tables))
    aaiclick_client.command(f"CREATE MATERIALIZED VIEW theirs TO g AS {query}")
    wanted = schema(2, *tables, view("mv", "SELECT id AS x, id * 2 AS y FROM t"))
    if "FROM t" in query:
        (step,) = refused(aaiclick_client, wanted).steps
        assert "theirs, which nobody declares, writes the same rows into g" in step.blocked
        return
    assert not any("theirs" in note for note in plan_schema(aaiclick_client, wanted).notes)
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())


def test_a_table_that_is_to_become_a_view_is_an_error(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, *TABLES))
    wrong = Migration(version=2, renames={"g": "v"})
    wanted = schema(2, TABLES[0], View("v", query="SELECT id FROM t"), migrations=[wrong])
    with pytest.raises(MigrationError, match="table g: is to be renamed to v, which is declared as a view"):
        plan_schema(aaiclick_client, wanted)


def test_an_older_one_beside_it_is_told_of(aaiclick_client: Client) -> None:
    """A release of before this one made the new view beside the old one."""
    ensure_schema(aaiclick_client, schema(1, *TABLES, view("mv")))
    aaiclick_client.command("CREATE MATERIALIZED VIEW mv2 TO g AS SELECT id AS x FROM t")
    wanted = schema(2, *TABLES, view("mv2"))
    note = (
        "the materialized view mv, which is no longer declared, writes into g, as mv2 does: what is inserted may be in "
        "it twice until mv is dropped (--allow 'drop-view mv')"
    )
    assert note in plan_schema(aaiclick_client, wanted).notes
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-view mv"))
    assert plan_schema(aaiclick_client, wanted).notes == ()


def test_a_rollback_renames_it_back(aaiclick_client: Client) -> None:
    first, wanted = schema(1, *TABLES, view("mv")), schema(2, *TABLES, view("mv2"), migrations=[RENAMED])
    ensure_schema(aaiclick_client, first)
    ensure_schema(aaiclick_client, wanted)
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    rollback_schema(aaiclick_client, wanted, to=1)
    assert plan_schema(aaiclick_client, first).steps == ()
    aaiclick_client.command("INSERT INTO t VALUES (2)")
    assert seen(aaiclick_client) == [1, 2]


def test_a_rollback_does_not_where_it_has_another_query(aaiclick_client: Client) -> None:
    first = schema(1, *TABLES, view("mv"))
    wanted = schema(2, *TABLES, view("mv2", "SELECT id + 1 AS x FROM t"), migrations=[RENAMED])
    ensure_schema(aaiclick_client, first)
    ensure_schema(aaiclick_client, wanted)
    with pytest.raises(SchemaError, match="mv2: query differs"):
        rollback_schema(aaiclick_client, wanted, to=1)
    assert aaiclick_client.command("EXISTS VIEW mv2") == 1
