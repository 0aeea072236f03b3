"""A view with ``backfill=True`` of version 2, and what version 3 takes away from its source: a jump would fill it last."""

from __future__ import annotations

import shutil

from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MaterializedView,
    MergeTree,
    Policy,
    ReplacingMergeTree,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.aggregates import Aggregate, rollup
from aaiclick.api.revision import revise
from aaiclick.specs.schema import SchemaObject
from tests.migrations.building import rows
from tests.migrations.projects import Project

ID, AT, X, Y = Column("id", "UInt64"), Column("at", "Date"), Column("x", "UInt8"), Column("y", "UInt8")
PLAIN = MergeTree(order_by=["id"])
LAST: dict[str, Table] = {
    "ttl": Table("ttl", [ID, AT, X, Y], engine=MergeTree(order_by=["id"], ttl="at + INTERVAL 1 DAY")),
    "column": Table("column", [ID, AT, X, Column("y", "UInt8", ttl="at + INTERVAL 1 DAY")], engine=PLAIN),
    "filtered": Table("filtered", [ID, AT, X, Y], engine=PLAIN),
    "filled": Table("filled", [ID, AT, X, Y], engine=PLAIN),
    "alias": Table("alias", [ID, AT, X, Column("y", "UInt8", alias="x")], engine=PLAIN),
    "cut": Table("cut", [ID, AT, X, Y], engine=PLAIN),
    "merged": Table("merged", [ID, AT, X, Y], engine=ReplacingMergeTree(order_by=["id"])),
    # Nothing that the view reads goes.
    "wider": Table("wider", [ID, AT, X, Column("y", "UInt16"), Column("z", "UInt8")], engine=PLAIN),
    "other": Table("other", [ID, AT, Column("x", "UInt8", alias="1"), Y], engine=PLAIN),
}
SQL = """-- strategy: rebuild filtered
--   where id > 1
-- strategy: rebuild filled
--   y = y * 2
-- strategy: rebuild other
--   at = toDate(0)
"""
ASKED = {f"fill-from-the-rest {name}_t" for name in ("ttl", "column", "filtered", "filled", "alias", "cut", "merged")}


def views(names: list[str], query: str = "SELECT id, toUInt16(y) AS y FROM `{}`") -> list[SchemaObject]:
    made: list[SchemaObject] = []
    for name in names:
        made.append(Table(f"{name}_t", [ID, Column("y", "UInt16")], engine=PLAIN))
        made.append(MaterializedView(f"{name}_v", to=f"{name}_t", query=query.format(name), backfill=True))
    return made


def released(project: Project, versions: list[list[SchemaObject]]) -> list[Schema]:
    made: list[Schema] = []
    for number, objects in enumerate(versions, 1):
        if number == 3:
            (project.folder / "0003_v3.sql").write_text(SQL, encoding="utf-8")
        declared = Schema("shop", version=number, objects=objects, migrations=project.package)
        revise(declared, f"v{number}")
        project.forget()
        shutil.copytree(project.folder, project.home / f"at{number}")
        made.append(declared.model_copy(update={"migrations": f"{project.name}.at{number}"}))
    return made


def test_a_fill_behind_what_a_later_version_takes_away_is_asked_for(aaiclick_client: Client, project: Project) -> None:
    client, names = aaiclick_client, list(LAST)
    texts = Column("y", "String")
    first: list[SchemaObject] = [
        Table(name, [ID, AT, X, texts if name == "cut" else Y], engine=PLAIN) for name in names
    ]
    versions = [first, [*first, *views(names)], [*LAST.values(), *views(names)]]
    one, two, three = released(project, versions)
    ensure_schema(client, one.model_copy(update={"migrations": None}))
    for name in names:
        last = "'050'" if name == "cut" else "50"
        client.command(f"INSERT INTO `{name}` VALUES (1, '2020-01-01', 1, 100), (2, '2100-01-01', 2, {last})")
    plan = plan_schema(client, three)
    hazards = [hazard for step in plan.required for hazard in step.hazards]
    assert {hazard.allow for hazard in hazards if hazard.allow.startswith("fill-from-the-rest")} == ASKED
    said = next(hazard.message for hazard in hazards if hazard.allow == "fill-from-the-rest ttl_t")
    assert said == (
        "ttl_t is filled from ttl behind the TTL of version 3: what goes there is not in it. To have it in, bring the "
        "database to version 2 first: aaiclick migrate --to 2"
    )
    # That way every row of version 1 is in every view.
    ensure_schema(client, two)
    ensure_schema(client, three, policy=Policy.everything())
    for name in names:
        assert rows(client, f"`{name}_t`") == [(1, 100), (2, 50)], name


def test_another_query_is_another_view(aaiclick_client: Client, project: Project) -> None:
    """It is filled as a new one, over the source as it is then; so is one of the last version."""
    client, names = aaiclick_client, ["filtered", "filled"]
    first: list[SchemaObject] = [Table(name, [ID, AT, X, Y], engine=PLAIN) for name in [*names, "other"]]
    second = [*first, *views(["filtered"])]
    third = [*first, *views(["filtered"], "SELECT id, x AS y FROM `{}`"), *views(["filled"])]
    one, _, three = released(project, [first, second, third])
    ensure_schema(client, one.model_copy(update={"migrations": None}))
    for name in names:
        client.command(f"INSERT INTO `{name}` VALUES (1, '2020-01-01', 1, 100), (2, '2100-01-01', 2, 50)")
    ensure_schema(client, three, policy=Policy.lossless().allow("drop-rows filtered"))
    assert rows(client, "filtered_t") == [(2, 2)]
    assert rows(client, "filled_t") == [(1, 200), (2, 100)]


def test_an_aggregate_is_asked_for_as_well(aaiclick_client: Client, project: Project) -> None:
    client = aaiclick_client
    tables = [Table(name, [ID, AT, X, Y], engine=PLAIN) for name in ("filtered", "filled", "other")]
    first: list[SchemaObject] = [*tables]
    daily = rollup(tables[0], Aggregate("daily", by={"at": "at"}, measures={"total": "sum(y)"}))[1:]
    one, _, three = released(project, [first, [*first, *daily], [*first, *daily]])
    ensure_schema(client, one.model_copy(update={"migrations": None}))
    client.command("INSERT INTO filtered VALUES (1, '2020-01-01', 1, 100), (2, '2100-01-01', 2, 50)")
    keys = {hazard.allow for step in plan_schema(client, three).required for hazard in step.hazards}
    assert "fill-from-the-rest daily" in keys
