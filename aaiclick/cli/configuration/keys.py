"""The keys of a configuration, and what is wrong with a table of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import cast

from aaiclick.cli.hooks.declared import HOOKS
from aaiclick.errors import UsageError

KEYS = ("schema", "url", "database", "policy", "keep-old")
"""What can be said at the top, and in each environment."""
VALUES = "variables"
"""The table that holds values for the variables of the schema, at the top and in each environment."""
ENVIRONMENTS = "env"
"""The table that holds the environments, by name."""
_TABLES = (HOOKS, ENVIRONMENTS)
"""Tables at the top; hooks may also stand in an environment."""
_OTHER_WORDS = {
    "environment": ENVIRONMENTS,
    "hook": HOOKS,
    "environments": ENVIRONMENTS,
    "envs": ENVIRONMENTS,
    "dsn": "url",
    "uri": "url",
    "host": "url",
    "port": "url",
    "user": "url",
    "username": "url",
    "password": "url",
    "db": "database",
    "model": "schema",
    "schemas": "schema",
    "keep": "keep-old",
}
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "a table"),
    (str, "a text"),
)


def checked(table: Mapping[str, object], place: str, within: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The texts at the top of a configuration, and those of each environment.

    ``place`` is how the file is called, ``within`` what its keys are nested in (``tool.aaiclick``, or '').
    Raises ``UsageError`` for what is no key, or has the wrong type: wherever it stands, so that a slip in one
    environment is found before it is needed.
    """
    top = {key: value for key, value in table.items() if key != ENVIRONMENTS}
    given = table.get(ENVIRONMENTS, {})
    if not isinstance(given, dict):
        raise UsageError(
            f"{place}: {ENVIRONMENTS} is {_kind(given)}: it is a table for each environment, such as "
            f"{_section(within, 'prod')}. Which one is used is said with --env or AAICLICK_ENV"
        )
    environments: dict[str, dict[str, str]] = {}
    for name, values in cast("dict[str, object]", given).items():
        if not isinstance(values, dict):
            raise UsageError(
                f"{place}: {ENVIRONMENTS}.{name} is {_kind(values)}: an environment is a table, such as "
                f"{_section(within, name if name not in KEYS else 'prod')}"
            )
        environments[name] = _texts(
            cast("dict[str, object]", values), f"{place} {_section(within, name)}", within, False
        )
    where = f"{place} [{within}]" if within else place
    return _texts(top, where, within, True), environments


def section(within: str, environment: str | None) -> str:
    """The heading of the table: ``[tool.aaiclick.env.prod]``, ``[env.prod]``, ``[tool.aaiclick]``, or ''."""
    if environment is not None:
        return _section(within, environment)
    return f"[{within}]" if within else ""


def _section(within: str, environment: str) -> str:
    bare = environment if environment.replace("-", "").replace("_", "").isalnum() else f'"{environment}"'
    return f"[{within}.{ENVIRONMENTS}.{bare}]" if within else f"[{ENVIRONMENTS}.{bare}]"


def _texts(values: Mapping[str, object], where: str, within: str, top: bool) -> dict[str, str]:
    given: dict[str, str] = {}
    for key, value in values.items():
        if key == VALUES:
            given |= _values(value, where)
        elif key not in KEYS:
            raise UsageError(f"{where}: {_unknown(key, value, within, top)}")
    return given | dict(_text(key, value, where) for key, value in values.items() if key != VALUES)


def _values(table: object, where: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: {VALUES} is {_kind(table)}: it is a table, such as {{ ttl_days = 90 }}")
    found: dict[str, str] = {}
    for name, value in cast("dict[str, object]", table).items():
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise UsageError(f"{where}: {VALUES}.{name} is {_kind(value)}: write a whole number or a text")
        found[f"{VALUES}.{name}"] = str(value)
    return found


def _text(key: str, value: object, where: str) -> tuple[str, str]:
    # keep-old = 0 says what it means.
    if key == "keep-old" and value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return key, "0"
    if not isinstance(value, str):
        raise UsageError(f"{where}: {key} is {_kind(value)}: write a text, {_EXAMPLES[key]}")
    if not value.strip():
        raise UsageError(f"{where}: {key} is empty: give it a value, {_EXAMPLES[key]}, or leave it out")
    return key, value.strip()


_EXAMPLES = {
    "schema": 'such as "app.tables:SCHEMA"',
    "url": 'such as "clickhouse://user:${CH_PASSWORD}@host:8123/database"',
    "database": 'such as "app"',
    "policy": '"check", "safe", "lossless" or "everything"',
    "keep-old": 'such as "12h" or "2d"',
}


def _unknown(key: str, value: object, within: str, top: bool) -> str:
    if isinstance(value, dict) and top and key not in _OTHER_WORDS:
        return f"unknown key {key}: an environment is written {_section(within, key)}"
    if key == ENVIRONMENTS:
        return f"{ENVIRONMENTS} stands in no environment: environments stand side by side"
    meant = _OTHER_WORDS.get(key.lower().replace("_", "-")) or _near(key, top)
    if meant == "url" and key != "url" and key.lower() in _OTHER_WORDS:
        return f"unknown key {key}: it is a part of url, {_EXAMPLES['url']}"
    known = ", ".join((*KEYS, VALUES, *(_TABLES if top else (HOOKS,))))
    return f"unknown key {key}{f': did you mean {meant}?' if meant else ''} (there are {known})"


def _near(key: str, top: bool) -> str:
    plain = key.lower().replace("_", "-")
    return next(iter(get_close_matches(plain, [*KEYS, VALUES, *(_TABLES if top else (HOOKS,))], 1)), "")


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a date or time")


def near(name: str, there: Iterator[str] | tuple[str, ...]) -> str:
    """The name that was probably meant; '' where none is like it."""
    return next(iter(get_close_matches(name.lower(), list(there), 1)), "")
