"""Hooks as a configuration says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.cli.configuration.settings import load
from aaiclick.errors import UsageError


def said(folder: Path, text: str, environment: str | None = None) -> list[tuple[str, tuple[str, ...], str]]:
    (folder / "aaiclick.toml").write_text(text, encoding="utf-8")
    settings = load({}, environment, {}, folder)
    found = [settings.hook(event) for event in ("before-migrate", "after-migrate", "on-failure")]
    return [(hook.event, hook.command, hook.origin) for hook in found if hook is not None]


FILE = """
[hooks]
before-migrate = ["backup", "--all"]
on-failure = ["page", "me"]
timeout = "2min"
[env.prod.hooks]
before-migrate = ["backup", "--prod"]
on-failure = []
timeout = 7
"""


def test_an_environment_says_otherwise(tmp_path: Path) -> None:
    assert said(tmp_path, FILE) == [
        ("before-migrate", ("backup", "--all"), "aaiclick.toml [hooks]"),
        ("on-failure", ("page", "me"), "aaiclick.toml [hooks]"),
    ]
    assert load({}, None, {}, tmp_path).hook_timeout() == 120
    assert said(tmp_path, FILE, "prod") == [
        ("before-migrate", ("backup", "--prod"), "aaiclick.toml [env.prod.hooks]"),
        ("on-failure", (), "aaiclick.toml [env.prod.hooks]"),
    ]
    assert load({}, "prod", {}, tmp_path).hook_timeout() == 7
    assert load({}, None, {}, tmp_path / "nowhere").hook("on-failure") is not None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hooks = 1", r"\[hooks\]: hooks is no table: write \[hooks\]"),
        (
            '[hooks]\nbefore-migrate = "backup --all"',
            "before-migrate is a text: there is no shell that would take it apart",
        ),
        ("[hooks]\nbefore-migrate = 3", "before-migrate is no list"),
        ("[hooks]\nbefore-migrate = ['a', 3]", "before-migrate holds something else than texts"),
        ("[hooks]\nbefore-migrate = [' ', 'x']", "before-migrate names no program"),
        ('[hooks]\nbefore-migrate = ["a\\u0000"]', "before-migrate holds a zero byte"),
        ("[hooks]\nbefore_migrate = ['a']", "unknown key before_migrate: did you mean before-migrate?"),
        ("[hooks]\ntimeout = 0", "timeout is 0: write more than 0"),
        (f"[hooks]\ntimeout = {10**400}", "write more than 0, and less than a week"),
        ("[hooks]\ntimeout = true", "timeout is no length of time"),
        ("[hooks]\ntimeout = 'soon'", "timeout is 'soon': write seconds"),
        ("[env.prod.hooks]\nafter = ['a']", r"aaiclick.toml \[env.prod.hooks\]: unknown key after"),
        ("[hook]\nafter-migrate = ['a']", "unknown key hook: did you mean hooks?"),
    ],
)
def test_what_is_wrong_is_told_wherever_it_stands(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        said(tmp_path, text)


def test_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.aaiclick.hooks]\non-failure = ['page']\n", encoding="utf-8")
    hook = load({}, None, {}, tmp_path).hook("on-failure")
    assert hook is not None
    assert hook.origin == "pyproject.toml [tool.aaiclick.hooks]"
