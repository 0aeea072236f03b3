"""A view over a table with rows is put in place, changed or replaced while clients write, and while the process is
killed at every point: each row is counted once."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aaiclick import Schema, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring
from tests.reliability.feeding import FEEDINGS, Feeding
from tests.reliability.writing import traffic

OURS = "SELECT count() FROM system.tables WHERE database = '{}' AND match(name, '_aaiclick_(feed|fed|mark|new|stage)')"


def fill(engine: EmbeddedEngine | EngineServer, database: str, rows: int, first: int = 0) -> None:
    for start in range(first, first + rows, rows // 4):
        engine.command(f"INSERT INTO `{database}`.t SELECT number + {start}, number % 3, '' FROM numbers({rows // 4})")


def answers(engine: EmbeddedEngine | EngineServer, database: str, case: Feeding) -> tuple[str, str]:
    first, second = (
        str(
            engine.command(
                f"USE `{database}`; {sql}; USE default"
                if isinstance(engine, EmbeddedEngine)
                else _qualified(sql, database)
            )
        )
        for sql in case.counts
    )
    return first, second


def _qualified(sql: str, database: str) -> str:
    return sql.replace("FROM ", f"FROM {database}.").replace(f"{database}.merge('", f"merge('{database}', '")


def go_on(
    engine: EmbeddedEngine | EngineServer, case: Feeding, database: str, stop: int | None, *, first: bool = False
) -> None:
    """After a run that was killed or not, rows come in and the next start goes to the end; then each row is counted
    once, and nothing of a run is left. ``first``: that run was the first one, and the first version comes first."""
    if first:
        _started(engine, case.before(1), database, case)
    if "table_readonly" not in str(engine.command(f"SHOW CREATE TABLE `{database}`.t")):
        fill(engine, database, 4, first=10_000)
    after = case.after(2)
    _started(engine, after, database, case)
    fill(engine, database, 4, first=20_000)
    found = answers(engine, database, case)
    assert found[0] == found[1], stop
    assert str(engine.command(OURS.format(database))).strip() == "0", stop
    assert "table_readonly" not in str(engine.command(f"SHOW CREATE TABLE `{database}`.t")), stop
    assert "max_bytes_to_merge" not in str(engine.command(f"SHOW CREATE TABLE `{database}`.t")), stop
    assert plan_schema(engine.url, after, database=database).steps == (), stop


def _started(engine: EmbeddedEngine | EngineServer, schema: Schema, database: str, case: Feeding) -> None:
    connection = open_url(engine.url)
    Driver(connection, later=LATER).run(ensuring(schema, database, case.policy))
    connection.close()


def killed_at(engine: EmbeddedEngine, case: Feeding, database: str, stop: int | None) -> int:
    """Play a case; killed when ``stop`` commands of its change were carried out. The commands that it took to go on and
    to the end."""
    engine.command(f"CREATE DATABASE `{database}`")
    url = engine.url
    ensure_schema(url, case.before(1), policy=case.policy, database=database)
    fill(engine, database, 400)
    connection = open_url(url)
    after = case.after(2)
    driver = Driver(connection)
    with suppress(KilledError):
        driver.run(ensuring(after, database, case.policy, DEAD), stop)
    connection.close()
    go_on(engine, case, database, stop)
    engine.command(f"DROP DATABASE `{database}`")
    return driver.commands


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("aggregate", 26),
        ("measure", 24),
        ("anew", 27),
        ("replaced", 15),
        ("backfilled", 24),
        ("owned", 24),
        ("taken", 24),
    ],
)
def test_killed(name: str, stop: int, aaiclick_engine: EmbeddedEngine) -> None:
    """Once for each, while the view is put in place or its target filled."""
    assert killed_at(aaiclick_engine, FEEDINGS[name], f"fed_{name}", stop) == stop


@pytest.mark.proof
@pytest.mark.parametrize("name", FEEDINGS)
def test_killed_everywhere(name: str, aaiclick_engine: EmbeddedEngine) -> None:
    case = FEEDINGS[name]
    points = killed_at(aaiclick_engine, case, f"fed_{name}", None)
    for stop in range(points + 1):
        killed_at(aaiclick_engine, case, f"fed_{name}_{stop}", stop)
    note("views put in place, killed at every point", cases=1, points=points + 1, kills=points + 1)


def under_traffic(server: EngineServer, database: str, case: Feeding, *, rows: int, turns: int) -> None:
    schemas: list[Schema] = [
        case.before(1),
        *((case.after if turn % 2 == 0 else case.before)(turn + 2) for turn in range(turns)),
    ]
    ensure_schema(server.url, schemas[0], policy=case.policy, database=database)
    fill(server, database, rows)
    with traffic(server, database) as seen:
        for schema in schemas[1:]:
            ensure_schema(server.url, schema, policy=case.policy, database=database)
    found = answers(server, database, case)
    assert found[0] == found[1]
    assert found[0].startswith(f"{rows + seen.acknowledged}\t")
    note(
        "writers while a view is put in place",
        rounds=turns,
        rows=seen.acknowledged,
        refusals=seen.refused,
        longest_wait_of_a_writer=seen.longest_wait,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aggregate", "replaced", "backfilled"])
def test_writers_go_on(name: str, aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    under_traffic(aaiclick_server, aaiclick_server_database, FEEDINGS[name], rows=4000, turns=1)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["anew", "replaced"])
def test_writers_go_on_for_long(name: str, aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    under_traffic(aaiclick_server, aaiclick_server_database, FEEDINGS[name], rows=400_000, turns=21)
