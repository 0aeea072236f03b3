"""Writes the journal entries of steps that must be done only once, while they are carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from aaiclick.catalog.forms import Catalog, ColumnForm, ViewForm
from aaiclick.clickhouse.statements import send
from aaiclick.clickhouse.tables import physical
from aaiclick.error_codes import ACCESS_DENIED, BAD_ARGUMENTS, UNKNOWN_TABLE
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, BackfillWork, CreateWork, DropWork, RebuildWork, ReplaceWork
from aaiclick.routine import Command, Emit, Nonce, Query, Routine, text
from aaiclick.sql.clauses import comment_column
from aaiclick.sql.cluster import Head, head_of, with_uuid
from aaiclick.sql.ddl import alter_table, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.journal import Details, ensure_journal
from aaiclick.state.progress import (
    KEPT,
    STOPPED,
    Converted,
    JournalScope,
    enter_end,
    enter_rebuild_end,
    enter_start,
    ttl_change_key,
)
from aaiclick.state.transition import TransitionStart, additive, begin_transition
from aaiclick.versions.live import rebuild_key


@dataclass(frozen=True, slots=True)
class StepEntries:
    """Where the steps of one plan are entered, and what of them."""

    scope: JournalScope
    """Where in the journal."""
    steps: tuple[Step, ...]
    """The steps of the plan."""
    start: TransitionStart | None = None
    """What is entered before the first of them that is not additive; None: the version stays."""
    filled: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    """The versions whose migrations fill a table anew, by its name."""
    converted: Mapping[str, Converted] = field(default_factory=dict[str, Converted])
    """The copies with expressions that earlier runs have made for pending migrations, by their keys."""
    numbered: bool = False
    """Whether the database lets a CREATE say which storage it makes."""
    stopped: frozenset[str] = frozenset()
    """Refreshable views that are stopped, or were before a killed run made them anew, and that this run makes anew."""

    kept: Mapping[str, Details] = field(default_factory=dict[str, Details])
    """What nobody declares of the views that the steps drop and make anew, by their quoted names."""

    freed: frozenset[str] = frozenset()
    """Tables whose TTL merges are stopped until they are copied."""

    @property
    def first_not_additive(self) -> Step | None:
        """The first step that code of the version before does not bear."""
        return next((step for step in self.steps if not additive(step)), None)


def enter_begun(entries: StepEntries, step: Step) -> Routine[Step]:
    """Before the first effect of a step; the step as it is to be carried out.

    Whatever is written into a table that is made is of the newest version: nothing of it is to be converted. That is
    known before the first row can be there, since the storage is entered before it is made.
    """
    # The transition first: whoever finds an entry of the step finds that it belongs to one under way.
    if entries.start is not None and step is entries.first_not_additive:
        yield from begin_transition(entries.scope, entries.start)
    # All of these before the step's own first effect: what it drops or changes is nowhere else to be read.
    yield from _enter_dropped(entries.scope, step, entries.stopped)
    yield from _enter_kept(entries, step)
    if _sets_ttl(step):
        yield from enter_start(entries.scope, ttl_change_key(step.object), {"table": step.object})
    if step.work.kind == "rebuild" and step.migrations:
        table = yield from physical(entries.scope.database, step.object)
        yield from _enter_rebuild(entries, step, table.uuid if table is not None else "", "")
    made = _made(entries, step)
    if not made or not entries.numbered or not isinstance(step.work, CreateWork):
        return step
    # The CREATE names the storage, so that it can be entered before it is there.
    uuid = yield from _fresh_uuid()
    for version in made:
        key = rebuild_key(version, step.object)
        details: dict[str, object] = {"uuid": "", "new": uuid, "table": step.object}
        yield from enter_start(entries.scope, key, details | _earlier(entries, key))
    return replace(step, work=replace(step.work, sql=with_uuid(step.work.sql, uuid)))


def enter_ttl_stops(entries: StepEntries, tables: Mapping[str, str]) -> Routine[StepEntries]:
    """Before the TTL merges of these tables are stopped for copies that are still to come; each with its UUID. The
    entries as they are from then on.

    No table shows that they are stopped. So the transition is under way first: whoever comes after a kill looks at the
    journal then, also code of the older version, which would find nothing to do otherwise.
    """
    if entries.start is not None:
        yield from begin_transition(entries.scope, entries.start)
    for table, uuid in tables.items():
        yield from enter_start(entries.scope, ttl_change_key(table), {"table": table, "uuid": uuid})
    return replace(entries, start=None, freed=frozenset(tables))


def enter_exchange(entries: StepEntries, table: str, before: str, new: str) -> Routine[None]:
    """Before the exchange of a rebuild or attach: from then on the storage under the name tells whether it is done.

    ``before``: UUID of the storage that goes. ``new``: of the one that takes its place; what was converted in the first
    is converted in the second.
    """
    for key, done in entries.converted.items():
        # What an earlier step has converted goes over into the new storage, and has to count there as well.
        if before in done.storages:
            yield from enter_rebuild_end(entries.scope, key, replace(done, storages=(*done.storages, new)))
    for step in entries.steps:
        if step.work.kind == "rebuild" and step.object == table:
            yield from _enter_rebuild(entries, step, before, new)


def enter_exchanged(entries: StepEntries, table: str, new: str) -> Routine[None]:
    """A rebuilt table, the storage ``new``, has taken the place of the old one. From now on another one under the name
    is no sign that nothing was converted."""
    for step in entries.steps:
        if step.work.kind == "rebuild" and step.object == table:
            yield from _enter_converted(entries, step.object, step.migrations, new)


def enter_done(entries: StepEntries, step: Step) -> Routine[None]:
    """After the last effect of a step."""
    # Stopped first, its entry ended second. A kill in between stops the view again, which changes nothing.
    yield from _stop_made(entries.scope, step, entries.stopped)
    for view in sorted(_made_by(step, *_VIEWS) & entries.kept.keys()):
        yield from enter_end(entries.scope, f"0{KEPT}{view}")
    if _sets_ttl(step) or freed_by_copy(step) in entries.freed:
        yield from enter_end(entries.scope, ttl_change_key(step.object))
    if made := _made(entries, step):
        # Storages may be entered here for the first time: a database whose CREATE takes no UUID has no entry before it.
        yield from ensure_journal(entries.scope.database)
        there = yield from physical(entries.scope.database, step.object)
        yield from _enter_converted(entries, step.object, made, there.uuid if there is not None else "")


def freed_by_copy(step: Step) -> str:
    """The table that it copies, where the old TTL would take rows of it before the exchange; '' for any other step."""
    return step.work.table if isinstance(step.work, RebuildWork) and not step.work.keeps_ttl else ""


def changes_ttl(step: Step) -> bool:
    """Whether TTL merges of a table are stopped for it."""
    return _sets_ttl(step) or bool(freed_by_copy(step))


def _sets_ttl(step: Step) -> bool:
    return isinstance(step.work, AlterWork) and (
        step.work.frees_ttl or any(alter.retimes for alter in step.work.alters)
    )


def _enter_rebuild(entries: StepEntries, step: Step, before: str, new: str) -> Routine[None]:
    """``new`` is '' as long as the exchange cannot have happened. Raises ApplyError where the rows of the storage
    ``before`` are converted already."""
    for version in step.migrations:
        key = rebuild_key(version, step.object)
        if before in _before(entries, key):
            raise ApplyError(
                f"{step.object} is storage {before} again, whose rows migration {version} has converted already: "
                "somebody else put it back. Run again"
            )
        details: dict[str, object] = {"uuid": before, "new": new, "table": step.object}
        yield from enter_start(entries.scope, key, details | _earlier(entries, key))


def _enter_converted(entries: StepEntries, table: str, versions: Sequence[int], new: str) -> Routine[None]:
    for version in versions:
        key = rebuild_key(version, table)
        yield from enter_rebuild_end(entries.scope, key, Converted(table, (*_before(entries, key), new)))


def _made(entries: StepEntries, step: Step) -> Sequence[int]:
    """The versions whose migrations fill a table that this step makes."""
    return entries.filled.get(step.object, ()) if step.work.kind == "create" else ()


def _fresh_uuid() -> Routine[str]:
    """One of version 4."""
    digits = ""
    while len(digits) < 32:
        digits += text((yield Nonce())[0][0])
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _earlier(entries: StepEntries, key: str) -> dict[str, object]:
    storages = _before(entries, key)
    return {"storages": storages} if storages else {}


def _before(entries: StepEntries, key: str) -> tuple[str, ...]:
    """The storages that earlier runs have converted."""
    known = entries.converted.get(key)
    return known.storages if known is not None else ()


# Refreshable views that an operator has stopped (SYSTEM STOP VIEW), and that a run makes anew. Between the DROP of one
# and the STOP behind its CREATE nothing on the server says that it was stopped. So it is in the journal before it is
# dropped, until it is stopped again: by the run, or by the next one where that was killed.


def stopped_by(steps: Iterable[Step]) -> frozenset[str]:
    """The views that the steps stop, by their quoted names."""
    return frozenset(qualified(*head.names[0]) for head in _heads(steps) if head.kind == "STOP VIEW" and head.names)


def _enter_dropped(scope: JournalScope, step: Step, stopped: Collection[str]) -> Routine[None]:
    """Before a step that drops one of the views that are stopped, by their quoted names."""
    for view in sorted(_dropped_by(step) & frozenset(stopped)):
        yield from enter_start(scope, f"0{STOPPED}{view}", {"view": view})


def _stop_made(scope: JournalScope, step: Step, stopped: Collection[str]) -> Routine[None]:
    """Behind a step that makes one of them: stop it, where the step itself does not."""
    for view in sorted(_made_by(step) & frozenset(stopped)):
        if view not in stopped_by([step]):
            yield from _stop(view)
        yield from enter_end(scope, f"0{STOPPED}{view}")


def stop_again(scope: JournalScope, stopped: Collection[str], steps: Iterable[Step]) -> Routine[None]:
    """Stop the views that a killed run made anew, or was about to. Those that these steps make are left to them."""
    coming = frozenset[str]().union(*map(_made_by, steps))
    for view in sorted(frozenset(stopped) - coming):
        yield from _stop(view)
        # The entry ends last: a run that is killed in between stops it once more, which changes nothing.
        yield from enter_end(scope, f"0{STOPPED}{view}")


def _stop(view: str) -> Routine[None]:
    try:
        yield from send(Command(system("STOP VIEW", view)))
        yield Emit(Note(f"{view} is stopped again: it was, before a run that was killed made it anew"))
    except StatementError as error:
        if error.code == ACCESS_DENIED:
            yield Emit(
                Note(
                    f"{view} was stopped before a run that was killed made it anew, and this user may not stop it "
                    "(SYSTEM VIEWS): stop it by hand",
                    "warning",
                )
            )
        elif error.code not in (UNKNOWN_TABLE, BAD_ARGUMENTS):  # it is gone, or is refreshed no longer
            raise


def _dropped_by(step: Step) -> frozenset[str]:
    """What a step drops in a database, by quoted names. Functions and collections are in none."""
    return frozenset(
        qualified(*names) for head in _heads([step]) if head.verb == "DROP" for names in head.names if len(names) == 2
    )


# What nobody declares of a view (its comment, as whom it reads, the comments of its columns) is nowhere between its
# DROP and its CREATE. So it is in the journal before it is dropped, until it is made: by the run, or by the next one.


_VIEWS = ("VIEW", "MATERIALIZED VIEW")


def undeclared_of(steps: Sequence[Step], catalog: Catalog) -> dict[str, Details]:
    """What nobody declares of the views that these steps drop and make anew, by their quoted names."""
    known = _undeclared(catalog)
    if not known:
        return {}
    dropped = frozenset[str]().union(*map(_dropped_by, steps))
    made = frozenset[str]().union(*(_made_by(step, *_VIEWS) for step in steps))
    return {view: said for view, said in known.items() if view in dropped & made}


def _undeclared(catalog: Catalog) -> dict[str, Details]:
    """What nobody can tell of the views that are there once they are dropped, by their quoted names."""
    found: dict[str, Details] = {}
    for name, live in catalog.objects.items():
        if isinstance(form := live.form, ViewForm):
            comments = {column.name: column.comment for column in form.columns if column.comment}
            if form.comment or form.security or comments:
                said: Details = {"name": name, "materialized": form.materialized, "comment": form.comment}
                found[qualified(catalog.database, name)] = {**said, "security": form.security, "columns": comments}
    return found


def kept_forms(kept: Mapping[str, Details]) -> dict[str, ViewForm]:
    """These views, by name, with nothing but that."""
    found: dict[str, ViewForm] = {}
    for said in kept.values():
        name, columns = str(said.get("name")), cast("Mapping[str, str]", said.get("columns") or {})
        found[name] = ViewForm(
            name,
            "",
            tuple(ColumnForm(column, "", comment=comment) for column, comment in columns.items()),
            materialized=bool(said.get("materialized")),
            comment=str(said.get("comment") or ""),
            security=str(said.get("security") or ""),
        )
    return found


def _enter_kept(entries: StepEntries, step: Step) -> Routine[None]:
    """Before a step that drops a view which the same plan makes anew."""
    for view in sorted(_dropped_by(step) & entries.kept.keys()):
        yield from enter_start(entries.scope, f"0{KEPT}{view}", entries.kept[view])


def keep_again(scope: JournalScope, kept: Mapping[str, Details]) -> Routine[None]:
    """Behind the steps of a run that finds such entries of a killed one: its CREATE had the rest, so only columns still
    lack their comments."""
    for view, said in sorted(kept.items()):
        comments = cast("Mapping[str, str]", said.get("columns") or {})
        lacking = yield from _without_comment(scope.database, str(said.get("name")), comments)
        if lacking:
            commands = [comment_column(quote_name(name), comments[name], if_exists=True) for name in lacking]
            refused = ""
            try:
                yield from send(Command(alter_table(view, *commands)))
            except OutcomeUnknownError:
                raise
            except StatementError as error:
                refused = f" ({error.message})"
            # Some servers take it of a view with a table of its own, and do nothing.
            still = yield from _without_comment(scope.database, str(said.get("name")), comments)
            if still:
                lost = ", ".join(f"{name}: {quote_string(comments[name])}" for name in still)
                words = f"columns of {view} have lost their comments, and the server takes none there{refused}: {lost}"
                yield Emit(Note(words, "warning"))
            else:
                yield Emit(Note(f"columns of {view} have their comments again: a run was killed while it made it anew"))
        # The entry ends last: a run that is killed in between looks once more.
        yield from enter_end(scope, f"0{KEPT}{view}")


def _without_comment(database: str, view: str, comments: Mapping[str, str]) -> Routine[list[str]]:
    """Those of these columns that are there without a comment."""
    if not comments:
        return []
    rows = yield Query(
        "SELECT name FROM system.columns WHERE database = unhex({db:String}) AND table = unhex({name:String}) AND "
        "comment = '' ORDER BY position",
        {"db": hexed(database), "name": hexed(view)},
    )
    return [name for row in rows if (name := text(row[0])) in comments]


def _made_by(step: Step, *kinds: str) -> frozenset[str]:
    """The views of these kinds (none given: the materialized ones) that a step makes, by their quoted names."""
    wanted = kinds or ("MATERIALIZED VIEW",)
    made = [head for head in _heads([step]) if head.verb == "CREATE" and head.kind in wanted]
    return frozenset(qualified(*head.names[0]) for head in made)


def _heads(steps: Iterable[Step]) -> list[Head]:
    statements: list[str] = []
    for step in steps:
        match step.work:
            case ReplaceWork(statements=several) | BackfillWork(statements=several):
                statements += several
            case CreateWork(sql=sql) | DropWork(sql=sql):
                statements.append(sql)
            case _:
                pass
    return [head for head in map(head_of, statements) if head is not None]
