"""What is kept of several runs."""

from __future__ import annotations

from tests.fuzz.report import Run, added


def test_counts_of_other_seeds_are_added() -> None:
    one: Run = {
        "first": 0,
        "seeds": 2,
        "failures": 0,
        "ends": {"applied": 2},
        "strategies": {"alter": 1},
        "features": {"a": {"applied": 1}},
    }
    other: Run = {
        "first": 7,
        "seeds": 1,
        "failures": 1,
        "ends": {"blocked": 1},
        "strategies": {"alter": 2, "rebuild": 1},
        "features": {"a": {"applied": 2}, "b": {"blocked": 1}},
    }
    assert added(one, other) == {
        "first": 0,
        "seeds": 3,
        "failures": 1,
        "ends": {"applied": 2, "blocked": 1},
        "strategies": {"alter": 3, "rebuild": 1},
        "features": {"a": {"applied": 3}, "b": {"blocked": 1}},
    }
