"""A plan that is not blocked runs to its end: every feature of a table with every change of one, on several parts."""

from __future__ import annotations

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.matrix.features import FEATURES, changes
from tests.matrix.runs import run_cell

CELLS = [(feature, change) for feature, shape in FEATURES.items() for change in changes(shape)]
# What needs the parts themselves: one change for each feature in the normal run, every pair in `make proof`.
QUICK = ("rename, granularity", "granularity")


def _quick(feature: str, change: str) -> bool:
    return next(wanted for wanted in QUICK if wanted in changes(FEATURES[feature])) == change


def _cell(feature: str, change: str) -> object:
    return pytest.param(
        feature, change, marks=() if _quick(feature, change) else pytest.mark.proof, id=f"{feature}/{change}"
    )


@pytest.mark.parametrize(("feature", "change"), [_cell(*cell) for cell in CELLS])
def test_what_is_not_blocked_runs_to_its_end(aaiclick_engine: EmbeddedEngine, feature: str, change: str) -> None:
    seen = run_cell(aaiclick_engine, feature, change)
    assert not seen.wrong
    assert not (_quick(feature, change) and seen.blocked)
