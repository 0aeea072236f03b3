"""One cell: a table with several parts, a change; a plan that is not blocked runs to its end, and the second one is
empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aaiclick import Plan, Policy, ensure_schema, plan_schema
from aaiclick.errors import AaiclickError
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.runner import clean, declaration, prepare
from tests.matrix.features import FEATURES, changes

INSERTS = 4
ALLOWED = "allow_experimental_lightweight_update = 1, enable_lightweight_update = 1"


@dataclass(frozen=True)
class Seen:
    """``wrong``: '' or what a plan did not foresee."""

    strategies: tuple[str, ...]
    blocked: tuple[str, ...]
    wrong: str = ""


def run_cell(engine: EmbeddedEngine, feature: str, change: str) -> Seen:
    shape = FEATURES[feature]
    changed = changes(shape)[change]
    names = [
        name for name, kind in shape.columns.items() if not any(word in kind for word in ("ALIAS", "MATERIALIZED"))
    ]
    rows = [
        f"INSERT INTO {{db}}.t ({', '.join(names)}) SELECT "
        f"{', '.join(_value(name, shape.columns[name], place) for name in names)} FROM numbers(20)"
        for place in range(INSERTS)
    ]
    script = [
        *rows[:2],
        *(f"SET {ALLOWED}; {text}".replace("{t}", "{db}.t") for text in shape.after),
        *(rows[2:] if "patch" not in feature else ()),
    ]
    wanted = changed.shape
    if "younger" in feature:
        wanted = (
            wanted.with_columns(n="UInt8 DEFAULT v + 1")
            if "rename" not in change
            else wanted.with_columns(n="UInt8 DEFAULT w + 1")
        )
    client = engine.client()
    ground = prepare(engine, client, shape.sql("{db}.t"), wanted.sql("{db}.t"), ";\n".join(script))
    try:
        count = client.query(f"SELECT count() FROM {ground.live}.t").result_rows
        schema = declaration(ground, changed.renames)
        plan: Plan = plan_schema(client, schema, database=ground.live)
        blocked = tuple(step.blocked for step in plan.steps if step.blocked)
        strategies = tuple(step.strategy for step in plan.steps)
        if blocked:
            return Seen(strategies, blocked)
        keys = [hazard.allow for hazard in plan.hazards if hazard.allow]
        try:
            ensure_schema(
                client, schema, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys), database=ground.live
            )
        except AaiclickError as error:
            return Seen(strategies, (), f"{type(error).__name__}: {error}")
        again = plan_schema(client, schema, database=ground.live)
        if again.steps:
            return Seen(strategies, (), f"a second plan is not empty: {again}")
        if (
            shape.engine == wanted.engine == "MergeTree"
            and client.query(f"SELECT count() FROM {ground.live}.t").result_rows != count
        ):
            return Seen(strategies, (), "rows are gone")
        return Seen(strategies, ())
    finally:
        client.close()
        clean(ground)


def _value(name: str, kind: str, place: int) -> str:
    base = f"number + {place * 10}"
    if name == "v":
        return f"CAST(({base}) % 100, 'UInt8')"
    if name == "d":
        return f"toDateTime('2026-01-01 00:00:00', 'UTC') + 86400 * ({base})"
    values = {
        "j": f"concat('{{\"a\":', toString({base}), '}}')",
        "y": f"toString({base})",
        "a": "'x'",
        "m": "map('a', [1, NULL])",
        "t": "(1, 'b')",
    }
    values |= {"`n.a`": "[1, 2]", "`n.b`": "['a', 'b']", "x": "7"}
    return values.get(name, f"toString({base})" if "String" in kind else base)
