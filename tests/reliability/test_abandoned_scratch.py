"""Scratch databases that a process leaves which dies while it plans, without the lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.errors import OutcomeUnknownError
from aaiclick.routine import Command, Effect, Query
from tests.apply.applying import Lab
from tests.reliability.driving import Driver, ensuring

SCHEMA = Schema("s", version=1, objects=[Table("t", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))])


@pytest.fixture
def lab(aaiclick_engine: Any, aaiclick_database: str) -> Iterator[Lab]:
    made = Lab(aaiclick_engine.url, aaiclick_database)
    yield made
    made.close()


POLICY = Policy.lossless(keep_old=timedelta(0))


def start(lab: Lab, before: Callable[[Effect], object] | None = None, policy: Policy = POLICY) -> Driver:
    driver = Driver(lab.connection, before=before)
    driver.run(ensuring(SCHEMA, lab.database, policy))
    return driver


def test_a_start_that_compares_takes_an_abandoned_scratch_database_away(lab: Lab) -> None:
    """Its process died while it planned, without the lease, when the migration of another one was recorded already."""
    start(lab)
    now = int(str(lab.value("SELECT toUnixTimestamp(now())")))
    young, old = (f"_aaiclick_scratch_{made:08x}{'0' * 12}" for made in (now, now - 4000))
    there = "SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_scratch_')"
    lab.sql(f"CREATE DATABASE {young}")
    lab.sql(f"CREATE DATABASE {old}")
    # The one query of a start that finds nothing changed does not ask for them: it would take a third longer.
    assert sent_by(start(lab)) == (1, 0)
    lab.sql("ALTER TABLE t ADD COLUMN more UInt8")
    start(lab)
    assert lab.rows(there) == ((young,),)
    lab.sql(f"DROP DATABASE {young}")


def test_scratch_tables_of_a_user_who_may_not_create_databases_go_as_well(lab: Lab) -> None:
    start(lab)
    now = int(str(lab.value("SELECT toUnixTimestamp(now())")))
    young, old = (f"_aaiclick_scratch_{made:08x}{'0' * 12}_t" for made in (now, now - 4000))
    for name in (young, old):
        lab.sql(f"CREATE TABLE {name} (id UInt64) ENGINE = MergeTree ORDER BY id")
    # It compares, and has nothing else to do.
    start(lab, policy=Policy.everything())
    there = f"SELECT name FROM system.tables WHERE database = '{lab.database}' AND name IN ('{young}', '{old}')"
    assert lab.rows(there) == ((young,),)


def test_a_drop_without_an_answer_is_sent_once_more(lab: Lab) -> None:
    lost: list[str] = []

    def lose(effect: Effect) -> None:
        if isinstance(effect, Command) and effect.sql.startswith("DROP DATABASE") and not lost:
            lost.append(effect.sql)
            raise OutcomeUnknownError("no answer", 0, "", effect.sql)

    start(lab)
    lab.sql("ALTER TABLE t ADD COLUMN more UInt8")
    start(lab, before=lose)
    assert lost
    assert not lab.rows("SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_scratch_')")


def sent_by(driver: Driver) -> tuple[int, int]:
    """Questions and commands."""
    return sum(isinstance(effect, Query) for effect in driver.seen), driver.commands
