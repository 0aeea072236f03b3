"""A case as a program that anybody can run: the SQL before, the declaration after, the copy that is right."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel

from aaiclick import Migration, Table
from tests.fuzz.anew import without_anew
from tests.fuzz.compare import readable, shown
from tests.fuzz.declare import declared
from tests.fuzz.ground import SETTINGS
from tests.fuzz.reference import fill
from tests.fuzz.schema import Batch, World
from tests.fuzz.types import quoted


def code(value: object) -> str:
    """Python that makes the value again."""
    if isinstance(value, BaseModel):
        said = {name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set}
        first = [said.pop(name) for name in _leading(value) if name in said]
        parts = [code(item) for item in first] + [f"{name}={code(item)}" for name, item in said.items()]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, list):
        return f"[{', '.join(code(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {code(item)}' for key, item in value.items())}}}"
    return repr(value)


def _leading(value: BaseModel) -> tuple[str, ...]:
    if isinstance(value, Table):
        return ("name", "columns")
    if isinstance(value, Migration):
        return ("version",)
    names = type(value).model_fields
    return (
        ("name", "type")
        if "renamed_from" in names
        else ("name", "query")
        if "settings" in names and "query" in names
        else ("name",)
        if "name" in names
        else ()
    )


def history(world: World) -> list[str]:
    """Everything that happened to the live database."""
    made = [function.create for function in world.before.functions]
    made += [table.create("live", late=False) for table in world.before.tables]
    made += [view.create("live") for view in world.before.views]
    made += [dictionary.create("live") for dictionary in world.before.dictionaries]
    made += [one for batch in world.batches if not batch.late for one in _inserts(batch, "live")]
    made += [one for table in world.before.tables for one in table.added("live")]
    made += [one for batch in world.batches if batch.late for one in _inserts(batch, "live")]
    made += [touch.replace("{db}", "live") for touch in world.touches]
    made += [one for view in world.before.views for one in view.refreshing("live")]
    return [*made, *(f"SYSTEM STOP VIEW live.{quoted(name)}" for name in world.stopped_views)]


def _inserts(batch: Batch, database: str) -> list[str]:
    return [
        f"INSERT INTO {database}.{quoted(batch.table)} ({', '.join(map(quoted, row))}) VALUES "
        f"({', '.join(row.values())})"
        for row in batch.rows
    ]


def right(world: World) -> list[str]:
    """The copy: create, and insert by name."""
    made = [function.create for function in world.after.functions]
    made += [table.create("want") for table in world.after.tables]
    for new in world.after.tables:
        old = world.before.table(new.old_name)
        if old is not None:
            made.append(
                fill(
                    without_anew(old, world.anew) if new is world.after.tables[0] else old,
                    new,
                    "live",
                    "want",
                    "",
                    *((world.rebuilt, world.where) if new is world.after.tables[0] else ()),
                ).replace("_part = ''", "1")
            )
    made += [
        *(view.create("want") for view in world.after.views),
        *(one.create("want") for one in world.after.dictionaries),
    ]
    return [*made, *(function.create for function in world.before.functions)]


def script(world: World, title: str) -> str:
    """The program."""
    looks = []
    for table in world.after.tables:
        picked = ", ".join(shown(column)[0] for column in readable(table)) or "1"
        looks.append(f"SELECT {picked} FROM {{db}}.{quoted(table.name)} ORDER BY ALL")
    lines = [
        f'"""{title.replace(chr(34), chr(39)).replace(chr(92), "/")}"""',
        "import tempfile, warnings",
        "from datetime import timedelta",
        "import clickhouse_connect",
        "from aaiclick import *",
        "from aaiclick.specs import Function",
        "from aaiclick.specs.engines import *",
        "from aaiclick.specs.columns import *",
        "from aaiclick.errors import AaiclickError",
        "",
        'warnings.filterwarnings("ignore")',
        "path = tempfile.mkdtemp()",
        'own = clickhouse_connect.get_client(interface="chdb", path=path)',
        'client = clickhouse_connect.get_client(interface="chdb", path=path)',
        f"own.command({'SET ' + ', '.join(f'{name} = {value}' for name, value in SETTINGS.items())!r})",
        'for database in ("live", "want"):',
        '    own.command(f"CREATE DATABASE {database}")',
        "for statement in [",
        *(f"    {statement!r}," for statement in history(world)),
        "]:",
        "    own.command(statement)",
        *(
            [
                (
                    f"ensure_schema(client, {code(declared(replace_after(world), 'live', 1))}, database='live', "
                    "policy=Policy.safe())"
                )
            ]
            if declared(world, "live").migrations
            else []
        ),
        f"schema = {code(declared(world, 'live'))}",
        "right = [",
        *(f"    {statement!r}," for statement in right(world)),
        "]",
        f"looks = {looks!r}",
        f"later = {[one for batch in world.later for one in _inserts(batch, '{db}')]!r}",
        "try:",
        "    for statement in right:",
        "        own.command(statement)",
        '    print("right:", [own.query(look.replace("{db}", "want")).result_rows for look in looks])',
        "except Exception as error:",
        '    print("the copy fails:", error)',
        *(f"client.command({f'SET {pair}'!r})" for each in world.session for pair in each.split(", ")),
        "try:",
        '    plan = plan_schema(client, schema, database="live")',
        "    print(plan)",
        "    keys = [hazard.allow for step in plan.steps for hazard in step.hazards if hazard.allow]",
        '    print("by name:", keys, "blocked:", [step.blocked for step in plan.steps if step.blocked])',
        f"    keys = [key for key in keys if {world.drop!r} or not key.startswith('drop-')]",
        (
            '    ensure_schema(client, schema, database="live", '
            "policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys))"
        ),
        '    print("second plan:", [step.change for step in plan_schema(client, schema, database="live").required])',
        "except AaiclickError as error:",
        "    print(type(error).__name__, error)",
        'print("is:   ", [own.query(look.replace("{db}", "live")).result_rows for look in looks])',
        'for database in ("live", "want"):',
        "    for statement in later:",
        '        own.command(statement.replace("{db}", database))',
        f"    for table in {[quoted(table.name) for table in world.after.tables]!r}:",
        '        own.command(f"OPTIMIZE TABLE {database}.{table} FINAL")',
        '    print(database, "merged:", [own.query(look.replace("{db}", database)).result_rows for look in looks])',
    ]
    return "\n".join(lines) + "\n"


def replace_after(world: World) -> World:
    return replace(world, after=world.before)
