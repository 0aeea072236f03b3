"""Starts of a copy in the middle of which an operator does something through another host."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from aaiclick import Policy, Schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.report import Report
from aaiclick.commands.start.run import Run
from aaiclick.routine import Command, Effect, Routine
from aaiclick.version import VERSION
from tests.cluster.copies import REMAINS, SETTINGS_LEFT, home
from tests.cluster.places import Place, dead
from tests.reliability.driving import Driver

T = TypeVar("T")
MOMENTS = {
    "new table": r"CREATE TABLE \S+_aaiclick_new_",
    "fence": r"ADD CONSTRAINT _aaiclick_fence",
}
"""What is about to be sent: from then on an ALTER ends the copy."""
LATE = {
    "note": r"INSERT INTO \S+_aaiclick_notes.*" + b'"phase":"swap"'.hex(),
    "first exchange": r"EXCHANGE TABLES",
}
"""From then on it is found on the old table."""


def carried_out(place: Place, routine: Routine[T], moments: Mapping[str, Callable[[], object]]) -> T:
    """A routine through the first host; each of these things happens just before the first statement that fits."""
    pending = dict(moments)

    def before(effect: Effect) -> None:
        sql = f"{effect.sql} {effect.parameters}" if isinstance(effect, Command) else ""
        for moment in list(pending):
            if re.search(moment, sql, re.IGNORECASE | re.DOTALL):
                pending.pop(moment)()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        return Driver(opened, before=before).run(routine)
    finally:
        opened.close()
        assert not pending


def start(
    place: Place,
    wanted: Schema,
    moments: Mapping[str, Callable[[], object]],
    keep: float = 0,
    *allow: str,
) -> Report:
    """A start; ``keep``: for how many days the old table is kept."""
    policy = Policy.lossless(keep_old=timedelta(days=keep)).allow(*allow)
    return carried_out(place, ensure(Run(wanted, place.database, policy, dead(), False, VERSION)), moments)


def is_as_it_was(place: Place) -> None:
    """Nothing of the copy is left, and writers are let in on all hosts."""
    assert place.cluster.same(REMAINS.format(db=place.database, home=home(place))) == []
    place.cluster.same(SETTINGS_LEFT.format(db=place.database))
