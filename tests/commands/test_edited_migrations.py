"""A start with nothing to do sees in its one query that the migrations of the code are not those that were applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.rollback import rollback_schema
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.inspection.digests import migrations_digest
from aaiclick.commands.tenants.warm import warm_tenants
from aaiclick.errors import EditedMigrationError, HistoryError, MissingVersionError
from aaiclick.routine import Command, Effect, Query, Rows
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.reliability.driving import Driver, ensuring

LARGE = Table("t", [Column("id", "UInt64"), Column("price", "UInt64")], engine=MergeTree(order_by=["id"]))
FIRST, NOTHING = Migration(1, oldest_code=1), list[Migration]()
RUNS = Migration(1, sql=["SELECT 1"])


def cents(factor: int, title: str = "") -> Migration:
    return Migration(2, title=title, rebuild={"t": Rebuild(columns={"price": f"price * {factor}"})})


def app(version: int, migrations: str | list[Migration] | None) -> Schema:
    return Schema("app", version=version, objects=[LARGE], migrations=migrations)


class Place:
    """A database, and starts on it that count what they send."""

    def __init__(self, engine: EmbeddedEngine, database: str) -> None:
        self.engine, self.database = engine, database
        self.connection: Opened = open_url(engine.url)

    def start(self, schema: Schema, driver: Driver | None = None) -> int:
        """How many statements a start sends."""
        driver = driver or Driver(self.connection)
        assert driver.run(ensuring(schema, self.database, Policy.lossless())).in_sync
        return sum(isinstance(effect, Query | Command) for effect in driver.seen)

    @property
    def comment(self) -> str:
        """The cache of the warm start."""
        sql = f"SELECT comment FROM system.tables WHERE database = '{self.database}' AND name = '{RECORDS}'"
        return str(self.connection.query(Query(sql))[0][0])

    def write_comment(self, text: str) -> None:
        self.connection.command(Command(f"ALTER TABLE `{self.database}`.{RECORDS} MODIFY COMMENT '{text}'"))


@pytest.fixture
def place(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Place]:
    made = Place(aaiclick_engine, aaiclick_database)
    yield made
    made.connection.close()


CHANGES = [
    ([cents(100)], [cents(1000)], EditedMigrationError, "differs from the migration that was applied"),
    ([cents(100)], None, MissingVersionError, "the code does not have it"),
    ([cents(100)], [RUNS, cents(100)], EditedMigrationError, "migration 1: was added after version 2 was recorded"),
    (NOTHING, [cents(100)], EditedMigrationError, "migration 2: was added .* never runs here. Give it the next"),
]


@pytest.mark.parametrize(("before", "now", "error", "said"), CHANGES, ids=["edited", "removed", "added below", "added"])
def test_another_migration_than_the_applied_one_is_told(
    place: Place, before: list[Migration], now: list[Migration] | None, error: type[HistoryError], said: str
) -> None:
    place.start(app(2, before))
    for version in (2, 3):
        with pytest.raises(error, match=said):
            place.start(app(version, now))
    assert not Driver(place.connection).run(warm_tenants(app(2, now), [place.database], Policy.lossless()))
    assert place.start(app(2, before)) == 1
    assert Driver(place.connection).run(warm_tenants(app(2, before), [place.database], Policy.lossless()))
    adopt_schema(place.engine.url, app(2, now), 2, force=True, database=place.database)
    place.start(app(2, now))
    assert place.start(app(2, now)) == 1


def test_one_that_runs_nothing_may_be_added(place: Place) -> None:
    """Such as the numbers of a team that begins to use migrations, or older code that may run after all."""
    place.start(app(2, None))
    code = app(2, [FIRST, Migration(2, oldest_code=1)])
    assert place.start(code) > 1
    assert place.start(code) == 1


def test_what_a_title_says_changes_nothing(place: Place) -> None:
    place.start(app(2, [cents(100)]))
    assert place.start(app(2, [cents(100, "in cents")])) == 1


class ReadOnly(Driver):
    """Of a user who may not write."""

    def _answer(self, effect: Effect) -> Rows:
        if isinstance(effect, Query) and effect.sql.startswith("CHECK GRANT"):
            return ((0,),)
        assert not isinstance(effect, Command) or "_lock" not in effect.sql
        return super()._answer(effect)


def test_what_an_earlier_release_noted_is_completed_once(place: Place) -> None:
    code = app(2, [FIRST, cents(100)])
    place.start(code)
    noted = json.loads(place.comment)
    assert noted["app"].pop("migrations") == migrations_digest(code)
    place.write_comment(json.dumps(noted))
    assert place.start(code, ReadOnly(place.connection)) > 1
    assert place.start(code) > 1
    assert place.start(code) == 1
    # A rollback notes those of the version that it leads to.
    third = app(3, [FIRST, cents(100), Migration(3, strategy={"t": "rebuild"})])
    place.start(third)
    rollback_schema(place.engine.url, third, to=2, database=place.database)
    assert place.start(code) == 1


def test_files_count_as_they_are_read(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / fresh_name("edited")
    folder.mkdir()
    file, text = folder / "0002_a.sql", "-- title: a\n-- strategy: sql\nSELECT 1;\n"
    file.write_bytes(text.encode())
    code = app(2, folder.name)
    place.start(code)
    (folder / "README.md").write_text("of no account", encoding="utf-8")
    file.write_bytes(text.replace("\n", "\r\n").encode())
    assert place.start(code) == 1
    file.write_bytes(f"{text}-- a remark\n".encode())
    assert place.start(code) > 1
    assert place.start(code) == 1
    file.write_bytes(text.replace("SELECT 1", "SELECT 2").encode())
    with pytest.raises(EditedMigrationError, match=r"0002_a.sql: differs from the migration that was applied"):
        place.start(code)
    (folder / "0003_b.sql").write_bytes(b"-- strategy: derived\n")
    assert migrations_digest(code, 2) == migrations_digest(code.stopped_at(2)) != migrations_digest(code)
    assert migrations_digest(app(2, "no_such_package_of_it")) not in ("", migrations_digest(code))
