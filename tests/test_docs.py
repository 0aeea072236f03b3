"""What the documents say is true: commands, links, the example, the changelog's form."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aaiclick import errors
from aaiclick.version import VERSION

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.strip().splitlines()]
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_readme_has_exactly_two_commands_one_runs_and_one_tests() -> None:
    assert len(COMMANDS) == 2
    run, test = COMMANDS
    assert all(command.startswith("python -m venv .venv && .venv/bin/pip install -q ") for command in COMMANDS)
    script = run.rpartition("/python ")[2]
    assert (ROOT / script).is_file()
    assert test.endswith(".venv/bin/python -m pytest -n 3")


def test_the_extras_that_the_commands_install_exist() -> None:
    extras = re.findall(r"'\.\[(\w+)\]'", " ".join(COMMANDS))
    assert extras == ["test"]
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])


def test_ci_takes_its_command_from_the_readme() -> None:
    pattern = re.search(
        r"sed -n 's/\^\\\((.*)\\\)\$/\\1/p' README\.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    )
    assert pattern is not None
    assert [line for line in README.splitlines() if re.fullmatch(pattern.group(1), line)] == [COMMANDS[1]]


def test_make_lists_every_target_with_its_meaning() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert targets == sorted(targets)
    assert set(targets) == {
        "bench",
        "bom",
        "check",
        "docs",
        "engines",
        "fmt",
        "fuzz",
        "fuzz-mutants",
        "fuzz-rollback",
        "help",
        "lint",
        "package",
        "proof",
        "release",
        "simulate",
        "test",
        "test-long",
        "type",
    }
    assert re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE) == targets
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_the_pages_name_exist(page: Path) -> None:
    named = re.findall(r"`((?:aaiclick|tests|docs|examples|benchmarks)/[\w/.-]+)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/api.md",
        "docs/aggregates.md",
        "docs/metrics.md",
        "docs/policy.md",
        "docs/sql.md",
        "docs/views.md",
    ],
)
def test_the_examples_work(page: str) -> None:
    """In a process of its own: a page opens an engine, and leaves it open."""
    code = (
        f"import doctest, sys; failed, tried = doctest.testfile({str(ROOT / page)!r}, module_relative=False); "
        "sys.exit(bool(failed) or tried < 5)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_old_install_of_the_readme_comes_up_to_date() -> None:
    script = COMMANDS[0].rpartition("/python ")[2]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sort key created_at -> (result_table, created_at)" in done.stdout
    assert "oplog: v1 -> v5" in done.stdout
    assert "Every row is there." in done.stdout
    assert "A second start has 0 steps to do." in done.stdout


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    releases = re.findall(r"^## \[(.+?)\](.*)$", text, re.MULTILINE)
    assert releases[0] == ("Unreleased", "")
    for version, date in releases[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date)
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= KINDS
    assert not re.findall(
        r"^#{1,3} (?!\[|Changelog$|Added$|Changed$|Deprecated$|Removed$|Fixed$|Security$)", text, re.MULTILINE
    )


def test_the_project_says_its_version_and_entry_points_once() -> None:
    assert PROJECT["project"]["version"] == VERSION
    assert PROJECT["project"]["scripts"] == {"aaiclick": "aaiclick.cli.main:main"}
    assert PROJECT["project"]["entry-points"]["pytest11"] == {"aaiclick": "aaiclick.testing.plugin"}


WALK = """
import inspect, os, sys
import chdb.session
import aaiclick
from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema

seen = []

def entered(frame, event, _):
    code = frame.f_code
    # The body of a class (no local variables of its own) belongs to loading a module, which some parts do late.
    function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
    if event == "call" and code.co_filename.startswith(root) and function:
        seen.append(code.co_filename[len(root) + 1 :])

def wanted(version, key, *more):
    columns = [Column("a", "UInt64"), Column("b", "String"), *more]
    return Schema("app", version=version, objects=[Table("t", columns, engine=MergeTree(order_by=key))])

root = os.path.dirname(aaiclick.__file__)
session = chdb.session.Session()
ensure_schema(session, wanted(1, ["a"]))
session.query("INSERT INTO t SELECT number, toString(number) FROM numbers(1000)")
schema, policy = wanted(2, ["b", "a"], Column("c", "UInt8")), Policy.lossless()
sys.setprofile(entered)
ensure_schema(session, schema, policy=policy)
sys.setprofile(None)
print(*dict.fromkeys(seen))
"""


def test_the_way_of_a_start_names_every_file_once_and_in_order() -> None:
    done = subprocess.run([sys.executable, "-c", WALK], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    section = page.partition("## The way of a start")[2].partition("\n## ")[0].partition("\n1. ")[2]
    named = re.findall(r"`([\w/]+\.py)`", section)
    # Step 1 speaks of the file that carries everything out before the list comes to it.
    named.remove("routine.py")
    assert named == done.stdout.split()


def test_the_page_about_errors_has_each_of_them() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+(?:Error|Failed))`", page))
    known = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.AaiclickError)
    }
    families = {"AaiclickError", "SchemaError", "PlanError"}
    assert named == (known - families) | {"AaiclickError"}


def test_the_page_about_tests_has_each_fixture() -> None:
    page = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    plugin = (ROOT / "aaiclick/testing/plugin.py").read_text(encoding="utf-8")
    made = set(re.findall(r"^@pytest.fixture[^\n]*\ndef (\w+)\(", plugin, re.MULTILINE)) - {"aaiclick_schema_recorder"}
    assert set(re.findall(r"`(aaiclick_\w+)`", page)) == made
