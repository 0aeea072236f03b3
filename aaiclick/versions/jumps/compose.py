"""Several versions of one table in one copy: each column of the newest version as an expression over the live columns.

A migration's expression reads columns as the versions before it left them. So the earlier expression is bound to the
column's name inside the later one: ``arrayMap(kwargs -> <later>, [<earlier>])[1]``. The engine resolves names,
shadowing and subcolumns in there by its own rules. Replacing names in the text could not do that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.specs.renames import circle, swap_problem
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.versions.jumps.begun import start_of, still_to_come
from aaiclick.versions.jumps.cells import (
    Cell,
    UnknownValueError,
    alias_of,
    as_declared_last,
    as_last_declared,
    bind,
    cast_to,
    newly_added,
    reads_the_same,
    stored_aliases,
    unread_again,
    what_it_reads,
    with_ephemeral,
)
from aaiclick.versions.jumps.earlier_defaults import is_another, unknown_defaults
from aaiclick.versions.jumps.meanings import converted_through, converting, other_meanings
from aaiclick.versions.jumps.names import LiveNames
from aaiclick.versions.jumps.walk import Walk, walked
from aaiclick.versions.version_changes import Composed, Drop, Reached, StoredAlias, VersionChange


def compose(
    live: TableForm, changes: Sequence[VersionChange], declared: TableForm, reached: Reached | None = None
) -> Composed:
    """The changes (oldest first) as one step from ``live`` to ``declared``. ``reached``: what an earlier run has done
    of them already, as the journal says."""
    every, changes = tuple(changes), still_to_come(changes, reached)
    # The last one counts: whatever versions before it filled goes with the table.
    if emptied := next((change for change in reversed(changes) if change.gone), None):
        return _emptied(live, declared, emptied, changes)
    rebuilds = tuple(change for change in changes if change.rebuild is not None)
    in_place = tuple(change for change in changes if change.in_place)
    walk = walked(start_of(live, changes, reached), changes, declared)
    cells, problem = walk.cells, walk.problem
    renames = walk.names.moved(declared, walk.earlier)
    moved = {} if problem else _moved_unread(walk, renames, live, declared)
    again = {} if problem else _given_up(walk, moved, live, declared)
    unread = {} if problem else {name: one for name, one in walk.unread.items() if _stored(name, declared)}
    # An ALIAS holds nothing that would have to begin anew.
    dropping = [change for name, (change, _) in (*again.items(), *unread.items()) if _stored(name, declared)]
    ways = _ways(live, cells, declared, {*again, *unread}, problem)
    dropping += converting(ways, changes) if ways else []
    rebuilds = tuple(change for change in changes if change in rebuilds or change in dropping)
    defaults = _earlier_defaults(walk, declared) if not problem else {}
    aliases, becomes = dict[str, StoredAlias](), dict[str, str]()
    try:
        if not problem:
            aliases = stored_aliases(live, cells, walk.last, declared)
            becomes = unread_again(cells, walk.last, unread, declared)
    except UnknownValueError as error:
        problem = str(error)
    filled = {*aliases, *(_filled(cells, live, declared, copied=bool(rebuilds or defaults or aliases)))}
    columns = {name: as_last_declared(cell, declared.column(name)) for name, cell in cells.items() if name in filled}
    columns |= {**becomes, **(converted_through(live, cells, ways, declared) if ways else {})}
    kept = [new for old, new in renames.items() if old not in moved]
    problem = _begun_anew(again, columns, kept, cells, changes, declared) or problem
    swapped, unfilled = _swapped(renames, columns)
    stuck = swap_problem(unfilled) or _taken(*walk.names.taken(renames))
    # Asked for as a copy, so that there is a step to block: by its names alone the table may be as it is declared.
    rebuilds = tuple(change for change in changes if change in rebuilds or (stuck and change.renames))
    renames = {old: new for old, new in renames.items() if old not in swapped}
    back, unknown_back = _back(live, changes, declared)
    told = {*cells, *renames, *again}
    unknown, contradiction = unknown_defaults(live, told, changes, declared) if len(changes) > 1 else ((), "")
    problem = problem or stuck or unknown_back or contradiction
    return Composed(
        columns,
        renames,
        " AND ".join(f"({each})" if walk.conditions[1:] else each for each in walk.conditions),
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
        dropped=_dropped(walk.names if changes == every else _left(live, every, declared), declared),
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
    taken: Collection[str],
    cells: Mapping[str, Cell],
    changes: Sequence[VersionChange],
    declared: TableForm,
) -> str:
    """Adds what fills columns that were dropped on the way; why they cannot be filled, '' where they can. ``taken``:
    names that columns with values get."""
    problem = unknown = ""
    for name, (change, _) in again.items():
        column = declared.column(name)
        if name in taken:
            problem = _taken(change, name)
        elif name not in columns and column is not None and column.stored:
            # Where the last but one drops it only the last can make it anew: its default reads what is declared.
            known = as_declared_last(cells, declared) if change in changes[-2:] else cells
            try:
                columns[name] = newly_added(column, with_ephemeral(known, declared, new=True), change.label).text
            except UnknownValueError as error:
                unknown = unknown or str(error)
    return problem or unknown


def _dropped(names: LiveNames, declared: TableForm) -> frozenset[str]:
    """The live columns that versions drop, and of which none is declared under that name again."""
    return frozenset(names.dropped) - {column.name for column in declared.columns}


def _left(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> LiveNames:
    """What nobody declares, where an earlier run has changed the rows: a drop comes behind that, and finds the column
    under the name that it had before all of the versions."""
    left = (column.name for column in live.columns if declared.column(column.name) is None)
    names = LiveNames({name: name for name in left})
    for place, change in enumerate(changes):
        names = names.renamed(change).ended(change, declared if place == len(changes) - 1 else change.form)
    return names


def _taken(change: VersionChange | None, name: str) -> str:
    if change is None:
        return ""
    return f"{change.label} drops column {name}, whose name another column gets later. {_stop(change)}"


def says_anything(form: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> bool:
    """Whether versions on the way would say something of the table that the last of them leaves: then it has to be
    remembered that they have said it."""
    if len(changes) < 2:
        return False
    found = compose(form, changes, declared)
    return bool(found.fills or found.renames or found.problem)


def reached_when_made(changes: Sequence[VersionChange]) -> int:
    """The version that a table is at which is made now, where that has to be remembered; else 0."""
    if len(changes) < 2:
        return 0
    form = changes[-1].form
    # The newest version may have no released form yet; then any that knows the table may say something of it.
    said = says_anything(form, changes, form) if form is not None else any(change.form for change in changes)
    return changes[-1].version if said else 0


def _moved_unread(walk: Walk, renames: Mapping[str, str], live: TableForm, declared: TableForm) -> dict[str, str]:
    """Those of the renames with which a version makes the column EPHEMERAL: none of its values stays."""
    return {
        old: new
        for old, new in renames.items()
        if old in walk.dropped
        and walk.dropped[old][1] not in walk.dropped[old][0].dropped
        and declared.column(new) is not None
        and (live.column(new) is None or new in renames)
    }


def _given_up(
    walk: Walk, moved: Mapping[str, str], live: TableForm, declared: TableForm
) -> dict[str, tuple[VersionChange, str]]:
    """Declared columns of which no value stays: by which version, and under which name. ``moved``: those that got
    another name with that."""
    again = {
        name: one
        for name, one in walk.dropped.items()
        if name not in moved and _again(name, walk.cells, live, declared)
    }
    return again | {new: walk.dropped[old] for old, new in moved.items() if not _ephemeral(new, declared)}


def _ephemeral(name: str, form: TableForm) -> bool:
    column = form.column(name)
    return column is not None and column.kind == "EPHEMERAL"


def _swapped(renames: Mapping[str, str], filled: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that swap names, and those of them that no expression gives what they hold then."""
    left = dict(renames)
    found = unfilled = tuple[str, ...]()
    while names := circle(left):
        found += names
        # Where each is filled the names stay where they are: all are read before any is written.
        unfilled += () if all(renames[name] in filled for name in names) else names
        left = {old: new for old, new in left.items() if old not in names}
    return found, unfilled


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


def _earlier_defaults(walk: Walk, declared: TableForm) -> dict[str, str]:
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


def _back(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> tuple[Mapping[str, str], str]:
    """The columns of a rollback, and why they are not known; '' where they are."""
    try:
        return _rollback_columns(live, changes, declared), ""
    except UnknownValueError as error:
        return {}, str(error)


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
