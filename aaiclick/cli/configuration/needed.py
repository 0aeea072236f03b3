"""Which options a suggested command has to repeat: not those that the environment, the configuration or a default says
just as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from aaiclick.cli.calls import USUAL_POLICY, kept_for
from aaiclick.cli.configuration.settings import ENV_VARIABLE, Settings
from aaiclick.cli.database import local_url
from aaiclick.cli.schema_reference import DEFAULT
from aaiclick.errors import UsageError

Option = tuple[str, str | None]


def needed(settings: Settings, options: Iterable[Option]) -> list[Option]:
    """The options without which something else would count."""
    left: list[Option] = []
    for name, value in options:
        fewer = _without(settings, name, value)
        try:
            same = fewer is not None and _counts(name, fewer) == _counts(name, settings)
        except UsageError:
            same = False
        if same and fewer is not None:
            settings = fewer
        else:
            left.append((name, value))
    return left


def _without(settings: Settings, name: str, value: str | None) -> Settings | None:
    """The settings where nobody had given the option; None where it is none of theirs."""
    if name == "--var" and value is not None:
        variable = value.partition("=")[0].strip()
        return replace(settings, chosen={key: text for key, text in settings.chosen.items() if key != variable})
    if name.removeprefix("--") in _COUNTS:
        return replace(settings, given={**settings.given, name.removeprefix("--"): None})
    return None


def _counts(name: str, settings: Settings) -> object:
    """What counts, as far as the option tells. Raises ``UsageError``."""
    if name == "--var":
        return {key: value.text for key, value in settings.values().items()}
    return _COUNTS[name.removeprefix("--")](settings)


def _url(settings: Settings) -> str:
    found = settings.url()
    return found.text if found is not None else local_url(settings.variables, Path.home())


def _database(settings: Settings) -> str | None:
    from aaiclick.clients.url import parse_url

    found = settings.database()
    return found.text if found is not None else parse_url(_url(settings)).database


def _schema(settings: Settings) -> str:
    found = settings.value("schema")
    return found.text if found is not None else DEFAULT


def _policy(settings: Settings) -> str:
    found = settings.value("policy")
    return found.text if found is not None else USUAL_POLICY


_COUNTS: dict[str, Callable[[Settings], object]] = {
    "url": _url,
    "database": _database,
    "schema": _schema,
    "policy": _policy,
    "keep-old": lambda settings: kept_for(settings.value("keep-old")),
}


def environment_needed(settings: Settings) -> bool:
    """Whether ``--env`` says another environment than the variable does."""
    return settings.environment is None or settings.variables.get(ENV_VARIABLE) != settings.environment.text
