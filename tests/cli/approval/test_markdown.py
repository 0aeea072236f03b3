"""A plan in a pull request: nothing in a name gets out of its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.cli.approval.markdown import code_text, fenced
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import ALLOW, drop, plan, rebuild

Run = Callable[..., Ran]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a|b", "`a\\|b`"),
        ("`a`", "`` `a` ``"),
        ("a``b", "```a``b```"),
        ("@someone <b>", "`@someone <b>`"),
        ("a\nb", "`a\\nb`"),
        ("", "`  `"),
    ],
)
def test_a_name_is_code_in_one_line(text: str, shown: str) -> None:
    assert code_text(text) == shown


def test_a_block_is_ended_by_nothing_in_it() -> None:
    assert fenced("-- ```\nSELECT 1") == "````sql\n-- ```\nSELECT 1\n````"


def test_the_document(run: Run, script: Script) -> None:
    script.plan = plan(rebuild(blocked="3 NULLs"), drop())
    ran = run("plan", "--markdown", "--schema", "aaiclick.oplog:OPLOG")
    assert (ran.code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "### `oplog` in database `app`: v1 → v5"
    assert lines[2:6] == [
        "| object | change | strategy | rows | size | what becomes of it |",
        "|---|---|---|--:|--:|---|",
        "| `operation_log` | `sort key created_at -> (result_table, created_at)` | rebuild | 1,000 | 2.0 KiB | blocked |",
        "| `operation_log` | `column args is no longer declared` | alter |  |  | left alone |",
    ]
    assert f"- loses-rows: `the values of args are gone` (allow `{ALLOW}`)" in lines
    assert "- `operation_log`: `3 NULLs`" in lines
    assert lines.count("```sql") == lines.count("```") == 1
    assert lines[-1] == "To carry it out: `aaiclick migrate`"


def test_nothing_to_do(run: Run, script: Script) -> None:
    script.plan = plan()
    assert run("plan", "--markdown", "--schema", "aaiclick.oplog:OPLOG").stdout == (
        "### `oplog` in database `app`: v5 → v5\n\nNothing to do.\n"
    )
