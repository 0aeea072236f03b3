"""What the library left in a database as it was before each layer got a package of its own, killed at any point:
today's goes on with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.errors import SchemaError
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.migrations.rolling import CASES as MIGRATIONS
from tests.migrations.rolling import Rolling, attempted
from tests.reliability.counts import note
from tests.reliability.driving import LATER
from tests.reliability.feeding import FEEDINGS
from tests.reliability.scene import CASES, Scene
from tests.reliability.test_feeds import go_on
from tests.support.earlier import EarlierProcess, earlier_process, unpacked
from tests.support.served import Served

COMMIT = "9a0f8f1"
TITLE = "half-done states of the code before, gone on with"
STEMS = ("sort_key_reshaped", "engine_swapped")
"""A rebuild and an attach."""


class Earlier:
    """A process of that commit, which runs what it is told and is killed on the way."""

    def __init__(self, process: EarlierProcess) -> None:
        self.process = process

    def killed(self, **told: object) -> bool:
        answer = self.process.ask(json.dumps(told))
        assert answer in ("killed", "ended"), answer
        return answer == "killed"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(COMMIT, tmp_path_factory.mktemp("earlier"), "aaiclick", "tests")


@pytest.fixture
def earlier(checkout: Path, aaiclick_server: EngineServer) -> Iterator[Earlier]:
    aaiclick_server.start()
    with earlier_process(Path(__file__).with_name("earlier_child.py"), checkout, aaiclick_server.url) as process:
        yield Earlier(process)


@pytest.fixture
def rolling(request: pytest.FixtureRequest, aaiclick_server: EngineServer) -> Iterator[Rolling]:
    aaiclick_server.start()
    connection = open_url(aaiclick_server.url)
    made = Rolling(connection, aaiclick_server.command, fresh_name("earlier"), request.param, None)
    yield made
    connection.close()
    aaiclick_server.command(f"DROP DATABASE IF EXISTS {made.database} SYNC")


@pytest.fixture
def scene(request: pytest.FixtureRequest, aaiclick_server: EngineServer) -> Iterator[Scene]:
    aaiclick_server.start()
    client = aaiclick_server.client()
    made = Scene(
        Served(aaiclick_server),
        client,
        next(path for path in CASES if path.stem == request.param),
        keep=timedelta(days=1),
    )
    yield made
    made.close()
    client.close()


def forward(rolling: Rolling, earlier: Earlier, stop: int) -> bool:
    killed = earlier.killed(kind="migration", database=rolling.database, name=rolling.name, stop=stop, back=False)
    rolling.go_on(rolling.v2)
    rolling.check(f"killed at {stop} by the code before", repeated=rolling.name == "callable")
    return killed


def back(rolling: Rolling, earlier: Earlier, stop: int) -> bool:
    """Version 1 again, and forward from there: everything is converted once."""
    killed = earlier.killed(kind="migration", database=rolling.database, name=rolling.name, stop=stop, back=True)
    # Where nothing was begun, or the way back is recorded already, there is no version before to go to.
    attempted(partial(rolling.back, later=LATER), SchemaError)
    rolling.go_on(rolling.v2)
    # What statements and functions did is not undone by the way back, and is done again.
    rolling.check(f"killed at {stop} on the way back by the code before", repeated=True)
    return killed


def changed(scene: Scene, earlier: Earlier, stop: int) -> bool:
    scene.again()
    expected = scene.rows(shared=False)
    allow = sorted(scene.policy.allowed)
    ground = scene.ground
    killed = earlier.killed(
        kind="case", live=ground.live, direct=ground.direct, renames=scene.renames, allow=allow, keep=86400, stop=stop
    )
    scene.go_on()
    scene.check(expected, f"{scene.path.stem}: killed after {stop} commands by the code before")
    return killed


def viewed(server: EngineServer, earlier: Earlier, name: str, stop: int, *, first: bool = False) -> bool:
    """A view that is filled or replaced; with ``first``, a first start. The database is dropped where all is well."""
    database = fresh_name("earlier")
    server.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    killed = earlier.killed(kind="view", database=database, name=name, stop=stop, first=first)
    go_on(server, FEEDINGS[name], database, stop, first=first)
    server.command(f"DROP DATABASE {database} SYNC")
    return killed


@pytest.mark.parametrize(("rolling", "stop"), [("cents", 29), ("rebuild", 17)], indirect=["rolling"])
def test_a_migration_is_gone_on_with(rolling: Rolling, earlier: Earlier, stop: int) -> None:
    assert forward(rolling, earlier, stop)


@pytest.mark.parametrize(("rolling", "stop"), [("cents", 9)], indirect=["rolling"])
def test_a_way_back_is_gone_on_with(rolling: Rolling, earlier: Earlier, stop: int) -> None:
    assert back(rolling, earlier, stop)


@pytest.mark.parametrize(("scene", "stop"), [(STEMS[0], 21), (STEMS[1], 17)], indirect=["scene"])
def test_a_change_is_gone_on_with(scene: Scene, earlier: Earlier, stop: int) -> None:
    assert changed(scene, earlier, stop)


@pytest.mark.parametrize(
    ("name", "stop", "first"), [("backfilled", 24, False), ("replaced", 15, False), ("aggregate", 6, True)]
)
def test_a_view_is_gone_on_with(
    name: str, stop: int, first: bool, earlier: Earlier, aaiclick_server: EngineServer
) -> None:
    assert viewed(aaiclick_server, earlier, name, stop, first=first)


@pytest.mark.proof
@pytest.mark.parametrize("rolling", MIGRATIONS, indirect=True)
@pytest.mark.parametrize("way", [forward, back], ids=["there", "back"])
def test_a_migration_at_every_point(rolling: Rolling, earlier: Earlier, way: object) -> None:
    if way is back:
        rolling.again()
        rolling.go_on(rolling.v2)
        if isinstance(attempted(rolling.back_dry, SchemaError), SchemaError):
            pytest.skip("nothing of it is replaced: there is no way back, and it is said")
    run = back if way is back else forward
    stop = 0
    while run(rolling, earlier, stop):
        stop += 1
    assert stop > 5
    note(TITLE, migrations=1, kills=stop)


@pytest.mark.proof
@pytest.mark.parametrize("scene", STEMS, indirect=True)
def test_a_change_at_every_point(scene: Scene, earlier: Earlier) -> None:
    stop = 0
    while changed(scene, earlier, stop):
        stop += 1
    assert stop > 20
    note(TITLE, cases=1, kills=stop)


@pytest.mark.proof
@pytest.mark.parametrize("first", [False, True], ids=["later", "first"])
@pytest.mark.parametrize("name", FEEDINGS)
def test_a_view_at_every_point(name: str, first: bool, earlier: Earlier, aaiclick_server: EngineServer) -> None:
    stop = 0
    while viewed(aaiclick_server, earlier, name, stop, first=first):
        stop += 1
    assert stop > 5
    note(TITLE, cases=1, kills=stop)
