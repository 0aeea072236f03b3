"""Databases without a record, and those that code without a version has changed since: whether the values in them were
converted. Pure.

Such a database is recognised by the definitions of its tables. They do not tell whether a migration that moves
values has run. Where they are the same before and after it, only the operator knows. Where they differ, the
migration is taken as done, and a note says that nothing proves it.

Code without a version (``version=None``) gives tables the definitions of the next version, and may have written its
values too, but carries out no migration. So where it changed what a migration converts, only the operator knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import SERVER_KINDS, Catalog, Form, TableForm
from aaiclick.printable import rows_text
from aaiclick.specs.migrations import Rebuild
from aaiclick.specs.renames import renamed_parts, table_renames
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.live_version import LiveVersion, MigrationProgress, later_names, rebuild_key
from aaiclick.versions.lockfile import LockedForm, LockedVersion
from aaiclick.versions.scripts import Script


@dataclass(frozen=True, slots=True)
class UnprovenConversions:
    """Conversions of values of which the tables' definitions prove nothing."""

    stops: tuple[str, ...] = ()
    """Conversions that may have run or not: the operator has to say."""
    notes: tuple[str, ...] = ()
    """Conversions that the definitions alone speak for."""
    before: int = 0
    """Version to record where the first of ``stops`` did not run; 0 where there is none."""
    after: int | None = None
    """Version to record where they did; None where nothing says which."""


def unproven_conversions(
    catalog: Catalog, found: ReleaseHistory, live: LiveVersion, progress: MigrationProgress
) -> UnprovenConversions:
    """The conversions that recognition would take as done without proof, and those of pending migrations in what code
    without a version has changed. ``progress``: what was done of the pending ones."""
    if live.before_development is not None:
        return _developed(catalog, found, live, live.before_development, progress)
    # Only these leave no trace in a definition: a column that was added or renamed shows there.
    scripts = [script for script in found.scripts if _moves_values(script)]
    if live.origin == "unrecorded":
        rows = sum(entry.rows for entry in catalog.objects.values())
        unproven = [(script, words) for script in scripts if (words := _words(script, _tables(script), catalog, rows))]
        return UnprovenConversions(
            tuple(words for _, words in unproven), (), unproven[0][0].version - 1 if unproven else 0
        )
    if live.origin != "recognised" or not live.number or found.lock is None:
        return UnprovenConversions()
    stops: list[str] = []
    notes: list[str] = []
    before = 0
    for script in scripts:
        # Where tables are at different versions each has its own: what is still to come there is not taken as done.
        here = tuple(name for name in _tables(script) if script.version <= live.levels.get(name, live.number))
        explicit = script.migration.explicit and script.version <= live.number
        rows = sum(
            catalog.objects[name].rows for name in (catalog.objects if explicit else here) if name in catalog.objects
        )
        words = _words(script, here, catalog, rows) if here or explicit else ""
        if not words:
            continue
        earlier, own = found.lock.get(script.version - 1), found.lock.get(script.version)
        # The version before has the very same form, so the form says nothing for either of them.
        if earlier is not None and own is not None and _same(catalog, earlier, own, here, whole=explicit):
            stops.append(words)
            before = before or script.version - 1
        else:
            notes.append(
                f"v{live.number} is recognised by the form of the tables, which does not tell whether values were "
                f"converted: {words}"
            )
    return UnprovenConversions(tuple(stops), tuple(notes), before, live.number)


def skips_migrations(catalog: Catalog, found: ReleaseHistory, live: LiveVersion) -> bool:
    """Whether a database of which no version is known would miss something by going on without the migrations: values
    to convert, or names to change."""
    if unproven_conversions(catalog, found, live, MigrationProgress()).stops:
        return True
    former = (renamed_parts(old) for script in found.scripts for old in script.migration.renames)
    return any(_has(catalog, table, column) for table, column in former)


def _has(catalog: Catalog, table: str, column: str) -> bool:
    there = catalog.get(table)
    if there is None or not column:
        return there is not None
    return isinstance(there.form, TableForm) and there.form.column(column) is not None


def _developed(
    catalog: Catalog,
    found: ReleaseHistory,
    live: LiveVersion,
    recorded: Mapping[str, Form],
    progress: MigrationProgress,
) -> UnprovenConversions:
    """The conversions of pending migrations in objects that are not as they were recorded of the live version."""
    begun = progress.done | progress.outcome_unknown | progress.displaced.keys()
    scripts = [script for script in found.scripts if script.version > (live.number or 0)]
    rows = sum(entry.rows for entry in catalog.objects.values())
    stops: list[str] = []
    versions: list[int] = []
    for place, script in enumerate(scripts):
        # What a run has begun here is told by the journal, not by the form.
        tables = [
            name
            for name in _tables(script)
            if begun.isdisjoint(rebuild_key(script.version, each) for each in later_names(name, scripts[place + 1 :]))
            and _changed(catalog, recorded, script, name)
        ]
        own = any(key.startswith((f"{script.version}:sql:", f"{script.version}:move")) for key in begun)
        explicit = script.migration.explicit and not own and _anything_changed(catalog, recorded)
        words = _words(script, tables, catalog, rows, explicit=explicit) if tables or explicit else ""
        if words:
            stops.append(words)
            versions.append(script.version)
    return UnprovenConversions(
        tuple(stops), (), versions[0] - 1 if versions else 0, versions[0] if len(versions) == 1 else None
    )


def _changed(catalog: Catalog, recorded: Mapping[str, Form], script: Script, name: str) -> bool:
    """Whether a table is not as it was recorded, or has a column already that the migration fills."""
    there, form = catalog.get(name), recorded.get(name)
    if there is None:
        return False
    filled = script.migration.rebuilds.get(name, Rebuild()).columns
    return _differs(there.form, form) or any(column in filled for column in _new_columns(there.form, form))


def _anything_changed(catalog: Catalog, recorded: Mapping[str, Form]) -> bool:
    """Whether any object is not as it was recorded, or is there only since then. Statements and functions may be about
    any of them."""
    known = {name for name, form in recorded.items() if form.kind not in SERVER_KINDS}
    there = {name: entry.form for name, entry in catalog.objects.items()}
    return any(
        _differs(there.get(name), recorded.get(name)) or _new_columns(there[name], recorded[name])
        for name in known | there.keys()
    )


def _new_columns(there: Form, recorded: Form | None) -> list[str]:
    """The columns of a table that are not recorded."""
    if not isinstance(there, TableForm) or not isinstance(recorded, TableForm):
        return []
    return [column.name for column in there.columns if recorded.column(column.name) is None]


def _differs(there: Form | None, recorded: Form | None) -> bool:
    """Whether an object is not as it was recorded, but for what may differ between installs of one version."""
    from aaiclick.versions.recognition import differences

    if recorded is None or recorded.kind == "unsupported":
        return True
    return bool(differences(there, recorded))


def _moves_values(script: Script) -> bool:
    return script.migration.explicit or bool(_tables(script))


def _tables(script: Script) -> tuple[str, ...]:
    """Tables in which the migration fills columns or leaves rows out, under their new names."""
    named = table_renames(script.migration.renames)
    filled = [name for name, one in script.migration.rebuilds.items() if one.columns or one.where]
    return tuple(dict.fromkeys(named.get(name, name) for name in filled))


def _words(script: Script, tables: Iterable[str], catalog: Catalog, rows: int, *, explicit: bool = True) -> str:
    """What there is to convert, for people; '' where there are no rows. ``explicit``: its statements and function
    count."""
    if not rows:
        return ""
    said: list[str] = []
    for name in tables:
        there = catalog.get(name)
        if there is None or not there.rows:
            continue
        rebuilds, named = script.migration.rebuilds.items(), table_renames(script.migration.renames)
        columns = next(
            (sorted(one.columns) for key, one in rebuilds if named.get(key, key) == name),
            list[str](),
        )
        what = f"column {', '.join(columns)} of {name}" if columns else f"the rows of {name}"
        said.append(f"{what} ({rows_text(there.rows)})")
    if explicit and script.migration.explicit:
        said.append("what its statements do" if script.migration.sql else "what its function does")
    return f"{script.label}: {', '.join(said)}" if said else ""


def _same(catalog: Catalog, earlier: LockedVersion, own: LockedVersion, tables: Iterable[str], *, whole: bool) -> bool:
    """True where the tables are exactly as in the version before, too.

    ``whole``: compare all objects of that version, and require that none is there that only the new version has.
    """
    names = list(earlier.forms) if whole else list(tables)
    if whole and any(name in catalog.objects and name not in earlier.forms for name in own.forms):
        return False
    return all(_is(catalog, name, earlier.forms.get(name)) for name in names)


def _is(catalog: Catalog, name: str, form: LockedForm | None) -> bool:
    from aaiclick.versions.recognition import is_exactly

    there = catalog.get(name)
    return form is not None and (form.kind == "function" or (there is not None and is_exactly(there.form, form)))
