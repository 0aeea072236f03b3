"""Every command and option explains itself, here and in docs/cli.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from aaiclick.cli.calls import PolicyName
from aaiclick.cli.database import ROOT_VARIABLE, URL_VARIABLE
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.main import build, main

DOCS = Path(__file__).parent.parent.parent / "docs" / "cli.md"
ROOT: Any = typer.main.get_command(build(rich_help=False))
COMMANDS: dict[str, Any] = ROOT.commands


def options(command: Any) -> Iterator[Any]:
    return (parameter for parameter in command.params if parameter.param_type_name == "option")


def section(command: str) -> str:
    """The part of docs/cli.md about one command."""
    text = DOCS.read_text(encoding="utf-8")
    found = re.search(rf"^## `aaiclick {command}`$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section about aaiclick {command}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_its_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = COMMANDS[name].help
    assert text
    assert "Exit code 0" in text
    first = text.split("\n\n")[0]
    assert len(first) <= 60, "the list of commands would cut it off"
    assert main([name, "--help"]) == 0
    assert first in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_explains_itself_and_is_documented(name: str) -> None:
    documented = section(name)
    for option in options(COMMANDS[name]):
        assert option.help, f"{name} {option.opts} has no help"
        for flag in option.opts:
            assert f"`{flag}" in documented, f"docs/cli.md does not mention {name} {flag}"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_documented_that_is_not_there(name: str) -> None:
    there = {flag for option in options(COMMANDS[name]) for flag in option.opts if flag.startswith("--")}
    listed = re.findall(r"^\| `(--[a-z-]+)", section(name), re.MULTILINE)
    assert listed
    assert set(listed) == there


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"dashboard"}))  # its answer is JSON, or YAML
def test_every_command_can_answer_in_json(name: str) -> None:
    assert "--json" in {flag for option in options(COMMANDS[name]) for flag in option.opts}


def test_the_root_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for option in options(ROOT):
        assert option.help
        assert f"`{option.opts[0]}" in text
    for variable in (URL_VARIABLE, ROOT_VARIABLE, "NO_COLOR", "AAICLICK_SCHEMA_POLICY"):
        assert f"`{variable}`" in text
    for code in ExitCode:
        assert re.search(rf"^\| {code.value} \|", text, re.MULTILINE), f"exit code {code.value} is not documented"
    for policy in PolicyName:
        assert f"`{policy.value}`" in text


def test_help_says_what_the_docs_say_about_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 in sync or applied, 1 differences or work pending, 2 error, 130 interrupted" in shown
