"""The golden cases, which are about one host, on clusters: every row once on every replica, the rows that one host ends
with, the same definitions on all hosts, and nothing to do for another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.test_golden import CASES, read_case
from tests.cluster.conftest import ClusterFactory
from tests.cluster.golden import BLOCKED, TITLES, on_one_host, play, together
from tests.cluster.places import PLACES, place_on
from tests.reliability.counts import every, note

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
SOME = {
    "default_changed": "alter",
    "retype_widen": "mutate",
    "rename_under_everything": "renames, with all that reads the column",
    "constraint_added": "a change that rows could break",
    "index_granularity_changed": "attach",
    "several_at_once_with_a_rebuild": "rebuild",
}
"""One of each kind."""


@pytest.mark.proof
@pytest.mark.parametrize("path", CASES[:: every()], ids=lambda path: path.stem)
@pytest.mark.parametrize("shape", PLACES)
def test_every_case(
    path: Path, shape: tuple[int, int, str], aaiclick_cluster: ClusterFactory, aaiclick_engine: EmbeddedEngine
) -> None:
    case = read_case(path)
    ended = on_one_host(aaiclick_engine, path.stem, case, "{cluster}" if shape[2] == "queue" else None)
    reason = play(place_on(aaiclick_cluster, shape), case, ended, CASES.index(path) % 2)
    if reason:
        assert shape[0] > 1, reason
        assert [words for words in BLOCKED if words in reason], reason
    note(TITLES[shape], cases=1, rows=0 if reason else ended.rows, blocked=int(bool(reason)))


def test_one_of_each_kind(aaiclick_cluster: ClusterFactory, aaiclick_engine: EmbeddedEngine) -> None:
    cases = {path.stem: read_case(path) for path in CASES if path.stem in SOME}
    assert cases.keys() == SOME.keys()
    case = together(cases)
    ended = on_one_host(aaiclick_engine, "", case, "{cluster}")
    assert play(place_on(aaiclick_cluster, (1, 2, "queue")), case, ended, 1) == ""


def test_what_may_be_blocked_is_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [words for words in BLOCKED.values() if words not in page] == []
