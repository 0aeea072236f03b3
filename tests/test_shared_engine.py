"""A test that says SET on the shared engine says it for itself alone."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.engines import Embedded

ASKED = "SELECT getSetting('optimize_on_insert'), getSetting('flatten_nested'), getSetting('max_threads')"


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_begins_with_the_engines_own_settings(aaiclick_engine: EmbeddedEngine, turn: str) -> None:
    before = aaiclick_engine.command(ASKED)
    assert before.startswith("true\ttrue\t")
    aaiclick_engine.command("SELECT 1; SET optimize_on_insert = 0, flatten_nested = 0, max_threads = 7")
    assert aaiclick_engine.command(ASKED) == "false\tfalse\t7\n"


def test_the_adversary_has_a_session_of_its_own(aaiclick_engine: EmbeddedEngine, aaiclick_client: Client) -> None:
    own = Embedded(aaiclick_engine)
    assert own.run(ASKED) == "false\ttrue\t1\n"
    assert aaiclick_engine.command(ASKED).startswith("true\ttrue\t")
    assert aaiclick_client.command("SELECT getSetting('optimize_on_insert')") in {1, "true", "1"}
    own.close()
