"""What a call of ``ensure_schema`` was given."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.diff.hazards import OPTIONAL
from aaiclick.lease.owner import Owner
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.specs.schema import Schema


@dataclass(frozen=True, slots=True)
class Run:
    """What one call of ``ensure_schema`` was given."""

    schema: Schema
    """What the code declares."""
    database: str | None
    """Name of the database; None: the connection's own."""
    policy: Policy
    """What may be done."""
    owner: Owner
    """The process that calls."""
    embedded: bool
    """The engine runs inside this process."""
    library: str
    """Version of aaiclick."""
    approved: Plan | None = None
    """The plan that was approved; None: what the policy allows is done."""


def asks_for_more(policy: Policy) -> bool:
    """Whether optional steps may be wanted. A warm start does not see them: an undeclared object is no difference.
    A key that no optional step needs says how something required is done, and here nothing is required."""
    return policy.level == "everything" or any(key.partition(" ")[0] in OPTIONAL for key in policy.allowed)


def looks_further(schema: Schema, policy: Policy) -> bool:
    """Whether a start that has nothing to do looks at more than its first question: for optional steps, and to tell
    whoever allows something by name that nothing is called so."""
    if asks_for_more(policy):
        return True
    if not policy.allowed:
        return False
    from aaiclick.commands.inspection.idle_keys import names_declared

    return not all(names_declared(schema, key) for key in policy.allowed)
