"""The five checks that every kind of change has to pass, on the real engine.

1. the plan succeeds (and nothing is blocked); 2. strategies, hazards and the plan's SQL are as expected; 3. it can be
   applied; 4. the
live table equals one that is created directly, and every row is equal; 5. a second plan is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from clickhouse_connect.driver.client import Client

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema, reflect_schema
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.parse.create import split_create
from aaiclick.diff.conversion.convert import conversion
from aaiclick.specs.columns import Column
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.testing.engine import fresh_name
from tests.support.forms import unordered

REPLAY = (
    "SET flatten_nested = 0, allow_suspicious_low_cardinality_types = 1, allow_suspicious_codecs = 1, "
    "allow_experimental_codecs = 1"
)


class Engine(Protocol):
    """What a case needs of an engine, embedded or behind a server: one statement, after the SET that may stand before
    it."""

    def command(self, sql: str) -> str: ...


@dataclass(frozen=True)
class Ground:
    """Where a case plays: the database that is migrated, one in which the result is created directly, and a client."""

    client: Client
    engine: Engine
    live: str
    direct: str


def prepare(engine: Engine, client: Client, before: str, after: str, rows: str = "") -> Ground:
    """Create ``before`` with its rows, and ``after`` beside it."""
    ground = Ground(client, engine, fresh_name(), fresh_name())
    for database in (ground.live, ground.direct):
        engine.command(f"CREATE DATABASE {quote_name(database)}")
    for statement in statements(before.replace("{db}", ground.live)) + statements(rows.replace("{db}", ground.live)):
        engine.command(f"{REPLAY}; {statement}")
    for statement in statements(after.replace("{db}", ground.direct)):
        engine.command(f"{REPLAY}; {statement}")
    return ground


def _rows(ground: Ground, sql: str) -> Sequence[Sequence[object]]:
    return ground.client.query(sql).result_rows


def clean(ground: Ground) -> None:
    """Drop both databases."""
    for database in (ground.live, ground.direct):
        ground.engine.command(f"DROP DATABASE IF EXISTS {quote_name(database)} SYNC")


def statements(script: str) -> list[str]:
    """Statements that end with ``;`` at the end of a line."""
    return [part.strip() for part in f"{script}\n".split(";\n") if part.strip()] or []


def form_of(ground: Ground, database: str, table: str) -> TableForm:
    """The canonical form of a table."""
    text = _rows(
        ground, f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = '{table}'"
    )[0][0]
    form = split_create(str(text), database)
    assert isinstance(form, TableForm), form
    return normal(form)


def declaration(ground: Ground, renames: dict[str, str] | None = None) -> Schema:
    """The direct database as a declaration that says everything, down to what must not be there."""
    schema = reflect_schema(ground.client, ground.direct, name="case")
    assert not schema.unsupported, schema.unsupported
    objects = [_explicit(ground, table, renames or {}) for table in schema.tables]
    return Schema("case", version=None, objects=list(objects))


def _explicit(ground: Ground, table: Table, renames: dict[str, str]) -> Table:
    live = form_of(ground, ground.live, table.name)
    gone = {name: None for name, _ in live.settings if name not in table.engine.settings}
    engine = table.engine.model_copy(update={"settings": {**table.engine.settings, **gone}})
    columns = [_named(column, live, renames) for column in table.columns]
    return table.model_copy(update={"engine": engine, "columns": columns})


def _named(column: Column, live: TableForm, renames: dict[str, str]) -> Column:
    fields = column.model_dump(exclude_unset=True)
    old = {new: before for before, new in renames.items()}.get(column.name)
    before = live.column(old or column.name)
    if before is not None and before.settings:
        fields["settings"] = {**{name: None for name, _ in before.settings}, **fields.get("settings", {})}
    return Column(**{**fields, **({"renamed_from": old} if old else {})})


def rows_as(
    ground: Ground, database: str, table: str, wanted: TableForm, old_names: dict[str, str], source: TableForm | None
) -> list[str]:
    """Every row as text, over the columns that both sides have, converted to the wanted types."""
    parts: list[str] = []
    for column in wanted.columns:
        if not column.stored:
            continue
        if source is None:
            parts.append(quote_name(column.name))
            continue
        old = source.column(old_names.get(column.name, column.name))
        if old is not None and old.stored:
            parts.append(conversion(quote_name(old.name), old.type, column.type))
    shown = ", ".join(f"toString({part})" for part in parts)
    return [
        str(row[0])
        for row in _rows(
            ground, f"SELECT toString(tuple({shown})) AS row FROM {qualified(database, table)} ORDER BY row"
        )
    ]


def shared_form(wanted: TableForm, source: TableForm, old_names: dict[str, str]) -> TableForm:
    """``wanted`` with only those columns that the source holds as well."""
    kept = tuple(
        c
        for c in wanted.columns
        if (old := source.column(old_names.get(c.name, c.name))) is not None and old.stored and c.stored
    )
    return replace(wanted, columns=kept)


@dataclass(frozen=True)
class Checked:
    """What a run of the five checks saw."""

    plan: Plan
    strategies: tuple[str, ...]
    rows: int


def five_checks(
    ground: Ground,
    schema: Schema,
    renames: dict[str, str] | None = None,
    allow: tuple[str, ...] | None = None,
    plan: Plan | None = None,
) -> Checked:
    """Run them for one database; ``allow`` None allows whatever the plan names. ``plan``: where it was made already."""
    tables = [table.name for table in schema.tables]
    old_names = {new: old for old, new in (renames or {}).items()}
    before = {name: form_of(ground, ground.live, name) for name in tables}
    wanted = {name: form_of(ground, ground.direct, name) for name in tables}
    expected = {name: rows_as(ground, ground.live, name, wanted[name], old_names, before[name]) for name in tables}
    plan = plan or plan_schema(ground.client, schema, database=ground.live)
    assert not [step.blocked for step in plan.steps if step.blocked], str(plan)
    assert Plan.from_json(plan.to_json()) == plan
    keys = tuple(hazard.allow for hazard in plan.hazards if hazard.allow) if allow is None else allow
    ensure_schema(
        ground.client, schema, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys), database=ground.live
    )
    for name in tables:
        live = form_of(ground, ground.live, name)
        assert unordered(live) == unordered(wanted[name]), str(plan)
        shared = shared_form(wanted[name], before[name], old_names)
        assert rows_as(ground, ground.live, name, shared, old_names, None) == expected[name], str(plan)
    again = plan_schema(ground.client, schema, database=ground.live)
    assert not again.steps, str(again)
    assert _ours(ground) == []
    return Checked(plan, tuple(step.strategy for step in plan.steps), sum(len(rows) for rows in expected.values()))


def _ours(ground: Ground) -> list[str]:
    """Objects of ours that are left behind: none but the bookkeeping."""
    rows = _rows(
        ground,
        f"SELECT name FROM system.tables WHERE database = '{ground.live}' AND (name LIKE '\\\\_aaiclick\\\\_new%' OR "
        "name LIKE '\\\\_aaiclick\\\\_stage%'"
        " OR name LIKE '\\\\_aaiclick\\\\_old%')",
    )
    return [str(row[0]) for row in rows]
