"""Older parts that lack columns: whatever is changed, the rows end as a copy into a new table would leave them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, ensure_schema, plan_schema
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.runner import Ground, clean, declaration, prepare
from tests.plan.old_parts import Story, story

QUICK = 8
SEEDS = [pytest.param(seed, marks=() if seed < QUICK else pytest.mark.proof) for seed in range(200)]
"""The first ones run with every other test, all of them with ``make proof``."""


def played(engine: EmbeddedEngine, client: Client, told: Story) -> str:
    """'applied', 'asked for' or 'refused', once it is right."""
    ground = prepare(engine, client, ";\n".join(told.before) + ";", f"{told.after};")
    try:
        return _judged(ground, told)
    finally:
        clean(ground)


def _judged(ground: Ground, told: Story) -> str:
    names = ", ".join(f"`{name}`" for name, _ in told.copied)
    read = ", ".join(expression for _, expression in told.copied)
    settings = "SETTINGS insert_allow_materialized_columns = 1, max_threads = 1"
    ground.engine.command(f"INSERT INTO `{ground.direct}`.t ({names}) SELECT {read} FROM `{ground.live}`.t {settings}")
    expected = _shown(ground, ground.direct, told)
    schema = declaration(ground, told.renames)
    plan = plan_schema(ground.client, schema, database=ground.live)
    if any(step.blocked for step in plan.required):
        raise AssertionError(f"a copy would have been right: {plan}\n{told}")
    if any(hazard.allow for step in plan.required for hazard in step.hazards):
        return "asked for"
    ensure_schema(ground.client, schema, policy=Policy.lossless(keep_old=timedelta(0)), database=ground.live)
    assert _shown(ground, ground.live, told) == expected, f"{plan}\n{told}"
    ground.engine.command(f"OPTIMIZE TABLE `{ground.live}`.t FINAL")
    assert _shown(ground, ground.live, told) == expected, f"after a merge: {plan}\n{told}"
    assert not plan_schema(ground.client, schema, database=ground.live).required, f"{plan}\n{told}"
    return "applied"


def _shown(ground: Ground, database: str, told: Story) -> list[str]:
    values = ", ".join(f"toString(`{name}`)" for name in told.shown)
    return [
        str(row[0])
        for row in ground.client.query(f"SELECT toString(tuple({values})) FROM `{database}`.t ORDER BY k").result_rows
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_older_parts_end_as_a_copy_leaves_them(aaiclick_engine: EmbeddedEngine, seed: int) -> None:
    client = aaiclick_engine.client()
    try:
        assert played(aaiclick_engine, client, story(seed)) in ("applied", "asked for")
    finally:
        client.close()
