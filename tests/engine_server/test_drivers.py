"""Sessions of an engine that has one connection: what is repeated when the turn comes."""

from __future__ import annotations

import pytest

from aaiclick.engine_server.drivers import joined_statements


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        (
            ["USE d", "SET a = 1", "set b = 'x', c = 2", "SET d = DEFAULT"],
            ["USE d", "SET a = 1, b = 'x', c = 2, d = DEFAULT"],
        ),
        (["SET a = 1", "SET param_x = 'a'", "SET b = 2"], None),
        (["SET a = 1", "SET ROLE r", "SET b = 2"], None),
        (["SET a = 1", "SET DEFAULT ROLE r TO u"], None),
        (["SET a = 1 -- one", "SET b = 2"], None),
        (["SET a = 1", "SET b = 2 /* two */", "SET c = 3"], None),
    ],
)
def test_only_settings_are_set_with_one_statement(state: list[str], sent: list[str] | None) -> None:
    assert joined_statements(state) == (state if sent is None else sent)
