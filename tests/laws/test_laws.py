"""What holds for every table: reflect is the inverse of create, a table does not differ from itself, a plan does what
it says."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema, reflect_schema
from aaiclick.specs.ddl import create_table_sql
from aaiclick.specs.tables import Table
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.rows import tame_rows
from tests.cases.runner import clean, declaration, five_checks, form_of, prepare
from tests.laws.tables import successors, tables


def ddl(table: Table) -> str:
    return create_table_sql(table, "{db}").replace("`{db}`", "{db}")


@settings(max_examples=2)
@given(table=tables())
def test_a_declaration_is_created_reflected_and_in_sync(aaiclick_engine: EmbeddedEngine, table: Table) -> None:
    client = aaiclick_engine.client()
    ground = prepare(aaiclick_engine, client, ddl(table), ddl(table))
    try:
        schema = Schema("law", objects=[table])
        assert plan_schema(client, schema, database=ground.live).steps == ()
        reflected = reflect_schema(client, ground.live, name="law")
        assert plan_schema(client, reflected, database=ground.live).steps == ()
        ensure_schema(client, reflected, policy=Policy.safe(), database=ground.direct)
        aaiclick_engine.command(f"DROP TABLE `{ground.direct}`.t SYNC")
        ensure_schema(client, reflected, policy=Policy.safe(), database=ground.direct)
        assert form_of(ground, ground.direct, "t") == form_of(ground, ground.live, "t")
    finally:
        client.close()
        clean(ground)


@settings(max_examples=2)
@given(data=st.data())
def test_a_plan_leads_from_any_table_to_any_other_with_every_row(
    aaiclick_engine: EmbeddedEngine, data: st.DataObject
) -> None:
    before = data.draw(tables())
    after = data.draw(successors(before))
    client = aaiclick_engine.client()
    ground = prepare(aaiclick_engine, client, ddl(before), ddl(after))
    try:
        form = form_of(ground, ground.live, "t")
        aaiclick_engine.command(tame_rows(form, f"`{ground.live}`.t", 30))
        assert five_checks(ground, declaration(ground)).rows == 30
    finally:
        client.close()
        clean(ground)


PROGRAM = """
from aaiclick import *
from aaiclick.testing.engine import EmbeddedEngine
with EmbeddedEngine(":memory:") as engine:
    client = engine.client()
    for name in ("a", "b", "c"):
        engine.command(f"CREATE TABLE {name} (x UInt8, y String, z Date, w UInt8) ENGINE = MergeTree ORDER BY x SETTINGS min_bytes_for_wide_part = 0")
    columns = [Column("x", "UInt16", comment="c"), Column("y", "String", codec="LZ4"), Column("q", "String"), Column("p", "Date")]
    engine = MergeTree(order_by=["y"], settings={"ttl_only_drop_parts": 1, "merge_with_ttl_timeout": 60})
    tables = [Table(name, columns, engine=engine) for name in "cba"]
    print(plan_schema(client, Schema("s", objects=tables)).to_json())
    client.close()
"""


def test_the_plan_is_the_same_under_every_hash_seed() -> None:
    plans = set[str]()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
        )
        plan = Plan.from_json(done.stdout)
        assert len(plan.required) == 3
        plans.add(done.stdout)
    assert len(plans) == 1
