"""Rows that a new TTL deletes, or of which it clears values, as soon as it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, LiveObject, TableForm
from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.clickhouse.topology import SINGLE
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.diff.changes.ttl import keeps_all
from aaiclick.plan.model import Step
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Routine, number
from aaiclick.specs.renames import column_renames
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.expressions import expression_end
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.sql.tokens import Tokens, split_top
from aaiclick.versions.live_version import scripts_between

_KEEPS = ("TO", "GROUP", "RECOMPRESS")
"""What an element does instead of deleting: it moves parts, combines rows, or packs them anew."""
_SECONDS = 60
"""Limit for a count."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """What is known of the rows that a step's new TTL deletes or clears."""

    rows: int | None = None
    """How many; None where no TTL is stricter than before, and where they were not counted."""
    uncounted: str = ""
    """Why they, or some of them, were not counted; '' where nothing is left out."""


def live_of(step: Step, planned: PlannedMigration) -> LiveObject | None:
    """The live table of a step, also under the name that it has until an earlier step renames it."""
    catalog = planned.inspection.catalog
    name = step.work.fill.source if step.work.kind == "feed" and step.work.fill is not None else step.object
    if (live := catalog.get(name)) is not None:
        return live
    table = next((table for table in planned.inspection.schema.tables if table.name == name), None)
    if table is not None and table.renamed_from is not None and (live := catalog.get(table.renamed_from)) is not None:
        return live
    former = next((old for old, new in _renames(planned).items() if new == name and "." not in old), None)
    return catalog.get(former) if former is not None else None


def with_expiring(planned: PlannedMigration, looks: bool = True) -> Routine[PlannedMigration]:
    """The plan with its expiring rows and nothing else that it costs: what an approved plan is compared with.
    ``looks``: False where no row may be read."""
    counted: dict[str, Expiring] = {}
    steps: list[Step] = []
    for step in planned.plan.steps:
        steps.append((yield from counted_step(step, planned, counted, looks)))
    return replace(planned, plan=replace(planned.plan, steps=tuple(steps)))


def counted_step(
    step: Step, planned: PlannedMigration, counted: dict[str, Expiring], looks: bool = True
) -> Routine[Step]:
    """The step with its expiring rows. ``counted``: what was found for tables before. ``looks``: False where no row may
    be read."""
    if not sets_ttl(step):
        return step
    if not looks:
        return replace(step, expiring=None, uncounted="no row was read")
    if step.behind:
        return replace(step, expiring=None, uncounted=f"{step.behind} may change the rows before")
    live = live_of(step, planned)
    wanted = planned.targets.get(step.object) or planned.forms.get(step.object)
    if live is None or not isinstance(live.form, TableForm) or not isinstance(wanted, TableForm):
        return replace(step, expiring=None, uncounted="what the table becomes is not known")
    # Several steps of one table share one count.
    if live.name not in counted:
        counted[live.name] = yield from _count(step, planned, live.name, live.form, wanted)
    found = counted[live.name]
    return replace(step, expiring=found.rows, uncounted=found.uncounted)


def sets_ttl(step: Step) -> bool:
    """True where the step gives a table, or a column of it, a TTL that may delete more than before."""
    name = f"change-ttl {step.object}"
    return any(hazard.allow == name or hazard.allow.startswith(f"{name}.") for hazard in step.hazards)


def _count(step: Step, planned: PlannedMigration, name: str, form: TableForm, wanted: TableForm) -> Routine[Expiring]:
    sources = _sources(step, planned, form, wanted)
    back = {expression: target for target, expression in sources.items()}
    # A TTL that lets every row live as long as before deletes nothing new.
    pairs = [] if keeps_all(form.ttl, wanted.ttl) else [(form.ttl, wanted.ttl)]
    for column in wanted.columns:
        old = form.column(column.name)
        if old is None:
            old = next((each for each in form.columns if back.get(quote_name(each.name)) == column.name), None)
        # What a new column gets is not lost: it is its default.
        if column.ttl and old is not None and not keeps_all(old.ttl, column.ttl):
            pairs.append((old.ttl, column.ttl))
    if not pairs:
        return Expiring()
    combined = any(_combines(new) for _, new in pairs)
    said = "how many rows its GROUP BY leaves is known when a merge has combined them" if combined else ""
    past = [(past_ttl(old), condition) for old, new in pairs if (condition := past_ttl(new))]
    if not past:
        return Expiring(None, said)
    topology = planned.inspection.topology
    hosts = topology.of_table(form.engine) if topology.shards > 1 else SINGLE
    source = _rows(planned.inspection.catalog.database, name, form, wanted, sources, past)
    # A row that is past the old TTL as well goes in any case, and does not count.
    hit = " OR ".join(f"(_aaiclick_past_{place} AND NOT _aaiclick_old_{place})" for place in range(len(past)))
    settings: dict[str, str | int] = {"max_execution_time": _SECONDS, "prefer_column_name_to_alias": 1}
    rows = yield from shards_answered(hosts, [f"toUInt64(countIf({hit}))"], f"FROM {source}", settings, long=True)
    if rows is None:
        return Expiring(None, f"the server refused to count, or needed more than {_SECONDS} s")
    return Expiring(sum(number(row[0]) for row in rows), said)


def _rows(
    database: str,
    name: str,
    form: TableForm,
    wanted: TableForm,
    sources: Mapping[str, str],
    past: Sequence[tuple[str, str]],
) -> str:
    """The rows as the step leaves them, with both conditions: the old one over the columns that are there now."""
    old = [f"{before or '0'} AS _aaiclick_old_{place}" for place, (before, _) in enumerate(past)]
    read = _closure([condition for _, condition in past], wanted)
    live = {column.name for column in form.columns}
    stays = [name for name in read if name in live or name in sources]
    inner = [*old, *(f"{sources.get(name, quote_name(name))} AS {quote_name(name)}" for name in stays)]
    new = [column for column in wanted.columns if column.name in read and column.name not in stays]
    outer = [f"{_default(column)} AS {quote_name(column.name)}" for column in new]
    table = f"(SELECT {', '.join(inner)} FROM {qualified(database, name)})"
    if outer:
        table = f"(SELECT *, {', '.join(outer)} FROM {table})"
    now = [f"({condition}) AS _aaiclick_past_{place}" for place, (_, condition) in enumerate(past)]
    return f"(SELECT *, {', '.join(now)} FROM {table})"


def _closure(expressions: Sequence[str], wanted: TableForm) -> frozenset[str]:
    """Columns that the expressions name, and those that their defaults are made from."""
    names = [column.name for column in wanted.columns]
    found: set[str] = set()
    todo = [name for expression in expressions for name in mentioned(expression, names)]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            column = wanted.column(name)
            if column is not None and column.expression:
                todo += mentioned(column.expression, names)
    return frozenset(found)


def _sources(step: Step, planned: PlannedMigration, form: TableForm, wanted: TableForm) -> dict[str, str]:
    """Columns that the step fills from others, as expressions over those that are there now."""
    if isinstance(step.work, RebuildWork):
        return {column.target: column.expression for column in step.work.columns}
    table = next((table for table in planned.inspection.schema.tables if table.name == wanted.name), None)
    former = {new: old for old, new in column_renames(_renames(planned), form.name, wanted.name).items()}
    if table is not None:
        former |= {column.name: column.renamed_from for column in table.columns if column.renamed_from}
    return {
        new: quote_name(old)
        for new, old in former.items()
        if form.column(new) is None and form.column(old) is not None and wanted.column(new) is not None
    }


def _renames(planned: PlannedMigration) -> dict[str, str]:
    found = planned.inspection
    renames: dict[str, str] = {}
    for script in scripts_between(found.schema, found.released, found.live):
        renames |= script.migration.renames
    return renames


def _default(column: ColumnForm) -> str:
    if not column.expression:
        return f"defaultValueOfTypeName({quote_string(column.type)})"
    return f"CAST({column.expression}, {quote_string(column.type)})"


def _combines(ttl: str) -> bool:
    return any(_does(element) == "GROUP" for element in split_top(ttl))


def _does(element: str) -> str:
    tokens = Tokens(element)
    end = expression_end(tokens, 0, len(tokens))
    return next((word for word in _KEEPS if tokens.is_word(end, word)), "")


def past_ttl(ttl: str) -> str:
    """The condition under which a row is deleted now; '' where no element of the TTL deletes."""
    found: list[str] = []
    for element in split_top(ttl):
        tokens = Tokens(element)
        end = expression_end(tokens, 0, len(tokens))
        if _does(element):
            continue
        # The server deletes what has a time that is not 0 and lies behind.
        at = f"toInt64(toDateTime64({tokens.slice(0, end)}, 0))"
        said = f"ifNull({at} > 0 AND {at} <= toInt64(now()), 0)"
        where = next((place for place in range(end, len(tokens)) if tokens.is_word(place, "WHERE")), None)
        if where is not None:
            said += f" AND ifNull(({tokens.slice(where + 1, expression_end(tokens, where + 1, len(tokens)))}) != 0, 0)"
        found.append(f"({said})")
    return " OR ".join(found)
