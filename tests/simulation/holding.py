"""What has to be true of the lease at each moment, and not only at the end: one run at a time works on the tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from aaiclick.lease.names import BEATS, LOCK, TOMBSTONE_PREFIX
from tests.simulation.schedule_state import Scene
from tests.simulation.world import DATABASE

_OF_THE_LEASE = re.compile(rf"KILL QUERY |.*`(?:{LOCK}|{BEATS}|{TOMBSTONE_PREFIX}\w*)`", re.DOTALL)
_MADE = re.compile(rf"CREATE TABLE `{DATABASE}`\.`{LOCK}` .* COMMENT '(?P<holder>.*)'\Z", re.DOTALL)
_BEAT = f"INSERT INTO `{DATABASE}`.`{BEATS}` "


@dataclass(frozen=True)
class Held:
    """A lease as its holder knows it: ``until`` when nobody may take it, by the schedule's time. ``steady``: each
    heartbeat came before the time of the one before was over, so no contender has ever seen it run out."""

    until: float
    seconds: float
    steady: bool = True

    @staticmethod
    def after(scene: Scene, held: Held | None, sql: str) -> Held | None:
        """The lease behind one more statement of its holder."""
        if sql.startswith("CREATE TABLE ") and (made := _MADE.match(sql)) is not None:
            fields = json.loads(made["holder"].replace("\\'", "'").replace("\\\\", "\\"))
            since, seconds = float(fields["since"]) / 1000 - scene.server_ahead, float(fields["seconds"])
            return Held(since + seconds, seconds, steady=not scene.clock_set)
        if held is not None and sql.startswith(_BEAT):
            steady = held.steady and scene.time < held.until and not scene.clock_set
            return replace(held, until=scene.time + held.seconds, steady=steady)
        return held

    def require_over(self, scene: Scene, holder: str) -> None:
        """Asked where the lock is not this holder's any more."""
        assert not self.steady or scene.clock_set or scene.time >= self.until, (
            f"{holder} has lost its lease {self.until - scene.time:.1f} s before its time was over"
        )


def is_work(sql: str) -> bool:
    """Whether a statement is part of a migration, and not of taking the lease."""
    return _OF_THE_LEASE.match(sql) is None


def require_alone(scene: Scene, tag: str) -> None:
    """Asked where the holder of the lease works. What another one sends when it has lost it already is taken back by
    itself, or looked for by name."""
    beside = [
        execution.running
        for execution in scene.executions
        if not execution.over and not execution.late and execution.running.tag not in ("", tag)
    ]
    assert not beside, f"an INSERT of a former run is under way beside {tag}: {beside[0].id} of {beside[0].tag}"
