"""The pytest plugin: an engine for the test run, a fresh database for the test, a schema in milliseconds, a server for
many processes.

pytest loads this module at the start of every run, so it imports no driver and no engine; they come with the first
fixture. All names begin with ``aaiclick_``. Redefine ``aaiclick_engine_path`` in a conftest.py to choose the engine's
directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from aaiclick import Schema
    from aaiclick.testing.engine import EmbeddedEngine
    from aaiclick.testing.factories import SchemaFactory, UpgradeFactory
    from aaiclick.testing.process import EngineServer
    from aaiclick.testing.recorded import SchemaRecorder
    from aaiclick.testing.versions import OldInstall


@pytest.fixture(scope="session")
def aaiclick_engine_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the engine of this test process keeps its data: a temporary directory (one for each xdist worker)."""
    return str(tmp_path_factory.mktemp("aaiclick") / "chdb")


@pytest.fixture(scope="session")
def aaiclick_engine(aaiclick_engine_path: str) -> Iterator[EmbeddedEngine]:
    """The embedded engine of this test process: ``.path``, ``.url``, ``.client(database=...)``, ``.command(sql)``.

    If this process opened chdb before, that engine is used. Do not fork once it is open: child processes would hang in
    it.
    """
    from aaiclick.testing.engine import EmbeddedEngine

    with EmbeddedEngine(aaiclick_engine_path) as engine:
        yield engine


@pytest.fixture
def aaiclick_database(aaiclick_engine: EmbeddedEngine) -> Iterator[str]:
    """The name of a fresh, empty database on the embedded engine; dropped after the test, however it ends."""
    from aaiclick.sql.quoting import quote_name
    from aaiclick.testing.engine import fresh_name

    name = fresh_name()
    aaiclick_engine.command(f"CREATE DATABASE {quote_name(name)}")
    yield name
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(name)} SYNC")


@pytest.fixture
def aaiclick_client(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Client]:
    """A clickhouse-connect client on the embedded engine whose current database is ``aaiclick_database``."""
    client = aaiclick_engine.client(database=aaiclick_database)
    yield client
    client.close()


@pytest.fixture(scope="session")
def aaiclick_schema_recorder() -> SchemaRecorder:
    """Remembers, for this test process, the statements that each schema leads to."""
    from aaiclick.testing.recorded import SchemaRecorder

    return SchemaRecorder()


@pytest.fixture
def aaiclick_schema(
    request: pytest.FixtureRequest, aaiclick_schema_recorder: SchemaRecorder
) -> Iterator[SchemaFactory]:
    """``aaiclick_schema(SCHEMA)`` makes a fresh database with exactly that schema and gives its name; dropped after the
    test.

    It is on the embedded engine, or where the client or session given as ``via=`` leads. The first call for a schema
    runs ``ensure_schema``; later ones repeat the recorded statements, all at once, in milliseconds.
    """
    from aaiclick.testing.recorded import EngineTarget, drop_database, engine_target, is_embedded, server_target

    made: list[tuple[EngineTarget, str]] = []

    def create(schema: Schema, *, via: object = None) -> str:
        if via is None or is_embedded(via):
            engine: EmbeddedEngine = request.getfixturevalue("aaiclick_engine")
            target = engine_target(engine, via)
        else:
            target = server_target(via)
        database = aaiclick_schema_recorder.create(target, schema)
        made.append((target, database))
        return database

    yield create
    for target, database in made:
        drop_database(target, database)


@pytest.fixture
def aaiclick_upgrade(aaiclick_engine: EmbeddedEngine) -> Iterator[UpgradeFactory]:
    """``aaiclick_upgrade(SCHEMA, version)`` makes a fresh database at a released version, as the schema's lock file
    describes it: an ``OldInstall`` with ``.client`` and ``.upgrade()``. ``recorded=False``: without the version record,
    as if made before this library."""
    from aaiclick.sql.quoting import quote_name
    from aaiclick.testing.engine import fresh_name
    from aaiclick.testing.versions import OldInstall

    made: list[tuple[str, Client]] = []

    def create(schema: Schema, version: int, *, recorded: bool = True) -> OldInstall:
        name = fresh_name("upgrade")
        aaiclick_engine.command(f"CREATE DATABASE {quote_name(name)}")
        client = aaiclick_engine.client(database=name)
        made.append((name, client))
        return OldInstall(client, schema, version, recorded)

    yield create
    for name, client in made:
        client.close()
        aaiclick_engine.command(f"DROP DATABASE IF EXISTS {quote_name(name)} SYNC")


@pytest.fixture(scope="session")
def aaiclick_server() -> Iterator[EngineServer]:
    """The engine behind ClickHouse's HTTP interface in a child process: ``.url``, ``.kill()``, ``.restart()``. One for
    each xdist worker."""
    from aaiclick.testing.process import EngineServer

    with EngineServer() as server:
        yield server


@pytest.fixture
def aaiclick_server_database(aaiclick_server: EngineServer) -> Iterator[str]:
    """The name of a fresh, empty database on ``aaiclick_server``; dropped after the test, however it ends."""
    from aaiclick.sql.quoting import quote_name
    from aaiclick.testing.engine import fresh_name

    aaiclick_server.start()
    name = fresh_name()
    aaiclick_server.command(f"CREATE DATABASE {quote_name(name)}")
    yield name
    # The test may have killed it.
    aaiclick_server.start()
    aaiclick_server.command(f"DROP DATABASE IF EXISTS {quote_name(name)} SYNC")


@pytest.fixture
def aaiclick_server_client(aaiclick_server: EngineServer, aaiclick_server_database: str) -> Iterator[Client]:
    """A clickhouse-connect client over HTTP whose current database is ``aaiclick_server_database``."""
    client = aaiclick_server.client(database=aaiclick_server_database)
    yield client
    client.close()
