"""What a new table does not take over from the table that it replaces.

Grants, row policies, quotas, views and dictionaries find a table by its name, so they apply to the new one. A FREEZE
is a copy of its own. What belongs to the storage itself stays with the old table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.background_inserts import find_background_inserts
from aaiclick.clickhouse.parts import detached_parts
from aaiclick.clickhouse.shared.host_answers import detached_on_hosts
from aaiclick.clickhouse.topology import named
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import RenameColumn
from aaiclick.diff.changes.materialize_columns import MaterializeColumns
from aaiclick.diff.hazards import DESTRUCTIVE, Hazard, HazardKind
from aaiclick.errors import StatementError
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine

_WINDOW = "non_replicated_deduplication_window"


@dataclass(frozen=True, slots=True)
class NotInherited:
    """What stays behind when a new table takes the place of another one."""

    hazards: tuple[Hazard, ...] = ()
    """What that means for rows, readers and writers."""
    blocked: str = ""
    """Why nobody knows all of it; '' where it is known."""


def not_inherited(diff: TableDiff, data_name: str) -> Routine[NotInherited]:
    """Of every step that exchanges the table, on all hosts; ``data_name`` is what it is called now."""
    detached = yield from _detached(diff, data_name)
    streams = yield from _streams(diff, data_name)
    # They are in the old table's directory, and are dropped with it.
    what = "are not carried over: they go when the old table is dropped"
    left = detached.hazards("loses-rows", what, diff) if not detached.unknown else ()
    return NotInherited((*left, *streams.hazards, *_tokens(diff)), detached.unknown or streams.blocked)


def left_as_they_are(diff: TableDiff, data_name: str, changes: Sequence[Change]) -> Routine[NotInherited]:
    """Of a step in place: detached parts, which no mutation reaches. Rows that are attached later are read by the new
    definition, and nobody has looked at their values."""
    if not reads_otherwise(changes):
        return NotInherited()
    # It goes on without a host that is away: whatever is detached there is attached by somebody who sees the new
    # definition.
    detached = yield from _detached(diff, data_name)
    what = "stay as they are: attached later they are read by the new definition, and show other values or none"
    return NotInherited(detached.hazards("changes-values", what, diff))


def reads_otherwise(changes: Sequence[Change]) -> bool:
    """Whether a part that was written before shows other values behind them, or may be unreadable."""
    return any(_reads_otherwise(change) for change in changes)


def _reads_otherwise(change: Change) -> bool:
    match change:
        case RenameColumn() | MaterializeColumns():
            return True
        case ChangeDefault():
            return "DEFAULT" in (change.old.kind, change.new.kind)
        case RetypeColumn():
            # Any value of the old type is one of the new type where nothing has to be counted.
            return bool(change.checks) or any(hazard.kind in DESTRUCTIVE for hazard in change.hazards)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _Detached:
    """Parts of a table that somebody detached."""

    words: str
    """How many, of which table, where; '' for none."""
    unknown: str = ""
    """Why nobody knows all of them; '' where it is known."""

    def hazards(self, kind: HazardKind, what: str, diff: TableDiff) -> tuple[Hazard, ...]:
        """That of leaving them. ``what``: what becomes of them."""
        return (Hazard(kind, f"{self.words} {what}", f"leave-detached-parts {diff.live.name}"),) if self.words else ()


def _detached(diff: TableDiff, data_name: str) -> Routine[_Detached]:
    where = unknown = ""
    if diff.hosts.reached:
        seen = yield from detached_on_hosts(diff.hosts, diff.database, data_name)
        count, example = seen.count, seen.example
        where = f" on {'hosts' if len(seen.places) > 1 else 'host'} {named(diff.hosts, seen.places)}"
        if seen.away:
            does = "s {} do" if len(seen.away) > 1 else " {} does"
            unknown = (
                f"{diff.live.name}: host{does.format(named(diff.hosts, seen.away))} not answer, and nobody "
                "knows about detached parts there, which would not be carried over. Run again when all answer"
            )
    else:
        count, example = yield from detached_parts(diff.database, data_name)
    words = f"{count:,} detached parts of {data_name}{where} (such as {example})" if count else ""
    return _Detached(words, unknown)


def _streams(diff: TableDiff, data_name: str) -> Routine[NotInherited]:
    """The hazard of streams into the table: what arrives at the moment of the exchange goes into the old table, and
    nothing tells when that is over."""
    try:
        found = yield from find_background_inserts(diff.database, data_name, topology=diff.hosts)
    except StatementError as error:
        if not diff.hosts.reached or not error.code:
            raise
        return NotInherited(
            blocked=f"{diff.live.name}: not every host answers ({error.message}), and nobody knows what brings rows "
            "into it there. Run again when they do"
        )
    if not found.streams:
        return NotInherited()
    names = ", ".join(found.streams)
    message = (
        f"{names} may bring rows in the moment of the exchange, which are lost: stop "
        f"{'it' if len(found.streams) == 1 else 'them'} first (DETACH TABLE){found.doubt}"
    )
    return NotInherited((Hazard("loses-rows", message, f"writers-stopped {diff.live.name}"),))


def _tokens(diff: TableDiff) -> tuple[Hazard, ...]:
    # The log of the last INSERTs is a part of the table's storage.
    # By default a table that is not replicated remembers none.
    window = dict(diff.form.settings).get(_WINDOW, "0")
    if window in ("0", "false"):
        return ()
    message = (
        f"the new table does not know the last {count_text(int(window), 'insert')} of {diff.live.name}: one "
        "of them that is sent again "
        "after the exchange"
        " is not recognised, and its rows are there twice"
    )
    return (Hazard("old-code-breaks", message),)
