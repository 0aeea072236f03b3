"""Which version a database is at, and what of the migrations between that and the declared one is done already."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from aaiclick.catalog.forms import Catalog, Form
from aaiclick.specs.renames import table_renames
from aaiclick.specs.schema import Schema
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.lockfile import Lock
from aaiclick.versions.scripts import Script

if TYPE_CHECKING:
    from aaiclick.versions.recognition import Recognition
    from aaiclick.versions.version_changes import Reached

Origin: TypeAlias = Literal["recorded", "recognised", "empty", "unrecorded"]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version that a database is at, and how that is known."""

    number: int | None
    """It; 0 for an empty database, None where nothing tells: nothing is recorded, and no version was released."""
    origin: Origin
    """How it is known."""
    recognition: Recognition | None = None
    """What the objects say of it; None where nobody had to ask them."""
    levels: Mapping[str, int] = field(default_factory=dict[str, int])
    """Where tables are at different released versions, the version of each."""
    before_development: Mapping[str, Form] | None = None
    """What was recorded of the objects of that version, where code without a version has started since and this code
    has one; else None."""
    developed: bool = False
    """All that is recorded comes from code without a version."""

    @property
    def label(self) -> str:
        """For the sentence 'oplog is at ..., code expects v5'."""
        if self.number is None:
            return "no recorded version"
        return f"v{self.number}" if self.number else "v0 (empty)"


def former_names(scripts: Sequence[Script]) -> frozenset[str]:
    """Every name that a migration gave up by renaming a table."""
    return frozenset(old for script in scripts for old in table_renames(script.migration.renames))


def live_version(
    schema: Schema,
    catalog: Catalog,
    recorded: int | None,
    has_record: bool,
    lock: Lock | None,
    former: frozenset[str] = frozenset(),
    levels: str = "",
) -> LiveVersion:
    """The recorded version, else the one that the tables look like.

    ``levels`` is the column ``migrations`` of the record: for tables at different versions it holds the version of
    each.
    """
    # A record counts before anything that the tables look like: they may be half-way between two versions, after a
    # kill.
    if has_record:
        return LiveVersion(recorded, "recorded", levels=_recorded_levels(levels))
    names = {item.name for item in schema.objects} | set(schema.former_names) | former
    if lock is not None:
        from aaiclick.versions.recognition import recognise

        forms: dict[str, Form] = {name: live.form for name, live in catalog.objects.items()}
        found = recognise(forms, lock)
        origin: Origin = "empty" if found.version == 0 else "unrecorded" if found.version is None else "recognised"
        # Where several versions match a table, from the newest there are the fewest steps.
        highest = {
            name: max(versions)
            for name, versions in found.matches.items()
            if found.mixed and versions and name in forms
        }
        return LiveVersion(found.version, origin, found, highest)
    # Also by names that were given up: a database of an old version has tables that nobody declares any more.
    if not any(name in catalog.objects for name in names):
        return LiveVersion(0, "empty")
    return LiveVersion(None, "unrecorded")


_MARKED = 8
"""So many characters of a storage's UUID stand in a key."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that may have happened or not, and about which an operator decides. A decision holds for this doubt
    alone: the key that says it ends with a mark that no other doubt has."""

    what: str
    """``migration 2:1``: the migration and the statement's number, or the table's name."""
    mark: str
    """Tells it from others about the same."""
    first: bool
    """Nobody has decided about the same before. Then a key without a mark counts too, as earlier releases gave it."""
    times: int = 1
    """How often it was begun."""

    @property
    def again(self) -> str:
        """Allows to do it again."""
        return f"rerun {self.what}#{self.mark}"

    @property
    def skipped(self) -> str:
        """Allows to take it for done."""
        return f"skip {self.what}#{self.mark}"

    def given(self, key: str, allowed: Collection[str]) -> str:
        """Which of the allowed keys says that; '' where none does."""
        plain = key.rpartition("#")[0] if self.first else key
        return next((each for each in (key, plain) if each in allowed), "")


@dataclass(frozen=True, slots=True)
class Displaced:
    """A table that is not the one which a migration's expressions were applied to."""

    table: str
    """Its name now."""
    uuid: str
    """The storage that is there under the name."""
    converted: tuple[str, ...]
    """The storages that are known to be converted; the last one is the newest."""

    def words(self, label: str) -> str:
        """What an operator has to decide about it; ``label`` is the migration's."""
        doubt = self.doubt(label)
        return (
            f"{label} converted the rows of storage {self.converted[-1]}, and somebody else has put storage "
            f"{self.uuid} under the name. Look whether its rows are converted, then allow one: "
            f"'{doubt.again}' converts them, '{doubt.skipped}' takes them as they are"
        )

    def doubt(self, label: str) -> Doubt:
        """The keys are about this storage: what is put there after it is asked about anew."""
        return Doubt(f"{label}:{self.table}", self.uuid[:_MARKED], len(self.converted) == 1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement of a migration that was begun."""

    times: int
    """How often."""
    mark: str
    """Tells the last time from those before, also in other databases."""
    made: str = ""
    """UUID of the table that it makes and fills; '' for any other statement, and where none was given to it."""


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """What earlier runs have done of the pending migrations, as the journal tells it."""

    done: frozenset[str] = frozenset()
    """Keys of what is done: ``3:move``, ``3:sql:1`` (statements count from 1), ``2:rebuild:operation_log``."""
    outcome_unknown: frozenset[str] = frozenset()
    """Keys of what was begun and of which nobody knows whether it ended."""
    sent: Mapping[str, Sent] = field(default_factory=dict[str, Sent])
    """The statements that were begun, by their keys, whatever became of them."""
    rerun: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of statements that an operator allows to be sent again: what allows it, by their keys."""
    bookmarks: Mapping[int, str] = field(default_factory=dict[int, str])
    """The last bookmark of a version's function, as JSON."""
    attempts: Mapping[int, int] = field(default_factory=dict[int, int])
    """How often a version's function was called."""
    displaced: Mapping[str, Displaced] = field(default_factory=dict[str, "Displaced"])
    """Keys of copies that are done, but of another table than the one that is there."""
    taken: Mapping[str, Displaced] = field(default_factory=dict[str, "Displaced"])
    """Those of them whose table the operator takes for converted."""
    reached: Mapping[str, Reached] = field(default_factory=dict[str, "Reached"])
    """How far the rows of storages are, by UUID, where several versions led to them in one step."""


def scripts_between(schema: Schema, found: ReleaseHistory, live: LiveVersion) -> tuple[Script, ...]:
    """The migrations between the live version and the declared one. An empty database needs none: it is created as
    declared."""
    if not live.number or schema.version is None:
        return ()
    return tuple(script for script in found.scripts if live.number < script.version <= schema.version)


def statement_doubt(label: str, key: str, progress: MigrationProgress) -> Doubt:
    """About a statement that was begun, by its key."""
    sent = progress.sent[key]
    return Doubt(f"{label}:{key.rpartition(':')[2]}", sent.mark, sent.times == 1, sent.times)


def rebuild_key(version: int, table: str) -> str:
    """The key, in the journal, of a copy with a migration's expressions."""
    return f"{version}:rebuild:{table}"


def later_names(table: str, scripts: Sequence[Script]) -> tuple[str, ...]:
    """The names that a table gets by migrations, the last one first, and its own."""
    names = [table]
    for script in scripts:
        renamed = table_renames(script.migration.renames).get(names[0])
        if renamed is not None:
            names.insert(0, renamed)
    return tuple(names)


def _recorded_levels(recorded: str) -> Mapping[str, int]:
    """The versions of single tables, as ``aaiclick adopt`` recorded them."""
    found = recorded_names(recorded)
    return {
        key.removeprefix("level "): int(str(value))
        for key, value in found.items()
        if key.startswith("level ") and str(value).isdecimal()
    }


def recorded_names(forms: str) -> Mapping[str, object]:
    """What a column of a record holds by name, as JSON; nothing where it holds something else."""
    try:
        raw: object = json.loads(forms) if forms else {}
    except ValueError:
        return {}
    return cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
