"""Hazards: what a step may do to rows, values, readers and writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.allow import WORDS

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

MEANING: Mapping[HazardKind, str] = {
    "loses-rows": "rows are gone, at once or by a later merge",
    "changes-values": "values are lost, changed, or mean something else",
    "rewrites-data": "rows are written again, with the same values",
    "holds-up-writers": "INSERTs wait or are refused, for a while or for good",
    "readers-see-gap": "readers see only a part of the rows, or none, for a while",
    "old-code-breaks": "code of the version before fails",
    "cannot-be-undone": "nothing undoes it, not even a rollback",
}
"""What a kind means, for docs/policy.md."""
WITHOUT_HOST = "without-host"
"""What is allowed with a host behind it: changes are made while it is away."""
ONE_NODE = "one-node"
"""What somebody allows who knows that there is one node only, whatever its catalogue says."""
WITHOUT_OBJECT = frozenset({ONE_NODE})
"""Keys that are one word: they name no object."""
MATERIALIZE = "materialize"
"""What fills an index, a projection or statistics for older rows is allowed by this, with the name behind it."""
OPTIONAL = frozenset(
    {
        "drop-collection",
        "drop-collection-key",
        "drop-column",
        "drop-dictionary",
        "drop-table",
        "drop-view",
        MATERIALIZE,
    }
    | {"set-values"}
)
"""What optional steps are allowed by, as first words of keys: each of them needs at least one such key."""
ALLOWABLE = WORDS
"""What can be allowed by name: the first word of a key."""


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
