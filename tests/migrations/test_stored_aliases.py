"""A column that is an ALIAS at first, or on the way, and stored in the end: version by version and in one jump its rows get the same values."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, Plan, Policy, Schema, ensure_schema, plan_schema
from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.versions.lockfile import LOCK_FILE, Lock, LockedVersion, dump_lock
from tests.migrations.building import locked_forms, rows, schema, table
from tests.migrations.projects import empty_package
from tests.reliability.driving import DEAD, LATER, Driver, KilledError, ensuring

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Way = list[tuple[Column, ...]]
BYTE, SHORT = Column("f", "UInt8"), Column("f", "UInt16")


def alias(expression: str) -> Column:
    return Column("al", "UInt16", alias=expression)


STORED = {
    "DEFAULT": Column("al", "UInt16", default="f * 4"),
    "plain": Column("al", "String"),
    "MATERIALIZED": Column("al", "UInt16", materialized="f * 4"),
}
DOUBLED = Column("al", "UInt16", default="f * 2")
GIVEN, OVER_GIVEN = Column("g", "UInt8", ephemeral="3"), Column("al", "UInt16", default="g + f")
WAYS: dict[str, tuple[Way, str]] = {
    "changed before it is a DEFAULT": (
        [(BYTE, alias("f * 2")), (BYTE, alias("f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "changed twice before it is plain": (
        [(BYTE, alias("f * 2")), (BYTE, alias("f * 3")), (BYTE, alias("f * 5")), (BYTE, STORED["plain"])],
        "25",
    ),
    "changed before it is MATERIALIZED": (
        [(BYTE, alias("f * 2")), (BYTE, alias("f * 3")), (BYTE, STORED["MATERIALIZED"])],
        "20",
    ),
    "plain before it is MATERIALIZED": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16")), (BYTE, STORED["MATERIALIZED"])],
        "10",
    ),
    "MATERIALIZED before it is a DEFAULT": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16", materialized="f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "MATERIALIZED by two expressions": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16", materialized="f * 3")), (BYTE, STORED["MATERIALIZED"])],
        "15",
    ),
    "over a column of another type": (
        [(BYTE, alias("bitNot(f)")), (SHORT, alias("bitNot(f)")), (SHORT, STORED["DEFAULT"])],
        "65530",
    ),
    "over another ALIAS that changes": (
        [
            (BYTE, Column("b", "UInt16", alias="f + 1"), alias("b * 2")),
            (BYTE, Column("b", "UInt16", alias="f + 2"), alias("b * 2")),
            (BYTE, Column("b", "UInt16", alias="f + 2"), STORED["DEFAULT"]),
        ],
        "14",
    ),
    "a new one that is MATERIALIZED by two expressions": (
        [(BYTE,), (BYTE, Column("al", "UInt16", materialized="f * 3")), (BYTE, STORED["MATERIALIZED"])],
        "15",
    ),
    "a new ALIAS that changes": (
        [(BYTE,), (BYTE, alias("f * 4")), (BYTE, alias("f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "stored, an ALIAS, and stored again": (
        [(BYTE, DOUBLED), (BYTE, alias("f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "stored, an ALIAS, and plain": ([(BYTE, DOUBLED), (BYTE, alias("f * 3")), (BYTE, STORED["plain"])], "15"),
    "stored, an ALIAS, and MATERIALIZED": (
        [(BYTE, DOUBLED), (BYTE, alias("f * 3")), (SHORT, Column("al", "UInt16", materialized="bitNot(f)"))],
        "65530",
    ),
    "MATERIALIZED, an ALIAS, and a DEFAULT": (
        [(BYTE, Column("al", "UInt16", materialized="f * 2")), (BYTE, alias("f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "stored, two ALIASES, and stored as at first": (
        [(BYTE, DOUBLED), (BYTE, alias("f * 3")), (BYTE, alias("f * 5")), (BYTE, DOUBLED)],
        "25",
    ),
    "stored, an ALIAS, MATERIALIZED, and a DEFAULT": (
        [
            (BYTE, DOUBLED),
            (BYTE, alias("f * 3")),
            (BYTE, Column("al", "UInt16", materialized="f * 5")),
            (BYTE, STORED["DEFAULT"]),
        ],
        "25",
    ),
    "stored, an ALIAS, stored, an ALIAS, and stored": (
        [(BYTE, DOUBLED), (BYTE, alias("f * 3")), (BYTE, DOUBLED), (BYTE, alias("f * 5")), (BYTE, DOUBLED)],
        "25",
    ),
    "stored, EPHEMERAL, and stored again": (
        [(BYTE, DOUBLED), (BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, STORED["DEFAULT"])],
        "20",
    ),
    "stored, EPHEMERAL, and stored by two expressions": (
        [(BYTE, DOUBLED), (BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, DOUBLED), (BYTE, STORED["DEFAULT"])],
        "10",
    ),
    "an ALIAS, EPHEMERAL, and stored": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, STORED["DEFAULT"])],
        "20",
    ),
    "an ALIAS, EPHEMERAL, and stored as it read": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, DOUBLED)],
        "10",
    ),
    "an ALIAS, EPHEMERAL, and plain": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "String", ephemeral="'x'")), (BYTE, STORED["plain"])],
        "",
    ),
    "an ALIAS, EPHEMERAL, and MATERIALIZED": (
        [(BYTE, alias("f * 2")), (BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, STORED["MATERIALIZED"])],
        "20",
    ),
    "an ALIAS, EPHEMERAL, and stored by two expressions": (
        [
            (BYTE, alias("f * 2")),
            (BYTE, Column("al", "UInt16", ephemeral="7")),
            (BYTE, DOUBLED),
            (BYTE, STORED["DEFAULT"]),
        ],
        "10",
    ),
    "an ALIAS that changes, EPHEMERAL, and stored": (
        [
            (BYTE, alias("f * 2")),
            (BYTE, alias("f * 3")),
            (BYTE, Column("al", "UInt16", ephemeral="7")),
            (BYTE, STORED["DEFAULT"]),
        ],
        "20",
    ),
    "EPHEMERAL, an ALIAS, and stored": (
        [(BYTE, Column("al", "UInt16", ephemeral="7")), (BYTE, alias("f * 3")), (BYTE, STORED["DEFAULT"])],
        "15",
    ),
    "an ALIAS, EPHEMERAL, an ALIAS, and stored": (
        [
            (BYTE, alias("f * 2")),
            (BYTE, Column("al", "UInt16", ephemeral="7")),
            (BYTE, alias("f * 3")),
            (BYTE, STORED["DEFAULT"]),
        ],
        "15",
    ),
    "new, over an EPHEMERAL column that is new, too": (
        [(BYTE,), (BYTE, GIVEN, OVER_GIVEN), (SHORT, GIVEN, OVER_GIVEN)],
        "8",
    ),
    "new, over an EPHEMERAL column that is there, by two expressions": (
        [(BYTE, GIVEN), (BYTE, GIVEN, OVER_GIVEN), (BYTE, GIVEN, Column("al", "UInt16", default="g + f + 1"))],
        "8",
    ),
    "new, over an EPHEMERAL column that gets another default": (
        [(BYTE, GIVEN), (BYTE, GIVEN, OVER_GIVEN), (BYTE, Column("g", "UInt8", ephemeral="4"), OVER_GIVEN)],
        "8",
    ),
    "new, over an EPHEMERAL column that reads another and goes": (
        [(BYTE,), (BYTE, Column("g", "UInt16", ephemeral="f * 2"), OVER_GIVEN), (BYTE, STORED["plain"])],
        "15",
    ),
}


def keys(plan: Plan) -> list[str]:
    return [hazard.allow for step in plan.required for hazard in step.hazards if hazard.allow]


@pytest.mark.parametrize("way", WAYS)
def test_a_jump_stores_what_the_versions_would(
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    steps, expected = WAYS[way]
    package = empty_package(tmp_path, "stored_migrations", monkeypatch)
    tables = [table(*columns) for columns in steps]
    locked = [LockedVersion(number, locked_forms(aaiclick_engine, [each])) for number, each in enumerate(tables, 1)]
    client = aaiclick_client

    def to(version: int, schema_of: Schema) -> set[str]:
        lock = Lock("s", tuple(locked[:version]))
        (package / LOCK_FILE).write_text(dump_lock(lock), encoding="utf-8")
        asked = keys(plan_schema(client, schema_of))
        ensure_schema(client, schema_of, policy=Policy.lossless().allow(*asked))
        return set(asked)

    declared = [schema(number, each, migrations="stored_migrations") for number, each in enumerate(tables, 1)]
    asked: list[set[str]] = []
    for jump in (False, True):
        ensure_schema(client, schema(1, tables[0]))
        client.command("INSERT INTO t (id, f) VALUES (1, 5)")
        numbers = [len(steps)] if jump else range(2, len(steps) + 1)
        asked.append(set[str]().union(*(to(number, declared[number - 1]) for number in numbers)))
        assert rows(client, "t", "toString(al)") == [(expected,)]
        assert ensure_schema(client, declared[-1]).steps == ()
        for (name,) in client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows:
            client.command(f"DROP TABLE IF EXISTS `{name}`")
    # In the chain nobody reads it at version 2.
    assert asked[1] == (set() if way == "an ALIAS, EPHEMERAL, and stored as it read" else asked[0])


def test_a_jump_without_a_migration_copies_once_wherever_it_is_killed(
    aaiclick_client: Client,
    aaiclick_engine: EmbeddedEngine,
    aaiclick_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind the exchange, and before the version is recorded, rows have values of their own again."""
    steps, _ = WAYS["stored, an ALIAS, and stored again"]
    package = empty_package(tmp_path, "killed_migrations", monkeypatch)
    tables = [table(*columns) for columns in steps]
    locked = [LockedVersion(number, locked_forms(aaiclick_engine, [each])) for number, each in enumerate(tables, 1)]
    (package / LOCK_FILE).write_text(dump_lock(Lock("s", tuple(locked))), encoding="utf-8")
    declared = schema(3, tables[-1], migrations="killed_migrations")
    client, connection, written = aaiclick_client, open_url(aaiclick_engine.url), 0
    policy = Policy.lossless().allow("change-default t.al")
    # Before the exchange nothing is decided yet.
    stop = 27
    while True:
        stop += 5
        ensure_schema(client, schema(1, tables[0]))
        client.command("INSERT INTO t (id, f) VALUES (1, 5)")
        killed = True
        try:
            Driver(connection).run(ensuring(declared, aaiclick_database, policy, DEAD), stop)
            killed = False
        except KilledError:
            pass
        exchanged = rows(client, "t", "toString(al)") == [("15",)]
        if exchanged and killed:
            with suppress(DatabaseError):  # where writers are refused
                client.command("INSERT INTO t (id, f, al) VALUES (2, 5, 99)")
                written += 1
        expected = rows(client, "t", "id, toString(al)") if exchanged else [(1, "15")]
        assert Driver(connection, later=LATER).run(ensuring(declared, aaiclick_database, policy)).in_sync
        assert rows(client, "t", "id, toString(al)") == expected, stop
        for (name,) in client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows:
            client.command(f"DROP TABLE IF EXISTS `{name}`")
        if not killed:
            break
    connection.close()
    assert written
