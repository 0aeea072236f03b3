"""What has to be true at the end of every schedule."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.clickhouse.names import JOURNAL, PREFIX, RECORDS
from aaiclick.lease.names import BEATS, LOCK, TOMBSTONE_PREFIX
from aaiclick.state.rebuild_mark import MARK_PREFIX
from tests.simulation.model.state import FENCE, Storage
from tests.simulation.schedule_state import Scene
from tests.simulation.stories import GENERATIONS, LOGGED
from tests.simulation.world import DATABASE

if TYPE_CHECKING:
    from tests.simulation.process import Process

BOOKKEEPING = frozenset({BEATS, JOURNAL, RECORDS})
KEPT = f"{PREFIX}old_"


def _tables(scene: Scene) -> dict[str, Storage]:
    return scene.world.server.databases[DATABASE]


def require_all(scene: Scene, kept: bool) -> None:
    """``kept``: old tables and former locks may be there still."""
    wrong = [*_rows(scene), *_values_moved_once(scene), *_held(scene), *_left(scene, kept), *_records(scene)]
    assert not wrong, "; ".join(wrong)


def _rows(scene: Scene) -> list[str]:
    """Every acknowledged row once, with what the migrations make of it; no row twice."""
    found: dict[int, list[tuple[str, int, int]]] = {}
    for name, storage in _tables(scene).items():
        if not name.startswith(PREFIX) and name not in ("sums", "log", RECORDS):
            for row, price in storage.in_order:
                found.setdefault(row, []).append((name, price, GENERATIONS[storage.settings["index_granularity"]]))
    looked_at = _waiting_for_somebody(scene)
    wrong: list[str] = []
    for row, written in scene.rows.items():
        there = found.pop(row, [])
        if scene.story.ordered:
            there = there[-1:]
        sent = written.shown
        landed = [place for version in sent for place in version.landed]
        strayed = row in scene.late or any(
            uuid in scene.stray for version in written.versions for uuid, _ in version.landed
        )
        if len(there) > 1:
            wrong.append(f"row {row} is there {len(there)} times: {there}")
        elif not there and written.certain and not strayed and row not in looked_at and row not in scene.dropped:
            wrong.append(f"row {row} is lost; it landed in {landed}")
        elif there and landed:
            name, price, generation = there[0]
            wanted = {
                version.value * scene.story.factor(before, generation)
                for version in sent
                for _, before in version.landed
            }
            if price not in wanted and not strayed:
                wrong.append(f"row {row} of {name} has {price} instead of {sorted(wanted)}: it landed in {landed}")
    wrong += [f"row {row} was never written: {there}" for row, there in found.items()]
    if not scene.stray and "t" not in _tables(scene):
        wrong.append("the table is gone")
    return wrong


def _waiting_for_somebody(scene: Scene) -> set[int]:
    """Rows of old tables that are kept, and said, until somebody has looked at them: only where an operator took
    part."""
    if not scene.stray:
        return set()
    held = _held_by_waiting_marks(scene)
    return {
        row
        for name, storage in _tables(scene).items()
        if (name.startswith(KEPT) and '"expires":0' in storage.comment) or name in held
        for row, _ in storage.rows
    }


def _held_by_waiting_marks(scene: Scene) -> set[str]:
    """Marks of tables that an operator has dropped and could still bring back, and what they name."""
    found: set[str] = set()
    for name, mark in _tables(scene).items():
        if name.startswith(MARK_PREFIX) and any(uuid in mark.comment for uuid in scene.world.server.dropped):
            said = json.loads(mark.comment)
            uuid = said["source"] if said["phase"] == "copy" else said["shadow"]
            if uuid in scene.stray and scene.world.server.waits(uuid):
                found |= {name, said["shadow_name"], said["filled"]}
    return found


def _values_moved_once(scene: Scene) -> list[str]:
    """The statement and the function happened once. What a run that was paused before it sends when it has lost its
    lease nobody can hold back."""
    wrong: list[str] = []
    tables = _tables(scene)
    if scene.story.sums and "sums" not in scene.unfenced:
        counted = Counter(row for row, _ in tables["sums"].rows)
        wrong += [f"the statement copied row {row} {count} times" for row, count in counted.items() if count > 1]
        first = [row for row in scene.rows if row < 100_000]
        if not scene.operated:
            wrong += [f"the statement did not copy row {row}" for row in first if row not in counted]
    if scene.story.log and "log" not in scene.unfenced and list(tables["log"].rows) != [(LOGGED, 1)]:
        wrong.append(f"the function wrote {list(tables['log'].rows)}")
    return wrong


def _held(scene: Scene) -> list[str]:
    """No fence, no held setting, no guard, no merges that are stopped, wherever the table is now."""
    wrong: list[str] = []
    for name, storage in _tables(scene).items():
        if name.startswith(PREFIX):
            continue
        left = [
            setting for setting in (FENCE, *(setting for setting, _ in MERGES_STOPPED)) if setting in storage.settings
        ]
        wrong += [f"{name} is left with {setting}" for setting in left]
        wrong += [f"{name} is left with {guard}" for guard in storage.constraints if name != RECORDS]
        if storage.uuid in scene.stopped:
            continue
        wrong += [f"{name} is left with stopped {kind}" for kind in sorted(storage.stopped)]
    return wrong


def _left(scene: Scene, kept: bool) -> list[str]:
    """No scratch object."""
    server = scene.world.server
    # What a run sent too late and could not take back, since it was killed, waits for the next migration.
    silenced = tuple(scene.silenced)
    names = [
        name
        for name in _tables(scene)
        if name.startswith(PREFIX) and name not in BOOKKEEPING and not any(nonce in name for nonce in silenced)
    ]
    later = (KEPT, TOMBSTONE_PREFIX, LOCK)
    asking = {name for name in names if name.startswith(KEPT) and '"expires":0' in _tables(scene)[name].comment}
    # What an operator altered in the moment of the exchange, the new table does not show: the old one stays.
    waiting = asking if scene.stray else {name for name in asking if _tables(scene)[name].uuid in scene.altered}
    waiting |= {name for name in names if name.startswith((TOMBSTONE_PREFIX, LOCK)) and scene.disturbed}
    waiting |= _held_by_waiting_marks(scene) if kept else set()
    if kept and scene.clock_set and '"due":null' not in _tables(scene)[RECORDS].comment:
        # A run that lost its lease to the server's clock goes on until it looks at its lock. The start that collects
        # the former lock undoes what it left.
        unfinished = [
            name.removeprefix(MARK_PREFIX).partition("_")[0] for name in names if name.startswith(MARK_PREFIX)
        ]
        waiting |= {name for name in names if any(nonce in name for nonce in unfinished)}
    wrong = [f"{name} is left" for name in names if not (kept and name.startswith(later)) and name not in waiting]
    if kept or scene.overdue:
        return wrong
    return wrong + [
        f"database {name} is left"
        for name, tables in server.databases.items()
        # Empty, of a planner that died between a holder's last look and its note for the warm start: it waits for a
        # start that compares.
        if name != DATABASE
        and not any(nonce in name for nonce in silenced)
        and not (name in scene.unseen and not tables)
    ]


def _records(scene: Scene) -> list[str]:
    """One record for each version that was reached, and the newest last."""
    lines = _tables(scene)[RECORDS].lines
    recorded = [
        line["version"]
        for line in lines
        if line["state"] in ("applied", "adopted") and line["from_version"] != line["version"]
    ]
    wrong = [
        f"version {version} is recorded {count} times" for version, count in Counter(recorded).items() if count > 1
    ]
    if scene.unasked:
        wrong.append("a version was recorded over another table, whose rows nobody has converted")
    if recorded[-1:] != [scene.story.newest]:
        wrong.append(f"recorded are {recorded}")
    return wrong


def require_still(scene: Scene, process: Process) -> None:
    """A start that has nothing to do is one question."""
    assert process.report is not None, process.error
    assert not process.report.steps, process.report.steps
    assert process.statements == 1, f"a second start sent {process.statements} statements"
