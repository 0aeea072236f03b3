"""Views that a run drops and makes anew: what nothing on the server says in between is in the journal. That is whether
somebody has stopped the view, and what nobody declares of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from aaiclick.catalog.forms import Catalog, ColumnForm, ViewForm
from aaiclick.clickhouse.statements import send
from aaiclick.error_codes import ACCESS_DENIED, BAD_ARGUMENTS, UNKNOWN_TABLE
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork, DropWork, ReplaceWork
from aaiclick.routine import Command, Emit, Query, Routine, text
from aaiclick.sql.clauses import comment_column
from aaiclick.sql.cluster import Head, head_of
from aaiclick.sql.ddl import alter_table, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.journal import Details
from aaiclick.state.progress import (
    KEPT,
    STOPPED,
    JournalScope,
    enter_end,
    enter_start,
)

# Refreshable views that an operator has stopped (SYSTEM STOP VIEW), and that a run makes anew. Between the DROP of one
# and the STOP behind its CREATE nothing on the server says that it was stopped. So it is in the journal before it is
# dropped, until it is stopped again: by the run, or by the next one where that was killed.


def stopped_by(steps: Iterable[Step]) -> frozenset[str]:
    """The views that the steps stop, by their quoted names."""
    return frozenset(qualified(*head.names[0]) for head in _heads(steps) if head.kind == "STOP VIEW" and head.names)


def enter_dropped(scope: JournalScope, step: Step, stopped: Collection[str]) -> Routine[None]:
    """Before a step that drops one of the views that are stopped, by their quoted names."""
    for view in sorted(_dropped_by(step) & frozenset(stopped)):
        yield from enter_start(scope, f"0{STOPPED}{view}", {"view": view})


def stop_made(scope: JournalScope, step: Step, stopped: Collection[str]) -> Routine[None]:
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


def enter_kept(scope: JournalScope, step: Step, kept: Mapping[str, Details]) -> Routine[None]:
    """Before a step that drops a view which the same plan makes anew."""
    for view in sorted(_dropped_by(step) & kept.keys()):
        yield from enter_start(scope, f"0{KEPT}{view}", kept[view])


def end_kept(scope: JournalScope, step: Step, kept: Mapping[str, Details]) -> Routine[None]:
    """Behind a step that makes one of them."""
    for view in sorted(_made_by(step, *_VIEWS) & kept.keys()):
        yield from enter_end(scope, f"0{KEPT}{view}")


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
