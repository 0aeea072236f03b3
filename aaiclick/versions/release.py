"""From the last released version to the declared one: what differs, what has to be decided, and the migration file for
it. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import SERVER_KINDS, CollectionForm, DatabaseForm, TableForm
from aaiclick.catalog.normalize import normal, normal_form
from aaiclick.catalog.secrets import hidden_form
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import Target, make_target
from aaiclick.printable import shown
from aaiclick.specs.renames import (
    column_renames,
    new_name_text,
    plain_name,
    rename_said,
    renamed_parts,
    table_and_column,
    table_renames,
    with_leaves,
)
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.sql.quoting import quote_string
from aaiclick.versions.headers import Header, header_key, header_name
from aaiclick.versions.lockfile import LockedForm

_STAYS = "not declared any more, so tables that are there keep it; None takes it away"
_SLUG = re.compile(r"[^a-z0-9]+")
_STAYING = frozenset({"function", "database"})
"""Kinds that no plan drops: what is no longer declared stays as it is."""


@dataclass(frozen=True, slots=True)
class Release:
    """The difference between the last released version and the declaration.

    ``words`` are all differences. ``undecided`` lists what is gone and may have been renamed, each with the flags
    that decide it. ``renames``, also those of ``renamed_from``, go into the header of the migration.
    """

    words: tuple[str, ...]
    undecided: tuple[str, ...]
    renames: tuple[tuple[str, str], ...]
    allow: tuple[str, ...] = ()
    """What the decision to drop something allows by name, for the header of the migration."""


def compare_versions(
    released: Mapping[str, LockedForm],
    declared: Mapping[str, LockedForm],
    schema: Schema,
    renames: Mapping[str, str],
    drops: Sequence[str],
) -> Release:
    """What differs. ``renames``: ``{"table.column": "new"}`` or ``{"table": "new"}``. ``drops``: names that are no
    longer declared and were not renamed."""
    # A lock file holds no secrets, so neither side may.
    released = {name: hidden_form(form) for name, form in released.items()}
    declared = {name: hidden_form(form) for name, form in declared.items()}
    # A remark stays when its version is released: then the table is there under its new name.
    moved = renamed_tables(released, schema, renames)
    back = {new: old for old, new in moved.items()}
    words: list[str] = []
    undecided: list[str] = []
    known = dict(renames)
    for name in sorted(set(declared) | set(released)):
        old_name = back.get(name, name)
        old, new = released.get(old_name), declared.get(name)
        if new is None:
            # It comes under its new name.
            if name in moved:
                continue
            words.append(f"{name}: {released[name].kind} is no longer declared")
            # What no database's catalogue lists stays as it is.
            if name not in drops and released[name].kind not in _STAYING:
                rename = "" if released[name].kind in SERVER_KINDS else f"{_how_renamed(name)}, or "
                undecided.append(f"{name} is no longer declared: {rename}{_how_dropped(name)}")
        elif old is None:
            words.append(f"{name}: {new.kind} is new")
        elif isinstance(old, TableForm) and isinstance(new, TableForm):
            if old_name != name:
                words.append(f"{name}: was {old_name}")
            words += _table(name, old, new, schema.get(name), known, drops, undecided)
        elif isinstance(old, CollectionForm) and isinstance(new, CollectionForm):
            words += _collection(name, old, new)
        elif isinstance(old, DatabaseForm) and isinstance(new, DatabaseForm):
            words += _database(name, old, new)
        elif old.kind != new.kind or normal_form(old) != normal_form(new):
            words.append(f"{name}: {new.kind} differs")
    allow = tuple(dict.fromkeys(key for name in drops if (key := _drop_key(name, released, moved))))
    told = {**renames, **_remarked(released, declared, schema, renames)}
    return Release(tuple(words), tuple(undecided), tuple(sorted(told.items())), allow)


def renamed_tables(released: Mapping[str, LockedForm], schema: Schema, renames: Mapping[str, str]) -> dict[str, str]:
    """New names of tables by the released ones, as flags and ``renamed_from`` say them."""
    remarked = {
        table.renamed_from: table.name for table in schema.tables if table.renamed_from and table.name not in released
    }
    return table_renames(renames) | remarked


def _how_renamed(name: str, column: str = "") -> str:
    """How somebody says that it was renamed."""
    return f"--rename {shlex.quote(f'{rename_said(name, column)}=NEW_NAME')}"


def _how_dropped(name: str) -> str:
    return f"--drop {shlex.quote(name)}"


def _remarked(
    released: Mapping[str, LockedForm], declared: Mapping[str, LockedForm], schema: Schema, given: Mapping[str, str]
) -> dict[str, str]:
    """The renames that ``renamed_from`` says and that this version makes, as a migration says them: a later declaration
    may be without the remark, and a start from before this version has to know of it all the same."""
    found: dict[str, str] = {}
    tables = table_renames(given)
    for table in schema.tables:
        old = table.renamed_from
        if old is None or old not in released or table.name in released:
            continue
        if old not in tables and table.name not in tables.values():
            tables[old] = table.name
            found[rename_said(old)] = new_name_text(rename_said(old), table.name)
    for table, name, before, after in _kept_tables(released, declared, schema, tables):
        said = column_renames(given, name, table.name)
        for column in table.columns:
            former = column.renamed_from
            if former is None or former in said or column.name in said.values():
                continue
            if _has(before, former) and not _has(after, former) and not _has(before, column.name):
                text = rename_said(name, former)
                found[text] = new_name_text(text, column.name)
    return found


def _kept_tables(
    released: Mapping[str, LockedForm], declared: Mapping[str, LockedForm], schema: Schema, tables: Mapping[str, str]
) -> Iterator[tuple[Table, str, TableForm, TableForm]]:
    """The declared tables that the last version has, each with its name there, and as that one and this one have it.
    ``tables``: new names by their former ones."""
    back = {new: old for old, new in tables.items()}
    for table in schema.tables:
        name = back.get(table.name, table.name)
        before, after = released.get(name), declared.get(table.name)
        if isinstance(before, TableForm) and isinstance(after, TableForm):
            yield table, name, before, after


def unwritten_remarks(
    released: Mapping[str, LockedForm], declared: Mapping[str, LockedForm], schema: Schema, told: Mapping[str, str]
) -> tuple[str, ...]:
    """A sentence for each ``renamed_from`` of something that the last version has, and that the migration does not say:
    a start that goes over this version would not rename it, and the values would stay behind. ``told``: the renames of
    the migration."""
    tables = table_renames(told)
    wrong = [
        f"{table.name}: renamed_from {old}, "
        + (
            f"which is renamed to {tables[old]} at the same time"
            if old in tables
            else "which the migration does not say"
        )
        for table in schema.tables
        if (old := table.renamed_from) is not None
        and old in released
        and table.name not in released
        and tables.get(old) != table.name
    ]
    for table, name, before, _ in _kept_tables(released, declared, schema, tables):
        said = column_renames(told, name, table.name)
        for column in table.columns:
            former = column.renamed_from
            if former is None or not _has(before, former) or said.get(former) == column.name:
                continue
            why = (
                f"which is renamed to {said[former]} at the same time"
                if former in said
                else f"and the last released version has {column.name} as well: drop that in a version of its own first"
                if _has(before, column.name)
                else "which cannot be renamed to it"
            )
            wrong.append(f"{table.name}.{column.name}: renamed_from {former}, {why}")
    return tuple(wrong)


def _has(form: TableForm, name: str) -> bool:
    """Also a flattened Nested, of which a form has the parts."""
    return any(column.name == name or column.name.startswith(f"{name}.") for column in form.columns)


def _database(name: str, old: DatabaseForm, new: DatabaseForm) -> list[str]:
    words: list[str] = []
    if old.database_engine != new.database_engine:
        words.append(f"{name}: engine {old.database_engine or 'any'} -> {new.database_engine or 'any'}")
    if old.database_comment != new.database_comment:
        before, now = (
            "any" if form.database_comment is None else quote_string(form.database_comment) for form in (old, new)
        )
        words.append(f"{name}: comment {before} -> {now}")
    return words


def _collection(name: str, old: CollectionForm, new: CollectionForm) -> list[str]:
    before, now = ({key.name: key.overridable for key in form.collection_keys} for form in (old, new))
    words = [f"{name}: key {key} is new" for key in sorted(set(now) - set(before))]
    words += [f"{name}: key {key} is no longer declared" for key in sorted(set(before) - set(now))]
    for key in sorted(set(before) & set(now)):
        if before[key] != now[key]:
            words.append(f"{name}: key {key} {before[key] or 'not marked'} -> {now[key] or 'not marked'}")
    return words


def _drop_key(name: str, released: Mapping[str, LockedForm], moved: Mapping[str, str]) -> str:
    """The name of the hazard; '' where nothing was released under that name. ``moved``: new names of tables."""
    back = {new: old for old, new in moved.items()}
    table, column = table_and_column(name, {*released, *back})
    form = released.get(back.get(table, table))
    if column and "." in table:  # no migration renames it, so the key has the name of the end
        name = f"{moved.get(table, table)}.{column}"
    if form is None or column:
        return f"drop-column {name}" if form is not None else ""
    if form.kind == "named collection":
        return f"drop-collection {name}"
    return "" if form.kind in _STAYING else f"drop-{form.kind} {name}"


def unknown_decisions(
    released: Mapping[str, LockedForm],
    declared: Mapping[str, LockedForm],
    renames: Mapping[str, str],
    drops: Sequence[str],
    moved: Mapping[str, str],
) -> tuple[str, ...]:
    """A sentence for each decision about a name that does not exist. ``moved``: new names of tables."""
    wrong: list[str] = []
    back = {new: old for old, new in moved.items()}
    for what in [*renames, *drops]:
        table, column = renamed_parts(what) if what in renames else table_and_column(what, {*released, *back})
        form = released.get(table) or (released.get(back.get(table, "")) if column else None)
        there = form is not None and (not column or (isinstance(form, TableForm) and form.column(column) is not None))
        if not there:
            dots = ". Names with a dot stand in backticks" if what in renames and what.count(".") > 1 else ""
            wrong.append(f"{what}: the last released version has no such {'column' if column else 'table'}{dots}")
        elif form is not None and form.kind in SERVER_KINDS and what in renames:
            left = (
                f", and {_how_dropped(what)} drops the old one"
                if form.kind not in _STAYING
                else ", and the old one stays"
            )
            wrong.append(f"{what}: a {form.kind} is not renamed: the one that is declared is made{left}")
    tables = table_renames(renames)
    for what, said in renames.items():
        table, column = renamed_parts(what)
        new = plain_name(said)
        form = declared.get(tables.get(table, table) if column else new)
        if form is None or (column and not (isinstance(form, TableForm) and form.column(new) is not None)):
            wrong.append(f"{what}={said}: {new} is not declared")
    return tuple(wrong)


def _table(
    name: str,
    old: TableForm,
    new: TableForm,
    spec: object,
    renames: Mapping[str, str],
    drops: Sequence[str],
    undecided: list[str],
) -> list[str]:
    declared_renames = (
        {column.renamed_from: column.name for column in spec.columns if column.renamed_from}
        if isinstance(spec, Table)
        else {}
    )
    given_renames = column_renames(renames, name, old.name)
    names = [column.name for column in old.columns]
    applied = tuple(
        (before, after)
        # A Nested comes with all of its arrays, which the server shows as columns of their own.
        for before, after in sorted(with_leaves({**declared_renames, **given_renames}, names).items())
        if old.column(before) is not None and new.column(after) is not None
    )
    gone = [
        column.name for column in old.columns if new.column(column.name) is None and column.name not in dict(applied)
    ]
    # Both forms are released or declared ones, so nothing is left to what the live table has.
    target = Target(normal(new), applied, (), (), free_primary_key=False)
    before = _named(old, name, gone)
    kept = [change.words for change in diff_table(before, target)]
    if isinstance(spec, Table):
        # What a declaration leaves unset is not taken from tables that are there: a fresh one is made without it.
        carried_out = {change.words for change in diff_table(before, make_target(spec, new, before, dict(applied)))}
        kept = [word if word in carried_out else f"{word} ({_STAYS})" for word in kept]
    added = [
        column.name
        for column in new.columns
        if old.column(column.name) is None and column.name not in dict(applied).values()
    ]
    for column in gone:
        if f"{name}.{column}" not in drops and f"{old.name}.{column}" not in drops:
            candidates = f" (new: {', '.join(added)})" if added else ""
            undecided.append(
                f"{name}.{column} is no longer declared{candidates}: {_how_renamed(name, column)}, or "
                f"{_how_dropped(f'{name}.{column}')}"
            )
    return [f"{name}: {word}" for word in [*kept, *(f"column {column} is no longer declared" for column in gone)]]


def _named(form: TableForm, name: str, gone: Sequence[str]) -> TableForm:
    return replace(form, name=name, columns=tuple(column for column in form.columns if column.name not in gone))


def slug(message: str) -> str:
    """The words of a migration's file name."""
    return _SLUG.sub("_", message.lower()).strip("_")[:60] or "revision"


def script_text(message: str, version: int, release: Release, oldest_code: int | None, python: bool) -> str:
    """The text of a migration file: decisions in its header, derived differences in comments."""
    title = " ".join(message.split())
    derived = list(release.words)
    if python:
        renames = f"\n    renames={dict(release.renames)!r}," if release.renames else ""
        oldest = f"\n    oldest_code={oldest_code}," if oldest_code is not None else ""
        allow = f"\n    allow={list(release.allow)!r}," if release.allow else ""
        listed = "".join(f"\n    {_in_docstring(word)}" for word in derived)
        quoted = json.dumps(title, ensure_ascii=False)  # as formatters write it
        return (
            f'"""{_in_docstring(title)}.\n\nDerived from the declarations, not to be repeated here:\n{listed}\n"""\n\n'
            "from aaiclick import Migration\nfrom aaiclick.specs.moves import MoveContext\n\n\n"
            "def move(context: MoveContext) -> None:\n"
            '    """Moves data; it goes on at context.bookmark, None at first."""\n\n\n'
            f"migration = Migration(\n    version={version},\n    title={quoted},{renames}{oldest}{allow}\n"
            "    move=move,\n)\n"
        )
    lines = [f"-- title: {title}", "-- strategy: derived"]
    lines += [f"-- rename: {header_name(old)} -> {header_name(new)}" for old, new in release.renames]
    lines += [f"-- oldest_code: {oldest_code}"] if oldest_code is not None else []
    lines += [f"-- allow: {header_key(key)}" for key in release.allow]
    lines += ["", "-- Derived from the declarations, not to be repeated here:"]
    lines += [f"--   {shown(word)}" for word in derived]
    return "\n".join(lines) + "\n"


def _in_docstring(text: str) -> str:
    return shown(text).replace("\\", "\\\\").replace('"', '\\"')


def with_decisions(text: str, release: Release, oldest_code: int | None, header: Header) -> str:
    """The text of an SQL file of a migration that is there already, with the decisions that it does not say yet."""
    renames = [pair for pair in release.renames if header.renames.get(pair[0]) != pair[1]]
    lines = [f"-- rename: {header_name(old)} -> {header_name(new)}" for old, new in renames]
    lines += [f"-- oldest_code: {oldest_code}"] if oldest_code is not None and header.oldest_code is None else []
    lines += [f"-- allow: {header_key(key)}" for key in release.allow if key not in header.allow]
    if not lines:
        return text
    # Not below a line of a rebuild, which its indented lines follow; what stands first may be a mark of the editor.
    first = text.splitlines(keepends=True)
    place = next((index for index, line in enumerate(first) if line.startswith("--")), 0)
    end = "\r\n" if first and first[place].endswith("\r\n") else "\n"
    if place < len(first) and first[place].startswith("-- title:"):
        place += 1
    return "".join([*first[:place], *(line + end for line in lines), *first[place:]])
