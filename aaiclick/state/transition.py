"""Migrations and rollbacks that were begun and are not recorded yet, as the journal shows them to whoever comes next.

It begins with the first effect that is not purely additive. Until then code of the recorded version finds everything as
it left it: new tables and new columns do it no harm. The entry in the journal is what counts; the mark in the comment
of ``schema_version`` is for the one query of a start that finds nothing else to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork
from aaiclick.routine import Routine
from aaiclick.sql.hex_text import hexed
from aaiclick.state.cache import RunningTransition, mark_transition
from aaiclick.state.journal import Entry, last_entries, outcome
from aaiclick.state.progress import JournalScope, enter_start, version_of
from aaiclick.state.records import ensure_tables

_FORWARD = ":under way"
_BACK = ":back"
# As ``words`` of the changes in ``diff/changes`` say it.
_ADDED = re.compile(r"(column|index|projection) .+ is missing\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Steps that a run was about to take (a plan as JSON), on the way to ``version``; ``at`` is the server's time, Unix
    milliseconds. ``run``: under which name it is entered, which says in which generation."""

    version: int
    steps: str
    at: int
    run: str


@dataclass(frozen=True, slots=True)
class UnfinishedMigration:
    """A transition that was begun and is not recorded."""

    version: int
    """Where it leads."""
    before: int | None
    """From which version; None where nothing said which."""
    oldest_code: int | None
    """The oldest code that runs on the result."""
    who: str
    """Who began it."""
    at: int
    """When, by the server's clock; Unix milliseconds."""
    attempts: tuple[Attempt, ...] = ()
    """The runs that tried it, with what they were about to do."""

    @property
    def running(self) -> RunningTransition:
        """What a start needs to know of it."""
        return RunningTransition(self.version, self.oldest_code)


@dataclass(frozen=True, slots=True)
class UnfinishedRollback:
    """A rollback that was begun and is not recorded."""

    to: int
    """The version that is rolled back to."""
    before: int
    """The version that is rolled back."""
    who: str
    """Who began it."""
    at: int
    """When, by the server's clock; Unix milliseconds."""
    tables: Mapping[str, str] = field(default_factory=dict[str, str])
    """The storage (UUID) that each table had that was to come back, or to be renamed back."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """Tables that were to get a former name back: it, by the name that each had."""
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What is sent for views and the like once the tables are back, by their names."""


@dataclass(frozen=True, slots=True)
class TransitionStart:
    """What is entered of a transition before its first effect that is not additive. ``number`` counts the attempts."""

    under_way: UnfinishedMigration
    number: int
    steps: str


def additive(step: Step) -> bool:
    """Whether code of the version before finds everything else as it was."""
    if step.strategy == "create" and step.work.kind in ("create", "named collection"):
        return True
    added = all(_ADDED.match(change) for change in step.changes or (step.change,))
    return step.strategy == "alter" and isinstance(step.work, AlterWork) and not step.work.frees_ttl and added


def find_unfinished_migration(entries: Sequence[Entry], recorded: int | None) -> UnfinishedMigration | None:
    """The newest transition among the entries that leads above what is recorded. What earlier releases entered counts
    from its first entry."""
    # Transitions that are recorded are over, whatever the journal still says of them.
    later = [
        entry
        for entry in entries
        if version_of(entry) > (recorded or 0) and entry.state != "undone" and not entry.action.step.endswith(_BACK)
    ]
    if not later:
        return None
    own = [entry for entry in later if entry.action.step.endswith(_FORWARD)]
    # Releases before this one entered no start of a transition: what they had begun or done tells of it.
    told = own or [entry for entry in later if entry.state in ("intent", "done")]
    if not told:
        return None
    # Of several entries of one version the first counts: it holds the time and the version at which the way began.
    newest = max(told, key=lambda entry: (version_of(entry), -entry.seq))
    attempts = tuple(_attempt(entry) for entry in own)
    before = _number(newest, "from")
    return UnfinishedMigration(
        version_of(newest),
        before if before is not None else recorded,
        _number(newest, "oldest_code"),
        _text(newest, "who"),
        newest.at,
        attempts,
    )


def find_unfinished_rollback(entries: Sequence[Entry]) -> UnfinishedRollback | None:
    """The rollback that was begun in this generation: its record begins another one."""
    found = [entry for entry in entries if entry.action.step.endswith(_BACK) and entry.state == "intent"]
    if not found:
        return None
    # The last one counts: one that came to nothing is 'undone' and not among them.
    last = found[-1]
    return UnfinishedRollback(
        version_of(last),
        _number(last, "from") or 0,
        _text(last, "who"),
        last.at,
        _texts(last, "tables"),
        _texts(last, "renames"),
        _statements(last),
    )


def read_attempts(database: str, schema: str) -> Routine[tuple[Attempt, ...]]:
    """All that was ever entered, oldest first."""
    entries = yield from last_entries(
        database,
        "schema = unhex({schema:String}) AND endsWith(step, unhex({end:String}))",
        {"schema": hexed(schema), "end": hexed(_FORWARD)},
    )
    return tuple(_attempt(entry) for entry in entries)


def begin_transition(scope: JournalScope, start: TransitionStart) -> Routine[None]:
    """Enter it, and mark it where a start looks. The entry first: without the mark nothing has happened yet."""
    way = start.under_way
    details = {"oldest_code": way.oldest_code, "who": way.who, "from": way.before, "steps": start.steps}
    yield from enter_start(scope, f"{way.version}{_FORWARD}", details, start.number)
    # The mark is in its comment.
    yield from ensure_tables(scope.database)
    yield from mark_transition(scope.database, scope.schema, way.running)


def begin_back(scope: JournalScope, going: UnfinishedRollback) -> Routine[None]:
    """Enter a rollback before its first effect."""
    # The entry before the mark, as in ``begin_transition``.
    renames = {"renames": dict(going.renames)} if going.renames else {}
    views = {"views": {name: list(sent) for name, sent in going.views.items()}} if going.views else {}
    details = {"from": going.before, "who": going.who, "tables": dict(going.tables), **renames, **views}
    yield from enter_start(scope, f"{going.to}{_BACK}", details)
    yield from mark_transition(scope.database, scope.schema, RunningTransition(going.to, back=True))


def forget_back(scope: JournalScope, going: UnfinishedRollback, under_way: UnfinishedMigration | None) -> Routine[None]:
    """Nothing came of the rollback: its entry and its mark are taken back."""
    # The entry first: it is what counts, the mark only leads a start to it.
    yield from outcome(scope.database, scope.action(f"{going.to}{_BACK}"), "undone")
    yield from mark_transition(scope.database, scope.schema, under_way.running if under_way is not None else None)


def _texts(entry: Entry, key: str) -> dict[str, str]:
    found = entry.details.get(key)
    if not isinstance(found, dict):
        return {}
    return {str(name): str(value) for name, value in cast("dict[str, object]", found).items()}


def _statements(entry: Entry) -> dict[str, tuple[str, ...]]:
    found = entry.details.get("views")
    if not isinstance(found, dict):
        return {}
    listed = cast("dict[str, list[object]]", found)
    return {str(name): tuple(str(sql) for sql in sent) for name, sent in listed.items()}


def _attempt(entry: Entry) -> Attempt:
    return Attempt(version_of(entry), _text(entry, "steps"), entry.at, entry.action.run)


def _number(entry: Entry, key: str) -> int | None:
    value = entry.details.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(entry: Entry, key: str) -> str:
    value = entry.details.get(key)
    return value if isinstance(value, str) else ""
