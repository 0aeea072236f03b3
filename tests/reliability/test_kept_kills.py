"""What is kept for a rollback goes, by a command or because its time is over, in a run that is killed before or after
any of its statements: the next one finishes it, and until then a rollback finds what it needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, rollback_schema, validate_schema
from aaiclick.api.prune import prune_kept
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.prune import prune
from aaiclick.routine import Command, Effect, Routine
from aaiclick.state.block_numbers import noted_block_numbers
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

COLUMNS = [Column("a", "UInt64"), Column("b", "String")]


def schema(version: int) -> Schema:
    key = ["a"] if version == 1 else ["b", "a"]
    return Schema(
        "app", version=version, objects=[Table(name, COLUMNS, engine=MergeTree(order_by=key)) for name in "tu"]
    )


def kept(client: Client, database: str) -> int:
    return len(validate_schema(client, schema(2), database=database).kept_tables)


def numbered(client: Client, database: str) -> int:
    listed = f"SELECT count() FROM system.tables WHERE database = '{database}' AND NOT startsWith(name, '_aaiclick_')"
    return int(str(client.command(f"{listed} AND position(engine_full, 'enable_block_number_column') > 0")))


def prepared(client: Client, database: str, seconds: int) -> None:
    """Both tables replaced, and the old ones kept."""
    client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
    client.command(f"CREATE DATABASE {database}")
    ensure_schema(client, schema(1), database=database)
    for name in "tu":
        client.command(f"INSERT INTO {database}.{name} SELECT number, toString(number) FROM numbers(10)")
    policy = Policy.lossless(keep_old=timedelta(seconds=seconds))
    ensure_schema(client, schema(2), database=database, policy=policy)
    assert (kept(client, database), numbered(client, database)) == (2, 2)


def killed(engine: EmbeddedEngine, routine: Routine[object], stop: int) -> bool:
    """False where it comes to its end before that."""
    with closing(open_url(engine.url)) as connection, suppress(KilledError):
        Driver(connection).run(routine, stop)
        return False
    return True


def by_start(client: Client, database: str) -> None:
    ensure_schema(client, schema(2), database=database)


def by_command(client: Client, database: str) -> None:
    prune_kept(client, database)


def dropping(database: str, way: str, monkeypatch: pytest.MonkeyPatch) -> Routine[object]:
    """The run that takes away what is kept."""
    # Of this process, which is alive, the lease would be waited for.
    monkeypatch.setattr("aaiclick.commands.rollback.prune.this_process", lambda: DEAD)
    return prune(database, (), False, True) if way == "command" else ensuring(schema(2), database, Policy.safe(), DEAD)


FINISH = pytest.mark.parametrize("finish", [by_start, by_command], ids=["a start", "the command"])
WAYS = pytest.mark.parametrize("way", ["command", "expiry"])


@FINISH
@WAYS
def test_killed_between_the_drop_and_the_reset(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    finish: Callable[[Client, str], None],
) -> None:
    def kill(effect: Effect) -> None:
        if isinstance(effect, Command) and "RESET SETTING enable_block_number_column" in effect.sql:
            raise KilledError

    prepared(aaiclick_client, aaiclick_database, 3600 if way == "command" else 1)
    if way == "expiry":
        aaiclick_client.command("SELECT sleep(2.1)")
    with (
        monkeypatch.context() as patched,
        closing(open_url(aaiclick_engine.url)) as connection,
        pytest.raises(KilledError),
    ):
        Driver(connection, before=kill).run(dropping(aaiclick_database, way, patched))
    assert (kept(aaiclick_client, aaiclick_database), numbered(aaiclick_client, aaiclick_database)) == (0, 2)
    finish(aaiclick_client, aaiclick_database)
    assert numbered(aaiclick_client, aaiclick_database) == 0


AWAY = {
    "detached": ("DETACH TABLE {db}.t", "ATTACH TABLE {db}.t"),
    "dropped": ("DROP TABLE {db}.t", "UNDROP TABLE {db}.t"),
    "detached under another name": (
        "RENAME TABLE {db}.t TO {db}.moved; DETACH TABLE {db}.moved",
        "ATTACH TABLE {db}.moved",
    ),
    "renamed": ("RENAME TABLE {db}.t TO {db}.moved", "RENAME TABLE {db}.moved TO {db}.t"),
}


def away_while_dropped(
    engine: EmbeddedEngine, client: Client, database: str, monkeypatch: pytest.MonkeyPatch, way: str, taken: str
) -> None:
    """The operator takes ``t`` away right before the old table of it is dropped."""

    def take(effect: Effect) -> None:
        if isinstance(effect, Command) and "DROP TABLE" in effect.sql and effect.sql.rstrip(" SYNC").endswith("_t`"):
            say(client, database, AWAY[taken][0])

    prepared(client, database, 3600 if way == "command" else 1)
    if way == "expiry":
        client.command("SELECT sleep(2.1)")
    with monkeypatch.context() as patched, closing(open_url(engine.url)) as connection:
        Driver(connection, before=take).run(dropping(database, way, patched))
    assert int(str(client.command(f"SELECT count() FROM system.tables WHERE {OLD_ONES.format(db=database)}"))) == 0


OLD_ONES = "database = '{db}' AND name LIKE '_aaiclick_old%'"


def say(client: Client, database: str, statements: str) -> None:
    for sql in statements.split("; "):
        client.command(sql.format(db=database))


def entries(engine: EmbeddedEngine, database: str) -> int:
    with closing(open_url(engine.url)) as connection:
        return len(Driver(connection).run(noted_block_numbers(database)))


@pytest.mark.parametrize(
    ("way", "taken"), [("expiry", "detached under another name"), *(("command", taken) for taken in AWAY)]
)
def test_the_table_is_away_while_the_old_one_is_dropped(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    taken: str,
) -> None:
    """It gets its setting reset when it is there again, whatever it is called then: also by a start that finds nothing
    else to do, with a table made anew."""
    away_while_dropped(aaiclick_engine, aaiclick_client, aaiclick_database, monkeypatch, way, taken)
    if taken == "detached under another name":
        by_start(aaiclick_client, aaiclick_database)
        by_start(aaiclick_client, aaiclick_database)
    say(aaiclick_client, aaiclick_database, AWAY[taken][1])
    by_start(aaiclick_client, aaiclick_database)
    assert (numbered(aaiclick_client, aaiclick_database), entries(aaiclick_engine, aaiclick_database)) == (0, 0)


def test_the_table_is_gone_for_good(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away_while_dropped(
        aaiclick_engine, aaiclick_client, aaiclick_database, monkeypatch, "command", "detached under another name"
    )
    assert entries(aaiclick_engine, aaiclick_database) == 1
    # As long as it may come back the command lets it wait.
    assert prune_kept(aaiclick_client, aaiclick_database) == ()
    assert entries(aaiclick_engine, aaiclick_database) == 1
    say(aaiclick_client, aaiclick_database, "ATTACH TABLE {db}.moved; DROP TABLE {db}.moved SYNC")
    by_start(aaiclick_client, aaiclick_database)
    assert entries(aaiclick_engine, aaiclick_database) == 0


@pytest.mark.proof
@FINISH
@WAYS
def test_killed_before_and_after_each_statement(
    aaiclick_engine: EmbeddedEngine,
    aaiclick_client: Client,
    aaiclick_database: str,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    finish: Callable[[Client, str], None],
) -> None:
    stop, undropped = 0, 0
    while True:
        prepared(aaiclick_client, aaiclick_database, 3600 if way == "command" else 1)
        if way == "expiry":
            aaiclick_client.command("SELECT sleep(2.1)")
        with monkeypatch.context() as patched:
            more = killed(aaiclick_engine, dropping(aaiclick_database, way, patched), stop)
        left = kept(aaiclick_client, aaiclick_database)
        # As long as one is kept, the table that replaced it has its numbers.
        assert numbered(aaiclick_client, aaiclick_database) >= left
        undropped += left == 2
        if left == 2 and way == "command" and finish is by_start:
            assert rollback_schema(aaiclick_client, schema(1), database=aaiclick_database).steps
        else:
            finish(aaiclick_client, aaiclick_database)
            expected = left if way == "command" and finish is by_start else 0
            assert (kept(aaiclick_client, aaiclick_database), numbered(aaiclick_client, aaiclick_database)) == (
                expected,
                expected,
            ), stop
            with closing(open_url(aaiclick_engine.url)) as connection:
                assert len(Driver(connection).run(noted_block_numbers(aaiclick_database))) == expected
        if not more:
            break
        stop += 1
    assert stop > 8
    assert undropped > 2
