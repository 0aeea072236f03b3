"""Decides which steps of a plan a policy allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.diff.hazards import MATERIALIZE
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.plan.policy import Level, Policy
from aaiclick.printable import allow_flag

METADATA = frozenset({"create", "alter", "replace"})
DECIDED_BY_RELEASES: frozenset[Level] = frozenset({"lossless", "everything"})
"""The policies under which counts what a migration allows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the policy does not allow, and why. ``allow``: the keys that would allow it; empty where another
    policy is needed."""

    step: Step
    reason: str
    allow: tuple[str, ...]

    @property
    def words(self) -> str:
        """Object, what would allow it, and the reason, for a sentence that says which policy refuses. The reason comes
        last: it may be long, and whoever cuts the sentence still reads what to do."""
        keys = " ".join(allow_flag(key) for key in self.allow)
        return f"{self.step.object}{f' ({keys})' if keys else ''}: {self.reason}"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What becomes of the steps.

    ``run`` are carried out, in order. ``refused`` are required and not allowed. ``pending`` are optional and not
    asked for.
    """

    run: tuple[Step, ...]
    refused: tuple[Refusal, ...]
    pending: tuple[Refusal, ...]


def judge(plan: Plan, policy: Policy) -> GateDecision:
    """Decide on each step of a plan."""
    run: list[Step] = []
    refused: list[Refusal] = []
    pending: list[Refusal] = []
    # Step by step and all of them: whoever is refused reads everything that has to be allowed at once.
    for step in plan.steps:
        refusal = refuse(step, policy)
        if refusal is None:
            run.append(_without_granted(step, policy))
        else:
            (pending if step.optional else refused).append(refusal)
    return GateDecision(tuple(run), tuple(refused), tuple(pending))


def _granted(step: Step, policy: Policy) -> frozenset[str]:
    # A migration permits a hazard to whoever may rewrite data at all: what the policy does not do, it does not begin.
    return policy.allowed | (frozenset(step.allowed) if policy.level in DECIDED_BY_RELEASES else frozenset[str]())


def _without_granted(step: Step, policy: Policy) -> Step:
    """The step, which looks again at nothing that would be allowed anyway."""
    if not isinstance(step.work, RebuildWork | AttachWork) or not step.work.looks:
        return step
    granted = _granted(step, policy)
    looks = (
        replace(look, findings=tuple(each for each in look.findings if each.allow not in granted))
        for look in step.work.looks
        if policy.level != "everything"
    )
    return replace(step, work=replace(step.work, looks=tuple(look for look in looks if look.findings)))


def refuse(step: Step, policy: Policy) -> Refusal | None:
    """Why the policy does not allow a step; None where it does."""
    keys = tuple(dict.fromkeys(hazard.allow for hazard in step.hazards if hazard.allow))
    released, granted = frozenset(step.allowed), _granted(step, policy)
    missing = tuple(key for key in keys if key not in granted)
    if policy.level == "check":
        return Refusal(step, "nothing is changed", ())
    # A clean-up is never a reason to stop: where it is not allowed it is left for another time.
    if step.optional:
        named = bool(keys) and not missing
        # A table is dropped only by name: nobody can know who else uses it.
        swept = policy.level == "everything" and step.strategy != "drop"
        why = (
            "it is done only where it is allowed by name"
            if keys and all(key.startswith(f"{MATERIALIZE} ") for key in keys)
            else "no longer declared: left alone until its drop is allowed by name"
        )
        return None if named or swept else Refusal(step, why, missing)
    # Hazards are decided first: what may destroy something is never allowed by being cheap.
    # A hazard without a key is told and never refused: nobody could allow it.
    dangers = [hazard for hazard in step.hazards if hazard.allow in missing and hazard.allow]
    if dangers and policy.level != "everything":
        said = dangers[0].message
        # The migration has decided already. What is missing is a policy that may do it, so no key is offered.
        if released.issuperset(missing):
            return Refusal(step, f"{said}; the migration allows that, and only metadata is changed", ())
        return Refusal(step, said, tuple(key for key in missing if key not in released))
    if policy.level == "everything":
        return None
    unseen = _unseen(step, policy)
    # A backfill keeps writers out for a moment, so it is more than a change of metadata.
    if step.strategy in METADATA and step.work.kind != "feed":
        return Refusal(step, unseen, ()) if unseen else None
    if policy.level == "safe":
        what = "it keeps writers out for a moment" if step.work.kind == "feed" else f"it is a {step.strategy}"
        return Refusal(step, f"{what}, and only metadata is changed", ())
    if unseen:
        return Refusal(step, unseen, ())
    if policy.max_bytes is not None and step.bytes + step.read_bytes > policy.max_bytes:
        return Refusal(
            step, f"it touches {step.bytes + step.read_bytes:,} bytes, and {policy.max_bytes:,} are allowed", ()
        )
    return None


def _unseen(step: Step, policy: Policy) -> str:
    """Why rows that a step needs to read first may not be read; '' where they may be, or were."""
    if not step.unlooked:
        return ""
    what = f"it reads {step.reads or 'rows'} first, to see what becomes of {', '.join(step.unlooked)}"
    if policy.level == "safe":
        return f"{what}, and this policy changes only metadata: aaiclick migrate reads it"
    if policy.max_bytes is not None and step.read_bytes > policy.max_bytes:
        return f"{what}: that is {step.read_bytes:,} bytes, and {policy.max_bytes:,} are allowed"
    return ""
