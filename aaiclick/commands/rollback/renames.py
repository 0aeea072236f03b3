"""Tables that were renamed on the way to a version: a rollback renames them back, where nothing speaks against it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.apply.rollback.not_restored import former_name
from aaiclick.apply.rollback.path import Transition
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.secrets import hidden_form
from aaiclick.clickhouse.names import is_ours
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.statements import ask, ddl
from aaiclick.clickhouse.tables import create_query, physicals, require_table
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.commands.rollback.altered_before import compared_with
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Emit, Query, Routine, flag, text
from aaiclick.sql.column_names import mentions
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.function_calls import lookups
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.record import Record


@dataclass(frozen=True, slots=True)
class RenameBack:
    """A table that gets the name back that it had at the older version."""

    now: str
    """What it is called."""
    before: str
    """What it is called then."""
    uuid: str
    """UUID of its storage; '' where it is put back first, by which it gets another one."""


@dataclass(frozen=True, slots=True)
class Renames:
    """What a rollback does about the renames on the way."""

    back: tuple[RenameBack, ...] = ()
    """Those that it takes back."""
    done: tuple[RenameBack, ...] = ()
    """Those that are taken back already, by a run that was killed then or by somebody else."""
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    """For each name that a table got on the way: '' where it gets its former name back, else why not."""


def find_renames(
    found: Inspection, listed: Sequence[Transition], earlier: Record | None, restored: Collection[str]
) -> Routine[Renames]:
    """``listed``: what was done, oldest first. ``earlier``: record of the version that is rolled back to. ``restored``:
    tables that are put back, by the names that they have now."""
    pairs = renamed_on_the_way(listed)
    if not pairs:
        return Renames()
    database = found.catalog.database
    live = yield from physicals(database, tuple(sorted({name for pair in pairs for name in (pair[0], pair[1])})))
    back: list[RenameBack] = []
    done: list[RenameBack] = []
    answers: dict[str, str] = {}
    for now, before, between in pairs:
        why = ""
        if now not in live and before in live:
            # By a run that was killed then, or by hand: it is not renamed a second time.
            done.append(RenameBack(now, before, live[before].uuid))
        elif now not in live:
            why = f"{now} is gone"
        else:
            # A table that cannot get its name back stays under the new one, and the rollback says so: nobody's table is
            # moved away for it.
            why = yield from _obstacle(found, now, before, earlier, restored)
            if not why:
                back.append(RenameBack(now, before, "" if now in restored else live[now].uuid))
        answers |= dict.fromkeys((now, *between), why)
    return Renames(tuple(back), tuple(done), answers)


def renamed_on_the_way(listed: Sequence[Transition]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Each table that was there before and has another name since, as (name now, first name, names in between)."""
    made: set[str] = set()
    names: dict[str, tuple[str, ...]] = {}
    for step in (step for each in listed for step in each.steps):
        former = former_name(step)
        if step.strategy == "create":
            made.add(step.object)
        elif former in made:
            # The older version does not know it, under whatever name.
            made.add(step.object)
        # An attempt that was entered and the record of its end tell of the same rename.
        elif former and former not in names.get(step.object, ()):
            names[step.object] = (*names.pop(former, (former,)), step.object)
    return [(now, chain[0], chain[1:-1]) for now, chain in sorted(names.items()) if now != chain[0]]


def step_of(database: str, each: RenameBack) -> Step:
    """The step that renames it back."""
    sql = rename_table(qualified(database, each.now), qualified(database, each.before))
    words = f"table {each.now} is called {each.before} again"
    return Step(f"rename-{each.now}", each.now, words, "alter", [sql], ReplaceWork((sql,)))


def rename_back(database: str, each: RenameBack) -> Routine[tuple[str, ...]]:
    """Rename it; what an operator should know. Raises ApplyError where another table has one of the names by now, or
    something reads it by its present one."""
    # By UUID: what was looked at is this storage and no other.
    yield from require_table(database, each.now, each.uuid)
    # Looked for when this was planned; restoring the tables before it may have taken hours.
    if readers := (yield from _readers(database, each.now)):
        raise ApplyError(
            f"{each.now} is not called {each.before} again: {', '.join(readers)} may read it by that name by now. The "
            "tables before it are put back. Run again: the next rollback leaves it its name"
        )
    try:
        yield from ddl(rename_table(qualified(database, each.now), qualified(database, each.before)))
    except StatementError as error:
        if error.code != TABLE_ALREADY_EXISTS:
            raise
        raise ApplyError(
            f"{each.now} cannot be called {each.before} again: somebody has just made a table of that name. Rename or "
            "drop that one, and run again"
        ) from error
    said = tuple(
        f"{reader} was made in the moment in which {each.now} was called {each.before} again, and names {each.now}. "
        "Change or drop it"
        for reader in (yield from _readers(database, each.now))
    )
    for note in said:
        yield Emit(Note(note, "warning"))
    return said


def _obstacle(
    found: Inspection, now: str, before: str, earlier: Record | None, restored: Collection[str]
) -> Routine[str]:
    """Why a table cannot get its former name back; '' where it can."""
    if not found.topology.single:
        return "this is done on one host only"
    database = found.catalog.database
    rows = yield from ask(
        "SELECT engine FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({name:String})",
        {"db": hexed(database), "name": hexed(before)},
    )
    if rows:
        return f"the name {before} is taken"
    if readers := (yield from _readers(database, now)):
        return f"{', '.join(readers)} may read it by that name"
    policies = yield from rows_or_refusal(
        Query(
            "SELECT short_name FROM system.row_policies WHERE database = {db:String} AND table = {name:String}"
            " ORDER BY short_name",
            {"db": database, "name": now},
        )
    )
    if policies:
        return f"the row policy {', '.join(text(row[0]) for row in policies)} would stay on the name {now}"
    # A table that is put back gets the older definition in any case.
    return "" if now in restored else (yield from _altered(database, now, before, earlier))


def _readers(database: str, table: str) -> Routine[list[str]]:
    """Whatever names it in its definition: views, dictionaries, Buffer and Distributed tables; and whatever asks it,
    where it is a dictionary."""
    rows = yield from ask(
        "SELECT database, name, create_table_query, endsWith(engine, 'MergeTree') FROM system.tables WHERE "
        "position(create_table_query, unhex({name:String})) > 0 AND NOT (database = unhex({db:String}) AND name = "
        "unhex({name:String})) AND database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA')"
        " ORDER BY database, name",
        {"db": hexed(database), "name": hexed(table)},
    )
    return [
        text(name) if text(where) == database else f"{text(where)}.{text(name)}"
        for where, name, sql, alone in rows
        if not is_ours(text(name))
        # A column of a table may be called so. What a table asks, it names in a ``dictGet``.
        and (any(place.name == table for place in lookups(text(sql))) if flag(alone) else mentions(text(sql), table))
    ]


def _altered(database: str, now: str, before: str, earlier: Record | None) -> Routine[str]:
    """What code of the older version would notice of it, as far as its form was recorded."""
    wanted = load_forms(earlier.forms).get(before) if earlier is not None else None
    form = split_create((yield from create_query(database, now)), database)
    if not isinstance(wanted, TableForm) or not isinstance(form, TableForm):
        return ""
    noticed, _ = compared_with(replace(hidden_form(form), name=before), wanted)
    return f"it is not as it was ({'; '.join(noticed)})" if noticed else ""
