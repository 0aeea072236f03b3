"""Ctrl-C, or what a handler of SIGTERM raises, at every statement of a copy and of parts that are taken over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aaiclick import Schema, routine
from aaiclick.routine import Command, Effect
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, REMAINS, SETTINGS_LEFT, fill, home, is_whole, regrained, turned
from tests.cluster.places import Place, place_on

MARK = "_aaiclick_mark_"


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, (1, 2, "queue"))


class Interrupts:
    """Raises KeyboardInterrupt at the statement with this number that changes something: before it is sent
    (``behind`` is False), or when the server has carried it out, and its answer is not known yet."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at, self.behind, self.seen = -1, False, 0
        carry_out = routine._carry_out

        def interrupted(effect: Effect, *rest: Any) -> Any:
            here = isinstance(effect, Command) and self._counts()
            if here and not self.behind:
                raise KeyboardInterrupt
            try:
                return carry_out(effect, *rest)
            finally:
                # Also where the server has refused it, as it does some that are tried in scratch.
                if here:
                    raise KeyboardInterrupt

        patch.setattr(routine, "_carry_out", interrupted)

    def _counts(self) -> bool:
        self.seen += 1
        return self.seen - 1 == self.at

    def happens(self, place: Place, schema: Schema, host: int, at: int, behind: bool) -> bool:
        """Whether a start was interrupted there; False where it ended before that."""
        self.at, self.behind, self.seen = at, behind, 0
        try:
            place.start(schema, host, DROPPED)
        except KeyboardInterrupt:
            return True
        finally:
            self.at = -1
        return False


@pytest.mark.timeout(3600)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("versions", "step"),
    [
        pytest.param(regrained, 41),
        pytest.param(turned, 29, marks=pytest.mark.long),
        pytest.param(regrained, 1, marks=pytest.mark.proof),
    ],
)
def test_nothing_is_left_without_a_mark(
    place: Place, monkeypatch: pytest.MonkeyPatch, versions: Callable[[int, Place], Schema], step: int
) -> None:
    """Settings that stop merges are left only where the mark says so, and the next start puts them back. Until the
    exchange may have begun writers go on at once, through every host."""
    place.start(versions(1, place))
    fill(place, 20)
    interrupts, version, rows, interrupted = Interrupts(monkeypatch), 1, 120, 0
    for number in range(0, 400, step):
        version += 1
        schema, through = versions(version, place), version % 2
        if not interrupts.happens(place, schema, through, number // 2, number % 2 == 1):
            break
        interrupted += 1
        # Host by host: those that copy have staging tables which the others lack.
        what = REMAINS.format(db=place.database, home=home(place))
        remains = [name for host in place.cluster.hosts for (name,) in host.rows(what)]
        marked = any(name.startswith(MARK) for name in remains)
        assert marked or remains == [], (number, remains)
        left = [host.one(SETTINGS_LEFT.format(db=place.database)) for host in place.cluster.hosts]
        assert marked or left == [0, 0], (number, left)
        place.start(schema, 1 - through, DROPPED)
        is_whole(place, rows)
    assert interrupted > 60 / step
    place.is_settled(versions(version, place))
