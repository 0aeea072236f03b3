"""What is known from a declaration is an error before the first statement, and nothing is there then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aaiclick import (
    Column,
    Constraint,
    Dictionary,
    Index,
    MergeTree,
    Migration,
    Policy,
    Projection,
    Rebuild,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import ApplyError, BlockedError, SpecError
from aaiclick.specs.engines import Engine
from aaiclick.specs.functions import Function
from tests.migrations.building import names

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FIRST = Table("a", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))


def table(*columns: Column, name: str = "t", engine: MergeTree | None = None, **more: object) -> Table:
    return Table(name, [Column("id", "UInt64"), *columns], engine=engine or MergeTree(order_by=["id"]), **more)  # type: ignore[arg-type]


def schema(*objects: object) -> Schema:
    return Schema("s", objects=list(objects))  # type: ignore[arg-type]


def look(
    *columns: Column, source: str = "CLICKHOUSE(TABLE 'x' PASSWORD 'secret')", layout: str = "FLAT()"
) -> Dictionary:
    columns = columns or (Column("v", "String"),)
    key = Column("id", "UInt64")
    return Dictionary("look", columns=[key, *columns], primary_key=["id"], source=source, layout=layout, lifetime="0")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (table(Column("v", "UInt8", default="nope + 1")), "nope"),
        (table(Column("v", "UInt8", materialized="toDate([1])")), "toDate"),
        (table(Column("v", "Uint65")), "Unknown data type family: Uint65"),
        (table(engine=MergeTree(order_by=["id"], ttl="nope + INTERVAL 1 DAY")), "nope"),
        (table(engine=MergeTree(order_by=["nosuch(id)"])), "nosuch"),
        (table(engine=MergeTree(order_by=["id"], partition_by="toYYYYMM(id, 1, 2, 3)")), "toYYYYMM"),
        (table(engine=MergeTree(order_by=["id"], settings={"nosuch": 1})), "Unknown setting 'nosuch'"),
        (table(indexes=[Index("i", expr="nope + 1", type="minmax")]), "nope"),
        (
            table(constraints=[Constraint("c", check="id")]),
            "constraint c: CHECK id gives UInt64, which is no condition",
        ),
        (
            table(constraints=[Constraint("ok", check="id > 0"), Constraint("c", check="toString(id)")]),
            "constraint c: CHECK toString.id. gives String",
        ),
        (table(projections=[Projection("p", "SELECT nope ORDER BY id")]), "table t: .*nope"),
        (table(engine=MergeTree(order_by=["id", "1 + 1"])), "Sorting key cannot contain constants"),
        (table(Column("v", "Nullable(UInt8)"), engine=MergeTree(order_by=["v"])), "contains nullable columns"),
        (table(Column("v", "String", codec="Delta")), "Delta"),
        (table(Column("v", "UInt8", default="'x'")), "table t: .*parse"),
        (
            table(Column("v", "UInt64"), engine=SummingMergeTree(order_by=["id"], columns=["id"])),
            "listed both in columns to sum",
        ),
        (table(engine=MergeTree(order_by=["id"], settings={"storage_policy": "nosuch"})), "storage policy .*nosuch"),
        (table(engine=MergeTree(order_by=["id"], ttl="id + 1")), "TTL"),
        (table(indexes=[Index("i", expr="id", type="nosuch")]), "nosuch"),
        (Table("t", [Column("v", "Uint65")], engine=Engine("Memory")), "Unknown data type family: Uint65"),
        (Table("t", [Column("v", "UInt8")], engine=Engine("Join", "ANY, LEFT, nope")), "table t: .*nope"),
        (View("t", query="SELECT nope FROM a"), "view t: .*nope"),
        (View("t", query="SELECT id FROM nowhere"), "view t: .*nowhere"),
        (View("t", query="SELECT id, id FROM a"), "view t: .*id"),
        (View("t", query="SELECT id FROM a FINAL"), "view t: .*FINAL"),
        (View("t", query="SELECT id FROM a SETTINGS nosuch = 1"), "view t: .*nosuch"),
        (look(source="NOSUCH(x 1)"), "dictionary look: .*nosuch"),
        (look(layout="NOSUCH()"), "dictionary look: .*nosuch"),
        (look(Column("v", "UInt8", default="'x'")), "dictionary look: .*null_value"),
    ],
)
def test_what_cannot_be_made(aaiclick_client: Client, wrong: Table | View | Dictionary, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        ensure_schema(aaiclick_client, schema(FIRST, wrong))
    assert names(aaiclick_client) == []
    if not isinstance(wrong, Table):
        ensure_schema(aaiclick_client, schema(FIRST))
        more = Table("b", FIRST.columns, engine=FIRST.engine)
        with pytest.raises(SpecError, match=words):
            ensure_schema(aaiclick_client, schema(FIRST, more, wrong))
        assert names(aaiclick_client) == ["a"]
    assert aaiclick_client.command("SELECT count() FROM system.databases WHERE name LIKE '%scratch%'") == 0


def test_what_only_looks_wrong_is_made(aaiclick_client: Client) -> None:
    double = Function("twice_of_it", "x -> x * 2")
    fine = table(
        Column("at", "DateTime", default="now()"),
        Column("v", "UInt64", default="twice_of_it(id)"),
        Column("w", "UInt64", alias="v + 1"),
        Column("e", "UInt8", ephemeral="1"),
        Column("n", "Nested(a UInt8, b String)"),
        Column("low", "LowCardinality(Date)", default="toDate(at)"),
        engine=MergeTree(
            order_by=["id DESC", "cityHash64(id)"],
            partition_by="toYYYYMM(at)",
            ttl="at + INTERVAL 1 DAY DELETE WHERE v > 3",
        ),
        indexes=[Index("i", expr="(v, toDate(at))", type="minmax")],
        constraints=[Constraint("c", check="length(n.a) < 9"), Constraint("d", check="toNullable(v) > 0")],
    )
    ensure_schema(aaiclick_client, schema(double, FIRST, fine))
    ensure_schema(
        aaiclick_client,
        schema(
            FIRST, fine, table(Column("d", "Date"), name="u", constraints=[Constraint("c", check="d > '2000-01-01'")])
        ),
    )
    assert names(aaiclick_client) == ["a", "t", "u"]
    aaiclick_client.command("DROP FUNCTION twice_of_it")


@pytest.mark.parametrize("there", [False, True], ids=["first start", "upgrade"])
def test_views_over_what_scratch_has_in_another_way_are_made(aaiclick_client: Client, there: bool) -> None:
    """They name the database, what nobody declares, engines that reach out, dictionaries, and each other."""
    database = aaiclick_client.database
    aaiclick_client.command("CREATE TABLE theirs (id UInt64, u String) ENGINE = MergeTree ORDER BY id")
    if there:
        ensure_schema(aaiclick_client, schema(FIRST))
        aaiclick_client.command("ALTER TABLE a ADD COLUMN undeclared UInt8")
    joined = Table("j", [Column("id", "UInt64"), Column("s", "String")], engine=Engine("Join", "ANY, LEFT, id"))
    newest = Table("newest", [Column("id", "UInt64")], engine=ReplacingMergeTree(order_by=["id"]))
    buffered = f"'{database}', 'newest', 1, 10, 100, 10, 100, 10, 100"
    far = Table("far", newest.columns, engine=Engine("Buffer", buffered))
    place = f"CLICKHOUSE(TABLE 'a' DB '{database}')"
    looked = Dictionary("d", columns=FIRST.columns, primary_key=["id"], source=place, layout="HASHED()", lifetime="0")
    queries = {
        "later": "SELECT * FROM own",
        "own": f"SELECT id, '{database}.a' AS s FROM {database}.a",
        "both": "SELECT a.id, u FROM a JOIN theirs ON theirs.id = a.id",
        "join": f"SELECT joinGet('{database}.j', 's', id) AS s FROM a",
        "has": f"SELECT dictHas('{database}.d', id) AS h FROM a",
        "away": "SELECT id FROM far FINAL",
        "given": "SELECT id FROM a WHERE id > {least:UInt64} -- and no more",
        "low": "SELECT toLowCardinality(id) AS id FROM a",
        **({"hidden": "SELECT undeclared FROM a"} if there else {}),
    }
    views = [View(name, query=query) for name, query in queries.items()]
    declared = schema(FIRST, joined, newest, far, looked, *views)
    ensure_schema(aaiclick_client, declared)
    assert set(names(aaiclick_client)) == {"a", "theirs", "j", "newest", "far", "d", *queries}
    assert plan_schema(aaiclick_client, declared).in_sync


def test_a_constraint_that_a_table_gets(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(table()))
    with pytest.raises(SpecError, match=r"t: constraint c: CHECK id \+ 1 gives UInt64"):
        ensure_schema(aaiclick_client, schema(FIRST, table(constraints=[Constraint("c", check="id + 1")])))
    assert names(aaiclick_client) == ["t"]


def dictionary(client: Client, *columns: Column, source: str = "TABLE 't'") -> Dictionary:
    place = f"CLICKHOUSE({source} DB '{client.database}')"
    return Dictionary(
        "look",
        columns=[Column("id", "UInt64"), *columns],
        primary_key=["id"],
        source=place,
        layout="FLAT()",
        lifetime="0",
    )


@pytest.mark.parametrize("there", [False, True], ids=["first start", "there"])
@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Column("nope", "String"), "dictionary look: column nope: its source t has no column of that name"),
        (Column("v", "UInt8"), "column v: its source t keeps UInt64, and UInt8 does not hold all of that"),
        (Column("s", "UInt64"), "column s: its source t keeps Nullable(String), and UInt64 does not hold all of that"),
    ],
)
def test_an_attribute_that_its_source_lacks(aaiclick_client: Client, there: bool, column: Column, words: str) -> None:
    source = table(Column("v", "UInt64"), Column("s", "Nullable(String)"))
    if there:
        ensure_schema(aaiclick_client, schema(source))
    before = names(aaiclick_client)
    with pytest.raises(SpecError, match=re.escape(words)):
        ensure_schema(aaiclick_client, schema(source, dictionary(aaiclick_client, column)))
    assert names(aaiclick_client) == before


def test_a_dictionary_that_fits_is_loaded(aaiclick_client: Client) -> None:
    source = table(Column("v", "UInt32"), Column("s", "Nullable(String)"))
    ensure_schema(aaiclick_client, schema(source))
    aaiclick_client.command("INSERT INTO t VALUES (1, 70000, 'x')")
    declared = schema(source, dictionary(aaiclick_client, Column("v", "UInt64"), Column("s", "String")))
    assert "SYSTEM RELOAD DICTIONARY" in str(plan_schema(aaiclick_client, declared))
    ensure_schema(aaiclick_client, declared)
    assert aaiclick_client.query(
        "SELECT status::String FROM system.dictionaries WHERE database = currentDatabase()"
    ).result_rows == [("LOADED",)]
    wider = schema(source, dictionary(aaiclick_client, Column("v", "UInt8"), Column("s", "String")))
    with pytest.raises(SpecError, match="its source t keeps UInt32"):
        ensure_schema(aaiclick_client, wider)


@pytest.mark.parametrize(
    ("key", "layout", "kept"),
    [("String", "HASHED()", "COMPLEX_KEY_HASHED()"), ("Int64", "SPARSE_HASHED()", "SPARSE_HASHED()")],
)
def test_a_dictionary_has_the_layout_of_its_key(aaiclick_client: Client, key: str, layout: str, kept: str) -> None:
    """The server takes the complex layout for a key that is not one number: that is no difference."""
    database = str(aaiclick_client.query("SELECT currentDatabase()").result_rows[0][0])

    def look(layout: str) -> Dictionary:
        return Dictionary(
            "look",
            columns=[Column("k", key), Column("v", "UInt64")],
            primary_key=["k"],
            source=f"CLICKHOUSE(QUERY 'SELECT 1 AS k, 2 AS v' DB '{database}')",
            layout=layout,
            lifetime="0",
        )

    ensure_schema(aaiclick_client, schema(look(layout)))
    shown = "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'look'"
    assert f"LAYOUT({kept})" in str(aaiclick_client.query(shown).result_rows[0][0])
    assert plan_schema(aaiclick_client, schema(look(layout))).in_sync
    other = look("COMPLEX_KEY_HASHED(SHARDS 2)")
    assert [step.change for step in plan_schema(aaiclick_client, schema(other)).steps] == ["definition differs"]


def test_a_dictionary_that_cannot_be_loaded_is_taken_away_again(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(FIRST))
    broken = dictionary(aaiclick_client, Column("v", "UInt64"), source="QUERY 'SELECT id, throwIf(1) FROM numbers(3)'")
    for _ in range(2):
        with pytest.raises(
            ApplyError, match=r"step look:create .*it was made, but cannot be loaded: .*It was dropped again"
        ):
            ensure_schema(aaiclick_client, schema(FIRST, broken))
        assert names(aaiclick_client) == ["a"]


@pytest.mark.parametrize(
    "source", ["QUERY 'SELECT id, v + throwIf(id = 2) AS v FROM {db}.t'", "TABLE 'nowhere'"], ids=["query", "table"]
)
def test_a_dictionary_that_could_not_be_loaded_stays_as_it_was(aaiclick_client: Client, source: str) -> None:
    tables = table(Column("v", "UInt64"))
    column = Column("v", "UInt64")
    ensure_schema(aaiclick_client, schema(tables, dictionary(aaiclick_client, column)))
    aaiclick_client.command("INSERT INTO t VALUES (1, 5), (2, 6)")
    aaiclick_client.command("SYSTEM RELOAD DICTIONARY look")
    declared = schema(
        tables, dictionary(aaiclick_client, column, source=source.replace("{db}", str(aaiclick_client.database)))
    )
    before = aaiclick_client.command("SHOW CREATE DICTIONARY look")
    for _ in range(2):
        with pytest.raises(
            ApplyError, match=r"step look:replace .*it cannot be loaded as it is declared: .*It stays as it was"
        ):
            ensure_schema(aaiclick_client, declared)
    assert aaiclick_client.command("SHOW CREATE DICTIONARY look") == before
    assert aaiclick_client.command(f"SELECT dictGet('{aaiclick_client.database}.look', 'v', toUInt64(2))") == 6
    assert names(aaiclick_client) == ["look", "t"]
    aaiclick_client.command("ALTER TABLE t DELETE WHERE id = 2 SETTINGS mutations_sync = 2")
    aaiclick_client.command("CREATE TABLE nowhere AS t")
    ensure_schema(aaiclick_client, declared)
    assert plan_schema(aaiclick_client, declared).steps == ()
    assert aaiclick_client.command("SELECT count() FROM system.databases WHERE name LIKE '%scratch%'") == 0


def merge(client: Client, kind: str) -> Table:
    return Table(
        "m", [Column("id", "UInt64"), Column("v", kind)], engine=Engine("Merge", f"'{client.database}', '^t$'")
    )


@pytest.mark.parametrize("order_by", ["id", "v"], ids=["in place", "copy"])
def test_a_merge_table_that_is_declared_follows_its_tables(aaiclick_client: Client, order_by: str) -> None:
    ensure_schema(aaiclick_client, schema(table(Column("v", "UInt8")), merge(aaiclick_client, "UInt8")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    after = schema(
        table(Column("v", "UInt64"), engine=MergeTree(order_by=[order_by])), merge(aaiclick_client, "UInt64")
    )
    plan = plan_schema(aaiclick_client, after)
    assert sorted(step.object for step in plan.steps) == ["m", "t"]
    assert "_aaiclick_scratch" not in str(plan)
    ensure_schema(aaiclick_client, after)
    aaiclick_client.command("INSERT INTO t VALUES (2, 70000)")
    assert aaiclick_client.query("SELECT sum(v) FROM m").result_rows == [(70001,)]
    assert plan_schema(aaiclick_client, after).in_sync


def test_a_merge_table_that_stays_narrow_is_named(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(table(Column("v", "UInt8")), merge(aaiclick_client, "UInt8")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(
        BlockedError,
        match=r"cannot be migrated now: m: the Merge table would give other values: v is UInt8 in it, and will be UInt64",
    ):
        ensure_schema(aaiclick_client, schema(table(Column("v", "UInt64")), merge(aaiclick_client, "UInt8")))


def test_a_dictionary_over_a_renamed_table_is_named_with_a_plain_reason(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(table(Column("v", "String"))))
    source = f"CLICKHOUSE(TABLE 't' DB '{aaiclick_client.database}')"
    aaiclick_client.command(
        f"CREATE DICTIONARY theirs (id UInt64, v String) PRIMARY KEY id SOURCE({source}) LIFETIME(0) LAYOUT(FLAT())"
    )
    moved = Table(
        "t2", [Column("id", "UInt64"), Column("v", "String")], engine=MergeTree(order_by=["id"]), renamed_from="t"
    )
    with pytest.raises(
        BlockedError,
        match=r"theirs: "
        r"it "
        r"could "
        r"not "
        r"be "
        r"loaded "
        r"any "
        r"more "
        r"\(Unknown "
        r"table "
        r"expression "
        r"identifier "
        r"'[\w.`]*t'\)\. "
        r"Declare "
        r"it "
        r"over "
        r"what",
    ):
        ensure_schema(aaiclick_client, schema(moved))


def test_a_nested_that_is_one_column_says_how_its_values_come_along(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[FIRST]))
    aaiclick_client.command(
        "CREATE TABLE t (id UInt64, n Nested(a UInt8, b String)) ENGINE = MergeTree ORDER BY id",
        settings={"flatten_nested": 0},
    )
    aaiclick_client.command("INSERT INTO t VALUES (1, [(1, 'x')])")
    wanted = table(Column("n", "Nested(a UInt8, b String)"))
    (asked,) = [
        hazard
        for hazard in plan_schema(aaiclick_client, Schema("s", version=2, objects=[FIRST, wanted])).hazards
        if hazard.allow
    ]
    assert asked.allow == "drop-column t.n"
    assert asked.message.endswith("A migration takes their values along: Rebuild(columns={'n.a': 'n.a', ...})")
    along = Migration(2, rebuild={"t": Rebuild(columns={"n.a": "n.a", "n.b": "n.b"})}, oldest_code=1)
    ensure_schema(
        aaiclick_client,
        Schema("s", version=2, objects=[FIRST, wanted], migrations=[along]),
        policy=Policy.lossless().allow("drop-column t.n"),
    )
    assert aaiclick_client.query("SELECT id, n.a, n.b FROM t").result_rows == [(1, [1], ["x"])]
