"""One file per kind of change in ``golden/``: before, rows, after; and what is expected of the plan, written by
``--update-golden``.

Of these ``tests/sampled.py`` says how many plans the normal suite makes, and how many of them it carries out as well;
with ``-k``, in ``make test-long`` and in ``make proof`` it is all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aaiclick import plan_schema
from aaiclick.diff.hazards import OPTIONAL
from aaiclick.plan.model import Plan
from aaiclick.testing.engine import EmbeddedEngine
from tests.cases.runner import Ground, clean, declaration, five_checks, prepare

CASES = sorted((Path(__file__).parent / "golden").glob("*.sql"))


def read_case(path: Path) -> dict[str, str]:
    """The sections of a case: ``-- section`` lines begin them."""
    parts = re.split(
        r"^-- (before|rows|after|renames|allow|expect)(?::\s*(.*))?$",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    found: dict[str, str] = {}
    for name, inline, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        found[name] = (inline or body or "").strip("\n")
    return found


def expectation(plan: Plan, database: str) -> str:
    """Strategies, hazards and SQL of a plan, without the database's name."""
    text = re.sub(r"^-- .* in database .*$", "-- plan", str(plan), count=1, flags=re.MULTILINE)
    return text.replace(f"`{database}`", "`db`").replace(database, "db").strip()


@contextmanager
def on_ground(engine: EmbeddedEngine, case: dict[str, str]) -> Iterator[Ground]:
    """The case's databases, dropped at the end."""
    client = engine.client()
    ground = prepare(engine, client, case["before"], case["after"], case.get("rows", ""))
    try:
        yield ground
    finally:
        client.close()
        clean(ground)


def renamed(case: dict[str, str]) -> dict[str, str]:
    return dict(pair.split(" -> ") for pair in case.get("renames", "").split(", ") if pair)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_plan(path: Path, aaiclick_engine: EmbeddedEngine, request: pytest.FixtureRequest) -> None:
    case = read_case(path)
    with on_ground(aaiclick_engine, case) as ground:
        plan = plan_schema(ground.client, declaration(ground, renamed(case)), database=ground.live)
        for step in plan.steps:
            words = {hazard.allow.partition(" ")[0] for hazard in step.hazards}
            assert words & OPTIONAL or not step.optional, f"a start with such a key would not look: {words}"
        said = expectation(plan, ground.live)
        if request.config.getoption("--update-golden"):
            text = path.read_text(encoding="utf-8").split("-- expect\n")[0]
            path.write_text(f"{text.rstrip()}\n\n-- expect\n{said}\n", encoding="utf-8")
        else:
            assert said == case["expect"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_case(path: Path, aaiclick_engine: EmbeddedEngine) -> None:
    case = read_case(path)
    allow = tuple(key for key in case.get("allow", "").split(", ") if key)
    with on_ground(aaiclick_engine, case) as ground:
        five_checks(ground, declaration(ground, renamed(case)), renamed(case), allow)
