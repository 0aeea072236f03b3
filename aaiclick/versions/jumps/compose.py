"""Several versions of one table in one copy: each column of the newest version as an expression over the live columns.

A migration's expression reads columns as the versions before it left them. So the earlier expression is bound to the
column's name inside the later one: ``arrayMap(kwargs -> <later>, [<earlier>])[1]``. The engine resolves names,
shadowing and subcolumns in there by its own rules. Replacing names in the text could not do that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.specs.renames import applicable, circle, swap_problem, with_leaves
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.versions.jumps.cells import (
    Cell,
    UnknownValueError,
    alias_of,
    as_declared_last,
    as_last_declared,
    bind,
    cast_to,
    in_released_form,
    newly_added,
    reads_the_same,
    stored_aliases,
    unread_again,
    unsure_of_type,
    what_it_reads,
    with_aliases,
    with_ephemeral,
)
from aaiclick.versions.jumps.earlier_defaults import is_another, last_name, unknown_defaults
from aaiclick.versions.jumps.meanings import converted_through, converting, other_meanings
from aaiclick.versions.version_changes import Composed, Drop, StoredAlias, VersionChange


def compose(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> Composed:
    """The changes (oldest first) as one step from ``live`` to ``declared``."""
    # The last one counts: whatever versions before it filled goes with the table.
    emptied = next((change for change in reversed(changes) if change.gone), None)
    if emptied is not None:
        return _emptied(live, declared, emptied, changes)
    rebuilds = tuple(change for change in changes if change.rebuild is not None)
    in_place = tuple(change for change in changes if change.in_place)
    walk = _walked(live, changes, declared)
    cells, problem = walk.cells, walk.problem
    again = {} if problem else {name: one for name, one in walk.dropped.items() if _again(name, cells, live, declared)}
    unread = {} if problem else {name: one for name, one in walk.unread.items() if _stored(name, declared)}
    # An ALIAS holds nothing that would have to begin anew.
    dropping = [change for name, (change, _) in (*again.items(), *unread.items()) if _stored(name, declared)]
    ways = _ways(live, cells, declared, {*again, *unread}, problem)
    dropping += converting(ways, changes) if ways else []
    rebuilds = tuple(change for change in changes if change in rebuilds or change in dropping)
    defaults = _earlier_defaults(walk, declared) if not problem else {}
    aliases: Mapping[str, StoredAlias] = {}
    becomes: Mapping[str, str] = {}
    try:
        if not problem:
            aliases = stored_aliases(live, cells, walk.last, declared)
            becomes = unread_again(cells, walk.last, unread, declared)
    except UnknownValueError as error:
        problem = str(error)
    renames = _moved(walk, declared)
    filled = {*aliases, *(_filled(cells, live, declared, copied=bool(rebuilds or defaults or aliases)))}
    columns = {name: as_last_declared(cell, declared.column(name)) for name, cell in cells.items() if name in filled}
    columns |= {**becomes, **(converted_through(live, cells, ways, declared) if ways else {})}
    problem = _begun_anew(again, columns, renames, cells, changes, declared) or problem
    swapped = _swapped(renames)
    problem = problem or swap_problem(swapped)
    # Asked for as a copy, so that there is a step to block: by its names alone the table may be as it is declared.
    rebuilds = tuple(change for change in changes if change in rebuilds or (swapped and change.renames))
    renames = {old: new for old, new in renames.items() if old not in swapped}
    back: Mapping[str, str] = {}
    try:
        back = _rollback_columns(live, changes, declared)
    except UnknownValueError as error:
        problem = problem or str(error)
    where = " AND ".join(f"({each})" if walk.conditions[1:] else each for each in walk.conditions)
    told = {*walk.cells, *renames, *again}
    unknown, contradiction = unknown_defaults(live, told, changes, declared) if len(changes) > 1 else ((), "")
    problem = problem or contradiction
    return Composed(
        columns,
        renames,
        where,
        back,
        rebuilds,
        in_place,
        problem,
        defaults,
        _drops(again, cells, live, declared),
        unknown_defaults=unknown,
        aliases=aliases,
        unread={name: Drop(change.label, column) for name, (change, column) in unread.items()},
        through={name: tuple(each for _, each in way) for name, way in ways.items()},
    )


_Ways = Mapping[str, tuple[tuple[int, str], ...]]


def _ways(
    live: TableForm, cells: Mapping[str, Cell], declared: TableForm, others: Collection[str], problem: str
) -> _Ways:
    """The columns that are converted through the types of the versions between."""
    retyped = not problem and any(cell.way for cell in cells.values())
    return other_meanings(live, cells, declared, others) if retyped else {}


def _filled(cells: Mapping[str, Cell], live: TableForm, declared: TableForm, *, copied: bool) -> list[str]:
    """Columns that an expression fills. A column that is only new needs no copy: it is filled where one is made in any
    case (``copied``)."""
    return [
        name
        for name, cell in cells.items()
        if not cell.origin
        and (copied or cell.added is None)
        and (declared.column(name) is not None or live.column(name) is not None)
    ]


def _begun_anew(
    again: Mapping[str, tuple[VersionChange, str]],
    columns: dict[str, str],
    renames: Mapping[str, str],
    cells: Mapping[str, Cell],
    changes: Sequence[VersionChange],
    declared: TableForm,
) -> str:
    """Adds what fills columns that were dropped on the way; why they cannot be filled, '' where they can."""
    problem = unknown = ""
    for name, (change, _) in again.items():
        column = declared.column(name)
        if name in renames.values():
            problem = f"{change.label} drops column {name}, whose name another column gets later. {_stop(change)}"
        elif name not in columns and column is not None and column.stored:
            # Where the last but one drops it only the last can make it anew: its default reads what is declared.
            known = as_declared_last(cells, declared) if change in changes[-2:] else cells
            try:
                columns[name] = newly_added(column, with_ephemeral(known, declared), change.label).text
            except UnknownValueError as error:
                unknown = unknown or str(error)
    return problem or unknown


@dataclass(frozen=True, slots=True)
class _Walk:
    """What the versions have made of the live columns."""

    cells: Mapping[str, Cell]
    """The columns after the last of them."""
    last: Mapping[str, Cell]
    """The same, with each ALIAS as it is declared."""
    earlier: Mapping[str, Cell]
    """Those before the last one."""
    conditions: Sequence[str]
    """The filters, over the live rows."""
    dropped: Mapping[str, tuple[VersionChange, str]]
    """Live columns that are dropped on the way: by which version, and under which name."""
    unread: Mapping[str, tuple[VersionChange, str]]
    """Live columns that are stored, and an ALIAS on the way: by their last names, in which version, and under which
    name."""
    problem: str
    """Why they cannot be put together; '' where they can."""


def _walked(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> _Walk:
    # An EPHEMERAL column is not stored: there is nothing that a version could make of it.
    cells = {
        column.name: Cell(quote_name(column.name), column.type, column.name, stored=column.stored)
        for column in live.columns
        if column.kind != "EPHEMERAL"
    }
    conditions: list[str] = []
    problem = ""
    dropped: dict[str, tuple[VersionChange, str]] = {}
    unread: dict[str, tuple[VersionChange, str]] = {}
    earlier = cells
    known = live
    for place, change in enumerate(changes):
        last = place == len(changes) - 1
        earlier = cells
        if change.renames:
            names = [column.name for column in known.columns]
            known = renamed_form(known, tuple(with_leaves(change.renames, names).items()))
        try:
            # Oldest first: the expressions of a version are over the columns that the one before it has left.
            cells = _step(cells, change, conditions, declared)
        except UnknownValueError as error:
            problem = problem or str(error)
            continue
        form = declared if last else change.form
        # To allow a drop is no drop yet: only where the form of that version lacks the column is it gone.
        for name in sorted(change.dropped & set(cells)):
            if form is None or form.column(name) is None:
                dropped[cells[name].origin or name] = (change, name)
                del cells[name]
        for name in [] if form is None or last or change.copied else _made_ephemeral(cells, form):
            if cells[name].origin:
                dropped[cells[name].origin] = (change, name)
            del cells[name]
        # Not to the declared types: from the last form on the plan converts.
        if change.form is not None and not last:
            for name in _made_aliases(cells, known, change, change.form):
                unread.setdefault(last_name(name, changes[place + 1 :]), (change, name))
            try:
                cells = in_released_form(cells, known, change, change.form)
            except UnknownValueError as error:
                problem = problem or str(error)
            known = change.form
        elif not last:
            cells = {
                name: unsure_of_type(cell, declared.column(last_name(name, changes[place + 1 :])))
                for name, cell in cells.items()
            }
    made = any(cell.added is not None or cell.computed is not None for cell in cells.values())
    final = with_aliases(cells, known, changes[-1], declared) if made else cells
    return _Walk(cells, with_ephemeral(final, declared), earlier, conditions, dropped, unread, problem)


def _made_ephemeral(cells: Mapping[str, Cell], form: TableForm) -> list[str]:
    """Columns that are no longer stored, nor computed: a later version that stores one begins with its default."""
    return [column.name for column in form.columns if column.kind == "EPHEMERAL" and column.name in cells]


def _made_aliases(cells: Mapping[str, Cell], known: TableForm, change: VersionChange, form: TableForm) -> list[str]:
    """Live columns that are stored until this version, which makes an ALIAS of them."""
    if change.copied:
        return []
    return [
        column.name
        for column in form.columns
        if column.kind == "ALIAS"
        and (cell := cells.get(column.name)) is not None
        and cell.stored
        and (old := known.column(column.name)) is not None
        and old.stored
    ]


def _moved(walk: _Walk, declared: TableForm) -> dict[str, str]:
    """Live name and new name of columns that are still there under another one."""
    renames: dict[str, str] = {}
    for name, cell in walk.cells.items():
        # The old name may be another column's by now: then the column moves also where nobody declares its new one.
        taken = name in walk.earlier and bool(cell.origin) and declared.column(cell.origin) is not None
        if cell.origin not in ("", name) and (taken or declared.column(name) is not None):
            renames[cell.origin] = name
    return renames


def _swapped(renames: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that swap names."""
    left = dict(renames)
    found: tuple[str, ...] = ()
    while names := circle(left):
        found += names
        left = {old: new for old, new in left.items() if old not in names}
    return found


def _again(name: str, cells: Mapping[str, Cell], live: TableForm, declared: TableForm) -> bool:
    """True where a live column was dropped on the way, and the declared one of the name is another."""
    column, found = declared.column(name), live.column(name)
    if column is None or found is None or "EPHEMERAL" in (column.kind, found.kind):
        return False
    return name not in cells or cells[name].origin != name


def _drops(
    again: Mapping[str, tuple[VersionChange, str]], cells: Mapping[str, Cell], live: TableForm, declared: TableForm
) -> dict[str, Drop]:
    return {
        name: Drop(
            change.label,
            column,
            ephemeral=column not in change.dropped,
            reads=alias_of(name, live),
            same=reads_the_same(name, cells, live, declared),
        )
        for name, (change, column) in again.items()
    }


def _stored(name: str, form: TableForm) -> bool:
    column = form.column(name)
    return column is not None and column.stored


def _emptied(live: TableForm, declared: TableForm, change: VersionChange, changes: Sequence[VersionChange]) -> Composed:
    """A version drops the table, and a later one makes it anew: no row comes along."""
    if live.holds_nothing:  # it only gets another definition
        return Composed()
    # No row is copied (WHERE 0), so any value of the type will do.
    columns = {
        column.name: f"defaultValueOfTypeName({quote_string(column.type)})"
        for column in declared.columns
        if column.kind in ("", "DEFAULT")
    }
    kept = "" if live.merge_tree and declared.merge_tree else f"{change.label} drops {live.name}"
    problem = f"{kept}, and a later version makes it anew. {_stop(change)}" if kept else ""
    later = [each for each in changes if each.rebuild is not None and each.version > change.version]
    return Composed(columns, where="0", rebuilds=(change, *later), problem=problem, emptied=change.label)


def _stop(change: VersionChange) -> str:
    return f"Bring the database to version {change.version} first: aaiclick migrate --to {change.version}"


def _earlier_defaults(walk: _Walk, declared: TableForm) -> dict[str, str]:
    """Columns that have to be filled with the default of the version that added them."""
    found: dict[str, str] = {}
    last = {
        # The cells have the types of the last released form.
        name: replace(cell, type=column.type) if cell.type and (column := declared.column(name)) is not None else cell
        for name, cell in walk.last.items()
    }
    for name, cell in walk.cells.items():
        column = declared.column(name)
        if (
            cell.added is not None
            and column is not None
            and is_another(cell.added, column, what_it_reads(column, last))
        ):
            found[name] = cell.added.label
    return found


def _rollback_columns(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> dict[str, str]:
    """The live columns as expressions over the declared ones, from the newest version to the oldest, where migrations
    say how."""
    if not any(change.rebuild is not None and change.rebuild.back for change in changes):
        return {}
    cells = {
        column.name: Cell(quote_name(column.name), column.type, column.name)
        for column in declared.columns
        if column.kind != "EPHEMERAL"
    }
    # From the newest version back: the columns of each are made of those of the version after it.
    for place in range(len(changes) - 1, -1, -1):
        change = changes[place]
        form = changes[place - 1].form if place else live
        # What the migration says nothing of goes back as it is.
        below = dict(cells)
        for old, new in change.renames.items():
            if new in below:
                below[old] = below.pop(new)
        for name, expression in (change.rebuild.back if change.rebuild is not None else {}).items():
            column = form.column(name) if form is not None else None
            if form is not None and column is None:
                raise UnknownValueError(
                    f"{change.label} has a rollback expression for column {name} of {change.before}, which the "
                    "version before does not have"
                )
            text = bind(expression, cells, change)
            kind = column.type if column is not None else ""
            below[name] = Cell(cast_to(text, kind) if kind else text, kind)
        cells = below
    found = {
        column.name: (cells[column.name], column.type)
        for column in live.columns
        if column.stored and column.name in cells
    }
    # A column that is still itself goes back under its own name, without an expression.
    return {
        name: cell.text if cell.type == kind else cast_to(cell.text, kind)
        for name, (cell, kind) in found.items()
        if not cell.origin
    }


def _step(
    cells: Mapping[str, Cell], change: VersionChange, conditions: list[str], declared: TableForm
) -> dict[str, Cell]:
    """Apply one version. Its expressions read the columns as they were before it, under their old names."""
    after = dict(cells)
    # In an order in which no new name is still taken by another column.
    for old, new in applicable(with_leaves(change.renames, after), after):
        after[new] = after.pop(old)
    if change.rebuild is None:
        return after
    wanted = change.form if change.form is not None else declared
    for name, expression in change.rebuild.columns.items():
        known = wanted.column(name)
        if known is None and name not in after and change.form is not None:
            raise UnknownValueError(
                f"{change.label} fills column {name} of {change.table}, which version {change.version} does not have"
            )
        text = bind(expression, cells, change)
        kind = known.type if known is not None and change.form is not None else ""
        after[name] = Cell(cast_to(text, kind) if kind else text, kind)
    if change.rebuild.where:
        conditions.append(bind(change.rebuild.where, cells, change))
    return after
