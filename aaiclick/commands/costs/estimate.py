"""A step with what it costs. Pure."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.commands.costs.disks import Disks, PartSizes
from aaiclick.commands.costs.rates import Rate
from aaiclick.plan.model import Room, Step
from aaiclick.plan.operations import AlterWork

DISK_FACTOR = 1.1
"""As in ``ApplyOptions``: a copy may be packed a little worse than what it is made of."""
OLD_PARTS_SECONDS = 480.0
"""How long the server keeps parts that a mutation has replaced (``old_parts_lifetime``)."""
_STATEMENTS = {"rebuild": (0.1, 0.5, 2.0), "backfill": (0.1, 0.5, 2.0), "attach": (0.1, 0.3, 2.0)}
"""What the statements take around the rows: shortest, usual and longest, in seconds."""
_METADATA = (0.0, 0.1, 1.0)
_UNKNOWN = ("sql", "callable")


def estimated(
    step: Step,
    rate: Rate | None,
    size: int,
    disks: Disks | None,
    keep_seconds: float,
    parts: PartSizes | None = None,
    share: float = 1.0,
) -> Step:
    """The step with seconds and room. ``rate``: None for a step that reads no rows. ``size``: bytes of its table.
    ``parts``: of its table; None where they are not known. ``share``: how much of the table one host has at most: the
    room is that on each host."""
    if step.strategy in _UNKNOWN or step.blocked:
        return step  # nobody knows what statements of a migration do, and a blocked step does nothing
    low, usual, high = _STATEMENTS.get(step.strategy, _METADATA)
    origin = "statements"
    if rate is not None:
        of_rows = rate.seconds(_written(step, parts))
        low, usual, high = low + of_rows[0], usual + of_rows[1], high + of_rows[2]
        origin = rate.origin
    return replace(
        step,
        seconds=round(usual, 1),
        seconds_range=(round(low, 1), round(high, 1)),
        seconds_from=origin,
        room=_room(replace(step, bytes=int(step.bytes * share)), int(size * share), disks, keep_seconds, parts),
    )


def _written(step: Step, parts: PartSizes | None) -> int:
    """Bytes that are read and written. A column is dropped without a look at the others, which become hard links; only
    compact parts hold all columns in one file."""
    # Where a default is written into the parts before, there are two statements.
    dropped = ":drop-column:" in step.id and isinstance(step.work, AlterWork) and len(step.work.alters) == 1
    return min(step.bytes, parts.compact) if dropped and parts is not None else step.bytes


def _room(step: Step, size: int, disks: Disks | None, keep_seconds: float, parts: PartSizes | None) -> Room | None:
    names, free = (disks.names, disks.free) if disks is not None else ("", None)
    match step.strategy:
        case "rebuild":
            needed, stays, seconds = int(step.bytes * DISK_FACTOR), size if keep_seconds else 0, keep_seconds
        case "attach":
            # Hard links at first. Merges of the new table write parts of its own while the old one keeps the others.
            needed, stays, seconds = 0, size if keep_seconds else 0, keep_seconds
        case "mutate":
            # As many bytes as the largest part has are reserved, also where most of it becomes hard links.
            written, largest = _written(step, parts), parts.largest if parts is not None else 0
            needed, stays, seconds = max(written, int(largest * DISK_FACTOR)), written, OLD_PARTS_SECONDS
        case "backfill":
            # What a query yields is mostly less than what it reads; nobody knows before.
            needed, stays, seconds = step.bytes, 0, 0.0
        case _:
            return None
    return Room(names, needed, free, stays, seconds) if needed or stays else None
