"""How long it takes, of what is known."""

from __future__ import annotations

import pytest

from aaiclick.commands.costs.rates import ASSUMED, Rate, StepDuration, measured, measured_rate, middle_rate
from aaiclick.printable import range_text

MIB = 1 << 20


def test_what_earlier_runs_took_is_narrower_the_more_of_them_there_are() -> None:
    one = measured_rate([StepDuration("rebuild", 100 * MIB, 10.0)], "rebuild")
    assert one == Rate(5 * MIB, 10 * MIB, 20 * MIB, "remembered")
    two = measured_rate([StepDuration("rebuild", 100 * MIB, 10.0), StepDuration("rebuild", 120 * MIB, 10.0)], "rebuild")
    assert two is not None
    assert (two.slow, two.usual, two.fast) == (10 * MIB / 1.5, 11 * MIB, 18 * MIB)


def test_small_steps_and_other_strategies_tell_nothing() -> None:
    taken = [
        StepDuration("rebuild", MIB, 5.0),
        StepDuration("mutate", 100 * MIB, 1.0),
        StepDuration("rebuild", 100 * MIB, 0.0),
    ]
    assert measured_rate(taken, "rebuild") is None


def test_the_range_holds_the_usual_time() -> None:
    for rate in (ASSUMED, measured(24 * MIB, 0.5), middle_rate([measured(24 * MIB, 0.5), measured(MIB, 0.5)])):
        low, usual, high = rate.seconds(1 << 30)
        assert low < usual < high
    assert middle_rate(()) is ASSUMED


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 0.9, "less than 1 s"),
        (0.1, 2.0, "less than 2 s"),
        (0.1, 2.1, "less than 3 s"),
        (4.2, 16.3, "4 to 17 s"),
        (50, 300, "50 s to 5 minutes"),
        (100, 119, "100 s to 119 s"),
        (3600, 20000, "60 minutes to 6 hours"),
        (7200, 400000, "2 hours to 5 days"),
    ],
)
def test_ranges_in_words(low: float, high: float, text: str) -> None:
    assert range_text(low, high) == text
