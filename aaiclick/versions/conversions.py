"""Databases without a record: whether the values in them were converted. Pure.

Such a database is recognised by the definitions of its tables. They do not tell whether a migration that moves
values has run. Where they are the same before and after it, only the operator knows. Where they differ, the
migration is taken as done, and a note says that nothing proves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aaiclick.catalog.forms import Catalog
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.live_version import LiveVersion
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


def unproven_conversions(catalog: Catalog, found: ReleaseHistory, live: LiveVersion) -> UnprovenConversions:
    """The conversions that recognition would take as done without proof."""
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
    return UnprovenConversions(tuple(stops), tuple(notes), before)


def _moves_values(script: Script) -> bool:
    return script.migration.explicit or bool(_tables(script))


def _tables(script: Script) -> tuple[str, ...]:
    """Tables in which the migration fills columns or leaves rows out, under their new names."""
    named = {old: new for old, new in script.migration.renames.items() if "." not in old}
    filled = [name for name, one in script.migration.rebuilds.items() if one.columns or one.where]
    return tuple(dict.fromkeys(named.get(name, name) for name in filled))


def _words(script: Script, tables: Iterable[str], catalog: Catalog, rows: int) -> str:
    """What there is to convert, for people; '' where there are no rows."""
    if not rows:
        return ""
    said: list[str] = []
    for name in tables:
        there = catalog.get(name)
        if there is None or not there.rows:
            continue
        rebuilds = script.migration.rebuilds.items()
        columns = next(
            (sorted(one.columns) for key, one in rebuilds if script.migration.renames.get(key, key) == name),
            list[str](),
        )
        what = f"column {', '.join(columns)} of {name}" if columns else f"the rows of {name}"
        said.append(f"{what} ({there.rows:,} rows)")
    if script.migration.explicit:
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
