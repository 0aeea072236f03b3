"""The committed lock file of the oplog is what the engine makes of the five declarations."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from aaiclick.oplog import OPLOG
from aaiclick.oplog.versions import RELEASED
from aaiclick.versions.lockfile import dump_lock, read_lock
from tests.oplog.make_lock import COMMITTED, make_lock

if TYPE_CHECKING:
    from aaiclick.testing.engine import EmbeddedEngine


def test_the_committed_lock_is_what_the_engine_makes(aaiclick_engine: EmbeddedEngine) -> None:
    made = make_lock(aaiclick_engine)
    assert read_lock("aaiclick.oplog.migrations") == made
    assert COMMITTED.read_text(encoding="utf-8") == dump_lock(made)


def test_the_newest_locked_version_is_the_declared_one() -> None:
    lock = read_lock(str(OPLOG.migrations))
    assert lock is not None
    assert [locked.version for locked in lock.versions] == [1, 2, 3, 4, OPLOG.version]
    assert set(lock.versions[-1].forms) == {table.name for table in OPLOG.tables}


def test_what_each_release_had() -> None:
    assert [[table.name for table in schema.tables] for schema in RELEASED] == [
        ["operation_log", "table_registry"],
        ["operation_log", "table_registry"],
        ["operation_log"],
        ["operation_log", "task_logs"],
        ["operation_log", "task_logs"],
    ]
    log = [[column.name for column in schema.tables[0].columns] for schema in RELEASED]
    assert [set(newer) ^ set(older) for older, newer in pairwise(log)] == [
        {"args", "kwargs_aai_ids", "result_aai_ids", "run_id"},
        {"kwargs_aai_ids", "result_aai_ids"},
        set(),
        set(),
    ]
