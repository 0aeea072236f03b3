"""Names that the server would refuse at a CREATE, or only later, are refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Dictionary, MaterializedView, MergeTree, Projection, Schema, Table, View, ensure_schema
from aaiclick.api.declared_forms import declared_forms
from aaiclick.apply.everywhere import never_made
from aaiclick.catalog.forms import Catalog, ServerFacts, ViewForm
from aaiclick.clickhouse.names import longest_table_name, taken_table
from aaiclick.errors import ApplyError, BlockedError, SpecError, UsageError
from aaiclick.plan.declaration.names import require_names
from aaiclick.specs.engines import Engine
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import AnyObject
from aaiclick.sql.quoting import quote_string
from aaiclick.testing.engine import EmbeddedEngine, fresh_name

FIRST = Table("first", [Column("k", "UInt64")], engine=MergeTree(order_by=["k"]))
OWN = "default"
"""The database that the embedded engine has from the start."""


def table(name: str, *projections: str, engine: MergeTree | Engine | None = None) -> Table:
    columns = [Column("k", "UInt64"), Column("v", "UInt64")]
    made = [Projection(each, "SELECT v, k ORDER BY v") for each in projections]
    return Table(name, columns, engine=engine or MergeTree(order_by=["k"]), projections=made)


def view(name: str) -> View:
    return View(name, query="SELECT 1 AS k")


def there(client: Client, database: str) -> list[str]:
    asked = f"SELECT name FROM system.tables WHERE database = '{database}' AND name NOT LIKE '%aaiclick%'"
    return [name for (name,) in client.query(asked).result_rows]


def refused(client: Client, database: str, *objects: AnyObject) -> str:
    before = there(client, database)
    with pytest.raises(SpecError) as caught:
        ensure_schema(client, Schema(fresh_name("names"), version=1, objects=[FIRST, *objects]), database=database)
    assert there(client, database) == before
    return str(caught.value)


KINDS: Sequence[Callable[[str], Table | View | MaterializedView | Dictionary]] = [
    table,
    view,
    lambda name: MaterializedView(name, query="SELECT k FROM first", to="first"),
    lambda name: Dictionary(
        name, columns=[Column("k", "UInt64")], primary_key=["k"], source="NULL()", layout="FLAT()", lifetime="0"
    ),
]


@pytest.mark.parametrize("name", ["schema_version", "_aaiclick_lease"])
def test_names_of_tables_of_this_library(name: str, aaiclick_client: Client, aaiclick_database: str) -> None:
    for make in (table, view):
        assert f"{make(name).noun} {name}: schema_version, and what begins" in refused(
            aaiclick_client, aaiclick_database, make(name)
        )


def test_a_pattern_of_file_names_in_the_embedded_engines_own_database(aaiclick_client: Client) -> None:
    for kind, name in zip(KINDS, ("a{b", "a*b", "what?", "{uuid}"), strict=True):
        made = kind(name)
        said = refused(aaiclick_client, OWN, made)
        assert said.startswith(f"{made.noun} {name}: database default is the embedded engine's own")


def test_elsewhere_such_a_name_is_as_good_as_any(aaiclick_client: Client) -> None:
    objects = [table(name) for name in ("a{b", "a*b", "what?", "a/b", "..")]
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=objects))
    assert set(there(aaiclick_client, str(aaiclick_client.database))) >= {made.name for made in objects}


@pytest.fixture
def own(aaiclick_client: Client) -> Iterator[str]:
    """The engine's own database, in which a start leaves its lease: other tests find it empty."""
    yield OWN
    left = aaiclick_client.query(f"SELECT name FROM system.tables WHERE database = '{OWN}'").result_rows
    for (name,) in left:
        aaiclick_client.command(f"DROP TABLE {OWN}.`{name}` SYNC")


def test_a_file_that_has_the_name_of_a_table(aaiclick_client: Client, own: str, tmp_path: Path) -> None:
    name = str(tmp_path / "events")
    Path(name).write_text("1\n", encoding="utf-8")
    with pytest.raises(ApplyError, match=r"already exists.*it is a file.*Move the file, or name another database"):
        ensure_schema(aaiclick_client, Schema(fresh_name("names"), version=1, objects=[table(name)]), database=own)


@pytest.fixture
def long_database(aaiclick_client: Client) -> Iterator[str]:
    name = fresh_name("long").ljust(180, "x")
    aaiclick_client.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    yield name
    aaiclick_client.command(f"DROP DATABASE {name} SYNC")


@pytest.mark.parametrize("sign", ["x", "я"])
def test_names_that_are_too_long_as_files(aaiclick_client: Client, long_database: str, sign: str) -> None:
    """The longest that the server takes, and one more."""
    longest = longest_table_name(long_database, "Atomic")
    assert longest == 33
    width = {"x": 1, "я": 6}[sign]
    fits, over = sign * (longest // width), sign * (longest // width + 1)
    for made in (table(over), view(over)):
        said = refused(aaiclick_client, long_database, made)
        assert said.startswith(f"{made.noun} {over}: its name has {len(over) * width} characters as a file")
        assert "ClickHouse takes 33 in" in said
    schema = Schema("names", version=1, objects=[table(fits)])
    assert ensure_schema(aaiclick_client, schema, database=long_database).in_sync


def test_a_copy_that_has_no_room_for_its_tables(aaiclick_client: Client, long_database: str) -> None:
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("t")]), database=long_database)
    aaiclick_client.command(f"INSERT INTO {long_database}.t VALUES (1, 2)")
    other = Schema("names", version=2, objects=[table("t", engine=MergeTree(order_by=["v"]))])
    before = there(aaiclick_client, long_database)
    with pytest.raises(BlockedError, match=r"too long: tables in it can have names of 33 characters.*beside t have 42"):
        ensure_schema(aaiclick_client, other, database=long_database)
    assert there(aaiclick_client, long_database) == before
    assert len(taken_table("0" * 24, "t")) == 42


def test_a_database_that_has_no_room_for_a_lease(aaiclick_client: Client) -> None:
    name = fresh_name("long").ljust(183, "x")
    aaiclick_client.command(f"CREATE DATABASE {name} ENGINE = Atomic")
    try:
        with pytest.raises(UsageError, match=f"{name} is too long.* Name a database whose name is shorter by 1"):
            ensure_schema(aaiclick_client, Schema("names", version=1, objects=[FIRST]), database=name)
        assert there(aaiclick_client, name) == []
    finally:
        aaiclick_client.command(f"DROP DATABASE {name} SYNC")


def test_projections(aaiclick_client: Client) -> None:
    database = str(aaiclick_client.database)
    assert "projection a/b: '/' cannot be in the name" in refused(aaiclick_client, database, table("t", "a/b"))
    assert r"projection a" in refused(aaiclick_client, database, table("t", "a\0b"))
    said = refused(aaiclick_client, database, table("t", "fits", "p" * 244))
    assert said.startswith(f"t: projection {'p' * 244}: its name has 244 bytes, and with more than 243")
    longest = Schema("names", version=1, objects=[table("t", "p" * 243, "a.b", "{}", "..")])
    ensure_schema(aaiclick_client, longest)
    aaiclick_client.command("INSERT INTO t SELECT number, number FROM numbers(100)")
    aaiclick_client.command("ALTER TABLE t DELETE WHERE k = 1 SETTINGS mutations_sync = 2")


def test_a_projection_that_is_there_is_not_asked_about(aaiclick_client: Client) -> None:
    name = "p" * 250
    aaiclick_client.command(
        f"CREATE TABLE t (k UInt64, v UInt64, PROJECTION {name} (SELECT v, k ORDER BY v)) ENGINE = MergeTree ORDER BY k"
    )
    ensure_schema(aaiclick_client, Schema("names", version=1, objects=[table("t", name)]))


def test_functions(aaiclick_client: Client) -> None:
    database = str(aaiclick_client.database)
    for name, length in (("f" * 239, 239), ("я" * 40, 240)):
        said = refused(aaiclick_client, database, Function(name, "x -> x"))
        assert said.startswith(f"function {name}: its name has {length} characters as a file")
    name = fresh_name("f").ljust(238, "f")
    try:
        ensure_schema(aaiclick_client, Schema("names", version=1, objects=[Function(name, "x -> x")]))
    finally:
        aaiclick_client.command(f"DROP FUNCTION IF EXISTS {name}")


@pytest.mark.parametrize(
    ("name", "database", "macro", "sign"),
    [
        ("a/b", "d", "{table}", "'/'"),
        ("a{b", "d", "{table}", "'{'"),
        ("a}b", "d", "{table}", "'}'"),
        ("a\nb", "d", "{table}", r"'\n'"),
        ("..", "d", "{table}", "'..'"),
        (".", "d", "{table}", "'.'"),
        ("t", "d/e", "{database}", "'/'"),
    ],
)
def test_names_in_a_path_in_keeper(name: str, database: str, macro: str, sign: str) -> None:
    """A server with a Keeper says so at the CREATE (26.9); this needs none."""
    catalog = Catalog(database, "Atomic", ServerFacts((26, 9), "26.9", "shop", "default", "UTC"), {})
    path = "'/t/{shard}/{database}/{table}', '{replica}'"
    for engine in (MergeTree(order_by=["k"], replicated=path), Engine("ReplicatedMergeTree", path, order_by=["k"])):
        with pytest.raises(SpecError) as caught:
            require_names(Schema("s", objects=[table(name, engine=engine)]), catalog, {}, ())
        assert f"{macro} in '/t/" in str(caught.value)
        assert f"and {sign} cannot be in one part of a path in Keeper" in str(caught.value)
    for plain in (path.replace("{table}", "x").replace("{database}", "d"), ""):
        free = MergeTree(order_by=["k"], replicated=plain)
        require_names(Schema("s", objects=[table(name, engine=free)]), catalog, {}, ())


@pytest.mark.parametrize(
    ("path", "replica", "said"),
    [
        ("/t//x", "r", "a part of the path '/t//x' in Keeper is empty"),
        ("//t", "r", "is empty"),
        ("/", "r", "is empty"),
        ("t/x", "r", "the path 't/x' in Keeper has to begin with '/'"),
        ("/t/../x", "r", "the path '/t/../x' in Keeper has a part '..'"),
        ("/t/a\tb", "r", r"'\t' cannot be in the path"),
        ("/t/a\x7fb", "r", r"'\x7f' cannot be in the path"),
        ("/t/😀", "r", "'😀' cannot be in the path"),
        ("/t/x", ".", "the replica '.' in Keeper has a part '.'"),
        ("/t/x", "a/b", "the replica is called 'a/b': one name without '/' is wanted"),
        ("/t/x", "", "the replica is called ''"),
    ],
)
def test_a_path_that_keeper_does_not_take_is_refused_before_it_is_sent(path: str, replica: str, said: str) -> None:
    """ON CLUSTER it would stand in the queue of all hosts for ever."""
    catalog = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "shop", "default", "UTC"), {})
    written = f"{quote_string(path)}, {quote_string(replica)}"
    own = MergeTree(order_by=["k"], replicated=written)
    view = MaterializedView("t", query="SELECT 1 AS k", engine=own)
    sql = f"CREATE TABLE d.t (k UInt8) ENGINE = ReplicatedMergeTree({written}) ORDER BY k"
    for item in (
        table("t", engine=own),
        table("t", engine=Engine("ReplicatedMergeTree", written, order_by=["k"])),
        view,
    ):
        with pytest.raises(SpecError, match=re.escape(said)):
            require_names(Schema("s", objects=[item]), catalog, {}, ())
    assert said in never_made(sql)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "'/t/{shard}/x/', '{replica}'",
        "'other:/t/ä b', 'ö'",
        "'/t/{uuid}', 'r', v",
        "'/t/.../x', 'r.1'",
        "'{prefix}/t', '{replica}'",
        "'other:{prefix}/t', 'r'",
    ],
)
def test_paths_that_keeper_takes(written: str) -> None:
    catalog = Catalog("d", "Atomic", ServerFacts((26, 9), "26.9", "shop", "default", "UTC"), {})
    require_names(
        Schema("s", objects=[table("t", engine=MergeTree(order_by=["k"], replicated=written))]), catalog, {}, ()
    )
    assert never_made(f"CREATE TABLE t (k UInt8) ENGINE ReplicatedReplacingMergeTree({written}) ORDER BY k") == ""


def test_half_of_a_surrogate_pair() -> None:
    with pytest.raises(SpecError, match=r"table a\\ud800: name: U\+D800 at character 2 is no character of its own"):
        table("a\ud800")
    with pytest.raises(SpecError, match=r"column v: comment: U\+DCFF at character 1"):
        Column("v", "UInt8", comment="\udcff")
    with pytest.raises(SpecError, match=r"schema s\\ud800: name"):
        Schema("s\ud800")


def test_declared_as_sql(aaiclick_engine: EmbeddedEngine) -> None:
    from aaiclick.specs.sql_objects import SqlTable

    made = Table.from_sql("CREATE TABLE `a{b` (k UInt64) ENGINE = MergeTree ORDER BY k")
    assert isinstance(made, SqlTable)
    assert refused(aaiclick_engine.client(), OWN, made).startswith("line 1, CREATE TABLE a{b: database default is")


def test_a_release_may_hold_what_only_the_embedded_engines_own_database_refuses() -> None:
    long = "x" * 210
    reading = View("reading", query="SELECT k FROM `a{b`")
    _, forms = declared_forms(Schema("names", version=1, objects=[table("a{b"), table(long), reading]))
    assert list(forms) == ["a{b", "reading", long]
    form = forms["reading"]
    assert isinstance(form, ViewForm)
    assert form.query == "SELECT k FROM `a{b`"
    with pytest.raises(SpecError, match=r"table y+: its name has 213 characters as a file .* takes 212 in"):
        declared_forms(Schema("names", version=1, objects=[table("y" * 213)]))
