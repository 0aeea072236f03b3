"""The one query of a start with nothing to do: of a large schema, and how a start comes back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.read import MOST_NAMES
from aaiclick.clickhouse.names import RECORDS
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.inspection.warm import warm
from aaiclick.errors import StatementError
from aaiclick.lease.names import LOCK
from aaiclick.routine import Command, Effect, Query, Rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import Driver, KilledError, ensuring


def schema(count: int) -> Schema:
    return Schema(
        "s",
        version=1,
        objects=[Table(f"t{place}", [Column("a", "UInt8")], engine=MergeTree(order_by="a")) for place in range(count)],
    )


@pytest.mark.parametrize("count", [3, MOST_NAMES - 1, MOST_NAMES])
def test_a_long_list_of_names_is_not_sent_and_other_tables_do_not_count(count: int) -> None:
    routine = warm(schema(count), "d")
    effect = next(routine)
    assert isinstance(effect, Query)
    assert ("n0" in effect.parameters) == (count < MOST_NAMES)
    texts = {f"t{place}": f"CREATE {place}" for place in range(count)}
    rows = (*((name, text, "", "d", 0) for name, text in texts.items()), ("stranger", "CREATE stranger", "{}", "d", 0))
    with pytest.raises(StopIteration) as end:
        routine.send(rows)
    assert (end.value.value.digest, end.value.value.in_sync) == (text_digest(texts), False)


class Killed:
    """A database in which somebody changed a setting that nobody declared, and the run that recorded it was killed
    before it had written the cache."""

    def __init__(self, connection: Opened, database: str) -> None:
        self.connection, self.database = connection, database
        self.start()
        connection.command(Command(f"ALTER TABLE {database}.t0 MODIFY SETTING merge_with_ttl_timeout = 4321"))

        def kill(effect: Effect) -> None:
            if isinstance(effect, Command) and "MODIFY COMMENT" in effect.sql:
                raise KilledError

        with pytest.raises(KilledError):
            Driver(connection, before=kill).run(ensuring(schema(1), database, Policy.lossless()))
        # Its process is this one, so that a start would wait for the end of its lease.
        connection.command(Command(f"DROP TABLE {database}.{LOCK} SYNC"))

    def start(self, driver: Driver | None = None, policy: Policy | None = None) -> list[str]:
        """What a start sends."""
        driver = driver or Driver(self.connection)
        assert driver.run(ensuring(schema(1), self.database, policy or Policy.lossless())).in_sync
        return [effect.sql for effect in driver.seen if isinstance(effect, Query | Command)]


@pytest.fixture
def killed(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Killed]:
    connection = open_url(aaiclick_engine.url)
    yield Killed(connection, aaiclick_database)
    connection.close()


class Unprivileged(Driver):
    """Of a user who may not write, or on a server that does not know the question."""

    def __init__(self, connection: Opened, grants: Callable[[], Rows]) -> None:
        super().__init__(connection)
        self.grants = grants

    def _answer(self, effect: Effect) -> Rows:
        if isinstance(effect, Query) and effect.sql.startswith("CHECK GRANT"):
            return self.grants()
        return super()._answer(effect)


def too_old() -> Rows:
    raise StatementError("Code: 62. DB::Exception: Syntax error", 62, "SYNTAX_ERROR", "")


def test_a_cache_that_is_older_than_the_record_is_written_by_the_next_start(killed: Killed) -> None:
    assert len(killed.start()) > 1
    assert len(killed.start()) == 1


@pytest.mark.parametrize("grants", [lambda: ((0,),), too_old], ids=["may not", "nobody knows"])
def test_who_may_not_write_the_cache_looks_at_everything_each_time(killed: Killed, grants: Callable[[], Rows]) -> None:
    for _ in range(2):
        sent = killed.start(Unprivileged(killed.connection, grants))
        assert any(sql.startswith("CHECK GRANT") for sql in sent)
        assert not any("_aaiclick_lock" in sql for sql in sent if sql.startswith("CREATE"))


def test_who_changes_nothing_is_not_asked_whether_he_might(killed: Killed) -> None:
    for _ in range(2):
        sent = killed.start(policy=Policy.check())
        assert len(sent) > 1
        assert not any("CHECK GRANT" in sql or "_aaiclick_lock" in sql for sql in sent)


def test_what_a_run_wrote_when_its_lease_was_lost_is_not_believed(killed: Killed) -> None:
    """It may have come behind a successor that was killed, whose scratch database it says nothing of."""

    def lose(effect: Effect) -> None:
        if isinstance(effect, Command) and "MODIFY COMMENT" in effect.sql and '"due":' in effect.sql:
            killed.connection.command(Command(f"DROP TABLE IF EXISTS {killed.database}.{LOCK} SYNC"))

    killed.start(Driver(killed.connection, before=lose))
    comment = f"SELECT comment FROM system.tables WHERE database = '{killed.database}' AND name = '{RECORDS}'"
    assert killed.connection.query(Query(comment)) == (("",),)
    assert len(killed.start()) > 1
    assert len(killed.start()) == 1


@pytest.mark.parametrize(
    ("policy", "warm"),
    [
        (Policy.lossless().allow("keep-writers-out t0", "run-sql migration 2", "rerun migration 2:1"), True),
        (Policy.lossless().allow("drop-column t0.a"), False),
        (Policy.lossless().allow("materialize t0.a"), False),
        (Policy.everything(), False),
    ],
    ids=["required", "drop", "materialize", "everything"],
)
def test_a_key_for_something_required_is_no_reason_to_look(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str, policy: Policy, warm: bool
) -> None:
    connection = open_url(aaiclick_engine.url)
    for _ in range(2):
        driver = Driver(connection)
        assert driver.run(ensuring(schema(1), aaiclick_database, policy)).in_sync
    assert (sum(isinstance(effect, Query | Command) for effect in driver.seen) == 1) == warm
    connection.close()


STANDING = (
    "drop-table t1",
    "drop-column t0.props",
    "drop-column gone.x",
    "drop-collection gone",
    "materialize gone.y",
    "retype gone.z",
    "drop-table t0",
)


def test_keys_whose_work_is_done_cost_a_start_nothing_until_there_is_some_again(
    aaiclick_engine: EmbeddedEngine, aaiclick_database: str
) -> None:
    connection, policy = open_url(aaiclick_engine.url), Policy.lossless().allow(*STANDING)
    second = Schema("s", version=2, objects=schema(1).objects)

    def started(keys: Policy) -> tuple[list[str], int]:
        driver = Driver(connection)
        done = driver.run(ensuring(second, aaiclick_database, keys))
        return [step.strategy for step in done.steps], len([each for each in driver.seen if isinstance(each, Query)])

    Driver(connection).run(ensuring(schema(2), aaiclick_database, policy))
    assert started(policy)[0] == ["drop"]
    assert started(policy) == ([], 2)  # no list of tables shows a named collection
    without = Policy.lossless().allow(*(key for key in STANDING if "collection" not in key))
    assert started(without) == ([], 1)
    connection.command(Command(f"ALTER TABLE {aaiclick_database}.t0 ADD COLUMN props String"))
    assert started(without)[0] == ["mutate"]
    assert started(without) == ([], 1)
    connection.close()
