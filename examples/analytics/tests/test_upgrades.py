"""From every released version to the declared one: no row is lost, and values are what they should be."""

from __future__ import annotations

import pytest

from aaiclick.testing import UpgradeFactory, locked_versions
from analytics.schema import ANALYTICS

AT = "toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number * 600"
ADDRESS = "concat('https://a.example/p', toString(number % 7), '?x=1')"
PAGE = "'a.example', concat('/p', toString(number % 7))"
ROWS = {
    1: f"(at, url, visitor, agent) SELECT {AT}, {ADDRESS}, number % 50, 'Firefox' FROM numbers(1000)",
    2: f"(at, url, visitor, agent) SELECT {AT}, {ADDRESS}, number % 50, 'Firefox' FROM numbers(1000)",
}
NEWER = f"(at, host, path, visitor, user_agent) SELECT {AT}, {PAGE}, number % 50, 'Firefox' FROM numbers(1000)"


@pytest.mark.parametrize("version", locked_versions(ANALYTICS))
def test_every_release_comes_up_to_date(aaiclick_upgrade: UpgradeFactory, version: int) -> None:
    old = aaiclick_upgrade(ANALYTICS, version)
    old.client.command(f"INSERT INTO hits {ROWS.get(version, NEWER)}")
    old.upgrade()
    kept = "SELECT count(), uniqExact(host, path), any(user_agent) FROM hits"
    assert old.client.query(kept).result_rows == [(1000, 7, "Firefox")]
    daily = "SELECT sum(views), max(visitors) FROM pages_per_day WHERE path = '/p1'"
    assert old.client.query(daily).result_rows == [(143, 21)]
    sessions = old.client.query("SELECT count(), sum(pages) FROM sessions").result_rows
    # Code of version 5 writes none of its own: what is there was made by its migration.
    assert sessions == ([(1000, 1000)] if version < 5 else [(0, 0)])
