"""Random views over random tables that change: see ``views_world``."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table, View, ensure_schema, plan_schema
from aaiclick.errors import AaiclickError, BlockedError, SchemaVersionError
from aaiclick.testing.engine import fresh_name
from tests.plan.views_world import VALUES, World, world

ROWS = 60


def declared(case: World) -> Schema:
    objects: list[object] = [
        Table(
            name, [Column(column, kind) for column, kind in columns.items()], engine=MergeTree(order_by=case.keys[name])
        )
        for name, columns in case.after.items()
    ]
    objects += [View(name, query=query.replace("DB.", "")) for name, query in case.views if name in case.declared]
    objects += [
        MaterializedView(name, query=query.replace("DB.", ""), engine=MergeTree(order_by="k"))
        for name, query in case.owned
        if name in case.declared
    ]
    return Schema("generated", objects=objects)  # type: ignore[arg-type]


def fill(client: Client, case: World, database: str) -> None:
    for name, columns in case.before.items():
        values = ", ".join("number" if column == "k" else VALUES[kind] for column, kind in columns.items())
        client.command(f"INSERT INTO {database}.{name} SELECT {values} FROM numbers({ROWS})")


def answers(client: Client, case: World, database: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, _ in (*case.views, *case.owned):
        kinds = client.query(
            f"SELECT name, type FROM system.columns WHERE database = '{database}' AND table = '{name}' ORDER BY name"
        ).result_rows
        listed = ", ".join(f"`{column}`" for column, _ in kinds)
        shown = [
            str(row[0])
            for row in client.query(
                f"SELECT toString(tuple({listed})) AS row FROM {database}.{name} ORDER BY row"
            ).result_rows
        ]
        found[name] = [f"{column} {kind}" for column, kind in kinds] + shown
    return found


def reference(client: Client, case: World, live: str, direct: str) -> None:
    """The new form made directly, with what the live one holds; materialized views get what theirs holds."""
    for sql in case.create(case.after, direct, new=True):
        client.command(sql)
    for name, columns in case.after.items():
        names = ", ".join(column for column in columns if column in case.before[name])
        reads = ", ".join(
            f"CAST({column}, '{_literal(columns[column])}')" for column in columns if column in case.before[name]
        )
        client.command(f"INSERT INTO {direct}.{name} ({names}) SELECT {reads} FROM {live}.{name}")


def _literal(kind: str) -> str:
    return kind.replace("'", "\\'")


def play(client: Client, seed: int) -> str:
    """One case; how it ended."""
    case = world(seed)
    live, direct = fresh_name(), fresh_name()
    for database in (live, direct):
        client.command(f"CREATE DATABASE {database}")
    try:
        for sql in case.create(case.before, live, new=False):
            client.command(sql)
        fill(client, case, live)
        reference(client, case, live, direct)
        schema = declared(case)
        plan = plan_schema(client, schema, database=live)
        try:
            ensure_schema(client, schema, database=live, policy=Policy.lossless())
        except (BlockedError, SchemaVersionError) as error:
            assert plan.required, seed
            return str(error)
        except AaiclickError as error:
            raise AssertionError(f"seed {seed}: the plan said that it runs: {error}") from error
        again = plan_schema(client, schema, database=live)
        assert not again.required, (seed, case.words, str(again))
        for turn, name in enumerate(case.after):
            for database in (live, direct):
                client.command(f"INSERT INTO {database}.{name} {case.row(name, 1000 + turn)}")
        found, wanted = answers(client, case, live), answers(client, case, direct)
        assert found == wanted, (seed, case.words, case.views, case.owned)
        return "applied"
    finally:
        for database in (live, direct):
            client.command(f"DROP DATABASE {database} SYNC")


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, pytest.param(40, marks=pytest.mark.proof)])
def test_views_give_what_new_ones_would_give(aaiclick_client: Client, first: int) -> None:
    ends = [play(aaiclick_client, seed) for seed in range(first, first + 4)]
    assert ends.count("applied") >= 2, ends
