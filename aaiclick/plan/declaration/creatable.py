"""Finds what the server would refuse at a CREATE before the first object is made.

A first start creates its objects one after the other: found only at its own CREATE, a wrong projection or the wrong
query of a view would leave what was made before it. Of plain tables the types of their columns are all that can be
refused, and of most views the names in them: one DESCRIBE over ``null(...)`` resolves these. Everything else is made in
scratch. Nothing is undone afterwards instead, because somebody may have inserted into a table that was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.server_objects.functions import with_stand_ins
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.error_codes import ACCESS_DENIED, READONLY
from aaiclick.errors import StatementError
from aaiclick.plan.declaration.expressions import over_null, query_columns
from aaiclick.plan.declaration.plain_tables import is_plain
from aaiclick.plan.dependents.dictionaries import clickhouse_source
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_sql, create_table_sql
from aaiclick.specs.functions import Function
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, View
from aaiclick.sql.comments import without_end
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens

_AT_ONCE = 40
# A view may say these and a DESCRIBE of its query does not look at them, or takes them in another way.
_NOT_DESCRIBED = frozenset({"SETTINGS", "FORMAT", "OUTFILE", "FINAL", "SAMPLE"})


def doubtful_tables(missing: Sequence[Table]) -> Routine[list[Table]]:
    """Those of the missing tables that the server may refuse to create."""
    plain = [table for table in missing if is_plain(table)]
    known = {table.name for table in plain}
    for start in range(0, len(plain), _AT_ONCE):
        asked = plain[start : start + _AT_ONCE]
        parts = [f"(SELECT 1 AS one FROM {_empty(table)}) AS t{place}" for place, table in enumerate(asked)]
        # null(...) has no rows, so the join is analysed and nothing is computed.
        if (yield from query_columns(f"SELECT * FROM {' CROSS JOIN '.join(parts)}")) is None:
            known -= {table.name for table in asked}
    return [table for table in missing if table.name not in known]


def tables_to_try(missing: Sequence[Table], others: Sequence[View | Dictionary]) -> Routine[list[Table]]:
    """``doubtful_tables``, and those that one of ``others`` reads."""
    return _with_read(missing, (yield from doubtful_tables(missing)), others)


def _with_read(missing: Sequence[Table], doubtful: Sequence[Table], others: Sequence[View | Dictionary]) -> list[Table]:
    wanted = {name for item in others if isinstance(item, View) for name in names_in_query(item.query)}
    wanted |= {name for item in others if isinstance(item, Dictionary) for name in names_in_query(item.source)}
    # QUERY is a text of its own.
    asked = (clickhouse_source(item.source).get("QUERY", "") for item in others if isinstance(item, Dictionary))
    wanted |= {name for query in asked for name in names_in_query(query)}
    wanted |= {table.name for table in doubtful}
    return [table for table in missing if table.name in wanted]


def require_creatable(
    missing: Sequence[Table],
    others: Sequence[View | Dictionary],
    catalog: Catalog,
    functions: Sequence[Function],
    rehearsed: Rehearsed,
) -> Routine[None]:
    """Raise ``SpecError`` where one of these tables, plain views and dictionaries could not be created.

    ``functions``: SQL functions that are made, or changed, before them. ``rehearsed``: what this run has tried before;
    it is added to.
    """
    doubtful = yield from doubtful_tables(missing)
    resolved = yield from _resolved([item for item in others if isinstance(item, View)], missing)
    known = resolved and not any(isinstance(item, Dictionary) for item in others)
    tried: Sequence[View | Dictionary] = () if known else others
    key = (
        *(create_table_sql(table, "") for table in doubtful),
        *(create_sql(item, "") for item in tried),
        *(f"{function.name} {function.body}" for function in functions),
    )
    if not (doubtful or tried) or key in rehearsed.creatable:
        return
    # Here because most starts try nothing.
    from aaiclick.plan.declaration.new_lookups import with_new_lookups
    from aaiclick.plan.declaration.trials import try_others, try_tables

    def attempt(scratch: Scratch) -> Routine[None]:
        yield from try_tables(scratch, _with_read(missing, doubtful, tried), catalog)
        yield from try_others(scratch, tried, missing, catalog)

    def body(scratch: Scratch) -> Routine[None]:
        yield from with_new_lookups(scratch, [*missing, *others], catalog, attempt)

    def inside(scratch: Scratch) -> Routine[None]:
        rehearsed.permissive = scratch.settings
        yield from (with_stand_ins(scratch, functions, body) if functions else body(scratch))

    try:
        yield from with_scratch(inside, fallback=catalog.database, settings=rehearsed.permissive)
    except StatementError as error:
        # Who may not try it may still be allowed to make it: then its own CREATE says what is wrong.
        if error.code not in (ACCESS_DENIED, READONLY):
            raise
        return
    rehearsed.creatable.add(key)


def _resolved(views: Sequence[View], tables: Sequence[Table]) -> Routine[bool]:
    """Whether the server can resolve the queries of all these views over their tables, and nothing else can be wrong
    with them."""
    if not views:
        return True
    if len(views) > _AT_ONCE or any(view.security or _says_more(view.query) for view in views):
        return False
    read = {name for view in views for name in names_in_query(view.query)}
    named = [f"{quote_name(table.name)} AS (SELECT * FROM {_empty(table)})" for table in tables if table.name in read]
    named += [f"{quote_name(view.name)} AS ({without_end(view.query)}\n)" for view in views]
    joined = " CROSS JOIN ".join(f"{quote_name(view.name)} AS v{place}" for place, view in enumerate(views))
    found = yield from query_columns(f"WITH {', '.join(named)} SELECT * FROM {joined}")
    # A view takes no two columns of one name, and a query does.
    return found is not None and len({name for name, _ in found}) == len(found)


def _says_more(query: str) -> bool:
    try:
        return any(token.text.upper() in _NOT_DESCRIBED for token in Tokens(query).items)
    except TokenError:
        return True


def _empty(table: Table) -> str:
    return over_null((column.name, column.type) for column in table.columns)
