"""What a call of ``ensure_schema`` was given, and what it holds under its lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aaiclick.commands.inspection.warm import Warm
from aaiclick.lease.owner import Owner
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.specs.schema import Schema

if TYPE_CHECKING:
    from aaiclick.apply.run import ApplyOptions
    from aaiclick.state.owned import Owned


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


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run that has the lease of its database."""

    run: Run
    """What it was given."""
    database: str
    """Name of the database."""
    nonce: str
    """The lease's; it stands in the names of scratch objects too."""
    started: float
    """Unix seconds, by this machine's clock."""
    options: ApplyOptions
    """How the steps are carried out."""
    owned: Owned
    """What is ours in the database: with what this run found, and without what it took away."""
    empty: bool = False
    """Nothing that the schema declares, or declared once, is there."""
    awaited: bool = False
    """A table that is away has to get settings back when it is there again."""


def asks_for_more(policy: Policy, seen: Warm) -> bool:
    """Whether optional steps may be wanted where nothing is required. An undeclared object is no difference, so
    ``everything`` looks; a key does where what it is about is there."""
    return policy.level == "everything" or seen.more
