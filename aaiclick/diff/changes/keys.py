"""Sort key, primary key, partition key, sampling key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaiclick.catalog.scratch_objects import instantiable
from aaiclick.diff.changes.base import AlterCommand, BaseChange, Phase, or_none
from aaiclick.diff.hazards import Hazard
from aaiclick.sql.clauses import REMOVE_SAMPLE_BY, modify_order_by, modify_sample_by

# Their merges only sort rows together; all other engines of the family combine rows of one sort key.
KEEPS_EVERY_ROW = frozenset({"MergeTree", "ReplicatedMergeTree", "SharedMergeTree"})


def _combines(engine: str) -> bool:
    """Whether merges of this engine, by its name, make one row of several."""
    return engine.endswith("MergeTree") and engine not in KEEPS_EVERY_ROW


@dataclass(frozen=True, slots=True)
class ChangeSortKey(BaseChange):
    """Another ORDER BY. Where the engine combines rows of one key, ``aaiclick/plan/combining/groups.py`` counts what
    that means."""

    table: str
    old: str
    new: str
    shorter: bool

    @property
    def words(self) -> str:
        return f"sort key {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        # The engine drops no column of the sort key (error 524), and takes a column into it only in the ALTER that adds
        # it. So a shorter key comes before the drops, and a longer one after the additions.
        return (
            AlterCommand(Phase.SHORTEN_KEY if self.shorter else Phase.SORT_KEY, modify_order_by(self.new or "tuple()")),
        )


@dataclass(frozen=True, slots=True)
class ChangeFixedKey(BaseChange):
    """Another PARTITION BY or PRIMARY KEY: ALTER has no syntax for either, so the table is copied."""

    table: str
    which: Literal["partition key", "primary key"]
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"{self.which} {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ChangeSamplingKey(BaseChange):
    """Another SAMPLE BY."""

    table: str
    old: str
    new: str

    @property
    def words(self) -> str:
        return f"sampling key {or_none(self.old)} -> {or_none(self.new)}"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return (AlterCommand(Phase.SORT_KEY, modify_sample_by(self.new) if self.new else REMOVE_SAMPLE_BY),)


@dataclass(frozen=True, slots=True)
class ChangeEngine(BaseChange):
    """Another engine, or other arguments: ALTER has no syntax for it."""

    table: str
    old: str
    new: str
    new_name: str

    @property
    def words(self) -> str:
        old, new = self.old.partition("(")[0], self.new.partition("(")[0]
        if new.endswith("MergeTree") or instantiable(new):
            return f"engine {self.old} -> {self.new}"
        # Its arguments may hold a secret.
        return f"engine {old} -> {new}" if old != new else f"arguments of the engine {new} differ"

    @property
    def commands(self) -> tuple[AlterCommand, ...]:
        return ()

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        if _combines(self.new_name):
            message = f"{self.new} combines rows of the same sort key of {self.table} when parts are merged"
            return (Hazard("loses-rows", message, f"change-engine {self.table}"),)
        if _combines(self.old.partition("(")[0]) and self.new_name in KEEPS_EVERY_ROW:
            message = f"queries of {self.table} with FINAL fail: {self.new_name} has none (error 181)"
            return (Hazard("old-code-breaks", message),)
        return ()
