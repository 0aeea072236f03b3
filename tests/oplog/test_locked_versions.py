"""Upgrades of the oplog from every version that its lock file holds, with and without a version record."""

from __future__ import annotations

import pytest

from aaiclick.oplog import OPLOG
from aaiclick.testing import UpgradeFactory, locked_versions

LOG = "INSERT INTO operation_log (result_table, operation, kwargs, created_at)"
LOG += " SELECT toString(number % 7), 'op', map('source_0', 'a'), now64(3) FROM numbers(200)"
CONCAT = (
    "INSERT INTO operation_log (result_table, operation, args, created_at) VALUES ('t_3', 'concat', ['t_1', 't_2'], "
    "now64(3))"
)
TASKS = (
    "INSERT INTO task_logs (task_id, run_id, seq, line, created_at) SELECT number % 5, 1, number, 'line', now64(3) "
    "FROM numbers(200)"
)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "unrecorded"])
@pytest.mark.parametrize("version", locked_versions(OPLOG))
def test_upgrade_from_every_released_version(aaiclick_upgrade: UpgradeFactory, version: int, recorded: bool) -> None:
    old = aaiclick_upgrade(OPLOG, version, recorded=recorded)
    old.client.command(LOG)
    if version >= 4:
        old.client.command(TASKS)
    report = old.upgrade()
    assert report.from_version == version
    assert sum(step.strategy == "rebuild" for step in report.steps) <= 1 + (version == 4)


def test_what_an_operation_read_is_found_where_later_code_looks_for_it(aaiclick_upgrade: UpgradeFactory) -> None:
    old = aaiclick_upgrade(OPLOG, 1)
    old.client.command(CONCAT)
    old.client.command(LOG)
    old.upgrade(changed={"operation_log.kwargs"})
    rows = old.client.query("SELECT kwargs, args FROM operation_log WHERE operation = 'concat'").result_rows
    assert rows == [({"source_0": "t_1", "source_1": "t_2"}, ["t_1", "t_2"])]
    others = old.client.query("SELECT DISTINCT kwargs FROM operation_log WHERE operation = 'op'").result_rows
    assert others == [({"source_0": "a"},)]
