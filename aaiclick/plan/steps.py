"""Makes a step of a plan from the work of a strategy: words, SQL for people, hazards, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import DictionaryForm, LiveObject, ViewForm
from aaiclick.catalog.render import form_sql
from aaiclick.diff.changes.base import Change
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Step, Strategy
from aaiclick.plan.operations import Alter, AlterWork, AttachWork, CreateWork, DropWork, Guard, RebuildWork, ReplaceWork
from aaiclick.printable import all_text, verb_for
from aaiclick.sql.clauses import attach_all_partitions_from
from aaiclick.sql.ddl import alter_table, drop, exchange_tables, rename_table
from aaiclick.sql.quoting import qualified, quote_name

if TYPE_CHECKING:
    from aaiclick.plan.strategies.context import TableDiff

SHADOW = "_aaiclick_<run>_"


def words(changes: Sequence[Change]) -> str:
    """All changes in one line."""
    return "; ".join(change.words for change in changes)


def each(changes: Sequence[Change]) -> tuple[str, ...]:
    """All changes, one by one."""
    return tuple(change.words for change in changes)


def change_hazards(changes: Sequence[Change]) -> tuple[Hazard, ...]:
    """The hazards of the changes, each once."""
    return tuple(dict.fromkeys(hazard for change in changes for hazard in change.hazards))


def create_step(name: str, noun: str, sql: str, settings: tuple[tuple[str, str], ...] = ()) -> Step:
    """The step for a missing object."""
    return Step(f"{name}:create", name, f"{noun} is missing", "create", [sql], CreateWork(sql, settings))


def statements_step(
    key: str,
    name: str,
    change: str,
    statements: Sequence[str],
    hazards: tuple[Hazard, ...] = (),
    *,
    changes: tuple[str, ...] = (),
    optional: bool = False,
    blocked: str = "",
) -> Step:
    """A step that sends statements as they stand. ``key``: its id."""
    work = ReplaceWork(tuple(statements))
    return Step(
        key,
        name,
        change,
        "replace",
        list(statements),
        work,
        hazards,
        optional=optional,
        blocked=blocked,
        changes=changes,
    )


def blocked_step(key: str, name: str, change: str, reason: str, strategy: Strategy = "replace") -> Step:
    """A step of which nothing is carried out, and that stops the plan. ``key``: its id."""
    return Step(key, name, change, strategy, [f"-- {reason}"], ReplaceWork(()), blocked=reason)


OBSTACLE = ":obstacle"


def obstacle_step(name: str, found: str, wanted: str) -> Step:
    """A blocked step where another kind of object has the name. It is not taken away unasked."""
    reason = f"a {found} has that name: rename it or drop it, then run again"
    return blocked_step(f"{name}{OBSTACLE}", name, f"is a {found}, a {wanted} is declared", reason)


def with_ways_out(listed: Sequence[Step], dropped: Mapping[str, tuple[int, str]]) -> tuple[Step, ...]:
    """The steps. Where another kind of object has a name that a version on the way drops, that version is named."""
    found: list[Step] = []
    for step in listed:
        version, label = dropped.get(step.object, (0, ""))
        if label and step.id == f"{step.object}{OBSTACLE}":
            how = f"{label} drops it: bring the database to version {version} first: aaiclick migrate --to {version}"
            found.append(replace(step, blocked=f"{step.blocked}. {how}"))
        else:
            found.append(step)
    return tuple(found)


UNREADABLE = ":unreadable"


def unreadable_step(name: str, reason: str) -> Step:
    """A blocked step for a declared object whose live definition is not understood: nothing tells whether it is as
    declared."""
    said = f"its definition cannot be read: {reason}"
    return Step(f"{name}{UNREADABLE}", name, said, "replace", [f"-- {name}: {said}"], ReplaceWork(()), blocked=said)


def rename_step(database: str, old: str, new: str) -> Step:
    """The step for a table that is declared under a new name."""
    sql = rename_table(qualified(database, old), qualified(database, new))
    hazard = Hazard("old-code-breaks", f"code and views that read {old} fail")
    return Step(
        f"{new}:rename", new, f"table {old} is renamed to {new}", "alter", [sql], ReplaceWork((sql,)), (hazard,)
    )


def names_made_free(listed: Sequence[Step], renamed: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps, with renames in front of what gets the old name: a new table, or the next one of a chain. ``renamed``:
    new names by the old ones."""
    moving = [step for step in listed if step.id == f"{step.object}:rename" and step.object in renamed.values()]
    former = {new: old for old, new in renamed.items()}
    created = [step for step in listed if step.strategy == "create" and step.object in renamed]
    if not created and not any(step.object in renamed for step in moving):
        return tuple(listed)
    # The end of a chain first: its new name is free.
    ordered: list[Step] = []
    while moving:
        names = {former[step.object] for step in moving}
        free = next((step for step in moving if step.object not in names), moving[0])
        moving.remove(free)
        ordered.append(free)
    together = {step.id for step in (*ordered, *created)}
    # Where the first of them was: behind what views need before their tables change.
    at = next(place for place, step in enumerate(listed) if step in ordered)
    before, behind = ([step for step in part if step.id not in together] for part in (listed[:at], listed[at:]))
    return (*before, *ordered, *created, *behind)


def drop_step(database: str, live: LiveObject) -> Step:
    """The optional step for an object that an earlier version declared."""
    name = live.name
    hazards: tuple[Hazard, ...]
    match live.form:
        case ViewForm(materialized=True):
            noun, kind = "materialized view", "VIEW"
            lost = f"inserts no longer go through {name}" if live.form.to else f"the rows that {name} keeps are gone"
            hazards = (Hazard("loses-rows", lost, f"drop-view {name}"),)
        case ViewForm():
            noun, kind = "view", "VIEW"
            hazards = (Hazard("old-code-breaks", f"code that reads {name} fails", f"drop-view {name}"),)
        case DictionaryForm():
            noun, kind = "dictionary", "DICTIONARY"
            hazards = (Hazard("old-code-breaks", f"code that reads {name} fails", f"drop-dictionary {name}"),)
        case _:
            noun, kind = "table", "TABLE"
            hazards = (
                Hazard(
                    "loses-rows",
                    f"{all_text(live.rows, 'row')} of {name} {verb_for(live.rows, 'are')} gone",
                    f"drop-table {name}",
                ),
                Hazard("cannot-be-undone", f"a dropped table cannot be brought back: {name}"),
            )
    sql = drop(kind, qualified(database, name))
    return Step(
        f"{name}:drop",
        name,
        f"{noun} is no longer declared",
        "drop",
        [sql],
        DropWork(sql),
        hazards,
        live.rows,
        live.bytes,
        optional=True,
    )


def alter_step(
    diff: TableDiff, work: AlterWork, changes: Sequence[Change], blocked: str, touched: int, label: str = ""
) -> Step:
    """A change in place. ``touched``: bytes that its mutations rewrite. With a ``label`` it is an optional step."""
    mutates = any(alter.mutates for alter in work.alters)
    strategy: Strategy = "mutate" if mutates else "alter"
    extra = (
        (Hazard("rewrites-data", f"the server rewrites parts of {diff.live.name} in the background"),)
        if mutates
        else ()
    )
    return Step(
        id=f"{diff.live.name}:{label or strategy}",
        object=diff.live.name,
        change=words(changes),
        strategy=strategy,
        sql=[line for alter in work.alters for line in (*_held_to(alter.guards), alter.sql)],
        work=work,
        hazards=(*change_hazards(changes), *extra),
        rows=diff.live.rows if mutates else 0,
        bytes=touched if mutates else 0,
        optional=bool(label),
        blocked=blocked,
        changes=each(changes),
    )


def _held_to(guards: Sequence[Guard]) -> list[str]:
    """What writers may not insert until the next statement."""
    # One line: what stands behind a newline would be no comment any more.
    return [f"-- no INSERT may add rows from here on that {guard.problem}".replace("\n", " ") for guard in guards]


def pin_step(diff: TableDiff, alter: Alter, names: Sequence[str]) -> Step:
    """Write defaults that are computed at every read into the parts, before rows are copied."""
    name = diff.live.name
    change = f"defaults of {', '.join(names)} are written into parts that do not hold them"
    hazard = Hazard("rewrites-data", f"the server writes {', '.join(names)} of {name} in the background")
    return Step(
        f"{name}:pin", name, change, "mutate", [alter.sql], AlterWork(name, (alter,)), (hazard,), diff.live.rows, 0
    )


def attach_step(diff: TableDiff, work: AttachWork, changes: Sequence[Change], blocked: str) -> Step:
    """A new table that takes over the parts."""
    shadow = _shadow(diff.live.name)
    live, new = diff.name, qualified(diff.database, shadow)
    sql = [
        *(line for alter in work.alters for line in (*_held_to(alter.guards), alter.sql)),
        form_sql(work.form, diff.database, shadow),
        (
            "-- writers wait from here (table_readonly) where the server has that; elsewhere the tables are "
            "exchanged first"
        ),
        alter_table(new, attach_all_partitions_from(live)),
        exchange_tables(live, new),
        (
            "-- wait for inserts that were running, move their parts across, compare; keep the old table for a "
            "rollback, then"
        ),
        drop("TABLE", new),
    ]
    hazards = (
        *change_hazards(changes),
        Hazard("holds-up-writers", f"inserts into {diff.live.name} wait or are refused for a moment"),
    )
    return Step(
        f"{diff.live.name}:attach",
        diff.live.name,
        words(changes),
        "attach",
        sql,
        work,
        hazards,
        diff.live.rows,
        # Hard links: no row is read, and no byte is written.
        0,
        blocked=blocked,
        changes=each(changes),
    )


def rebuild_step(diff: TableDiff, work: RebuildWork, changes: Sequence[Change], blocked: str, reason: str = "") -> Step:
    """A copy. ``reason``: what a change in place would make different."""
    shadow = _shadow(diff.live.name)
    live, new = diff.name, qualified(diff.database, shadow)
    names = ", ".join(quote_name(column.target) for column in work.columns)
    expressions = ", ".join(column.expression for column in work.columns)
    where = f" WHERE {work.where}" if work.where else ""
    unverified = [column.target for column in work.columns if not column.verify]
    sql = [
        *(
            [f"-- a copy, because in place something else would come of it: {reason}".replace("\n", " ")]
            if reason
            else []
        ),
        form_sql(work.form, diff.database, shadow),
        *_held_to(work.guards),
        *(["-- writers are locked out (table_readonly) for the last part of the copy"] if work.fenced else []),
        "-- for each partition, in chunks, through a staging table, with count and checksum:",
        f"INSERT INTO {new} ({names}) SELECT {expressions} FROM {live}{where}",
        *([f"-- not part of the checksum: {', '.join(unverified)}"] if unverified else []),
        exchange_tables(live, new),
        "-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then",
        drop("TABLE", new),
    ]
    extra = [
        Hazard(
            "rewrites-data",
            f"{all_text(diff.live.rows, 'row')} of {diff.live.name} {verb_for(diff.live.rows, 'are')} copied",
        )
    ]
    if work.fenced:
        extra.append(
            Hazard("holds-up-writers", f"inserts into {diff.live.name} are refused while the last part is copied")
        )
    hazards = (*dict.fromkeys(hazard for change in changes for hazard in change.copied_hazards), *extra)
    return Step(
        f"{diff.live.name}:rebuild",
        diff.live.name,
        words(changes),
        "rebuild",
        sql,
        work,
        hazards,
        diff.live.rows,
        diff.live.bytes,
        blocked=blocked,
        changes=each(changes),
    )


def impossible_step(diff: TableDiff, changes: Sequence[Change], refusal: str, *, whole: bool = False) -> Step:
    """A blocked step for a table that no strategy can change. ``whole``: the refusal is a sentence of its own that
    names the table."""
    return Step(
        id=f"{diff.live.name}:rebuild",
        object=diff.live.name,
        change=words(changes),
        strategy="rebuild",
        sql=[f"-- no way was found: {refusal}"],
        work=AlterWork(diff.live.name, ()),
        # Nobody is asked to allow what would then be refused.
        hazards=tuple(hazard for hazard in change_hazards(changes) if not hazard.allow),
        rows=diff.live.rows,
        bytes=diff.live.bytes,
        blocked=refusal if whole else f"{diff.live.name} cannot be changed that way ({refusal})",
        changes=each(changes),
    )


def _shadow(name: str) -> str:
    return f"{SHADOW}{name}"
