"""A folder for each strategy in ``golden/``: before, rows and after in ``case.py``, the migration as script and as
module, and what the plan says in ``expect.txt`` (written by ``--update-golden``). Both ways have to give the same plan
and the same rows."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema, validate_schema
from aaiclick.specs.ddl import create_table_sql
from aaiclick.sql.quoting import quote_name
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.migrations.building import rows

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FOLDER = Path(__file__).parent / "golden"
CASES = [
    (path.parent.name, path.name)
    for path in sorted(FOLDER.glob("*/*"))
    if path.name in ("script", "module") and any(path.glob("0002*"))
]


def said(plan: Plan, database: str, label: str) -> str:
    text = re.sub(r"^-- .* in database .*$", "-- plan", str(plan), count=1, flags=re.MULTILINE)
    return text.replace(f"`{database}`", "`db`").replace(database, "db").replace(label, "0002_change").strip() + "\n"


def definitions(client: Client, database: str) -> dict[str, str]:
    sql = (
        "SELECT name, create_table_query FROM system.tables WHERE database = {db:String} AND NOT startsWith(name, "
        "'_aaiclick_') AND name != 'schema_version'"
    )
    return {
        str(name): str(text).replace(database, "db")
        for name, text in client.query(sql, parameters={"db": database}).result_rows
    }


@pytest.mark.parametrize(("name", "form"), CASES, ids=[f"{name}-{form}" for name, form in CASES])
def test_golden_case(
    name: str, form: str, aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, request: pytest.FixtureRequest
) -> None:
    client, database = aaiclick_client, str(aaiclick_client.database)
    case = importlib.import_module(f"tests.migrations.golden.{name}.case")
    before = Schema("s", version=1, objects=case.BEFORE)
    after = Schema("s", version=2, objects=case.AFTER, migrations=f"tests.migrations.golden.{name}.{form}")
    policy = Policy.lossless(keep_old=timedelta(0)).allow(*getattr(case, "ALLOW", []))
    ensure_schema(client, before)
    for sql in case.ROWS:
        client.command(sql)

    plan = plan_schema(client, after)
    assert Plan.from_json(plan.to_json()) == plan
    expected = FOLDER / name / "expect.txt"
    text = said(plan, database, "0002_change.sql" if form == "script" else "0002_change.py")
    if request.config.getoption("--update-golden"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")

    report = ensure_schema(client, after, policy=policy)
    assert [step.id for step in report.steps] == [step.id for step in plan.steps if not step.optional]
    assert {table: rows(client, table) for table in case.EXPECTED} == case.EXPECTED
    assert validate_schema(client, after).in_sync
    assert [step for step in plan_schema(client, after).steps if not step.optional] == []
    assert ensure_schema(client, after, policy=policy).steps == ()

    direct = fresh_name()
    aaiclick_engine.command(f"CREATE DATABASE {quote_name(direct)}")
    for table in case.AFTER:
        aaiclick_engine.command(create_table_sql(table, direct))
    undeclared = {step.object for step in plan.steps if step.optional}
    live, made = definitions(client, database), definitions(client, direct)
    aaiclick_engine.command(f"DROP DATABASE {quote_name(direct)} SYNC")
    assert set(live) == set(made)
    assert {table: text for table, text in live.items() if table not in undeclared} == {
        table: text for table, text in made.items() if table not in undeclared
    }
