"""A column that an operator renames while merges are stopped for a copy: the server lets every ALTER of the table wait for
that mutation, and the mutation waits for merges. The run ends all the same, and so does the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.clients.opening import Opened, open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect, Query, scalar_rows
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.driving import DEAD, Driver, KilledError, ensuring

RENAME = "ALTER TABLE t RENAME COLUMN s TO s9"
CHUNK, MARK, SHADOW = (rf"{what} \S+_aaiclick_" for what in ("INSERT INTO", "CREATE TABLE", "CREATE TABLE"))
MOMENTS = {"mark": f"{MARK}mark_", "new table": f"{SHADOW}new_", "chunk": f"{CHUNK}stage_"}


def schema(number: int, engine: MergeTree, type_: str = "String") -> Schema:
    columns = [Column("id", "UInt64"), Column("p", "UInt32"), Column("s", type_)]
    return Schema("s", version=number, objects=[Table("t", columns, engine=engine)])


ONE = schema(1, MergeTree(order_by=["id"]))
WAYS = {
    "copy": schema(2, MergeTree(order_by=["p", "id"])),
    # Rows that this type cannot hold are refused meanwhile, by a constraint that the copy adds.
    "guarded copy": schema(2, MergeTree(order_by=["p", "id"]), "FixedString(3)"),
    "attach": schema(2, MergeTree(order_by=["id"], settings={"index_granularity": 4096})),
}


class Operator:
    """Renames a column without waiting for it, and sees that no ALTER is sent that would wait for ever."""

    def __init__(self, connection: Opened, database: str) -> None:
        self.connection, self.database, self.moment, self.stopped = connection, database, "", False

    def __call__(self, effect: Effect) -> None:
        sql = effect.sql if isinstance(effect, Command) else ""
        if self.moment and re.search(self.moment, sql):
            self.moment = ""
            self.say(RENAME, {"alter_sync": 0, "mutations_sync": 0})
        if f"MERGES `{self.database}`.`t`" in sql and " TTL " not in sql:
            self.stopped = "STOP" in sql
        plain = re.match(r"(/\*.*?\*/ )?ALTER TABLE \S+`t` (MODIFY COMMENT|(MODIFY|RESET) SETTING)", sql)
        if self.stopped and f"ALTER TABLE `{self.database}`.`t` " in sql and not plain:
            assert not self.pending(), f"{sql} would wait for ever"

    def say(self, sql: str, settings: dict[str, str | int] | None = None) -> None:
        self.connection.command(Command(sql, settings=settings or {}, database=self.database))

    def pending(self) -> object:
        return self.value(
            "SELECT count() FROM system.mutations WHERE database = '{db}' AND table = 't' AND NOT is_done"
        )

    def value(self, sql: str) -> object:
        return scalar_rows(self.connection.query(Query(sql.replace("{db}", self.database))))[0][0]

    def start(self, wanted: Schema, moment: str = "", stop: int | None = None) -> None:
        self.moment = moment
        driver = Driver(self.connection, before=self)
        policy = Policy.lossless(keep_old=timedelta(days=1)).allow("retype t.s")
        try:
            driver.run(ensuring(wanted, self.database, policy, DEAD if stop else None), stop)
        finally:
            assert not self.moment

    def as_it_was(self) -> None:
        """No merges are stopped, and nothing of ours is left."""
        assert self.pending() == 0
        assert not self.stopped
        shown = "SELECT create_table_query FROM system.tables WHERE database = '{db}' AND name = 't'"
        assert "max_bytes_to_merge" not in str(self.value(shown))
        ours = "match(name, '^_aaiclick_(stage|new|mark|taken)_')"
        assert self.value(f"SELECT count() FROM system.tables WHERE database = '{{db}}' AND {ours}") == 0


@pytest.fixture
def operator(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Operator]:
    opened = open_url(aaiclick_engine.url)
    found = Operator(opened, aaiclick_database)
    found.start(ONE)
    found.say("INSERT INTO t SELECT number, number, 'v' FROM numbers(99)")
    yield found
    opened.close()


@pytest.mark.parametrize(
    ("way", "moment"),
    [*(("copy", each) for each in MOMENTS), ("guarded copy", "new table"), ("attach", "new table")],
)
def test_the_run_ends_and_says_why(operator: Operator, way: str, moment: str) -> None:
    with pytest.raises(ApplyError, match=r"columns were (altered|changed)"):
        operator.start(WAYS[way], MOMENTS[moment])
    operator.as_it_was()
    assert operator.value("SELECT countIf(s9 = 'v') FROM {db}.t") == 99


@pytest.mark.parametrize("moment", ["mark", "chunk"])
def test_a_rollback_ends(operator: Operator, moment: str) -> None:
    operator.start(WAYS["copy"])
    operator.say("INSERT INTO t SELECT number, number, 'v' FROM numbers(99, 20)")
    operator.moment = MOMENTS[moment]
    asked = Rollback(WAYS["copy"], operator.database, 1, frozenset(), False, this_process(), True, 3600)
    with pytest.raises(ApplyError, match=r"columns were (altered|changed)"):
        Driver(operator.connection, before=operator).run(rollback(asked))
    operator.as_it_was()
    assert operator.value("SELECT countIf(s9 = 'v') FROM {db}.t") == 119


@pytest.mark.parametrize("moment", ["CREATE DATABASE `_aaiclick_scratch_", "_aaiclick_journal`", ""])
def test_the_start_behind_a_killed_copy_ends(operator: Operator, moment: str) -> None:
    """Its chunks are there, and merges stay stopped while the next plan is made. '': renamed before that start."""
    driver = Driver(operator.connection, before=operator)
    filled = f"{CHUNK}stage_"
    with pytest.raises(KilledError):
        run_until(driver, operator, filled)
    if not moment:
        operator.say(RENAME, {"alter_sync": 0, "mutations_sync": 0})
    with suppress(AaiclickError):
        operator.start(WAYS["copy"], moment)
    operator.as_it_was()
    assert operator.value("SELECT countIf(s9 = 'v') FROM {db}.t") == 99


def run_until(driver: Driver, operator: Operator, marker: str) -> None:
    """Killed a few statements behind the one that fits."""
    left: list[int] = []

    def before(effect: Effect) -> None:
        operator(effect)
        if isinstance(effect, Command):
            if left:
                left.append(0)
            if re.search(marker, effect.sql):
                left.append(0)
            if len(left) > 3:
                raise KilledError

    driver.before = before
    driver.run(ensuring(WAYS["copy"], operator.database, Policy.lossless(), DEAD))
