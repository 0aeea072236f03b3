from __future__ import annotations

from contextlib import closing

from aaiclick.clickhouse.features import FENCE, NUMBERS, is_fenced, knows_table_setting, sets, too_old_to_change
from aaiclick.clients.opening import open_url
from aaiclick.routine import run
from aaiclick.testing.engine import EmbeddedEngine


def test_an_engine_knows_some_settings_of_tables_and_not_others(aaiclick_engine: EmbeddedEngine) -> None:
    with closing(open_url(aaiclick_engine.url)) as connection:
        known = [run(knows_table_setting(name), connection) for name in (FENCE, NUMBERS, "no_setting")]
    assert known == [True, True, False]


def test_a_setting_is_found_in_a_definition() -> None:
    definition = "MergeTree ORDER BY a SETTINGS index_granularity = 8192, table_readonly = 1"
    assert is_fenced(definition)
    assert sets(definition, "index_granularity")
    assert not sets(definition, "enable_block_number_column")
    assert not is_fenced("MergeTree ORDER BY table_readonly SETTINGS index_granularity = 8192")
    # So an operator may let writers in by hand.
    assert not is_fenced(definition.replace("= 1", "= 0"))
    assert not is_fenced(definition.replace("= 1", "= false"))


def test_an_old_release_changes_no_table() -> None:
    assert too_old_to_change((24, 8, 3), "24.8.3") == ""
    assert too_old_to_change((24, 3), "24.3").startswith(
        "tables that hold another definition are changed from ClickHouse 24.8 on, and this server is 24.3"
    )
