"""A jump over several versions ends where the same versions end one by one: same tables, same rows. Chains are drawn at
random."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, View, ensure_schema
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms
from tests.migrations.law_moves import copying
from tests.reliability.counts import note

WIDER = {"UInt16": "UInt32", "UInt32": "UInt64", "UInt64": "String", "String": "String"}
SQL = [
    "ALTER TABLE {t} UPDATE {c} = {c} || '!' WHERE id % 2 = 0",
    "INSERT INTO {t} (id, {c}) SELECT id + 100, concat('from ', {c}) FROM {t} WHERE id < 3",
    "INSERT INTO sink SELECT id, toString({c}) FROM {t} WHERE id % 3 = 0",
    "INSERT INTO sink WITH few AS (SELECT id, {c} AS what FROM {t} WHERE id % 4 = 1) SELECT id + 500, what FROM few",
    "DELETE FROM {t} WHERE id % 5 = 4",
]


@dataclass(frozen=True)
class Chain:
    """Tables and migration of each version, oldest first."""

    tables: tuple[Table, ...]
    migrations: tuple[Migration, ...]
    moves: dict[int, tuple[str, str]]
    views: tuple[str, ...]
    beside: tuple[Table | None, ...]

    def schema(self, version: int, migrations: str | list[Migration] | None = None) -> Schema:
        sink = Table("sink", [Column("id", "UInt64"), Column("what", "String")], engine=MergeTree(order_by=["id"]))
        query = self.views[version - 1]
        views = [View("shown", query=query)] if query else []
        other = [table for table in (self.beside[version - 1],) if table is not None]
        return Schema(
            "law", version=version, objects=[self.tables[version - 1], sink, *other, *views], migrations=migrations
        )


_EXPIRES = "toDateTime('2020-01-01 00:00:00') + toIntervalSecond(id) + INTERVAL {} YEAR"
BESIDE = Table("beside", [Column("id", "UInt64"), Column("x", "String")], engine=MergeTree(order_by=["id"]))
BESIDE_WIDER = Table(
    "beside", [Column("id", "UInt64"), Column("x", "LowCardinality(String)")], engine=MergeTree(order_by=["x", "id"])
)
TTLS = ("", _EXPIRES.format(50), _EXPIRES.format(60))
KINDS = (
    "widen",
    "rename",
    "add",
    "again",
    "give up",
    "drop",
    "beside",
    "key",
    "fill",
    "where",
    "sql",
    "move",
    "table",
    "ttl",
    "view",
    "default",
)
DEFAULTS = ("", "'k'", "toString(id + 1)", "concat('d', toString(id))")


@st.composite
def chains(draw: st.DrawFn) -> Chain:  # noqa: C901, PLR0912 - one branch for each kind of change
    """Two to four versions of ``t``. Each may widen a type, rename, add, give up or drop a column, add one under a name
    that was another's, move the sort key, fill columns by expressions over others, filter rows, send statements, call a
    function, rename the table, have another TTL or view, and drop a second table or make it anew."""
    columns: dict[str, str] = {"a": "UInt16", "s": "String", "b": "String"}
    order, name_of, ttl, view = "id", "t", "", ""
    defaults: dict[str, str] = {}
    tables = [_table(columns, order)]
    migrations: list[Migration] = []
    moves: dict[int, tuple[str, str]] = {}
    views = [""]
    beside: list[Table | None] = [BESIDE]
    before: set[str] = set()
    for version in range(2, draw(st.integers(3, 5)) + 1):
        renames: dict[str, str] = {}
        rebuild: dict[str, str] = {}
        where, sql, allow, other = None, list[str](), list[str](), beside[-1]
        readable = dict(columns)
        for what in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True)):
            names = sorted(columns)
            texts = [name for name in names if columns[name] == "String" and name in readable]
            if what == "widen":
                name = draw(st.sampled_from(names))
                columns[name] = WIDER[columns[name]] if name not in rebuild else columns[name]
            elif what == "rename" and not sql and not rebuild:
                old = draw(st.sampled_from(names))
                if old != order and not renames:
                    renames[f"{name_of}.{old}"] = f"r{version}"
                    columns = {(f"r{version}" if name == old else name): kind for name, kind in columns.items()}
                    defaults = {(f"r{version}" if name == old else name): text for name, text in defaults.items()}
                    readable = dict(columns) if sql else readable
            elif what == "add":
                columns[f"c{version}"] = "String"
                defaults[f"c{version}"] = draw(st.sampled_from(DEFAULTS))
            elif what == "again" and before - set(columns) - set(readable):
                name = draw(st.sampled_from(sorted(before - set(columns) - set(readable))))
                columns[name] = "String"
                defaults[name] = draw(st.sampled_from(DEFAULTS))
            elif what == "beside":
                other = None if other is not None else BESIDE if draw(st.booleans()) else BESIDE_WIDER
                allow += ["drop-table beside"] if other is None else []
            elif what == "default" and any(columns[name] == "String" for name in names):
                name = draw(st.sampled_from([name for name in names if columns[name] == "String"]))
                defaults[name] = draw(st.sampled_from(DEFAULTS)) if name not in rebuild else defaults.get(name, "")
            elif what in ("give up", "drop") and len(names) > 2:
                name = draw(st.sampled_from([name for name in names if name != order]))
                if name not in rebuild and name not in set(renames.values()) and not sql and name in readable:
                    del columns[name]
                    allow += [f"drop-column {name_of}.{name}"] if what == "drop" else []
            elif what == "key":
                order = draw(st.sampled_from(["id", *[name for name in names if name in readable and name in columns]]))
            elif what == "fill" and not renames:
                name = draw(st.sampled_from([*texts, f"f{version}"]))
                sources = [draw(st.sampled_from(sorted(readable))) for _ in range(2)]
                rebuild[name] = (
                    f"concat(toString({sources[0]}), '{version}', arrayMap({sources[0]} -> toString({sources[0]}), "
                    f"[{sources[1]}])[1])"
                )
                columns[name] = "String"
            elif what == "where" and not renames:
                where = f"id % {draw(st.integers(5, 9))} != 1"
            elif what == "sql" and not renames and not rebuild and where is None and texts:
                column = draw(st.sampled_from([name for name in texts if name in columns] or [""]))
                if column and column != order:
                    sql = [
                        one.format(c=column, t=name_of)
                        for one in draw(st.lists(st.sampled_from(SQL), min_size=1, max_size=2))
                    ]
            elif what == "move" and not renames and not rebuild and where is None:
                moves[version] = (
                    name_of,
                    draw(st.sampled_from([name for name in sorted(columns) if name in readable])),
                )
            elif what == "table" and not renames and not rebuild and not sql and where is None and version not in moves:
                renames[name_of] = f"t{version}"
                name_of = f"t{version}"
            elif what == "ttl":
                ttl = draw(st.sampled_from(TTLS))
            elif what == "view":
                view = draw(st.sampled_from(("", "SELECT id FROM {t}", "SELECT id, count() AS n FROM {t} GROUP BY id")))
        if sql and order != tables[-1].engine.model_dump().get("order_by", [""])[0] and order in str(sql):
            sql = []
        order = order if order == "id" or order in columns else "id"
        fields = {name_of: Rebuild(columns=rebuild, where=where)} if rebuild or where else {}
        tables.append(_table(columns, order, name_of, ttl, defaults))
        views.append(view.format(t=name_of))
        move = copying(*moves[version], version) if version in moves else None
        migrations.append(Migration(version, rebuild=fields, renames=renames, sql=sql, move=move, allow=allow))
        beside.append(other)
        before |= set(readable)
    return Chain(tuple(tables), tuple(migrations), moves, tuple(views), tuple(beside))


def _table(
    columns: dict[str, str], order: str, name: str = "t", ttl: str = "", defaults: dict[str, str] | None = None
) -> Table:
    texts = defaults or {}
    listed = [
        Column("id", "UInt64"),
        *(Column(name, kind, default=texts.get(name) or None) for name, kind in columns.items()),
    ]
    return Table(name, listed, engine=MergeTree(order_by=[order], ttl=ttl or None))


def package(engine: EmbeddedEngine, chain: Chain, folder: Path) -> str:
    """The chain's migrations as modules, with a lock file; importable from ``folder``."""
    name = fresh_name("law_migrations")
    home = folder / name
    home.mkdir()
    for migration in chain.migrations:
        fields = migration.model_dump(exclude_defaults=True)
        rebuild = {table: f"Rebuild(**{value!r})" for table, value in fields.pop("rebuild", {}).items()}
        listed = ", ".join(f"{table!r}: {text}" for table, text in rebuild.items())
        text = "from aaiclick import Migration, Rebuild\nfrom tests.migrations.law_moves import copying\n"
        move = (
            f", move=copying(*{chain.moves[migration.version]!r}, {migration.version})"
            if migration.version in chain.moves
            else ""
        )
        text += f"migration = Migration(**{fields!r}, rebuild={{{listed}}}{move})\n"
        (home / f"{migration.version:04d}_change.py").write_text(text, encoding="utf-8")
    versions = tuple(
        LockedVersion(version, locked_forms(engine, chain.schema(version).tables))
        for version in range(1, len(chain.tables) + 1)
    )
    (home / LOCK_FILE).write_text(dump_lock(Lock("law", versions)), encoding="utf-8")
    return name


def state(engine: EmbeddedEngine, database: str, declared: Schema) -> tuple[dict[str, str], dict[str, str]]:
    """Definitions and rows over the declared columns by name: what is undeclared is as its last version left it."""
    texts: dict[str, str] = {}
    held: dict[str, str] = {}
    for table in (own.name for own in declared.tables):
        declared_names = ", ".join(
            f"'{column.name}'" for own in declared.tables if own.name == table for column in own.columns
        )
        where = f"database = '{database}' AND table = '{table}' AND name IN ({declared_names})"
        sql = f"SELECT name, type, default_expression FROM system.columns WHERE {where} ORDER BY name FORMAT TSV"
        texts[table] = engine.command(sql)
        texts[table] += engine.command(
            "SELECT sorting_key, engine, extract(engine_full, 'TTL (.*?)(?: SETTINGS|$)') FROM system.tables"
            f" WHERE database = '{database}' AND name = '{table}' FORMAT TSV"
        )
        names = [line.split("\t")[0] for line in engine.command(sql).splitlines()]
        listed = ", ".join(f"toString({quote_name(name)})" for name in names)
        held[table] = engine.command(
            f"SELECT tuple({listed}) AS row FROM {quote_name(database)}.{table} ORDER BY toString(row) FORMAT TSV"
        )
    for view in (item.name for item in declared.objects if isinstance(item, View)):
        texts[view] = engine.command(
            f"SELECT as_select FROM system.tables WHERE database = '{database}' AND name = '{view}' FORMAT TSV"
        ).replace(database, "")
        held[view] = engine.command(f"SELECT * FROM {quote_name(database)}.{view} ORDER BY ALL FORMAT TSV")
    return texts, held


@settings(max_examples=int(os.environ.get("AAICLICK_LAW_EXAMPLES", "2")))
@given(chain=chains())
def test_a_jump_is_its_chain(
    aaiclick_engine: EmbeddedEngine, tmp_path_factory: pytest.TempPathFactory, chain: Chain
) -> None:
    holds(aaiclick_engine, tmp_path_factory.mktemp("law"), chain)


@pytest.mark.proof
@pytest.mark.parametrize("number", range(8))
def test_many_jumps_are_their_chains(
    aaiclick_engine: EmbeddedEngine, tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    drawn: list[Chain] = []

    @seed(number)
    @settings(max_examples=10, derandomize=False, database=None, phases=[Phase.generate])
    @given(chain=chains())
    def each(chain: Chain) -> None:
        drawn.append(chain)
        holds(aaiclick_engine, tmp_path_factory.mktemp("law"), chain)

    each()
    versions = sum(len(chain.tables) - 1 for chain in drawn)
    note(
        "a jump is its chain", chains=len(drawn), versions=versions, functions=sum(len(chain.moves) for chain in drawn)
    )


def holds(engine: EmbeddedEngine, folder: Path, chain: Chain) -> None:
    """The law, for one chain."""
    last = len(chain.tables)
    sys.path.insert(0, str(folder))
    databases = [fresh_name("chain"), fresh_name("jump")]
    names = {table.name for table in chain.tables}
    policy = Policy.lossless().allow(*(f"{what} {name}" for what in ("drop-rows", "change-ttl") for name in names))
    policy = policy.allow(
        *(
            f"run-sql {label}"
            for version in range(2, last + 1)
            for label in (f"{version:04d}_change.py", f"migration {version}")
        )
    )
    try:
        source = package(engine, chain, folder)
        found = []
        for database in databases:
            engine.command(f"CREATE DATABASE {quote_name(database)}")
            client = engine.client(database=database)
            ensure_schema(client, chain.schema(1))
            client.command(
                "INSERT INTO t (id, a, s, b) SELECT number, number * 7, concat('s', toString(number)), "
                "toString(number % 4) FROM numbers(20)"
            )
            client.command("INSERT INTO beside VALUES (1, 'one'), (2, 'two')")
            if database == databases[0]:
                for version in range(2, last + 1):
                    ensure_schema(client, chain.schema(version, list(chain.migrations[: version - 1])), policy=policy)
            else:
                report = ensure_schema(client, chain.schema(last, source), policy=policy)
                if not any(migration.explicit for migration in chain.migrations):
                    assert sum(step.strategy == "rebuild" for step in report.steps) <= 1
                assert ensure_schema(client, chain.schema(last, source), policy=policy).steps == ()
            found.append(state(engine, database, chain.schema(last)))
            client.close()
        assert found[0] == found[1]
    finally:
        sys.path.remove(str(folder))
        for database in databases:
            engine.command(f"DROP DATABASE IF EXISTS {quote_name(database)} SYNC")
