"""What is sampled exists, and something of it always runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.sampled import EVERY, left_out
from tests.shown import SHOWN_BY

ROOT = Path(__file__).parent.parent


@dataclass
class Named:
    nodeid: str
    proof: bool = False

    def get_closest_marker(self, name: str) -> object:
        return name if self.proof else None


@pytest.mark.parametrize("test", EVERY)
def test_it_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")
    assert EVERY[test] > 1


@pytest.mark.parametrize("test", SHOWN_BY)
def test_what_is_left_to_the_long_run_is_shown_by_another(test: str) -> None:
    other = SHOWN_BY[test] if not SHOWN_BY[test].startswith("::") else test.partition("::")[0] + SHOWN_BY[test]
    for each in (test, other):
        path, _, name = each.partition("::")
        assert not name or f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")
    assert other not in SHOWN_BY
    path, _, name = other.partition("::")
    if not name and path.endswith(".py"):
        tests = re.findall(r"^def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert any(f"{path}::{each}" not in SHOWN_BY for each in tests), "nothing of that file is left"


def test_the_first_of_every_so_many_stays() -> None:
    test, every = next(iter(EVERY.items()))
    cases = [Named(f"{test}[{number}]") for number in range(2 * every + 1)]
    found = left_out(
        cast("list[pytest.Item]", [Named(f"{test}[long]", proof=True), *cases, Named("tests/other.py::test[1]")])
    )
    assert [int(re.sub(r"\D", "", item.nodeid.partition("[")[2])) for item in found] == [
        number for number in range(2 * every) if number % every
    ]
