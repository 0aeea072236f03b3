"""Hazards: what a step may do to rows, values, readers and writers, as data on every step."""

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


@dataclass(frozen=True, slots=True)
class Hazard:
    """``message`` is one sentence that an operator understands; ``allow`` the key that allows it by name
    (``drop-column operation_log.args``; '' where nothing has to be allowed)."""

    kind: HazardKind
    message: str
    allow: str = ""

    @property
    def destructive(self) -> bool:
        """True where rows or values go: neither safe nor lossless."""
        return self.kind in DESTRUCTIVE
