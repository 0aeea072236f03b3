"""A constraint that is to mark one storage reaches another one, because somebody else exchanges tables between two
statements: it is taken off again, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aaiclick.clickhouse.names import GUARD
from aaiclick.clickhouse.storages import add_guards, alter_storage, remove_guards
from aaiclick.clickhouse.tables import require_table
from aaiclick.errors import ApplyError
from aaiclick.routine import Command, Effect, Query
from tests.apply.applying import Lab

EXCHANGE = "EXCHANGE TABLES t AND t_other"


@pytest.fixture
def lab(aaiclick_engine: Any, aaiclick_database: str) -> Iterator[Lab]:
    made = Lab(aaiclick_engine.url, aaiclick_database)
    for name in ("t", "t_other"):
        made.sql(f"CREATE TABLE {name} (id UInt64) ENGINE = MergeTree ORDER BY id")
    yield made
    made.close()


def guarded(lab: Lab) -> list[str]:
    return [name for name in ("t", "t_other") if GUARD in lab.definition(name)]


def adds(effect: Effect) -> bool:
    return isinstance(effect, Command) and "ADD CONSTRAINT" in effect.sql


def looks(effect: Effect) -> bool:
    return isinstance(effect, Query) and "FROM system.tables" in effect.sql


def drops(effect: Effect) -> bool:
    return isinstance(effect, Command) and "DROP CONSTRAINT" in effect.sql


def at(lab: Lab, *moments: Callable[[Effect], bool]) -> Callable[[Effect], None]:
    """The operator exchanges the tables before the first effect of each kind, one kind after the other."""
    waiting = list(moments)

    def operate(effect: Effect) -> None:
        if waiting and waiting[0](effect):
            waiting.pop(0)
            lab.sql(EXCHANGE)

    return operate


@pytest.mark.parametrize("moments", [(adds,), (adds, drops), (adds, looks)], ids=["for good", "late", "at once"])
def test_it_is_found_wherever_tables_were_exchanged(lab: Lab, moments: tuple[Callable[[Effect], bool], ...]) -> None:
    """Exchanged away before the constraint is added, and back: not at all, behind the look at the UUID, before it."""
    table = lab.run(require_table(lab.database, "t"))
    with pytest.raises(ApplyError, match="replaced by somebody else meanwhile"):
        lab.run(alter_storage(table, ("MODIFY SETTING merge_with_ttl_timeout = 4321",)), at(lab, *moments))
    assert not guarded(lab)
    assert not any("4321" in lab.definition(name) for name in ("t", "t_other"))


def test_it_is_taken_off_a_storage_whatever_is_under_its_name(lab: Lab) -> None:
    """The tables are exchanged before the constraint is dropped, and back before the next look."""
    table = lab.run(require_table(lab.database, "t"))
    lab.run(add_guards(table, ("ASSUME 1", "CHECK id < 9")))
    lab.run(remove_guards(table), at(lab, drops, looks))
    assert not guarded(lab)
