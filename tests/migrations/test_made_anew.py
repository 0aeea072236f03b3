"""Columns and tables that one version drops and a later one makes anew: a jump over both ends as the versions do one by
one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    Constraint,
    Engine,
    Index,
    MaterializedView,
    MergeTree,
    Migration,
    Policy,
    Projection,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import AaiclickError, BlockedError, MigrationError, SchemaVersionError
from tests.migrations.building import rows, schema, table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FIRST = table(Column("p", "String"), Column("q", "String"))
DROPPED = Migration(2, allow=["drop-column t.p"])


def fill(client: Client, *tables: Table) -> None:
    ensure_schema(client, schema(1, FIRST, *tables))
    client.command("INSERT INTO t VALUES (1, 'old', 'kept')")


@pytest.mark.parametrize(
    ("column", "reads"),
    [
        (Column("p", "String"), ""),
        (Column("p", "String", default="'fresh'"), "fresh"),
        (Column("p", "LowCardinality(String)", default="concat(q, '!')"), "kept!"),
        (Column("p", "String", materialized="concat(q, '?')"), "kept?"),
        (Column("p", "String", alias="concat(q, '.')"), "kept."),
        (Column("p", "UInt8", default="7"), 7),
    ],
    ids=["no default", "default", "another type", "materialized", "alias", "a number"],
)
def test_none_of_its_values_stays(aaiclick_client: Client, column: Column, reads: object) -> None:
    fill(aaiclick_client)
    declared = schema(3, table(column, Column("q", "String")), migrations=[DROPPED])
    ensure_schema(aaiclick_client, declared)
    assert rows(aaiclick_client, "t", "p, q") == [(reads, "kept")]
    aaiclick_client.command("INSERT INTO t (id, q) VALUES (2, 'later')")
    assert ensure_schema(aaiclick_client, declared).steps == ()


def test_its_default_reads_the_columns_as_the_last_version_has_them(aaiclick_client: Client) -> None:
    first = Table(
        "t", [Column("k", "Int32"), Column("p", "String", default="toString(k)")], engine=MergeTree(order_by="k")
    )
    ensure_schema(aaiclick_client, schema(1, first))
    aaiclick_client.command("INSERT INTO t VALUES (258, 'old')")
    last = Table(
        "t",
        [Column("k", "Int64"), Column("p", "String", default="toString(byteSwap(k))")],
        engine=MergeTree(order_by="k"),
    )
    # Nobody knows whether version 2 or 3 changes the type of k. Only 3 can make p anew, so its default reads an Int64.
    ensure_schema(aaiclick_client, schema(3, last, migrations=[DROPPED]))
    assert rows(aaiclick_client, "t", "p") == [(str(int.from_bytes((258).to_bytes(8, "little"), "big")),)]


def test_its_default_reads_a_column_that_comes_with_it(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    declared = table(
        Column("fresh", "UInt8", default="half * 2"),
        Column("half", "UInt8", default="toUInt8(length(q))"),
        Column("p", "UInt64", default="fresh + 1"),
        Column("q", "String"),
    )
    ensure_schema(aaiclick_client, schema(3, declared, migrations=[DROPPED]))
    assert rows(aaiclick_client, "t", "p, fresh, q") == [(9, 8, "kept")]


def test_its_default_does_not_read_what_another_one_was_that_begins_anew(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    declared = table(Column("p", "String", default="concat(q, '!')"), Column("q", "String", default="'fresh'"))
    dropped = Migration(2, allow=["drop-column t.p", "drop-column t.q"])
    ensure_schema(aaiclick_client, schema(3, declared, migrations=[dropped]))
    assert rows(aaiclick_client, "t", "p, q") == [("fresh!", "fresh")]


def test_a_default_that_an_unknown_version_evaluates_is_blocked_with_a_way_out(aaiclick_client: Client) -> None:
    first = Table(
        "t", [Column("k", "Int32"), Column("p", "String", default="toString(k)")], engine=MergeTree(order_by="k")
    )
    ensure_schema(aaiclick_client, schema(1, first))
    aaiclick_client.command("INSERT INTO t VALUES (258, 'old')")
    last = Table(
        "t", [Column("k", "Int64"), Column("p", "String", default="toString(k)")], engine=MergeTree(order_by="k")
    )
    with pytest.raises(BlockedError, match=r"reads .k, whose type an earlier version may have changed.*schema.lock"):
        ensure_schema(aaiclick_client, schema(4, last, migrations=[DROPPED, Migration(3)]))
    assert rows(aaiclick_client, "t", "p") == [("old",)]


def test_a_column_that_no_release_drops_keeps_its_values(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    again = table(Column("p", "String", default="'fresh'"), Column("q", "String"))
    ensure_schema(aaiclick_client, schema(3, again, migrations=[Migration(2)]))
    assert rows(aaiclick_client, "t", "p") == [("old",)]


def test_the_plan_says_that_its_values_go_and_which_version_decides_it(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    plan = plan_schema(aaiclick_client, schema(3, FIRST, migrations=[DROPPED]))
    (step,) = plan.required
    assert step.change == "p begins anew: migration 2 drops it, and a later version adds it again"
    assert step.allowed == ("drop-column t.p",)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, schema(3, FIRST, migrations=[DROPPED]), policy=Policy.safe())
    assert rows(aaiclick_client, "t", "p") == [("old",)]


def test_a_column_that_was_renamed_before_it_was_given_up_makes_way(aaiclick_client: Client) -> None:
    """Nobody drops ``r``: it keeps what ``p`` held, beside the new ``p``."""
    fill(aaiclick_client)
    renamed = Migration(2, renames={"t.p": "r"})
    again = table(Column("p", "String", default="'fresh'"), Column("q", "String"))
    ensure_schema(aaiclick_client, schema(3, again, migrations=[renamed]))
    assert rows(aaiclick_client, "t", "p, q, r") == [("fresh", "kept", "old")]


def test_a_column_that_gets_the_name_of_a_dropped_one_needs_the_version_between(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    migrations = [DROPPED, Migration(3, renames={"t.q": "p"})]
    with pytest.raises(BlockedError, match="migration 2 drops column p, whose name another column gets later"):
        ensure_schema(aaiclick_client, schema(3, table(Column("p", "String")), migrations=migrations))
    assert rows(aaiclick_client, "t", "p, q") == [("old", "kept")]


def test_a_table_begins_without_a_row(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    again = Table("t", [Column("id", "UInt64"), Column("p", "UInt8")], engine=MergeTree(order_by=["p", "id"]))
    declared = schema(3, again, migrations=[Migration(2, allow=["drop-table t"])])
    report = ensure_schema(aaiclick_client, declared)
    assert report.steps[0].change.endswith("migration 2 drops it, and a later version makes it again")
    assert rows(aaiclick_client) == []
    aaiclick_client.command("INSERT INTO t (id, p) VALUES (1, 2)")
    assert ensure_schema(aaiclick_client, declared).steps == ()
    assert rows(aaiclick_client, "t", "id, p") == [(1, 2)]


def test_names_that_mean_another_object_later_need_the_version_between(aaiclick_client: Client) -> None:
    view = MaterializedView("v", query="SELECT id FROM t", engine=MergeTree(order_by="id"))
    other = table(Column("p", "String"), name="u")
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[FIRST, other, view]))
    dropped = Migration(2, allow=["drop-table t", "drop-view v"])
    taken = Migration(3, renames={"u": "t"})
    with pytest.raises(MigrationError, match="t: migration 2 drops it, and u gets its name later"):
        ensure_schema(aaiclick_client, schema(3, table(Column("p", "String")), migrations=[dropped, taken]))
    with pytest.raises(MigrationError, match="v: migration 2 drops it, and a later version makes it anew"):
        ensure_schema(
            aaiclick_client,
            Schema(
                "s",
                version=3,
                objects=[FIRST, other, view],
                migrations=[Migration(2, allow=["drop-view v"])],
            ),
        )


def renamed(version: int, **renames: str) -> Migration:
    return Migration(version, renames=renames)


SWAPS = {
    "two tables": (("t", "u"), [renamed(2, t="w", u="t"), renamed(3, w="u")], 2),
    "the last one first": (("t", "u"), [renamed(2, u="w"), renamed(3, t="u"), renamed(4, w="t")], 3),
    "three in a circle": (("t", "u", "v"), [renamed(2, t="w"), renamed(3, u="t", v="u"), renamed(4, w="v")], 3),
}


@pytest.mark.parametrize("kind", SWAPS)
def test_tables_that_swap_names_on_the_way_need_the_version_between(aaiclick_client: Client, kind: str) -> None:
    """By their names alone nothing would have to be done, and each would have the rows of the other one."""
    names, migrations, version = SWAPS[kind]
    tables = [table(Column("p", "String"), name=name) for name in names]
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=tables))
    for name in names:
        aaiclick_client.command(f"INSERT INTO {name} VALUES (1, '{name}')")
    last = Schema("s", version=migrations[-1].version, objects=tables, migrations=migrations)
    with pytest.raises(MigrationError, match=f"swap names .* to version {version} first: aaiclick migrate .*--to"):
        ensure_schema(aaiclick_client, last)
    assert [rows(aaiclick_client, name, "p") for name in names] == [[(name,)] for name in names]
    # Version by version each name says which table is meant.
    held = {name: name for name in names}
    for migration in migrations:
        held = {migration.renames.get(name, name): text for name, text in held.items()}
        there = [table(Column("p", "String"), name=name) for name in held]
        until = [each for each in migrations if each.version <= migration.version]
        ensure_schema(aaiclick_client, Schema("s", version=migration.version, objects=there, migrations=until))
    assert {name: rows(aaiclick_client, name, "p") for name in names} == {name: [(held[name],)] for name in names}
    assert any(held[name] != name for name in names)


def test_tables_that_get_their_names_back_on_the_way_stay(aaiclick_client: Client) -> None:
    tables = [table(Column("p", "String"), name=name) for name in ("t", "u")]
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=tables))
    aaiclick_client.command("INSERT INTO t VALUES (1, 't')")
    way = [renamed(2, t="w", u="t"), renamed(3, t="u", w="t")]
    ensure_schema(aaiclick_client, Schema("s", version=3, objects=tables, migrations=way))
    assert (rows(aaiclick_client, "t", "p"), rows(aaiclick_client, "u", "p")) == ([("t",)], [])


BESIDE = table(Column("p", "String"), name="u")
COLUMNS = [Column("id", "UInt64"), Column("p", "String")]
OTHERS: dict[str, Table | View] = {
    "MergeTree": table(Column("p", "String")),
    "Null": Table("t", COLUMNS, engine=Engine("Null")),
    "another Null": Table("t", [COLUMNS[0], Column("p", "UInt8")], engine=Engine("Null")),
    "Merge": Table("t", COLUMNS, engine=Engine("Merge", "currentDatabase(), '^u$'")),
    "Buffer": Table("t", COLUMNS, engine=Engine("Buffer", "currentDatabase(), u, 1, 10, 100, 10, 100, 1000, 10000")),
    "Memory": Table("t", COLUMNS, engine=Engine("Memory")),
    "Log": Table("t", COLUMNS, engine=Engine("Log")),
    "view": View("t", query="SELECT id, p FROM u"),
}


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("Null", "another Null", False),
        ("Null", "MergeTree", False),
        ("Merge", "Buffer", False),
        ("Memory", "Memory", True),
        ("MergeTree", "Null", True),
        ("Log", "view", True),
        ("view", "MergeTree", True),
    ],
)
def test_tables_of_other_engines_end_as_version_by_version(
    aaiclick_client: Client, aaiclick_database: str, first: str, last: str, said: bool
) -> None:
    """Or the jump is refused, and says which version comes first."""
    noun = "view" if first == "view" else "table"
    migrations = [Migration(2, allow=[f"drop-{noun} t"])]
    versions = [
        Schema("s", version=1, objects=[BESIDE, OTHERS[first]]),
        Schema("s", version=2, objects=[BESIDE], migrations=migrations),
        Schema("s", version=3, objects=[BESIDE, OTHERS[last]], migrations=migrations),
    ]
    chain = f"{aaiclick_database}_chain"
    aaiclick_client.command(f"CREATE DATABASE {chain}")
    try:
        for version in versions:
            ensure_schema(aaiclick_client, version, database=chain)
        assert plan_schema(aaiclick_client, versions[2], database=chain).steps == ()
        ensure_schema(aaiclick_client, versions[0])
        if first not in ("view", "Merge"):
            aaiclick_client.command("INSERT INTO t VALUES (1, 'old')")
        if said:
            with pytest.raises(AaiclickError, match=r"first: aaiclick migrate .*--to 2"):
                ensure_schema(aaiclick_client, versions[2])
        else:
            ensure_schema(aaiclick_client, versions[2])
            assert _definition(aaiclick_client, aaiclick_database) == _definition(aaiclick_client, chain)
    finally:
        aaiclick_client.command(f"DROP DATABASE {chain} SYNC")


def _definition(client: Client, database: str) -> str:
    shown = client.command(f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = 't'")
    return str(shown).replace(database, "db")


@pytest.mark.parametrize("to", [None, "u"], ids=["own table", "target"])
def test_a_materialized_view_that_becomes_a_plain_one_is_asked_for(aaiclick_client: Client, to: str | None) -> None:
    engine = None if to else MergeTree(order_by="id")
    view = MaterializedView("v", query="SELECT id, p FROM t", to=to, engine=engine)
    source = table(Column("p", "String"))
    ensure_schema(aaiclick_client, Schema("s", objects=[source, BESIDE, view]))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'old')")
    plain = Schema("s", objects=[source, BESIDE, View("v", query="SELECT id, p FROM t")])
    with pytest.raises(SchemaVersionError, match="is a materialized view, a view is declared"):
        ensure_schema(aaiclick_client, plain)
    ensure_schema(aaiclick_client, plain, policy=Policy.lossless().allow("replace-view v"))
    assert plan_schema(aaiclick_client, plain).steps == ()
    assert rows(aaiclick_client, "v") == [(1, "old")]
    back = Schema("s", objects=[source, BESIDE, view])
    (step,) = plan_schema(aaiclick_client, back).steps
    assert [hazard.message for hazard in step.hazards] == ["it has only what is inserted from then on"]


def test_indexes_projections_and_constraints_are_made_with_the_newest_expression(aaiclick_client: Client) -> None:
    def version(number: int, read: str) -> Schema:
        made = Table(
            "t",
            [Column("id", "UInt64"), Column("p", "String")],
            engine=MergeTree(order_by=["id"], settings={"index_granularity": 1}),
            indexes=[Index("i", expr=read, type="minmax")] if read else [],
            projections=[Projection("j", f"SELECT {read} AS r, count() GROUP BY r")] if read else [],
            constraints=[Constraint("c", check=f"{read} != ''")] if read else [],
        )
        return Schema("s", version=number, objects=[made])

    ensure_schema(aaiclick_client, version(1, "p"))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'A'), (2, 'a'), (3, 'b')")
    ensure_schema(aaiclick_client, version(3, "lower(p)"))
    assert plan_schema(aaiclick_client, version(3, "lower(p)")).steps == ()
    assert aaiclick_client.command("SELECT count() FROM t WHERE lower(p) = 'a'") == 2
    grouped = "SELECT lower(p) AS r, count() FROM t GROUP BY r ORDER BY r"
    assert aaiclick_client.query(grouped).result_rows == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("statements", "kept"),
    [
        (["RENAME TABLE t TO former", "CREATE TABLE t {new}", "INSERT INTO t SELECT id, p FROM former"], "former"),
        (["CREATE TABLE n {new}", "INSERT INTO n SELECT id, p FROM t", "EXCHANGE TABLES t AND n"], "n"),
    ],
    ids=["renamed", "exchanged"],
)
def test_a_table_that_a_script_sets_aside_gets_no_column_of_a_later_version(
    aaiclick_client: Client, statements: list[str], kept: str
) -> None:
    new = "(id UInt64, p String) ENGINE = MergeTree ORDER BY id"
    aside = Migration(2, sql=[statement.replace("{new}", new) for statement in statements])
    last = table(Column("p", "String"), Column("z", "String", default="concat(p, '!')"))
    fill(aaiclick_client)
    ensure_schema(aaiclick_client, schema(3, last, migrations=[aside]))
    assert rows(aaiclick_client, kept, "*") == [(1, "old", "kept")]
    assert rows(aaiclick_client, "t", "id, p, z") == [(1, "old", "old!")]


def test_a_column_that_a_later_version_renames_keeps_its_values_beside_a_script(aaiclick_client: Client) -> None:
    fill(aaiclick_client)
    migrations = [Migration(2, sql=["ALTER TABLE t UPDATE p = upper(p) WHERE 1"]), Migration(3, renames={"t.p": "r"})]
    ensure_schema(
        aaiclick_client, schema(3, table(Column("r", "String"), Column("q", "String")), migrations=migrations)
    )
    assert rows(aaiclick_client, "t", "*") == [(1, "OLD", "kept")]
