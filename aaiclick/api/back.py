"""Which way back there is: the kept tables that stand behind the live ones, and what cannot be put back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from aaiclick.api.survey import Survey
from aaiclick.apply.identity import Physical, physicals
from aaiclick.apply.kept import KeptRow, kept_tables
from aaiclick.apply.look_back import Restore, look_back
from aaiclick.apply.records import Record, history
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.errors import SchemaError, SpecError
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.work import RebuildWork
from aaiclick.routine import Routine


@dataclass(frozen=True, slots=True)
class Way:
    """From ``live`` to version ``to``. ``earlier`` is the record of the older version, where this database has one. ``done``: kept
    tables that an unfinished way back has put in place already. ``refusals``: what has to be
    allowed, by its key, with the reason."""

    found: Survey
    live: int
    to: int
    earlier: Record | None
    restores: tuple[Restore, ...]
    done: tuple[str, ...]
    refusals: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def database(self) -> str:
        """The database."""
        return self.found.catalog.database

    @property
    def steps(self) -> tuple[Step, ...]:
        """One step for each table that comes back."""
        return tuple(_step(restore, self.to) for restore in self.restores)


def find_way(found: Survey, to: int | None) -> Routine[Way]:
    """Look for the way back. Raises SchemaError where there is none, SpecError where ``to`` is not the version before."""
    schema, database = found.schema, found.catalog.database
    if found.record is None or found.record.version is None:
        raise SchemaError(f"{schema.name} has no version record in {database}: there is nothing to go back from")
    live = found.record.version
    records = yield from history(database, schema.name)
    came = next((each for each in reversed(records) if each.version == live and each.from_version != live and each.state in ("applied", "adopted")), None)
    before = came.from_version if came is not None else None
    if not before:
        raise SchemaError(f"{schema.name} has been at v{live} since it was made in {database}: there is no version before to go back to")
    if to is not None and to != before:
        raise SpecError("to", f"{schema.name} came to v{live} from v{before} in one step: only v{before} can be gone back to, not v{to}")
    assert came is not None
    earlier = next((each for each in reversed(records) if each.version == before and each.seq < came.seq and each.state != "failed"), None)
    plan = _plan(came)
    kept = [row for row in (yield from kept_tables(database)) if row.kept.table in {item.name for item in schema.objects}]
    live_tables = yield from physicals(database, tuple(sorted({row.kept.table for row in kept})))
    restores = yield from _restores(found, [row for row in kept if _stands_behind(row, live_tables, earlier)], plan)
    done = _done(kept, live_tables, came)
    behind = {row.kept.uuid for row in done}
    left, notes = _left(plan, {restore.kept.table for restore in restores} | {row.kept.table for row in done}, found.catalog)
    if not restores and not done:
        said = f": {'; '.join(left)}" if left else ""
        raise SchemaError(f"{schema.name} is at v{live}, and no table of v{before} is kept{said}. The way back is to restore a backup")
    refusals: list[tuple[str, str]] = [(f"partial {schema.name}", f"not put back: {'; '.join(left)}")] if left else []
    for restore in restores:
        refusals += _refusals(restore)
    said_notes = [note for restore in restores for note in restore.notes]
    return Way(
        found,
        live,
        before,
        earlier,
        restores,
        tuple(row.name for row in kept if row.kept.replaced_by in behind and not row.kept.back),
        tuple(refusals),
        (*notes, *said_notes),
    )


def _stands_behind(row: KeptRow, live: Mapping[str, Physical], earlier: Record | None) -> bool:
    """Whether the live table replaced this one, in the step from the older version."""
    table = live.get(row.kept.table)
    fits = table is not None and table.uuid == row.kept.replaced_by and not row.kept.back
    return fits and (earlier is None or row.kept.since * 1000 + 999 >= earlier.at)


def _done(kept: Sequence[KeptRow], live: Mapping[str, Physical], came: Record) -> tuple[KeptRow, ...]:
    """Newer tables in whose place the old ones are back, although no record says so: the run that did it was killed before its end."""

    def fits(row: KeptRow) -> bool:
        table = live.get(row.kept.table)
        return row.kept.back and table is not None and table.uuid == row.kept.replaced_by and row.kept.since * 1000 + 999 >= came.at

    return tuple(row for row in kept if fits(row))


def _restores(found: Survey, listed: Sequence[KeptRow], plan: Plan | None) -> Routine[tuple[Restore, ...]]:
    works = {step.object: step.work for step in plan.steps} if plan is not None else {}
    result: list[Restore] = []
    for row in sorted(listed, key=lambda row: row.kept.table):
        work = works.get(row.kept.table)
        forward = work.columns if isinstance(work, RebuildWork) else ()
        filtered = isinstance(work, RebuildWork) and bool(work.where)
        known = found.catalog.objects.get(row.kept.table)
        dependents = bool(known.dependents) if known is not None else False
        result.append((yield from look_back(found.catalog.database, row, forward=forward, filtered=filtered, read_by_views=dependents)))
    return tuple(result)


def _plan(record: Record) -> Plan | None:
    try:
        return Plan.from_json(record.plan) if record.plan else None
    except ValidationError:
        return None


def _left(plan: Plan | None, restored: set[str], catalog: Catalog) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was done and is not undone: what stands in the way of the older code, and what it does not mind."""
    left: list[str] = []
    notes: list[str] = []
    for step in plan.steps if plan is not None else ():
        if step.object in restored or (step.optional and _still_there(step, catalog)):
            continue
        if step.strategy == "create":
            notes.append(f"{step.object} stays: the older version does not know it")
        elif step.strategy == "alter" and all(change.endswith(" is missing") for change in step.changes or (step.change,)):
            notes.append(f"{step.object} stays as it is: what was added ({step.change}) does the older version no harm")
        else:
            left.append(f"{step.object}: {step.change}")
    return tuple(left), tuple(notes)


def _still_there(step: Step, catalog: Catalog) -> bool:
    """Whether something that the code no longer declares was left alone when the plan was carried out: such steps are only taken where asked for."""
    live = catalog.objects.get(step.object)
    if live is None:
        return False
    column = re.search(r"(?:^|: )column (.+) is no longer declared", step.change)
    return column is None or not isinstance(live.form, TableForm) or live.form.column(column[1]) is not None


def _refusals(restore: Restore) -> list[tuple[str, str]]:
    table = restore.kept.table
    found: list[tuple[str, str]] = []
    if restore.deleted:
        found.append((f"deletes {table}", f"{table}: {restore.deleted} since it was replaced; they would be there again as they were"))
    if restore.unfit:
        found.append((f"values {table}", f"{table}: {restore.unfit} rows that came since hold values that the old columns cannot"))
    return found


def _step(restore: Restore, to: int) -> Step:
    work = restore.work
    table = work.table
    listed = ", ".join(f"{column.expression} AS {column.target}" for column in work.columns)
    sql = [
        f"-- a new table of v{to}'s form takes over the {restore.rows} rows of {restore.name} by hard links",
        f"-- and the {restore.since} rows that came since: SELECT {listed} FROM {table} WHERE {work.where}",
        f"-- writers are locked out (table_readonly) for the last part of the copy, then the new table is exchanged with {table}",
    ]
    words = f"the table of v{to} is put back, with {restore.since} rows that came since"
    return Step(f"restore-{table}", table, words, "rebuild", sql, work, (), restore.since, 0)
