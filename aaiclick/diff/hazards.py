"""Hazards: what a step may do to rows, values, readers and writers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

HazardKind: TypeAlias = Literal[
    "loses-rows",
    "changes-values",
    "rewrites-data",
    "holds-up-writers",
    "readers-see-gap",
    "old-code-breaks",
    "cannot-be-undone",
]
DESTRUCTIVE: frozenset[HazardKind] = frozenset({"loses-rows", "changes-values"})

_OF_A_STEP = (
    "add-column change-default change-engine change-partition-key change-sort-key change-ttl drop-column "
    "drop-dictionary drop-rows drop-table drop-view"
    " leave-detached-parts materialize relabel-enum replace-table replace-view retype"
)
_OF_A_MIGRATION = "rerun run-sql skip"
_OF_A_FUNCTION = "change-function"
_OF_AN_AGGREGATE = "fill-from-the-rest rebuild-aggregate start-empty"
_OF_WRITERS = "keep-writers-out reapply-deletes wait-for-deletes writers-stopped"
_OF_A_ROLLBACK = "deletes partial values"
WITHOUT_HOST = "without-host"
"""What is allowed with a host behind it: changes are made while it is away."""
ONE_NODE = "one-node"
"""What somebody allows who knows that there is one node only, whatever its catalogue says."""
WITHOUT_OBJECT = frozenset({ONE_NODE})
"""Keys that are one word: they name no object."""
ALLOWABLE = (
    WITHOUT_OBJECT
    | frozenset(
        f"{_OF_A_STEP} {_OF_A_MIGRATION} {_OF_A_FUNCTION} {_OF_AN_AGGREGATE} {_OF_WRITERS} {_OF_A_ROLLBACK}".split()
    )
    | {WITHOUT_HOST}
)
"""What can be allowed by name: the first word of a key. A key with another one is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """One danger of a step.

    ``message`` is a sentence for an operator. ``allow`` is the key that allows it by name (``drop-column
    operation_log.args``); '' where nothing has to be allowed.
    """

    kind: HazardKind
    message: str
    allow: str = ""

    @property
    def destructive(self) -> bool:
        """True where rows or values are lost or changed."""
        return self.kind in DESTRUCTIVE
