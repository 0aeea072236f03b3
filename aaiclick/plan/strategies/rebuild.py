"""The strategy ``rebuild``: a new table is filled with a copy of the rows, and takes the place of the old one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.clickhouse.messages import first_line
from aaiclick.diff.changes.ttl import keeps_all
from aaiclick.diff.conversion.convert import conversion, prepared
from aaiclick.diff.conversion.states import is_state, remade
from aaiclick.diff.merging import ORDER_LOST, order_is_lost, order_matters, ties_matter
from aaiclick.diff.target import live_column
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.plan.proof.nondeterministic import nondeterministic
from aaiclick.plan.rehearsal.empty_clone import Clone, Outcome, attempt
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.quoting import quote_name

_UNVERIFIED = ("AggregateFunction(", "Dynamic", "JSON", "Object(", "QBit(")


@dataclass(frozen=True, slots=True)
class RebuildProposal:
    """A copy of a table. ``work`` is None where even a copy is refused, with the engine's message in ``refusal``."""

    work: RebuildWork | None
    refusal: str = ""


def propose_rebuild(diff: TableDiff) -> Routine[RebuildProposal]:
    """Create the target in scratch and copy an empty clone into it, which checks the types without a row."""
    if not diff.form.merge_tree:
        return RebuildProposal(
            None, f"a table of engine {diff.form.engine} cannot be rebuilt without losing rows written meanwhile"
        )
    if not diff.target.form.merge_tree:
        return RebuildProposal(None, f"engine {diff.target.form.engine} cannot take over the parts of a copy")
    # A value that is another one at each call can be copied, and compared with nothing.
    columns = yield from _comparable(diff, copy_columns(diff))
    clone = yield from diff.make_clone(diff.form, "rebuild")
    wanted = yield from diff.make_clone(diff.target.form, "rebuilt")
    if wanted.refusal:
        return RebuildProposal(None, f"a new table of that definition is not created by this server ({wanted.refusal})")
    names = ", ".join(quote_name(column.target) for column in columns)
    expressions = ", ".join(column.expression for column in columns)
    where = f" WHERE {diff.where}" if diff.where else ""
    copy = f"INSERT INTO {wanted.name} ({names}) SELECT {expressions} FROM {clone.name}{where}"
    # MATERIALIZED columns are copied, not computed anew: now64() would give other values.
    outcome = yield from attempt(wanted, copy, {"insert_allow_materialized_columns": 1})
    if not outcome.accepted:
        return RebuildProposal(None, (yield from _refused(diff, columns, clone, outcome)))
    settings = outcome.settings
    if not settings and any(column.kind == "ALIAS" for column in diff.target.form.columns):
        # Rows are written into it without them, but the server looks at every ALIAS before it reads one.
        settings = (yield from attempt(wanted, f"SELECT {names} FROM {wanted.name} WHERE 0 FORMAT Null")).settings
    back = tuple(CopyColumn(name, expression) for name, expression in sorted(diff.back.items()))
    if back and (refused := (yield from _rollback_refused(clone, wanted, back))):
        return RebuildProposal(None, refused)
    target = diff.target.form
    # Where nothing else ranks two rows of a key, the later block wins. A copy that gave out numbers in another order
    # would let other rows survive.
    ordered = ties_matter(target)
    # A table that is not replicated numbers its blocks through.
    numbered_anew = diff.as_spelled.engine.startswith(("Replicated", "Shared"))
    # Each partition of a replicated table numbers its blocks from 0, so nothing says which of two rows of different
    # partitions is the later one.
    if ordered and numbered_anew and order_is_lost(diff.form.partition_by, target.partition_by):
        return RebuildProposal(None, f"{ORDER_LOST.format(engine=target.engine)}: do it by hand, on all hosts")
    work = RebuildWork(
        table=diff.live.name,
        form=target,
        columns=columns,
        where=diff.where,
        ordered=ordered,
        # Rows that come across behind the exchange get the highest numbers, and so would win over newer ones. And while
        # the server exchanges two tables it knows no views of them, so rows of that moment would pass by a view.
        fenced=order_matters(target) or bool(diff.live.dependents),
        keeps_ttl=not _has_ttl(diff.form) or (bool(diff.form.ttl) and not keeps_all(diff.form.ttl, target.ttl)),
        settings=settings,
        back=back,
    )
    return RebuildProposal(work)


def _rollback_refused(clone: Clone, wanted: Clone, back: Sequence[CopyColumn]) -> Routine[str]:
    """Why rows cannot go back as the migration says; '' where they can. When it is needed is no time to find out."""
    names = ", ".join(quote_name(column.target) for column in back)
    expressions = ", ".join(column.expression for column in back)
    tried = yield from attempt(clone, f"INSERT INTO {clone.name} ({names}) SELECT {expressions} FROM {wanted.name}")
    if tried.accepted:
        return ""
    targets = ", ".join(column.target for column in back)
    return f"the rollback expression of {targets} is refused: {first_line(tried.message)}"


def _has_ttl(form: TableForm) -> bool:
    return bool(form.ttl) or any(column.ttl for column in form.columns)


def _refused(diff: TableDiff, columns: tuple[CopyColumn, ...], clone: Clone, outcome: Outcome) -> Routine[str]:
    """The columns that the engine cannot convert; its message about the copy where it is none of them."""
    said: list[str] = []
    ways: dict[str, str] = {}
    states = False
    for column in columns:
        written = diff.column_expressions.get(column.target, "")
        # An expression that is a column alone says what is to be converted, too.
        old = _named(diff, written) if written else live_column(diff.form, diff.target.renames, column.target)
        new = diff.target.form.column(column.target)
        if new is None or not (written or (old is not None and old.type != new.type)):
            continue
        alone = yield from attempt(clone, f"SELECT {column.expression} FROM {clone.name} WHERE 0 FORMAT Null")
        if not alone.accepted:
            was = f" from {old.type}" if old is not None else ""
            given = f", which the migration fills with {written}," if written else ""
            message = first_line(alone.message)
            said.append(f"column {column.target}{given} does not convert{was} to {new.type}: {message}")
            states = states or is_state(new.type) or (old is not None and is_state(old.type))
            made = _remade(old, new.type) if old is not None else ""
            ways[column.target] = yield from _way(clone, made, new.type)
    if not said:
        return f"its rows cannot be copied: {first_line(outcome.message)}"
    why = "; ".join(said)
    if all(ways.values()):
        listed = ", ".join(f"{name!r}: {way!r}" for name, way in ways.items())
        return f"{why}. A migration can say how: Rebuild(columns={{{listed}}})"
    if states:
        none = ", ".join(name for name, way in ways.items() if not way)
        return (
            f"{why}. No expression makes the one of the other ({none}): add a column of the new type under another "
            "name, and fill it from what the states were made of"
        )
    if diff.column_expressions.keys() & ways.keys():
        return f"{why}. Its expression has to make values of that type"
    return f"{why}. A migration with Rebuild(columns=...) can say how"


def _named(diff: TableDiff, expression: str) -> ColumnForm | None:
    """The live column that an expression is and nothing else; None for any other."""
    return next((each for each in diff.form.columns if expression.strip() in (each.name, quote_name(each.name))), None)


def _remade(old: ColumnForm, wanted: str) -> str:
    """What makes values of the type of such a column; '' where nothing is known to."""
    name = quote_name(old.name)
    return prepared(name, old.type, wanted) or remade(name, old.type, wanted)


def _way(clone: Clone, expression: str, wanted: str) -> Routine[str]:
    """The expression where the engine takes it for the type; '' where it does not, or there is none."""
    if not expression:
        return ""
    tried = yield from attempt(
        clone, f"SELECT CAST({expression}, {_type_literal(wanted)}) FROM {clone.name} WHERE 0 FORMAT Null"
    )
    return expression if tried.accepted else ""


def _comparable(diff: TableDiff, columns: tuple[CopyColumn, ...]) -> Routine[tuple[CopyColumn, ...]]:
    """The columns; one whose expression is another value at each call (``now()``) is left out of the checksum."""
    changing = yield from nondeterministic(diff.column_expressions.values(), diff.form)
    return tuple(
        replace(column, verify=column.verify and diff.column_expressions.get(column.target, "") not in changing)
        for column in columns
    )


def copy_columns(diff: TableDiff) -> tuple[CopyColumn, ...]:
    """Every stored column of the target that can be filled from the old table. The others get their default."""
    found: list[CopyColumn] = []
    for column in diff.target.form.columns:
        expression = _expression(diff, column)
        if expression:
            found.append(CopyColumn(column.name, expression, not any(part in column.type for part in _UNVERIFIED)))
    return tuple(found)


def _expression(diff: TableDiff, column: ColumnForm) -> str:
    if column.name in diff.column_expressions and column.stored:
        return f"CAST({diff.column_expressions[column.name]}, {_type_literal(column.type)})"
    source = live_column(diff.form, diff.target.renames, column.name)
    # An EPHEMERAL column stores nothing that could be copied.
    if source is None or source.kind == "EPHEMERAL" or not column.stored:
        return ""
    # The new table computes it. What the ALIAS gave was never stored.
    if column.kind == "MATERIALIZED" and source.kind == "ALIAS":
        return ""
    return conversion(quote_name(source.name), source.type, column.type)


def _type_literal(type_text: str) -> str:
    escaped = type_text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
