"""The canonical forms of tables, made in scratch where this run has not made them already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaiclick.catalog.declared_tables import Rewriting, canonical_forms, canonical_tables
from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm
from aaiclick.catalog.render import form_sql
from aaiclick.catalog.scratch import Scratch
from aaiclick.plan.comparison.recorded import repeatable
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_table_sql
from aaiclick.specs.tables import Table
from aaiclick.sql.function_calls import called_names
from aaiclick.sql.tokens import TokenError

_KEYWORDS = frozenset({"by"})
"""Words that stand before a parenthesis, which the server leaves out where it can: ``ORDER BY (a)``."""
_FEW = 8
"""So many tables are created on the mere suspicion that they differ."""
_LOOKUPS = ("dict", "joinget")
"""How the names of functions begin that read another object of the database."""


def forms_in_scratch(
    scratch: Scratch,
    tables: Sequence[Table],
    catalog: Catalog,
    live: Mapping[str, LiveObject],
    rehearsed: Rehearsed,
    read: bool,
) -> Routine[dict[str, TableForm]]:
    """``canonical_tables``, for those that were not made in this run before. ``read``: views of the plan read the
    tables in scratch, so all of them have to be there. Raises what ``canonical_tables`` raises."""
    if read:
        return (yield from canonical_tables(scratch, tables, catalog, live))
    # A declaration is loaded, not created, where its live table can only be loaded: so the text of that counts, too.
    keys = {table.name: (create_table_sql(table, ""), live[table.name].text) for table in tables}
    known = {name: rehearsed.declared[key] for name, key in keys.items() if key in rehearsed.declared}
    rest = [table for table in tables if table.name not in known]
    if not rest:
        return known
    # Created before it is known whether they differ, so that all are read back at once.
    rewriting = Rewriting(_typed_otherwise(rest, live, rehearsed))
    made = yield from canonical_tables(scratch, rest, catalog, live, rewriting)
    found = rewriting.found()
    rehearsed.rewritten.update({form: found[form.name] for form in rewriting.forms})
    for table in rest:
        if repeatable(table, made[table.name]) and _by_itself(keys[table.name][0], made[table.name]):
            rehearsed.declared[keys[table.name]] = made[table.name]
    return {**known, **made}


def _typed_otherwise(
    tables: Sequence[Table], live: Mapping[str, LiveObject], rehearsed: Rehearsed
) -> tuple[TableForm, ...]:
    """The live tables whose columns are not the declared ones, by name and type as they were typed: a few of those that
    will differ most likely."""
    found: list[TableForm] = []
    for table in tables:
        form, declared = live[table.name].form, {(column.name, column.type) for column in table.columns}
        if not isinstance(form, TableForm) or form in rehearsed.rewritten:
            continue
        if declared != {(column.name, column.type) for column in form.columns}:
            found.append(form)
    # Types may be typed in words that this server writes otherwise, so many such tables say little.
    return tuple(found) if len(found) <= _FEW else ()


def rewritten_forms(scratch: Scratch, forms: Sequence[TableForm], rehearsed: Rehearsed) -> Routine[dict[str, Form]]:
    """``canonical_forms``, for those that were not made in this run before."""
    known = {form.name: rehearsed.rewritten[form] for form in forms if form in rehearsed.rewritten}
    rest = [form for form in forms if form.name not in known]
    made = (yield from canonical_forms(scratch, rest)) if rest else dict[str, Form]()
    rehearsed.rewritten.update({form: made[form.name] for form in rest})
    return {**known, **made}


def _by_itself(sql: str, form: TableForm) -> bool:
    """True where the form follows from the text alone.

    The server writes the body of an SQL function where it is called, and somebody may replace the function. So every
    name that is called has to be there still. Nor may the table read a dictionary or a Join table, which may go.
    """
    try:
        called = called_names(sql)
        kept = called <= called_names(form_sql(form, "", form.name)) | _KEYWORDS
        return kept and not any(name.startswith(_LOOKUPS) for name in called)
    except TokenError:
        return False
