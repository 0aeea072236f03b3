"""What a migration allows by name: read from its file, and written there by ``aaiclick revision --drop``."""

from __future__ import annotations

import pytest

from aaiclick import Migration
from aaiclick.errors import MigrationError
from aaiclick.versions.decisions import wrong_decision
from aaiclick.versions.release import Release, script_text
from aaiclick.versions.scripts import read_script

DROP = "drop-column events.props"


def test_lines_of_a_header() -> None:
    text = f"-- strategy: derived\n-- allow: {DROP}\n-- allow: drop-table old\n"
    assert read_script(text, 2, "0002_x.sql").allow == [DROP, "drop-table old"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drop-colum events.props", "0002_x.sql, line 2: 'drop-colum events.props' names no hazard"),
        (f"{DROP}\n-- allow: {DROP}", f"0002_x.sql, line 3: '{DROP}' is allowed twice"),
        ("rerun 0002:1", "is for whoever runs it to say"),
        ("", "allow has no value"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str) -> None:
    with pytest.raises(MigrationError) as raised:
        read_script(f"-- strategy: derived\n-- allow: {line}\n", 2, "0002_x.sql")
    assert said in str(raised.value)


def test_what_revision_writes_is_read() -> None:
    release = Release(("events: column props is no longer declared",), (), (), (DROP,))
    assert read_script(script_text("Less", 2, release, None, python=False), 2, "x").allow == [DROP]
    module: dict[str, object] = {}
    exec(script_text("Less", 2, release, None, python=True), module)
    made = module["migration"]
    assert isinstance(made, Migration)
    assert made.allow == [DROP]


def test_words_of_more_than_one_line_name_nothing() -> None:
    assert wrong_decision(DROP) == ""
    assert "names no hazard" in wrong_decision("Drop-column t.c")
