"""Checks the expressions of declared tables (defaults, TTLs, keys, indexes, constraints) without creating the tables.

A first start creates its tables one after the other, and where the engine refuses the third the first two would be
left. One DESCRIBE over ``null(...)`` resolves every name and type, in about a millisecond for each table. Where it
is refused, the tables are created in scratch: only what is refused there is an error of the declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import Catalog, ConstraintForm, TableForm
from aaiclick.catalog.normalize import key_elements, without_direction
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clickhouse.refusable import answered
from aaiclick.errors import SpecError
from aaiclick.plan.proof.column_uses import ttl_expressions
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.ddl import key_sql
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, unquote

_AT_ONCE = 40
_CONDITION = re.compile(r"(?:LowCardinality\()?(?:Nullable\()?(?:UInt8|Bool)\)*\Z")


def require_creatable(tables: Sequence[Table], catalog: Catalog) -> Routine[None]:
    """Raise ``SpecError`` where one of these missing tables could not be created."""
    # A table without expressions is asked about as well: null(...) checks the types of its columns.
    asked = [(table, _expressions(table) or ["1"]) for table in tables if isinstance(table.engine, MergeTree)]
    for start in range(0, len(asked), _AT_ONCE):
        yield from _require(asked[start : start + _AT_ONCE], catalog)


def _require(asked: Sequence[tuple[Table, Sequence[str]]], catalog: Catalog) -> Routine[None]:
    parts = [
        f"(SELECT {_named(found, place)} FROM "
        f"null({quote_string(_structure((column.name, column.type) for column in table.columns))})) AS t{place}"
        for place, (table, found) in enumerate(asked)
    ]
    # null(...) has no rows, so the join is analysed and nothing is computed.
    types = yield from _described(f"SELECT * FROM {' CROSS JOIN '.join(parts)}")
    # null(...) has columns and no settings, so these are looked up by their names.
    types = types if (yield from _known_settings([table for table, _ in asked])) else None
    if types is None:

        def body(scratch: Scratch) -> Routine[None]:
            yield from canonical_tables(scratch, [table for table, _ in asked])

        yield from with_scratch(body, fallback=catalog.database)
        return
    for place, (table, found) in enumerate(asked):
        checks = [constraint for constraint in table.constraints if constraint.check is not None]
        for constraint, at in zip(checks, range(len(found) - len(checks), len(found)), strict=True):
            _require_condition(table.name, constraint.name, constraint.check or "", types.get(f"t{place}_{at}", ""))


def _known_settings(tables: Sequence[Table]) -> Routine[bool]:
    named = sorted({name for table in tables for name in table.engine.settings})
    if not named:
        return True
    rows = yield Query(
        f"SELECT count() FROM system.merge_tree_settings WHERE name IN ({', '.join(map(quote_string, named))})"
    )
    return number(rows[0][0]) == len(named)


def require_conditions(table: str, form: TableForm, constraints: Sequence[ConstraintForm]) -> Routine[None]:
    """Raise ``SpecError`` for a constraint that is no condition: the server would accept it, and refuse every INSERT
    from then on."""
    checks = [constraint for constraint in constraints if constraint.kind == "CHECK"]
    types = yield from types_of([check.expression for check in checks], form)
    for check, kind in zip(checks, types, strict=True):
        _require_condition(table, check.name, check.expression, kind)


def types_of(expressions: Sequence[str], form: TableForm) -> Routine[tuple[str, ...]]:
    """The types of expressions over a table's stored columns; '' for each where the engine refuses one."""
    if not expressions:
        return ()
    structure = _structure(
        (column.name, column.type) for column in form.columns if column.kind not in ("ALIAS", "EPHEMERAL")
    )
    types = yield from _described(f"SELECT {_named(expressions, 0)} FROM null({quote_string(structure)})")
    return tuple((types or {}).get(f"t0_{at}", "") for at in range(len(expressions)))


def _require_condition(table: str, name: str, expression: str, kind: str) -> None:
    if kind and not _CONDITION.match(kind):
        raise SpecError(
            f"{table}: constraint {name}",
            f"CHECK {expression} gives {kind}, which is no condition (UInt8): every INSERT would be refused",
        )


def _expressions(table: Table) -> list[str]:
    """All computed expressions of a table, those of constraints last. Plain columns in a key were checked with the
    declaration."""
    names = frozenset(column.name for column in table.columns)
    engine = table.engine
    found: list[str] = []
    for column in table.columns:
        said = (
            column.default
            or column.materialized
            or column.alias
            or (column.ephemeral if isinstance(column.ephemeral, str) else "")
        )
        found += [said] if said else []
        found += _of_ttl(column.ttl)
    if isinstance(engine, MergeTree):
        keys = [key_sql(key, names) for key in (engine.order_by, engine.primary_key, engine.partition_by) if key]
        found += [
            # DESC belongs to the key, and is no part of an expression.
            without_direction(part)
            for key in keys
            for part in _elements(key)
            if unquote(part) not in names and part != "tuple()"
        ]
        found += [engine.sample_by] if engine.sample_by and engine.sample_by not in names else []
        found += _of_ttl(engine.ttl)
    found += [index.expr for index in table.indexes]
    return [*found, *(constraint.check for constraint in table.constraints if constraint.check is not None)]


def _elements(key: str) -> tuple[str, ...]:
    try:
        return key_elements(key)
    except TokenError:
        return (key,)  # the server says what is wrong with it


def _of_ttl(ttl: str | None) -> list[str]:
    try:
        return (
            [expression for expression in ttl_expressions(ttl) if not expression.startswith("ifNull(")] if ttl else []
        )
    except ValueError:
        return [ttl] if ttl else []  # the server says what is wrong with it


def _structure(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quote_name(name)} {kind}" for name, kind in columns)


def _named(expressions: Sequence[str], place: int) -> str:
    return ", ".join(f"({expression}) AS t{place}_{at}" for at, expression in enumerate(expressions))


def _described(query: str) -> Routine[dict[str, str] | None]:
    """Types of the columns that a query yields, by name; None where the engine refuses it."""
    rows = yield from answered(Query(f"DESCRIBE TABLE ({query})"))
    if rows is None:
        return None
    return {text(row[0]).rpartition(".")[2]: text(row[1]) for row in rows}
