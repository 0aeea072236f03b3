"""docs/tutorial.md is what happens: its files are written, its commands run and their output compared (``...`` stands
for anything)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "tutorial.md"
ROOT = PAGE.parent.parent
BLOCK = re.compile(r"^```(\w+)(?: (\w+)(?:=(\S+))?)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(shown: str, got: str) -> bool:
    """Line by line; a line ``...`` stands for any number of lines, ``...`` within one for anything in it."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.sub(r"\\\.\\\.\\\.", ".*", re.escape(line)) + r"[^\S\n]*\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, got if got.endswith("\n") or not got else got + "\n") is not None


def test_the_pattern_tells_apart() -> None:
    assert matches("a\n...\nb", "a\nx\ny\nb\n")
    assert matches("a ... c", "a b c")
    assert not matches("a\nb", "a\nb\nc\n")
    assert not matches("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("most", [4, pytest.param(100, marks=pytest.mark.proof)], ids=["beginning", "whole"])
def test_the_tutorial_is_what_happens(tmp_path: Path, most: int) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    env.pop("AAICLICK_CH_URL", None)
    commands = 0
    for kind, action, name, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if action == "file":
            (tmp_path / name).write_text(body, encoding="utf-8")
        elif action == "replace":
            old, new = body.strip().split(" -> ")
            text = (tmp_path / name).read_text(encoding="utf-8")
            assert text.count(old) == 1
            (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
        elif action == "run":
            done = subprocess.run(
                [sys.executable, "-c", body],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, done.stderr
        elif kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                commands += 1
                transcript(command, shown, tmp_path, env)
        if commands >= most:
            return
    assert commands >= 14


def transcript(command: str, shown: str, folder: Path, env: dict[str, str]) -> None:
    expected = 0
    found = re.search(r"^\[exit code (\d+)\]\n", shown, re.MULTILINE)
    if found is not None:
        expected, shown = int(found.group(1)), shown.replace(found.group(), "")
    assert command.startswith("aaiclick ")
    full = f"{sys.executable} -m {command}"
    done = subprocess.run(
        full, cwd=folder, env=env, shell=True, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == expected, f"$ {command}\n{done.stdout}{done.stderr}"
    assert matches(shown.rstrip("\n"), done.stdout), f"$ {command}\n{done.stdout}\n--- shown:\n{shown}{done.stderr}"
