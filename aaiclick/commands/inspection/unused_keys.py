"""Keys that a policy allows by name and that name nothing: misspelt ones do nothing, so somebody has to be told.

A key that has done its work stays in the arguments of jobs, on purpose: it is about something that is declared or was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from aaiclick.catalog.forms import CollectionForm, Form, LiveObject, TableForm
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.diff.hazards import WITHOUT_HOST, WITHOUT_OBJECT
from aaiclick.plan.model import Step
from aaiclick.routine import Routine
from aaiclick.specs.renames import plain_name, renamed_parts
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView, TableFamily
from aaiclick.state.records import spent_keys

ROLLBACK = frozenset({"deletes", "partial", "values"})
"""First words of keys that only a rollback asks for."""
_OF_A_MIGRATION = frozenset({"rerun", "run-sql", "skip"})
_OF_A_PART = frozenset(
    {
        "add-column",
        "change-default",
        "drop-collection-key",
        "drop-column",
        "leave-row-policy",
        "materialize",
        "relabel-enum",
        "retype",
    }
)
_OF_EITHER = frozenset({"change-ttl", "set-values"})
_DROPS = frozenset(
    {"drop-collection", "drop-collection-key", "drop-column", "drop-dictionary", "drop-table", "drop-view"}
)
_WHILE_COPYING = frozenset({"keep-writers-out", "reapply-deletes", "wait-for-deletes", "writers-stopped"})
"""What is asked for while a table is copied, if at all: no plan knows that."""
_ALIKE = 0.6


def unused_keys(found: Inspection, steps: Iterable[Step]) -> Routine[tuple[str, ...]]:
    """A sentence for each key of the policy that is about nothing that any version declares, or declared."""
    listed = tuple(hazard.allow for step in steps for hazard in step.hazards if hazard.allow)
    idle = {
        key: near for key in sorted(found.allowed - set(listed)) if (near := _nearest(found, key, listed)) is not None
    }
    if not idle:
        return ()
    # What was dropped is known to older records alone: they are only asked where a key seems to be wrong.
    earlier: Collection[str] = ()
    if found.record is not None:
        database, schema = found.catalog.database, found.schema.name
        earlier = yield from spent_keys(database, schema, {key: _named(found, key) for key in idle})
    return tuple(_sentence(found, key, near) for key, near in idle.items() if key not in earlier)


def unneeded(keys: Iterable[str], steps: Iterable[Step], notes: Iterable[str] = ()) -> tuple[str, ...]:
    """A note for each key that none of these steps asks for: of the others a sentence in ``notes`` says why."""
    said = tuple(notes)
    left = [key for key in sorted(unasked(keys, steps)) if not any(note.startswith(f"{key!r} ") for note in said)]
    return tuple(f"{key!r} was not needed: no step asks for it" for key in left)


def unasked(keys: Iterable[str], steps: Iterable[Step]) -> frozenset[str]:
    """Those of the keys that none of these steps asks for, and that count in no other way: whether some are needed
    while tables are copied, say, nobody knows beforehand."""
    asked = {hazard.allow for step in steps for hazard in step.hazards}
    elsewhere = _WHILE_COPYING | _OF_A_MIGRATION | WITHOUT_OBJECT | {WITHOUT_HOST}
    return frozenset(key for key in keys if key not in asked and key.partition(" ")[0] not in elsewhere)


def _nearest(found: Inspection, key: str, listed: Collection[str]) -> str | None:
    """'' or the key that may have been meant, where the key is about nothing; None where it is about something."""
    word, _, what = key.partition(" ")
    if word in WITHOUT_OBJECT:
        return None
    if word == WITHOUT_HOST:
        hosts = [host.label for host in found.topology.hosts]
        return None if what in hosts else _close(word, what, hosts, ())
    if word in ROLLBACK:
        return ""
    if word in _OF_A_MIGRATION:
        labels = [script.label for script in found.released.scripts]
        if what in labels or (word != "run-sql" and any(what.startswith(f"{label}:") for label in labels)):
            return None
        return _close(word, what, labels, listed)
    names = _known(found)
    name = _object(what, names)
    part = what[len(name) + 1 :]
    if _of_a_family(found.schema, what):
        return None
    if name and not part and word not in _OF_A_PART:
        return None
    # Which policies there are is not known here: any name will do for one.
    if name and part and (word == "leave-row-policy" or (word in _OF_A_PART | _OF_EITHER and part in names[name])):
        return None
    if word in _DROPS:
        return _close(word, what, (), listed)  # what is declared cannot be dropped
    columns = [f"{table}.{each}" for table, parts in names.items() for each in sorted(parts)]
    among = [*names, *columns] if word in _OF_EITHER else columns if word in _OF_A_PART else list(names)
    return _close(word, what, among, listed)


def _close(word: str, what: str, known: Iterable[str], listed: Iterable[str]) -> str:
    """The key that comes nearest: first those that this plan asks for. Another word is meant where it is about the
    very same."""
    asked = [key for key in listed if key.partition(" ")[0] == word]
    for among in (
        asked,
        [key for key in listed if key.partition(" ")[2] == what],
        [f"{word} {each}" for each in known],
    ):
        # The word alone makes two keys alike, so what stands behind it is compared as well.
        alike = [key for key in get_close_matches(f"{word} {what}", among, 5, _ALIKE) if _likeness(what, key)]
        if alike:
            return alike[0]
    return ""


def _likeness(what: str, key: str) -> bool:
    return bool(get_close_matches(what, [key.partition(" ")[2]], 1, _ALIKE))


def _sentence(found: Inspection, key: str, near: str) -> str:
    word, _, what = key.partition(" ")
    schema = found.schema.name
    meant = f": did you mean {near!r}?" if near else ""
    if word in ROLLBACK:
        return f"{key!r} allows nothing here: only aaiclick rollback asks for it"
    if word == WITHOUT_HOST:
        return f"{key!r} allows nothing: there is no other host of that name{meant}"
    if word in _OF_A_MIGRATION:
        return f"{key!r} allows nothing: {schema} has no such migration{meant}"
    name = _object(what, _known(found))
    if name and name == what:
        return f"{key!r} allows nothing: it names no part of {name}{meant}"
    if name and word not in _OF_A_PART | _OF_EITHER:
        return f"{key!r} allows nothing: it takes a name alone{meant}"
    if name:
        return f"{key!r} allows nothing: {name} has no {what[len(name) + 1 :]}, and never had{meant}"
    return f"{key!r} allows nothing: {schema} declares no {what}, and never did{meant}"


def _named(found: Inspection, key: str) -> tuple[str, str]:
    """Object and part that a key is about; empty where it is about no known object, or has no part."""
    word, _, what = key.partition(" ")
    name = _object(what, _known(found)) if word in _OF_A_PART | _OF_EITHER else ""
    return (name, what[len(name) + 1 :]) if name and name != what else ("", "")


def _object(what: str, names: Iterable[str]) -> str:
    """The object that a key is about: names may have dots in them, so the longest one counts. '' for none."""
    return max((name for name in names if what == name or what.startswith(f"{name}.")), key=len, default="")


def _of_a_family(schema: Schema, what: str) -> bool:
    """Tables of a family are made at run time: their names say nothing."""
    families = [item.pattern for item in schema.objects if isinstance(item, TableFamily)]
    return any(fnmatchcase(what, each) or fnmatchcase(what, f"{each}.*") for each in families)


def _targets(schema: Schema) -> set[str]:
    """Tables that views write to: they may be declared elsewhere."""
    return {item.to for item in schema.objects if isinstance(item, MaterializedView) and item.to}


def _known(found: Inspection) -> Mapping[str, set[str]]:
    """Every object that some version has, had or writes into, with its columns, indexes, projections or keys."""
    schema, database = found.schema, found.catalog.database
    names: dict[str, set[str]] = {name: set() for name in _targets(schema)}
    names |= {name: set() for _, name in found.recorded.names}
    lock = found.released.lock
    forms: list[Form] = [form for locked in lock.versions for form in locked.forms.values()] if lock is not None else []
    forms += load_forms(found.record.forms).values() if found.record is not None else ()
    for live in found.catalog.objects.values():
        forms.append(live.form)
        # What reads a table and is not declared is made anew with it.
        names |= {each: set() for each in _readers(live, database) - names.keys()}
    for form in forms:
        names.setdefault(form.name, set()).update(_parts(form))
    for item in schema.objects:
        parts = names.setdefault(item.name, set())
        if isinstance(item, Table):
            parts |= {each.name for each in item.columns} | {each.name for each in item.indexes}
            parts |= {each.name for each in item.projections}
        elif isinstance(item, NamedCollection):
            parts |= set(item.keys)
    for script in found.released.scripts:
        for old, new in script.migration.renames.items():
            table, column = renamed_parts(old)
            names.setdefault(table, set()).update((column, plain_name(new)) if column else ())
    return names


def _readers(live: LiveObject, database: str) -> set[str]:
    return {reader.removeprefix(f"{database}.") for reader in live.dependents}


def _parts(form: Form) -> set[str]:
    match form:
        case TableForm():
            columns = {each.name for each in form.columns}
            more = {each.name for each in form.indexes} | {each.name for each in form.projections}
            # The parts of a Nested are columns, and it has a name of its own.
            return columns | {each.partition(".")[0] for each in columns} | more
        case CollectionForm():
            return {each.name for each in form.collection_keys}
        case _:
            return set()
