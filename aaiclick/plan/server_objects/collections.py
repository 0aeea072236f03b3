"""Steps for named collections. They come before the tables and dictionaries that name them.

A step names keys. Their values are looked up when its statement is sent, and stand in no plan.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import CollectionForm
from aaiclick.catalog.server_objects.collections import LiveCollection, declared_collection, read_collections
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.model import Step
from aaiclick.plan.operations import CollectionWork, DropWork
from aaiclick.plan.server_objects.rights import missing_right
from aaiclick.plan.steps import blocked_step, statements_step
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.sql.ddl import alter_named_collection, create_named_collection, drop
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.secrets import HIDDEN

SET = "set-values"
_ANOTHER = "uses it so from then on, and tables of an engine that does not take a key fail, or are not loaded any more"
_EVERYWHERE = "the named collection is the server's: whatever names it, in any database, "


@dataclass(frozen=True, slots=True)
class PlannedCollections:
    """Steps, notes and forms of the declared named collections. ``dropped``: optional steps that come last."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    forms: dict[str, CollectionForm] = field(default_factory=dict[str, CollectionForm])
    dropped: tuple[Step, ...] = ()


def plan_collections(schema: Schema, requested: Collection[str], once: Collection[str]) -> Routine[PlannedCollections]:
    """Compare the keys of declared named collections with those of the live ones. Other ones are left alone.

    ``requested``: keys of what the policy allows by name. ``once``: names that earlier versions declared.
    """
    declared = schema.named_collections
    names = {item.name for item in declared}
    gone = sorted(set(once) - {item.name for item in schema.objects})
    if not names and not gone:
        return PlannedCollections()
    live = yield from read_collections((*names, *gone))
    steps: list[Step] = []
    notes: list[str] = []
    for item in declared:
        there = live.get(item.name)
        if there is None:
            steps.append((yield from _create(item)))
        else:
            steps += yield from _change(item, there, requested)
            notes += (f"{item.name}: key {key} is not declared (left alone)" for key in _undeclared(item, there))
    forms = {item.name: declared_collection(item) for item in declared}
    return PlannedCollections(tuple(steps), tuple(notes), forms, tuple(_drop(name) for name in gone if name in live))


def _create(item: NamedCollection) -> Routine[Step]:
    words = "named collection is missing"
    # Who may not see it cannot know whether it is there.
    obstacle = (yield from missing_right("see", item.name)) or (yield from missing_right("make", item.name))
    if obstacle:
        return _blocked(item, words, obstacle)
    if unknown := item.unknown(item.keys):
        return _blocked(item, words, "; ".join(unknown))
    pairs = tuple((key, item.flag(key)) for key in item.keys)
    sql = create_named_collection(quote_name(item.name), _hidden(pairs))
    return Step(f"{item.name}:create", item.name, words, "create", [sql], CollectionWork(item.name, pairs))


def _change(item: NamedCollection, live: LiveCollection, requested: Collection[str]) -> Routine[list[Step]]:
    there = {key.name: key.overridable for key in live.form.collection_keys}
    missing = [key for key in item.keys if key not in there]
    other = [key for key in item.keys if live.differs(key, item.flag(key))]
    words = [f"key {key} is missing" for key in missing]
    words += [f"key {key} is {there[key] or 'not marked'}, {item.flag(key)} is declared" for key in other]
    again = [key for key in item.keys if {f"{SET} {item.name}", f"{SET} {item.name}.{key}"} & set(requested)]
    # Those are set anyway.
    again = [key for key in again if key not in (*missing, *other)]
    undeclared = _undeclared(item, live)
    if not words and not again and not undeclared:
        return []
    obstacle = yield from _obstacle(item, live)
    steps: list[Step] = []
    if words:
        # The values of before cannot be put back: the server shows the keys alone.
        hazard = Hazard("changes-values", f"{_EVERYWHERE}{_ANOTHER}", f"change-collection {item.name}")
        steps.append(_set(item, "change", words, [*missing, *other], (hazard,), obstacle))
    if again:
        allow = f"{SET} {item.name}" if f"{SET} {item.name}" in requested else ""
        hazards = tuple(
            Hazard("old-code-breaks", f"{_EVERYWHERE}uses the new values from then on", key)
            for key in ([allow] if allow else [f"{SET} {item.name}.{key}" for key in again])
        )
        # With the permission for all keys, those without a declared value stay as they are. A key that is named itself
        # does not, nor all of them where none has a value: then the step says that no value is given.
        named = {key for key in again if f"{SET} {item.name}.{key}" in requested}
        known = [key for key in again if item.keys[key] is not None or key in named] or again
        said = f"values of {', '.join(known)} are set anew"
        steps.append(_set(item, SET, [said], known, hazards, obstacle, optional=True))
    # Without the right nothing is offered that could not be carried out.
    for key in undeclared if not obstacle else ():
        sql = alter_named_collection(quote_name(item.name), (), (quote_name(key),))
        hazard = Hazard("changes-values", f"{_EVERYWHERE}goes without {key}", f"drop-collection-key {item.name}.{key}")
        said = f"key {key} is not declared"
        steps.append(statements_step(f"{item.name}:drop:{key}", item.name, said, (sql,), (hazard,), optional=True))
    return steps


def _obstacle(item: NamedCollection, live: LiveCollection) -> Routine[str]:
    """Why the live collection cannot be changed; '' where it can."""
    if live.configured:
        return "it stands in the configuration of the server, which no statement changes: change it there"
    return (yield from missing_right("change", item.name))


def _set(
    item: NamedCollection,
    label: str,
    words: Sequence[str],
    keys: Sequence[str],
    hazards: tuple[Hazard, ...],
    obstacle: str,
    *,
    optional: bool = False,
) -> Step:
    pairs = tuple((key, item.flag(key)) for key in keys)
    sql = alter_named_collection(quote_name(item.name), _hidden(pairs))
    return Step(
        f"{item.name}:{label}",
        item.name,
        "; ".join(words),
        "alter",
        [sql],
        CollectionWork(item.name, pairs, there=True),
        hazards,
        optional=optional,
        blocked=obstacle or "; ".join(item.unknown(keys)),
        changes=tuple(words),
    )


def _drop(name: str) -> Step:
    sql = drop("NAMED COLLECTION", quote_name(name))
    hazards = (
        Hazard("old-code-breaks", f"{_EVERYWHERE}fails", f"drop-collection {name}"),
        Hazard("cannot-be-undone", f"nobody shows the values of {name}, so nothing brings them back"),
    )
    said = "named collection is no longer declared"
    return Step(f"{name}:drop", name, said, "drop", [sql], DropWork(sql), hazards, optional=True)


def _undeclared(item: NamedCollection, live: LiveCollection) -> list[str]:
    return [key.name for key in live.form.collection_keys if key.name not in item.keys]


def _hidden(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    # A plan is printed, and stored in the record: no value gets into it. They are put in when the step is carried out.
    return tuple(f"{quote_name(key)} = '{HIDDEN}' {flag}".rstrip() for key, flag in pairs)


def _blocked(item: NamedCollection, words: str, reason: str) -> Step:
    return blocked_step(f"{item.name}:create", item.name, words, reason, "create")
