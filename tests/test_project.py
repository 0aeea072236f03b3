"""The project's own files agree: dependencies, releases of Python, links, notes of releases; and it runs without the
embedded engine, where there is a server."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

import aaiclick
from aaiclick import ensure_schema
from aaiclick.testing import EngineServer
from tests import release
from tests.metrics.schemas import V2
from tests.release_notes import CHANGELOG, HEADING, notes
from tests.test_docs import PROJECT
from website import hooks

ROOT = Path(__file__).parent.parent
SENTENCE = "error: the embedded engine is not installed. Run: pip install chdb"


def plain(requirement: str) -> str:
    """A requirement without comment, quotes and spaces that mean nothing."""
    return re.sub(r"\s+", "", requirement.partition("#")[0]).replace("'", '"')


def test_the_list_for_a_server_is_that_of_the_package_without_the_engine() -> None:
    listed = (ROOT / "docs" / "requirements-server.txt").read_text(encoding="utf-8").splitlines()
    wanted = {plain(each) for each in PROJECT["project"]["dependencies"]}
    assert {plain(line) for line in listed if plain(line)} == {each for each in wanted if not each.startswith("chdb")}
    assert len(wanted) == len([line for line in listed if plain(line)]) + 1


@pytest.fixture
def without_engine(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has no chdb, nor any that it starts."""
    (tmp_path / "chdb").mkdir()
    text = "raise ModuleNotFoundError(\"No module named 'chdb'\", name='chdb')\n"
    (tmp_path / "chdb" / "__init__.py").write_text(text, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


def command_line(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "aaiclick", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_server_needs_no_engine_here(
    without_engine: dict[str, str], aaiclick_server: EngineServer, aaiclick_server_client: Client
) -> None:
    """Not even for a copy, which is rehearsed on the server."""
    url = f"{aaiclick_server.url}/{aaiclick_server_client.database}"
    ensure_schema(url, V2)
    aaiclick_server_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(100)")
    code, said, wrong = command_line(without_engine, "migrate", "--url", url, "--schema", "tests.metrics.schemas:V3")
    assert (code, "is at v3" in said, "rebuild" in wrong) == (0, True, True), said + wrong


@pytest.mark.parametrize("command", [["status", "--url", "chdb://memory"], ["check"]], ids=["embedded", "check"])
def test_where_it_is_needed_one_sentence_says_so(without_engine: dict[str, str], command: list[str]) -> None:
    code, said, wrong = command_line(without_engine, *command, "--schema", "aaiclick.oplog:OPLOG")
    assert (code, said) == (2, "")
    assert wrong.strip() in {SENTENCE, f"{SENTENCE}, or give a server's URL"}


def test_links_of_the_readme_work_where_there_is_no_repository() -> None:
    rule = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"][0]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.sub(rule["pattern"], rule["replacement"], text)
    links = re.findall(r"\]\(([^)]+)\)", shown)
    assert len(links) > 10
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    home = f"{PROJECT['project']['urls']['Repository']}/blob/main/"
    inside = [link.removeprefix(home).partition("#")[0] for link in links if link.startswith(home)]
    assert inside
    assert [path for path in inside if not (ROOT / path).exists()] == []


def test_the_releases_of_python_are_said_once() -> None:
    said = [each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", each)]
    workflow = (ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: \[(.*)\]", workflow)
    assert matrix is not None
    assert re.findall(r"[\d.]+", matrix[1]) == said
    assert PROJECT["project"]["requires-python"] == f">={said[0]}"
    assert f"Python {said[0]} to {said[-1]}" in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def test_every_released_version_has_a_date_and_notes() -> None:
    text = CHANGELOG.read_text(encoding="utf-8")
    versions = [(heading["version"], heading["date"]) for heading in HEADING.finditer(text)]
    assert len(versions) == len(re.findall(r"^## ", text, re.MULTILINE))
    assert versions[0] == ("Unreleased", None)
    for version, date in versions[1:]:
        assert date is not None, version
        assert notes(text, version)


def test_notes_of_a_release() -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n- c\n\n## [0.2.0] - 2026-02-01\n\n- b\n\n## [0.1.0]\n\n- a\n"
    assert notes(text, "0.2.0") == "- b\n"
    with pytest.raises(SystemExit, match="has no date"):
        notes(text, "0.1.0")
    with pytest.raises(SystemExit, match=r"says nothing of 9\.9\.9"):
        notes(text, "9.9.9")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of the files that a release changes, nothing of which is released."""
    for name in (release.PROJECT, release.PACKAGE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / release.CHANGELOG).write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- All of it.\n", "utf-8")
    for command in (["init", "--quiet"], ["config", "user.name", "t"], ["config", "user.email", "t@example.com"],
                    ["config", "commit.gpgsign", "false"], ["config", "tag.gpgsign", "false"],
                    ["add", "."], ["commit", "--quiet", "-m", "first"]):  # fmt: skip
        release._git(tmp_path, *command)
    return tmp_path


def test_a_release_is_dated_and_tagged_and_every_file_says_its_version(checkout: Path) -> None:
    today = dt.date(2026, 12, 1)
    assert release.cut(checkout, "0.1.0", today) == "v0.1.0"
    text = (checkout / release.CHANGELOG).read_text(encoding="utf-8")
    assert text == "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n\n### Added\n\n- All of it.\n"
    assert release.disagreements(checkout, release._git(checkout, "describe", "--exact-match")) == []
    assert release._git(checkout, "status", "--porcelain") == ""
    with pytest.raises(SystemExit, match="has nothing under"):
        release.cut(checkout, "0.2.0", today)
    (checkout / release.CHANGELOG).write_text(text.replace("## [0", "- More.\n\n## [0", 1), encoding="utf-8")
    with pytest.raises(SystemExit, match="not committed"):
        release.cut(checkout, "0.2.0", today)
    release._git(checkout, "commit", "--quiet", "--all", "--message", "more")
    for version, reason in (("0.1.0", "not above 0.1.0"), ("0.0.9", "not above 0.1.0"), ("v0.2", "no version")):
        with pytest.raises(SystemExit, match=reason):
            release.cut(checkout, version, today)
    assert release._git(checkout, "status", "--porcelain") == ""
    assert release.cut(checkout, "0.10.0", today) == "v0.10.0"
    assert set(release.versions(checkout).values()) == {"0.10.0"}
    assert release.told(checkout, "v0.10.0") == "- More.\n"
    with pytest.raises(SystemExit, match=r"the tag is v0\.1\.0, but pyproject\.toml says 0\.10\.0; "):
        release.told(checkout, "v0.1.0")


def test_the_version_is_that_of_the_newest_dated_section() -> None:
    """Before the first release there is none. The commit that bears a tag says the same in every file."""
    said = release.versions(ROOT)
    assert said[release.PROJECT] == said[release.PACKAGE] == aaiclick.__version__
    assert said[release.CHANGELOG] in {"", said[release.PROJECT]}
    here = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    for tag in here.stdout.split() if here.returncode == 0 else []:
        assert release.disagreements(ROOT, tag) == []


def test_what_the_workflows_call_is_there() -> None:
    folder = ROOT / ".github" / "workflows"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        called = [target for line in re.findall(r"\bmake ([a-z ]+)", text) for target in line.split()]
        assert set(called) <= set(targets), path.name
    extras = PROJECT["project"]["optional-dependencies"]
    named = re.findall(r"\.\[([\w,]+)\]", (folder / "check.yml").read_text(encoding="utf-8"))
    assert {extra for each in named for extra in each.split(",")} <= set(extras)
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert "id: aaiclick-check" in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert "- id: aaiclick-check" in hook


def test_the_site_has_every_page_once() -> None:
    """``make docs`` builds it strict; that it is complete shows without."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"([\w-]+\.md)$", text, re.MULTILINE)
    made = {*hooks.ELSEWHERE.values(), "reference.md", "schemas.md"}
    assert sorted(listed) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} | made)
    assert all((ROOT / name).exists() for name in hooks.ELSEWHERE)


def test_the_reference_has_every_public_name() -> None:
    text = hooks._reference()
    named = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert {f"aaiclick.{name}" for name in aaiclick.__all__} < set(named)
    assert "aaiclick.errors.SchemaVersionError" in named
    assert "aaiclick.events.StepDone" in named


def test_no_text_of_the_reference_is_taken_for_html() -> None:
    """A line of a docstring that begins with a tag ends the text for a reader of Markdown, and the page behind it."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "aaiclick").rglob("*.py"))]
    assert [line for text in texts for line in text.splitlines() if re.match(r"\s*</?[a-z]", line)] == []


def test_the_site_names_its_search_and_asks_nothing_of_elsewhere() -> None:
    theme = '<div class="md-search" role="dialog"></div><a class="md-source" data-md-component="source"></a>'
    shown = hooks.completed(theme)
    assert shown == '<div class="md-search" role="dialog" aria-label="Search"></div><a class="md-source"></a>'
