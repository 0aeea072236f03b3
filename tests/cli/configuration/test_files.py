"""Which file configures, and what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aaiclick.cli.configuration.files import find
from aaiclick.errors import UsageError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nearest_file_counts_alone(tmp_path: Path) -> None:
    write(tmp_path / "aaiclick.toml", 'schema = "far:FAR"\nurl = "chdb://memory"')
    near = write(tmp_path / "a" / "pyproject.toml", '[tool.aaiclick]\nschema = "near:NEAR"')
    write(tmp_path / "a" / "b" / "pyproject.toml", '[project]\nname = "other"\ndependencies = ["aaiclick"]')
    (tmp_path / "a" / "b" / "c").mkdir()
    found = find(tmp_path / "a" / "b" / "c")
    assert found is not None
    assert (found.path, found.top) == (near, {"schema": "near:NEAR"})
    above = find(tmp_path)
    assert above is not None
    assert above.top == {"schema": "far:FAR", "url": "chdb://memory"}


def test_a_broken_pyproject_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "aaiclick.toml", 'schema = "a:A"')
    write(tmp_path / "sub" / "pyproject.toml", "[project\nname = ")
    found = find(tmp_path / "sub")
    assert found is not None
    assert found.top == {"schema": "a:A"}


def test_environments_and_their_origin(tmp_path: Path) -> None:
    text = '\ufeff[tool.aaiclick]\nkeep-old = 0\n[tool.aaiclick.env.prod]\npolicy = " safe "\n[tool.aaiclick.env."eu west"]'
    found = find(write(tmp_path / "pyproject.toml", text).parent)
    assert found is not None
    assert (found.top, found.environments) == ({"keep-old": "0"}, {"prod": {"policy": "safe"}, "eu west": {}})
    assert [found.origin(name) for name in (None, "prod", "eu west")] == [
        "pyproject.toml [tool.aaiclick]",
        "pyproject.toml [tool.aaiclick.env.prod]",
        'pyproject.toml [tool.aaiclick.env."eu west"]',
    ]
    own = find(write(tmp_path / "own" / "aaiclick.toml", "[env.prod]\n").parent)
    assert own is not None
    assert [own.origin(None), own.origin("prod")] == ["aaiclick.toml", "aaiclick.toml [env.prod]"]


KNOWN = "there are schema, url, database, policy, keep-old, variables, hooks"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('databse = "x"', f"unknown key databse: did you mean database? ({KNOWN}, env)"),
        ('keep_old = "1d"', f"unknown key keep_old: did you mean keep-old? ({KNOWN}, env)"),
        ('[environments.prod]\nurl = "x"', f"unknown key environments: did you mean env? ({KNOWN}, env)"),
        ('[prod]\nurl = "x"', "unknown key prod: an environment is written [env.prod]"),
        ('host = "x"', "unknown key host: it is a part of url, such as"),
        ('wholly = "x"', f"unknown key wholly ({KNOWN}, env)"),
        ('[env.prod]\nshema = "x"', f" [env.prod]: unknown key shema: did you mean schema? ({KNOWN})"),
        ('[env.prod.env.x]\nurl = "x"', "env stands in no environment"),
        ('env = "prod"', "env is a text: it is a table for each environment, such as [env.prod]"),
        ('[env]\nprod = "x"', "env.prod is a text: an environment is a table, such as [env.prod]"),
        ('[env]\nurl = "x"', "env.url is a text: an environment is a table, such as [env.prod]"),
        ("url = 3", "url is a number: write a text, such as"),
        ('schema = ["a:A"]', 'schema is a list: write a text, such as "app.tables:SCHEMA"'),
        ("policy = true", "policy is true or false: write a text,"),
        ("keep-old = 7", 'keep-old is a number: write a text, such as "12h" or "2d"'),
        ("keep-old = false", "keep-old is true or false"),
        ("database = 2026-01-01", "database is a date or time"),
        ('url = "  "', "url is empty: give it a value"),
        ('url = "x', "is no valid TOML: "),
        ('[tool.aaiclick]\nurl = "x"', "in this file the keys stand at the top"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = write(tmp_path / "aaiclick.toml", text)
    with pytest.raises(UsageError) as caught:
        find(tmp_path)
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)


def test_files_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "aaiclick.toml").write_bytes(b'url = "\xff"')
    with pytest.raises(UsageError, match=r"aaiclick\.toml is no UTF-8 text \(byte 7\)"):
        find(tmp_path / "a")
    (tmp_path / "b" / "aaiclick.toml").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a directory, not a file"):
        find(tmp_path / "b")
    write(tmp_path / "c" / "pyproject.toml", "[tool]\naaiclick = 1")
    with pytest.raises(UsageError, match=r"tool\.aaiclick is no table"):
        find(tmp_path / "c")
    write(tmp_path / "d" / "pyproject.toml", "[tool.aaiclick]\n")
    write(tmp_path / "d" / "aaiclick.toml", "")
    with pytest.raises(UsageError, match="both configure this project: keep one of them"):
        find(tmp_path / "d")
    write(tmp_path / "e" / "pyproject.toml", "[tool.aaiclick\n")
    with pytest.raises(UsageError, match="is no valid TOML"):
        find(tmp_path / "e")
    hidden = write(tmp_path / "f" / "aaiclick.toml", "")
    hidden.chmod(0)
    if os.geteuid():
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            find(tmp_path / "f")
