"""Which version a database is at, and what that means for this code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import Catalog, Form
from aaiclick.plan.lockfile import Lock, read_lock
from aaiclick.plan.planner import Hints
from aaiclick.plan.recognise import Recognition, recognise
from aaiclick.specs.migrations import Migration
from aaiclick.specs.schema import Schema

Origin: TypeAlias = Literal["recorded", "recognised", "empty", "unrecorded"]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """``number`` is None where nothing says (an unrecorded database of a schema without released versions), 0 for an empty one."""

    number: int | None
    origin: Origin
    recognition: Recognition | None = None

    @property
    def label(self) -> str:
        """For the sentence 'oplog is at ..., code expects v5'."""
        if self.number is None:
            return "no recorded version"
        return f"v{self.number}"


def schema_lock(schema: Schema) -> Lock | None:
    """The released versions of a schema; None where it has no migrations package or no lock file in it."""
    return read_lock(schema.migrations) if isinstance(schema.migrations, str) else None


def live_version(schema: Schema, catalog: Catalog, recorded: int | None, has_record: bool, lock: Lock | None) -> LiveVersion:
    """The record where there is one, else what the tables look like."""
    if has_record:
        return LiveVersion(recorded, "recorded")
    names = {item.name for item in schema.objects} | {table.renamed_from for table in schema.tables}
    if lock is not None:
        forms: dict[str, Form] = {name: live.form for name, live in catalog.objects.items()}
        found = recognise(forms, lock)
        origin: Origin = "empty" if found.version == 0 else "unrecorded" if found.version is None else "recognised"
        return LiveVersion(found.version, origin, found)
    if not any(name in catalog.objects for name in names):
        return LiveVersion(0, "empty")
    return LiveVersion(None, "unrecorded")


def hints_of(schema: Schema, lock: Lock | None, live: LiveVersion, recorded_forms: str) -> Hints:
    """What lies between the live version and the declared one, from the migrations that are given as a list, the lock file and the record."""
    former = set(lock.names) if lock is not None else set[str]()
    former |= set(_recorded_names(recorded_forms))
    renames: dict[str, dict[str, str]] = {}
    rebuilds = {}
    for migration in _pending(schema, live):
        for what, new in sorted(migration.renames.items()):
            table, _, column = what.partition(".")
            if column:
                renames.setdefault(table, {})[column] = new
        rebuilds.update(migration.rebuild)
    return Hints(renames, rebuilds, frozenset(former))


def _pending(schema: Schema, live: LiveVersion) -> list[Migration]:
    given = schema.migrations if isinstance(schema.migrations, list) else []
    return sorted((one for one in given if live.number and one.version > live.number), key=lambda one: one.version)


def _recorded_names(forms: str) -> Mapping[str, object]:
    try:
        raw: object = json.loads(forms) if forms else {}
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


