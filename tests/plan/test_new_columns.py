"""New columns over what the same version changes, in parts that lack what is read: the rows end as a copy into a new
table would leave them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, ensure_schema, plan_schema
from aaiclick.testing.engine import EmbeddedEngine
from tests.plan.new_columns import Story, story

TOGETHER = 10
"""So many tables are in one schema."""
QUICK = 3
SEEDS = [pytest.param(group, marks=() if group < QUICK else pytest.mark.proof) for group in range(30)]
"""The first ones run with every other test, all of them with ``make proof``."""


def _shown(client: Client, database: str, table: str, told: Story) -> list[str]:
    values = ", ".join(told.shown)
    rows = client.query(f"SELECT toString(tuple({values})) FROM `{database}`.{table} ORDER BY id").result_rows
    return [str(row[0]) for row in rows]


@pytest.mark.parametrize("group", SEEDS)
def test_rows_end_as_a_copy_leaves_them(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, tmp_path: Path, group: int
) -> None:
    client, live = aaiclick_client, str(aaiclick_client.database)
    command = aaiclick_engine.command
    told = {f"t{place}": story(group * TOGETHER + place) for place in range(TOGETHER)}
    expected: dict[str, list[str]] = {}
    command(f"CREATE DATABASE {live}_direct")
    for table, each in told.items():
        for statement in each.before:
            command(statement.format(db=live, t=table))
        command(each.direct.format(t=f"{live}_direct.{table}"))
        names = ", ".join(f"`{name}`" for name, _ in each.copied)
        read = ", ".join(expression for _, expression in each.copied)
        command(f"INSERT INTO {live}_direct.{table} ({names}) SELECT {read} FROM {live}.{table}")
        expected[table] = _shown(client, f"{live}_direct", table, each)
    command(f"DROP DATABASE {live}_direct")
    declared = tmp_path / "news.sql"
    declared.write_text("".join(f"{each.after.format(t=table)};\n" for table, each in told.items()))
    schema = Schema.from_sql(declared, name="news")
    plan = plan_schema(client, schema)
    blocked = [(step.object, step.blocked) for step in plan.required if step.blocked]
    assert not blocked, f"a copy would have been right: {blocked} {plan}"
    asked = [hazard.allow for step in plan.required for hazard in step.hazards if hazard.allow]
    ensure_schema(client, schema, policy=Policy.lossless(keep_old=timedelta(0)).allow(*asked))
    for _ in ("as it is", "behind a merge"):
        for table, each in told.items():
            assert _shown(client, live, table, each) == expected[table], f"{plan}\n{each}"
            command(f"OPTIMIZE TABLE {live}.{table} FINAL")
    assert not plan_schema(client, schema).required
