"""A suggested command repeats no option that something else says just as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.cli.configuration.needed import environment_needed, needed
from aaiclick.cli.configuration.settings import Settings, load

FILE = """
schema = "shop:SHOP"
url = "clickhouse://h/app"
[variables]
ttl_days = "90"
[env.prod]
policy = "safe"
keep-old = "2d"
database = "shop"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "aaiclick.toml").write_text(FILE)
    return tmp_path


def settings(
    project: Path, options: list[tuple[str, str | None]], env: str | None = None, **variables: str
) -> Settings:
    keys = ("url", "database", "schema", "policy", "keep-old")
    given = {name[2:]: value for name, value in options if name[2:] in keys}
    return load(given, env, variables, project, [value or "" for name, value in options if name == "--var"])


@pytest.mark.parametrize(
    ("env", "options", "left"),
    [
        (None, [("--url", "clickhouse://h/app"), ("--schema", "shop:SHOP"), ("--var", "ttl_days=90")], []),
        (None, [("--url", "clickhouse://h2/app"), ("--schema", "shop:OTHER"), ("--var", "ttl_days=91")], None),
        (
            None,
            [("--database", "app"), ("--policy", "lossless"), ("--keep-old", "24h"), ("--to", "3")],
            [("--to", "3")],
        ),
        ("prod", [("--database", "app"), ("--policy", "lossless"), ("--keep-old", "24h")], None),
        ("prod", [("--database", "shop"), ("--policy", "safe"), ("--keep-old", "48h")], []),
        # Both say it, so that one of them has to stay.
        (None, [("--url", "clickhouse://h/b"), ("--database", "b")], [("--url", "clickhouse://h/b")]),
        (None, [("--keep-old", "a while")], None),
    ],
)
def test_what_has_to_be_repeated(
    project: Path,
    env: str | None,
    options: list[tuple[str, str | None]],
    left: list[tuple[str, str | None]] | None,
) -> None:
    assert needed(settings(project, options, env), options) == (options if left is None else left)


def test_the_environment_that_the_variable_names_as_well(project: Path) -> None:
    assert environment_needed(settings(project, [], "prod"))
    assert not environment_needed(settings(project, [], "prod", AAICLICK_ENV="prod"))
