"""Decides what to do about what was found: the same decision for a start and for commands that only report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from aaiclick.commands.inspection.given_values import given_elsewhere
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.commands.newer_version import ahead_error
from aaiclick.errors import (
    AaiclickError,
    BlockedError,
    ForeignTableError,
    SchemaVersionError,
    SpecChangedError,
    UnknownConversionError,
    UnrecognisedSchemaError,
    UnsupportedObjectError,
)
from aaiclick.events import Compared
from aaiclick.plan.foreign_objects import changed, changed_objects
from aaiclick.plan.gate import GateDecision, judge
from aaiclick.plan.policy import Policy
from aaiclick.plan.steps import UNREADABLE
from aaiclick.plan.unreachable_replicas import unsupported
from aaiclick.printable import allow_flag
from aaiclick.state.progress import finished_parts
from aaiclick.versions.conversions import unproven_conversions


class Decision(Enum):
    """What a start does about what it found, before it plans anything."""

    ONLY_LOOK = auto()
    """There is more than one replica: nothing is changed, not even what is written down here."""
    RECOVER = auto()
    """A run is at work, or was killed, or the tables of a cluster have to be made first: straight to the lease."""
    NEITHER_VERSION = auto()
    """Some tables are back at the version before and some are not, and this start may change nothing."""
    NEWER = auto()
    """The database is at a newer version, or on its way there."""
    PLAN = auto()
    """What differs is planned."""


def decide(found: Inspection, policy: Policy) -> Decision:
    """The first decision that fits what was found."""
    changes = policy.level != "check"
    if changes and unsupported(found.catalog, policy.allowed, found.topology):
        return Decision.ONLY_LOOK
    # Writers that a dead run locked out are let in again first, whatever may be done here now, and no plan is made of
    # tables that are neither what they were nor what they will be. A statement that was begun may be under way, and a
    # table may have been put in place between two questions: whether anybody has to be asked shows when its run has
    # ended.
    asked = found.progress.outcome_unknown or found.progress.displaced
    # Before all others: until these tables are there nothing that is written down can be read.
    if changes and found.where.unopened:
        return Decision.RECOVER
    if changes and (asked or found.owned.unfinished or found.unfinished_rollback is not None):
        return Decision.RECOVER
    # Code of the older version leaves them to whoever goes on with the newer one, or gives it up.
    if changes and found.guarded and not (found.ahead or found.overtaken):
        return Decision.RECOVER
    if found.unfinished_rollback is not None:
        return Decision.NEITHER_VERSION
    # Last: a half-done change of whatever version is put right first, also by code that is older than the database.
    return Decision.NEWER if found.ahead or found.overtaken else Decision.PLAN


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing is done until somebody decides."""

    error: AaiclickError
    """What a start raises."""
    state: str = ""
    """How ``Status.state`` calls it; '' where it is one of the differences like any other."""
    words: tuple[str, ...] = ()
    """For ``Status.differences``."""


def gate(planned: PlannedMigration, policy: Policy) -> GateDecision:
    """What may run. Raises where something that is required may not, and why."""
    in_the_way = obstacle(planned)
    if in_the_way is not None:
        # Before the policy is asked: no key would help.
        raise in_the_way.error
    found, plan = planned.inspection, planned.plan
    schema = found.schema
    verdict = judge(plan, policy)
    if verdict.refused:
        keys = tuple(dict.fromkeys(key for refusal in verdict.refused for key in refusal.allow))
        command = " ".join(["aaiclick migrate", *(allow_flag(key) for key in keys)])
        words = _differences(planned)
        raise SchemaVersionError(
            schema.name,
            found.live.label,
            schema.version_label,
            words,
            command,
            refused=tuple(refusal.words for refusal in verdict.refused),
            policy=policy.words,
            cause=given_elsewhere(schema, words) if found.same_version else "",
        )
    # Some reasons name the object themselves.
    blocked = tuple(
        f"{step.object}: {step.blocked.removeprefix(f'{step.object}: ')}" for step in verdict.run if step.blocked
    )
    if blocked:
        raise BlockedError(schema.name, blocked)
    return verdict


def status_of(planned: PlannedMigration) -> tuple[str, tuple[str, ...]]:
    """How the database stands to the code, as ``Status.state`` and ``Status.differences`` say it: what a start would
    say, without a policy."""
    found = planned.inspection
    # Differences from a newer version lead backwards: nobody is told to migrate by them.
    if found.ahead or found.overtaken:
        problem = ahead_error(found)
        if problem is None:
            return "in sync", ()
        at = f"on its way to v{problem.under_way}" if problem.under_way is not None else f"at v{problem.live}"
        return "ahead", (f"the database is {at}, newer than this code",)
    in_the_way = obstacle(planned)
    if in_the_way is not None and in_the_way.state:
        return in_the_way.state, in_the_way.words
    words = _differences(planned) + tuple(
        f"{step.object}: blocked: {step.blocked}" for step in planned.plan.required if step.blocked
    )
    if not words:
        return "in sync", ()
    if found.live.origin == "empty":
        return "empty", words
    # Also where nothing is recorded yet, and the tables were recognised as those of this version.
    same = found.same_version or (found.schema.version is not None and found.live.number == found.schema.version)
    return ("drift" if same else "behind"), words


def compared(planned: PlannedMigration) -> Compared:
    """The same in an event."""
    found, (state, words) = planned.inspection, status_of(planned)
    return Compared(
        found.schema.name, found.catalog.database, found.live.number, found.schema.version, state, len(words)
    )


def obstacle(planned: PlannedMigration) -> Obstacle | None:
    """The first reason to stop that no policy can allow; None where there is none."""
    return next((found for look in _LOOKS if (found := look(planned)) is not None), None)


def _changed(planned: PlannedMigration) -> Obstacle | None:
    """The declaration is another one than the one that was recorded for the same version."""
    found = planned.inspection
    if not found.same_version or found.record is None or found.record.spec == found.schema.fingerprint:
        return None
    from aaiclick.commands.inspection.verify import spec_differences

    words = spec_differences(found, planned.forms)
    return (
        Obstacle(SpecChangedError(found.schema.name, found.schema.version or 0, words), "changed", words)
        if words
        else None
    )


def _unrecognised(planned: PlannedMigration) -> Obstacle | None:
    """Nothing tells which version the tables are of."""
    found = planned.inspection
    recognition = found.live.recognition
    if recognition is None or found.live.number is not None:
        return None
    words = tuple(f"{name}: {', '.join(unmatched)}" for name, unmatched in sorted(recognition.unmatched.items()))
    return Obstacle(UnrecognisedSchemaError(found.schema.name, words, recognition.nearest), "unrecognised", words)


def _unrecorded(planned: PlannedMigration) -> Obstacle | None:
    """There are migrations, and no record of which were applied."""
    found = planned.inspection
    if found.live.origin != "unrecorded" or not found.released.scripts or not planned.plan.required:
        return None
    made = " (the tables were made by code without a version, version=None)" if found.live.developed else ""
    words = (f"there are migrations, and nothing says which of them were applied{made}", *_differences(planned))
    return Obstacle(UnrecognisedSchemaError(found.schema.name, words, None))


def _unreadable(planned: PlannedMigration) -> Obstacle | None:
    """A declared table whose definition cannot be read: it is never recorded as done."""
    for step in planned.plan.required:
        if step.id.endswith(UNREADABLE):
            words = f"{step.blocked}. It is declared, so nothing is done and no version is recorded until it can be"
            return Obstacle(UnsupportedObjectError(step.object, words))
    return None


def _foreign(planned: PlannedMigration) -> Obstacle | None:
    """A table belongs to another schema, which recorded it, and is declared otherwise here."""
    found, plan = planned.inspection, planned.plan
    schema, foreign = found.schema, changed(planned.plan, found.schema, found.owners)
    if not foreign:
        return None
    owners = tuple((name, found.owners[name].label) for name in sorted(foreign))
    words = tuple(
        words for step in plan.required if changed_objects(step, schema) & foreign for words in step.differences
    )
    said = (*(f"{name} belongs to {label}" for name, label in owners), *_differences(planned))
    said += tuple(f"{step.object}: blocked: {step.blocked}" for step in plan.required if step.blocked)
    return Obstacle(ForeignTableError(schema.name, owners, words), "foreign", said)


def _unproven(planned: PlannedMigration) -> Obstacle | None:
    """The form of the tables does not tell whether their values were converted."""
    found = planned.inspection
    doubt = unproven_conversions(found.catalog, found.released, found.live, found.progress)
    if not doubt.stops:
        return None
    words = tuple(f"nothing tells whether values were converted: {stop}" for stop in doubt.stops)
    how = ""
    if found.live.before_development is not None:
        how = f"was changed by code without a version (version=None) since {found.live.label}"
    elif found.live.developed:
        how = "was made by code without a version (version=None)"
    elif found.record is None and (finished := finished_parts(found.entries)):
        # The record was lost and the journal was not.
        how = f"has no version record (its journal says that this was carried out: {', '.join(finished)})"
    return Obstacle(
        UnknownConversionError(found.schema.name, doubt.after, doubt.before, doubt.stops, how), "unrecognised", words
    )


# What makes later findings doubtful comes first: on the wrong version every difference is wrong as well.
_LOOKS: tuple[Callable[[PlannedMigration], Obstacle | None], ...] = (
    _changed,
    _unrecognised,
    _unrecorded,
    _unreadable,
    _foreign,
    _unproven,
)


def _differences(planned: PlannedMigration) -> tuple[str, ...]:
    return planned.plan.differences([item.name for item in planned.inspection.schema.objects])
