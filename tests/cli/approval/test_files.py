"""Plans in files: what is no plan says so, and no other file is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aaiclick.cli.approval.files import read_plan, require_writable, write_plan
from aaiclick.errors import UsageError
from tests.cli.conftest import Ran, Script
from tests.cli.scripted import plan, rebuild, report

Run = Callable[..., Ran]
PLAN = plan(rebuild())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, plan())
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["plan.json"]


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "plan.json")
    write_plan(tmp_path / "link.json", PLAN)
    assert (tmp_path / "link.json").is_symlink()
    assert read_plan(tmp_path / "plan.json") == PLAN


def test_an_edited_file_is_refused_and_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, plan())
    path.write_text(path.read_text(encoding="utf-8").replace('"oplog"', '"oplog2"'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"plan\.json: the plan was edited after it was made.* Make it anew: "):
        read_plan(path)
    require_writable(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no plan: Invalid JSON"),
        (PLAN.to_json()[:-40].encode(), "is no plan: Invalid JSON: EOF"),
        (b"{}", "is no plan: schema: Field required (and 6 more)"),
        (b"[]", "is no plan: Input should be an object"),
        (b"\xff\xfe{", "is no plan: it is no UTF-8 text"),
        (b"[" * 100_000, "is no plan: "),
        (json.dumps({**json.loads(PLAN.to_json()), "format": 2}).encode(), "has format 2"),
        (
            PLAN.to_json().replace('"rows": 1000', '"rows": "many"').encode(),
            "is no plan: steps.0.rows: Input should be",
        ),
        (PLAN.to_json().replace('"rebuild"', '"guess"').encode(), "is no plan: steps.0.strategy: Input should be"),
    ],
)
def test_what_is_no_plan_says_why_and_what_to_run(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_plan(path)
    assert said in str(raised.value)
    assert "Field required" not in str(raised.value) or len(str(raised.value)) < 400


def test_no_other_file_is_lost(tmp_path: Path, run: Run, script: Script) -> None:
    code = tmp_path / "shop.py"
    code.write_text("SHOP = 1\n")
    script.plan = PLAN
    ran = run("plan", "--schema", "aaiclick.oplog:OPLOG", "--out", str(code))
    assert (ran.code, ran.stdout, script.asked) == (2, "", [])
    assert "holds something else than a plan" in ran.stderr
    assert code.read_text() == "SHOP = 1\n"
    with pytest.raises(UsageError, match="there is no folder"):
        require_writable(tmp_path / "nowhere" / "plan.json")
    with pytest.raises(UsageError, match="is a folder"):
        require_writable(tmp_path)
    empty = tmp_path / "empty.json"
    empty.touch()
    require_writable(empty)
    require_writable(Path(os.devnull))


def test_the_plan_of_the_file_is_what_migrate_hands_on(tmp_path: Path, run: Run, script: Script) -> None:
    path = tmp_path / "plan.json"
    script.plan, script.report = PLAN, report(rebuild())
    ran = run("plan", "--schema", "aaiclick.oplog:OPLOG", "--out", str(path), "--allow", "drop-column t.a")
    assert ran.code == 0
    assert script.asked[-1]["allow"] == ("drop-column t.a",)
    assert ran.stderr == f"wrote {path}\n"
    assert ran.stdout.rstrip().endswith(f"run: aaiclick migrate --plan {path} --allow 'drop-column t.a'")
    ran = run("migrate", "--schema", "aaiclick.oplog:OPLOG", "--plan", str(path))
    assert ran.code == 0
    assert script.asked[-1]["plan"] == PLAN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("migrate", "--plan", "PLAN", "--dry-run"), "--plan carries a plan out, --dry-run shows one"),
        (("plan", "--markdown", "--json"), "--markdown and --json are two answers"),
        (("migrate", "--plan", "nowhere.json"), "nowhere.json cannot be read: No such file or directory"),
    ],
)
def test_wrong_usage(tmp_path: Path, run: Run, script: Script, arguments: tuple[str, ...], said: str) -> None:
    write_plan(tmp_path / "plan.json", PLAN)
    words = [str(tmp_path / "plan.json") if word == "PLAN" else word for word in arguments]
    ran = run(*words, "--schema", "aaiclick.oplog:OPLOG")
    assert ran.code == 2
    assert said in ran.stdout + ran.stderr
    assert script.asked == []
