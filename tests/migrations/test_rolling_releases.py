"""Rolling deployments across releases of the library: the older code runs on the one whose entries hung on the number
of the last record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.lease.names import LOCK
from aaiclick.routine import Call, Command
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.migrations.rolling import CASES, Rolling
from tests.reliability.counts import note
from tests.support.earlier import ROOT, EarlierProcess, earlier_process, unpacked

RELEASE = "0d90ef0"
TITLE = "rolling deployments: kills x code versions"


class Older:
    """A process of the older release, which starts code of version 1 when it is told to."""

    def __init__(self, process: EarlierProcess) -> None:
        self.process = process

    def starts(self, name: str, database: str) -> str:
        return self.process.ask(f"{name} {database}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(RELEASE, tmp_path_factory.mktemp("released"), "aaiclick")


@pytest.fixture
def older(library: Path, aaiclick_server: EngineServer) -> Iterator[Older]:
    aaiclick_server.start()
    script = Path(__file__).with_name("released_child.py")
    with earlier_process(script, library, str(ROOT), aaiclick_server.url) as process:
        yield Older(process)


@pytest.fixture
def rolling(request: pytest.FixtureRequest, aaiclick_server: EngineServer) -> Iterator[Rolling]:
    aaiclick_server.start()
    connection = open_url(aaiclick_server.url)
    made = Rolling(connection, aaiclick_server.command, fresh_name("releases"), request.param, None)
    yield made
    connection.close()
    aaiclick_server.command(f"DROP DATABASE IF EXISTS {made.database} SYNC")


def between(rolling: Rolling, older: Older, stop: int) -> str:
    """Newer code is killed, older code of the older release starts twice, the newer code goes on."""
    rolling.again()
    rolling.killed(rolling.v2, stop)
    # Its holder is dead: nobody has to wait for the lease to run out.
    rolling.engine(f"DROP TABLE IF EXISTS {quote_name(rolling.database)}.{LOCK} SYNC")
    said = [older.starts(rolling.name, rolling.database) for _ in range(2)]
    rolling.go_on(rolling.v2)
    rolling.check(f"killed at {stop}; the older release said {said}", repeated=rolling.name == "callable")
    return said[0]


@pytest.mark.parametrize("rolling", ["cents"], indirect=True)
def test_its_record_orphans_nothing(rolling: Rolling, older: Older) -> None:
    rolling.again()
    counted = [effect for effect in rolling.run(rolling.v2).seen if isinstance(effect, Command | Call)]
    # The first table is replaced, and the second one is about to be.
    stop = next(
        place
        for place, effect in enumerate(counted)
        if isinstance(effect, Command) and effect.parameters.get("step") == hexed("2:rebuild:u")
    )
    said = between(rolling, older, stop)
    assert said.startswith("ok"), said
    assert len(rolling.lines("SELECT 1 FROM {db}.schema_version WHERE version = 1")) > 1, (
        "the older release recorded its version again"
    )


@pytest.mark.proof
@pytest.mark.parametrize("rolling", CASES, indirect=True)
def test_at_every_point(rolling: Rolling, older: Older) -> None:
    rolling.again()
    total = rolling.run(rolling.v2).points
    for stop in range(total):
        between(rolling, older, stop)
    note(TITLE, migrations=1, kills=total, starts_of_an_older_release=2 * total)
