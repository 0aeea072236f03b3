"""Views that read a table: an empty clone does not know them, so each one's SELECT is tried over the table's new form.

The engine accepts the drop or rename of a column that a view reads (and then fails at every read, or, for a materialized view, at
every insert): that is found here, before anything is changed.
"""

from __future__ import annotations

from aaiclick.catalog.forms import TableForm
from aaiclick.errors import StatementError
from aaiclick.plan.data_checks.checks import first_line
from aaiclick.plan.dependents.readers import relocated
from aaiclick.plan.rehearsal.empty_clone import Stage
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import TokenError, Tokens, identifier


def broken_dependents(case: TableCase, form: TableForm, label: str = "reread") -> Routine[str]:
    """'' or the views that read the table now and could not with ``form``. Those that the plan itself replaces are not counted."""
    readers = yield from _readers(case)
    if not readers:
        return ""
    old = yield from case.make_stage(case.form, f"{label}-before")
    new = yield from case.make_stage(form, label)
    broken: list[str] = []
    for name, noun, query in readers:
        before = yield from _refusal(case, old, query)
        after = yield from _refusal(case, new, query)
        if after and not before:
            broken.append(f"the {noun} {name} reads {case.live.name} and would fail ({after})")
    return "; ".join(broken)


def _readers(case: TableCase) -> Routine[tuple[tuple[str, str, str], ...]]:
    """Views of the same database, and materialized views of any database that the engine lists as dependents, whose text names the table."""
    known = case.memo.readers.get(case.live.dependents)
    if known is None:
        known = yield from _views(case)
        case.memo.readers[case.live.dependents] = known
    return tuple(reader for reader in known if reader[0] not in case.replaced and _spans(reader[2], case))


def _views(case: TableCase) -> Routine[list[tuple[str, str, str]]]:
    listed = [dependent.partition(".")[::2] for dependent in case.live.dependents]
    others = " OR ".join(f"(database = {{d{place}:String}} AND name = {{n{place}:String}})" for place in range(len(listed)))
    parameters: dict[str, str | int] = {"database": case.database}
    for place, (database, name) in enumerate(listed):
        parameters[f"d{place}"], parameters[f"n{place}"] = database, name
    rows = yield Query(
        "SELECT name, engine, as_select FROM system.tables"
        f" WHERE (database = {{database:String}} AND engine IN ('View', 'MaterializedView')){' OR ' + others if others else ''} ORDER BY database, name",
        parameters,
    )
    nouns = {"View": "view", "MaterializedView": "materialized view"}
    return [(text(name), nouns.get(text(engine), "object"), text(query)) for name, engine, query in rows]


def _spans(query: str, case: TableCase) -> list[tuple[int, int]]:
    """Where the query names the table (the engine always writes the database in front of it)."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return []
    found: list[tuple[int, int]] = []
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        if parts[:2] == (case.database, case.live.name):
            end = tokens.items[position + 2].end
            found.append((tokens.items[position].start, end))
        position = max(behind, position + 1)
    return found


def _refusal(case: TableCase, stage: Stage, query: str) -> Routine[str]:
    """Why the engine would not analyse the query over the stage; '' where it does."""
    moved = relocated(query, {(case.database, case.live.name): (stage.database, stage.table)})
    probe = qualified(stage.database, f"{stage.table}_view")
    try:
        yield Command(f"CREATE VIEW {probe} AS {moved}", settings=stage.settings)
        yield Command(f"DROP VIEW {probe}")
    except StatementError as error:
        if error.code == 0:
            raise
        return first_line(str(error))
    return ""
