"""Tables whose columns have defaults with a secret that the server does not show: ``encrypt('[HIDDEN]')``.

No table can be made from that text. But an ALTER of the live table leaves such a default as it is, with its secret. So
changes of other columns are tried with something else in its place, on clones, and are carried out where nothing of it
is in what is sent. What such a default reads is hidden with the secret: it may be any column.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.secrets import STAND_IN, standing_in
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.target import Target, live_column
from aaiclick.plan.model import Step
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.steps import impossible_step
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.secrets import HIDDEN

_BY_HAND = (
    "the server does not show the secret in its {kind}. Add or change that column by hand, with ALTER TABLE, and run "
    "again; or let the server show it (display_secrets_in_show_and_select)"
)


def without_hidden_defaults(form: TableForm, target: Target) -> tuple[TableForm, Target, tuple[str, ...]]:
    """Both without the defaults that hide a secret and stay as they are, and the names of their columns."""
    old, new = {column.name: column for column in form.columns}, {column.name: column for column in target.form.columns}
    for name, column in list(new.items()):
        live = live_column(form, target.renames, name)
        if live is not None and HIDDEN in column.expression and _default(live) == _default(column):
            # The same text on both sides: it is no difference, clones can be made, and no statement to the live table
            # contains it.
            stand_in = standing_in(live)
            old[live.name], new[name] = replace(live, expression=stand_in), replace(column, expression=stand_in)
    hidden = tuple(name for name, column in new.items() if column is not target.form.column(name))
    if not hidden:
        return form, target, ()
    return (
        replace(form, columns=tuple(old.values())),
        replace(target, form=replace(target.form, columns=tuple(new.values()))),
        hidden,
    )


def _default(column: ColumnForm) -> tuple[str, str]:
    return column.kind, column.expression


def may_change(diff: TableDiff, data_name: str) -> Routine[str]:
    """Why the table cannot be changed in place, because of such a default; '' where it may be."""
    if not diff.hidden_defaults:
        return ""
    retyped = [change.new.name for change in diff.changes if isinstance(change, RetypeColumn)]
    if not retyped or not diff.live.rows:
        return ""
    held = yield from held_columns(diff.database, data_name, diff.hosts)
    old = {new: name for name, new in diff.target.renames}
    for name in diff.hidden_defaults:
        column = diff.target.form.column(name)
        if column is not None and column.kind in ("DEFAULT", "MATERIALIZED") and held.lacking(old.get(name, name)):
            # Their rows read the default, and would read it over the new type from then on.
            return (
                f"column {name} of {diff.live.name}: its {column.kind} may read {', '.join(retyped)}, which the server "
                "does not show, and parts from before the column read it. Run ALTER TABLE "
                f"{diff.name} MATERIALIZE COLUMN {name} first"
            )
    return ""


def unhidden(diff: TableDiff, step: Step) -> Step:
    """The step; a blocked one where a stand-in would be sent."""
    if not diff.hidden_defaults or step.blocked or STAND_IN not in f"{step.sql} {step.work}":
        return step
    name = diff.hidden_defaults[0]
    return impossible_step(diff, diff.changes, _said(diff, name), whole=True)


def _said(diff: TableDiff, name: str) -> str:
    column = diff.target.form.column(name)
    return (
        f"column {name} of {diff.live.name}: {_BY_HAND.format(kind=column.kind if column is not None else 'default')}"
    )


def hidden_change(diff: TableDiff) -> str:
    """Why nothing can be tried, because what is to change holds a secret that the server does not show; '' where
    something can."""
    for column in diff.target.form.columns:
        if HIDDEN in column.expression:
            return _said(diff, column.name)
    return ""
