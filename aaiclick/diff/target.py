"""What a live table should become: the declaration where it says something, the live table where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, ConstraintForm, TableForm
from aaiclick.catalog.normalize import arguments_as_live, key_elements, normal
from aaiclick.clickhouse.names import FENCE_CONSTRAINT, GUARD
from aaiclick.diff.computed_otherwise import computed_otherwise
from aaiclick.diff.guessed_format import with_guessed_format
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.renames import applicable, with_leaves
from aaiclick.specs.tables import Table


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a plan leads to."""

    form: TableForm
    """The wanted table. Columns that the declaration does not mention keep their position."""
    renames: tuple[tuple[str, str], ...]
    """Renames of live columns that still have to be made: (old, new)."""
    undeclared: tuple[str, ...]
    """Columns that the declaration does not mention."""
    notes: tuple[str, ...]
    """What is left alone because nobody declared it, for people."""
    free_primary_key: bool
    """True where no primary key is declared: any prefix of the sort key will do."""
    unholdable: tuple[ColumnForm, ...] = ()
    """Live columns that have to be dropped: the new definition cannot have them beside a declared column (``c.x`` where
    ``c`` is declared)."""


def make_target(
    table: Table,
    declared: TableForm,
    live: TableForm,
    renames: dict[str, str] | None = None,
    all_renames: Mapping[str, str] | None = None,
) -> Target:
    """Lay the declaration over the live table.

    ``declared`` is the canonical form of ``table``. ``renames`` (old -> new) are those of migrations that apply, and
    are added to ``renamed_from``; ``all_renames`` has those as well that do not apply.
    """
    live, declared = normal(live), normal(declared)
    applied = _renames(table, declared, live, renames or {})
    notes: list[str] = []
    stays = renamed_form(live, applied)  # what nobody declares follows the names
    known = {column.name for column in declared.columns if live_column(live, applied, column.name) is not None}
    columns = [
        _column(
            column, _spec_of(table, column.name), stays.column(column.name) if column.name in known else None, notes
        )
        for column in declared.columns
    ]
    taken = {column.name for column in declared.columns}
    new_names = dict(applied)
    staying = (new_names.get(column.name, column.name) for column in live.columns)
    left = tuple(column for name in staying if name not in taken and (column := stays.column(name)) is not None)
    blocking = tuple(
        column for column in left if any(_collide(column.name, wanted.name) for wanted in declared.columns)
    )
    undeclared = tuple(column for column in left if column not in blocking)
    engine = table.engine
    free_key = isinstance(engine, MergeTree) and not engine.declares("primary_key")
    form = replace(
        declared,
        name=live.name,
        columns=_with_undeclared(columns, live, undeclared, new_names),
        indexes=declared.indexes if table.declares("indexes") else stays.indexes,
        projections=declared.projections if table.declares("projections") else stays.projections,
        constraints=declared.constraints if table.declares("constraints") else _lasting(stays.constraints),
        comment=declared.comment if table.declares("comment") else live.comment,
    )
    if isinstance(engine, MergeTree) and live.merge_tree:
        form = replace(_keys(form, engine, declared, stays), arguments=arguments_as_live(declared, live))
    elif live.engine == declared.engine:
        unsaid = [key for key in ("partition_by", "primary_key", "order_by") if not engine.declares(key)]
        form = with_guessed_format(replace(form, **{key: getattr(stays, key) for key in unsaid}), live)
    form = replace(form, settings=_settings(table, declared, live, notes))
    notes += computed_otherwise(stays, form)
    notes += _left_alone(form, declared, undeclared, _beside(table, live, all_renames or {}))
    return Target(form, applied, tuple(column.name for column in undeclared), tuple(notes), free_key, blocking)


def _left_alone(
    form: TableForm, declared: TableForm, undeclared: tuple[ColumnForm, ...], beside: Mapping[str, str]
) -> list[str]:
    """What stays because nobody declared it. ``beside``: the new names of columns that were not renamed."""
    notes: list[str] = []
    for what, wanted, found in (
        ("TTL", form.ttl, declared.ttl),
        ("partition key", form.partition_by, declared.partition_by),
    ):
        if wanted and wanted != found:
            notes.append(f"{what} {wanted} is not declared (left alone)")
    for column in undeclared:
        new = beside.get(column.name)
        what = (
            f"is there beside {new}, its new name: nothing is renamed, and what {column.name} holds is not in {new}"
            if new
            else "is no longer declared"
        )
        notes.append(f"column {column.name} {what} (left alone)")
    return notes


def _lasting(constraints: tuple[ConstraintForm, ...]) -> tuple[ConstraintForm, ...]:
    """Without those of this library. A run that was paused between two ALTERs may add one after its successor has
    ended."""
    return tuple(constraint for constraint in constraints if not constraint.name.startswith((GUARD, FENCE_CONSTRAINT)))


def _collide(one: str, other: str) -> bool:
    """True for ``c`` and ``c.x``: both would use the file with the sizes of the arrays, and the engine refuses that
    (error 36)."""
    return one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _with_undeclared(
    declared: list[ColumnForm], live: TableForm, undeclared: tuple[ColumnForm, ...], new_names: dict[str, str]
) -> tuple[ColumnForm, ...]:
    """The declared columns, with the others in the position that they have: to move them would be a change for
    nothing."""
    order = list(declared)
    staying = {column.name: column for column in undeclared}
    place = 0
    for column in live.columns:
        name = new_names.get(column.name, column.name)
        found = next((index for index, wanted in enumerate(order) if wanted.name == name), None)
        if found is None:
            if name not in staying:
                continue
            order.insert(place, staying[name])
            found = place
        place = found + 1
    return tuple(order)


def _renames(table: Table, declared: TableForm, live: TableForm, extra: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Renames whose old name is live and whose new name is not. A migration's rename may free the old name for a new
    column."""
    declared_renames = {
        column.renamed_from: column.name
        for column in table.columns
        if column.renamed_from and declared.column(column.renamed_from) is None
    }
    present = {column.name for column in live.columns}
    wanted = {
        old: new
        for old, new in with_leaves({**declared_renames, **extra}, present).items()
        # One whose new name nobody declares any more makes way for a column that is new under its old name.
        if declared.column(new) is not None or (old in extra and declared.column(old) is not None)
    }
    return applicable(wanted, present)


def _beside(table: Table, live: TableForm, all_renames: Mapping[str, str]) -> dict[str, str]:
    """Old and new name of columns that were to be renamed while both are there: another program has added one of them
    again."""
    present = {column.name for column in live.columns}
    declared_renames = {column.renamed_from: column.name for column in table.columns if column.renamed_from}
    return {
        old: new
        for old, new in with_leaves({**declared_renames, **all_renames}, present).items()
        if old in present and new in present
    }


def live_column(live: TableForm, renames: tuple[tuple[str, str], ...], name: str) -> ColumnForm | None:
    """The live column that becomes ``name``; None also where a column of that name is renamed to another one."""
    old = next((old for old, new in renames if new == name), name)
    return None if old == name and any(gone == name for gone, _ in renames) else live.column(old)


def _spec_of(table: Table, name: str) -> Column | None:
    """The declaration of a live column: its own, or that of the Nested to which it belongs."""
    return table.column(name) or table.column(name.split(".", 1)[0])


def _column(declared: ColumnForm, spec: Column | None, live: ColumnForm | None, notes: list[str]) -> ColumnForm:
    if live is None or spec is None:
        return declared
    form = declared
    # A default that nobody declared stays, unless it would decide whether the column is stored.
    if not spec.declares_kind and live.stored and (form.kind, form.expression) != (live.kind, live.expression):
        form = replace(form, kind=live.kind, expression=live.expression)
    for aspect in ("codec", "comment", "ttl", "statistics"):
        if not spec.declares(aspect) and getattr(form, aspect) != getattr(live, aspect):
            form = replace(form, **{aspect: getattr(live, aspect)})
    settings = live.settings
    if spec.declares("settings"):
        removed = {name for name, value in spec.settings.items() if value is None}
        kept = {name: value for name, value in live.settings if name not in removed}
        settings = tuple(sorted({**kept, **dict(declared.settings)}.items()))
    if form.settings != settings:
        form = replace(form, settings=settings)
    if form.kind != declared.kind or form.ttl != declared.ttl:
        notes.append(
            f"column {declared.name}: {form.kind or 'TTL'} {form.expression or form.ttl} is not declared (left alone)"
        )
    return form


def _keys(form: TableForm, engine: MergeTree, declared: TableForm, live: TableForm) -> TableForm:
    if not (engine.declares("order_by") or engine.declares("primary_key")):
        form = replace(form, order_by=live.order_by)
    if not engine.declares("partition_by"):
        form = replace(form, partition_by=live.partition_by)
    if not engine.declares("sample_by"):
        form = replace(form, sample_by=live.sample_by)
    if not engine.declares("ttl"):
        form = replace(form, ttl=live.ttl)
    if not engine.declares("primary_key"):
        # A sort key that once grew in place left the old key behind as primary key. Nobody declared that, and only a
        # copy could remove it, so it stays as long as it is a prefix.
        form = replace(form, primary_key=live.primary_key if is_prefix(live.primary_key, form.order_by) else "")
    if (
        engine.replicated is None
        and live.engine.removeprefix("Replicated").removeprefix("Shared") == declared.engine
        and live.engine != declared.engine
    ):
        # Only Replicated or Shared differs, which is not declared.
        form = replace(form, engine=live.engine, arguments=live.arguments)
    return form


def is_prefix(primary_key: str, order_by: str) -> bool:
    """True where the primary key is a prefix of the sort key, or absent."""
    if not primary_key:
        return True
    short, long = key_elements(primary_key), key_elements(order_by)
    return long[: len(short)] == short


def _settings(table: Table, declared: TableForm, live: TableForm, notes: list[str]) -> tuple[tuple[str, str], ...]:
    """Live settings, overridden by the declared ones. A setting that is declared as None is removed."""
    wanted = dict(declared.settings)
    removed = {name for name, value in table.engine.settings.items() if value is None}
    named = set(table.engine.settings)
    merged = {name: value for name, value in live.settings if name not in removed}
    for name, value in wanted.items():
        # The engine writes settings into the form that nobody declared (index_granularity): they leave live ones alone.
        if name in named or name not in merged:
            merged[name] = value
    left = sorted(
        name for name, value in live.settings if name not in named and dict(declared.settings).get(name) != value
    )
    notes.extend(f"setting {name} = {dict(live.settings)[name]} is not declared (left alone)" for name in left)
    return tuple(sorted(merged.items()))
