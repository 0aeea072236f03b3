"""Every golden case, killed before and after every effect: the next start brings it to its end, with every row once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.scene import CASES, Scene, once, sweep

EVERYWHERE = ("sort_key_reshaped", "engine_swapped")
"""A rebuild, swept at every ninth point in the normal suite, and an attach."""
STOPS = {path: 1 + number * 5 % 14 for number, path in enumerate(CASES)}
"""The normal suite kills an eighth of the other cases once, each at another place."""


@pytest.fixture
def scene(request: pytest.FixtureRequest, aaiclick_engine: EmbeddedEngine) -> Iterator[Scene]:
    path: Path = request.param
    client = aaiclick_engine.client()
    made = Scene(aaiclick_engine, client, path)
    yield made
    made.close()
    client.close()


@pytest.mark.parametrize(
    "scene", [path for path in CASES[::8] if path.stem not in EVERYWHERE], ids=lambda path: path.stem, indirect=True
)
def test_killed_here_and_there(scene: Scene) -> None:
    assert once(scene, STOPS[scene.path])


@pytest.mark.slow
@pytest.mark.parametrize(
    "scene", [path for path in CASES if path.stem == EVERYWHERE[0]], ids=lambda path: path.stem, indirect=True
)
def test_killed_at_every_ninth_point(scene: Scene) -> None:
    killed, points = sweep(scene, every=9)
    assert killed == points > 5


@pytest.mark.proof
@pytest.mark.parametrize("stem", EVERYWHERE)
def test_killed_everywhere_where_the_old_table_is_kept(stem: str, aaiclick_engine: EmbeddedEngine) -> None:
    client = aaiclick_engine.client()
    made = Scene(aaiclick_engine, client, next(path for path in CASES if path.stem == stem), keep=timedelta(days=1))
    killed, points = sweep(made)
    assert killed == points > 20
    note(
        "rebuild and attach killed at every point, old table kept",
        cases=1,
        points=points,
        kills=killed,
        rows=made.counted,
    )
    made.close()
    client.close()


@pytest.mark.proof
@pytest.mark.parametrize("scene", CASES, ids=lambda path: path.stem, indirect=True)
def test_every_case_killed_everywhere(scene: Scene) -> None:
    killed, points = sweep(scene)
    assert killed == points > (20 if scene.path.stem in EVERYWHERE else 5)
    note("golden cases, killed at every point, in process", cases=1, points=points, kills=killed, rows=scene.counted)
