"""The golden cases, which are about one host, on clusters: every row once on every replica, the rows that one host ends
with, the same definitions on all hosts, and nothing to do for another one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.test_golden import CASES, read_case
from tests.cluster.conftest import ClusterFactory
from tests.cluster.golden import TITLES, Ended, on_one_host, play
from tests.cluster.places import PLACES, place_on
from tests.reliability.counts import every, note

SOME = {
    "constraint_added": "a change that rows could break",
    "several_at_once_with_a_rebuild": "rebuild",
}
MORE = {
    "default_changed": "alter",
    "retype_widen": "mutate",
    "rename_under_everything": "a new name, with all that reads the column",
    "index_granularity_changed": "attach",
}
"""One of each kind; what a hundred other tests of clusters do as well is in the long run."""
_TOGETHER = 10
CHOSEN = CASES[:: every()]
BATCHES = [CHOSEN[place : place + _TOGETHER] for place in range(0, len(CHOSEN), _TOGETHER)]


def ended_on_one_host(engine: EmbeddedEngine, paths: Iterable[Path]) -> dict[str, Ended]:
    return {path.stem: on_one_host(engine, path.stem, read_case(path)) for path in paths}


@pytest.mark.proof
@pytest.mark.parametrize("paths", BATCHES, ids=lambda paths: f"{paths[0].stem}-{paths[-1].stem}")
@pytest.mark.parametrize("shape", PLACES)
def test_every_case(
    paths: list[Path], shape: tuple[int, int, str], aaiclick_cluster: ClusterFactory, aaiclick_engine: EmbeddedEngine
) -> None:
    ended = ended_on_one_host(aaiclick_engine, paths)
    play(place_on(aaiclick_cluster, shape), ended, BATCHES.index(paths) % 2)
    note(TITLES[shape], cases=len(ended), rows=sum(len(each.rows) for each in ended.values()))


@pytest.mark.parametrize("kinds", [SOME, pytest.param(MORE, marks=pytest.mark.long)], ids=["some", "more"])
def test_one_of_each_kind(
    kinds: dict[str, str], aaiclick_cluster: ClusterFactory, aaiclick_engine: EmbeddedEngine
) -> None:
    ended = ended_on_one_host(aaiclick_engine, (path for path in CASES if path.stem in kinds))
    assert ended.keys() == kinds.keys()
    play(place_on(aaiclick_cluster, (2, 2, "queue")), ended, 1)
