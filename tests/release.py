"""``python -m tests.release 0.2.0``: cut a release. The section ``Unreleased`` of CHANGELOG.md gets the version and the
date of today (UTC), pyproject.toml and the package get the version, and the commit gets the tag ``v0.2.0``.

``python -m tests.release --notes v0.2.0``: what CHANGELOG.md says of the release that bears this tag."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

from tests.release_notes import HEADING, notes

ROOT = Path(__file__).parent.parent
PROJECT, PACKAGE, CHANGELOG = "pyproject.toml", "aaiclick/version.py", "CHANGELOG.md"
UNRELEASED = "## [Unreleased]\n"
VERSION = re.compile(r"\d+\.\d+\.\d+")
SAID = {PROJECT: r'^version = "(.*)"$', PACKAGE: r'^VERSION = "(.*)"$'}


def versions(root: Path) -> dict[str, str]:
    """What each file says that the version is; the changelog by its newest section with a date, "" without one."""
    said = {name: _found(pattern, (root / name).read_text(encoding="utf-8")) for name, pattern in SAID.items()}
    dated = [heading["version"] for heading in HEADING.finditer(_text(root)) if heading["date"]]
    return {**said, CHANGELOG: dated[0] if dated else ""}


def disagreements(root: Path, tag: str) -> list[str]:
    """Files that say another version than the tag of their commit (``v0.2.0``)."""
    wanted = tag.removeprefix("v")
    return [f"{name} says {said or 'no version'}" for name, said in versions(root).items() if said != wanted]


def told(root: Path, tag: str) -> str:
    """The notes of the release that bears a tag. Raises ``SystemExit`` where a file says another version."""
    wrong = disagreements(root, tag)
    if wrong:
        raise SystemExit(f"the tag is {tag}, but {'; '.join(wrong)}")
    return notes(_text(root), tag.removeprefix("v"))


def cut(root: Path, version: str, today: dt.date) -> str:
    """Write, commit and tag. Returns the tag.

    Raises ``SystemExit``, with nothing changed, where the version is none or is not above the last one, where there is
    nothing to tell, and where the work tree has changes of its own or the tag is there.
    """
    tag, last, text = f"v{version}", versions(root)[CHANGELOG], _text(root)
    if VERSION.fullmatch(version) is None:
        raise SystemExit(f"{version!r} is no version: 0.2.0")
    if last and _numbers(version) <= _numbers(last):
        raise SystemExit(f"{version} is not above {last}, the last one in {CHANGELOG}")
    if UNRELEASED not in text or not notes(text, "Unreleased", dated=False).strip():
        raise SystemExit(f"{CHANGELOG} has nothing under {UNRELEASED.strip()}")
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        raise SystemExit("the work tree has changes that are not committed")
    if _git(root, "tag", "--list", tag):
        raise SystemExit(f"the tag {tag} is there")
    text = text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {today.isoformat()}\n", 1)
    (root / CHANGELOG).write_text(text, encoding="utf-8")
    for name, pattern in SAID.items():
        old = (root / name).read_text(encoding="utf-8")
        said = re.search(pattern, old, re.MULTILINE)
        assert said is not None
        (root / name).write_text(f"{old[: said.start(1)]}{version}{old[said.end(1) :]}", encoding="utf-8")
    _git(root, "commit", "--quiet", "--message", f"Release {version}", "--", CHANGELOG, *SAID)
    _git(root, "tag", "--annotate", tag, "--message", f"aaiclick {version}")
    return tag


def _text(root: Path) -> str:
    return (root / CHANGELOG).read_text(encoding="utf-8")


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {arguments[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--notes":
        sys.stdout.write(told(ROOT, sys.argv[2]))
        raise SystemExit
    if len(sys.argv) != 2:
        raise SystemExit("python -m tests.release 0.2.0")
    made = cut(ROOT, sys.argv[1], dt.datetime.now(dt.timezone.utc).date())
    sys.stdout.write(f"{made} is made here, and nowhere else yet. To publish it: git push origin HEAD {made}\n")
