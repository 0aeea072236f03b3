"""What a call of ``ensure_schema`` was given."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.commands.inspection.warm import Warm
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


def asks_for_more(policy: Policy, seen: Warm) -> bool:
    """Whether optional steps may be wanted where nothing is required. An undeclared object is no difference, so
    ``everything`` looks; a key does where what it is about is there."""
    return policy.level == "everything" or seen.more
