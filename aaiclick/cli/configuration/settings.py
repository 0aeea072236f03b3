"""What is in force, and where each value comes from: flag, then environment variable, then the environment of the file
that was asked for, then the file's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from aaiclick.cli.configuration.files import ConfigurationFile, find
from aaiclick.cli.configuration.keys import KEYS, VALUES, near
from aaiclick.cli.configuration.variables import names, with_variables
from aaiclick.cli.database import URL_VARIABLE
from aaiclick.cli.hooks.declared import Hook, HookTable
from aaiclick.errors import UsageError

ENV_FLAG, ENV_VARIABLE = "--env", "AAICLICK_ENV"
SCHEMA_VARIABLE = "AAICLICK_SCHEMA"
KEEP_VARIABLE = "AAICLICK_KEEP_OLD"
VARIABLES = {"schema": SCHEMA_VARIABLE, "url": URL_VARIABLE, "keep-old": KEEP_VARIABLE}
"""The environment variables that say a value."""
VALUE_FLAG = "--var"
VALUE_PREFIX = "AAICLICK_VAR_"
"""How the variable begins that gives a value for a variable of the schema."""
FLAG, VARIABLE, ENVIRONMENT, FILE = range(4)
"""What counts more comes first."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value, as it stands where it was said."""

    text: str
    """What stands there, ``${NAME}`` included."""
    level: int
    """``FLAG``, ``VARIABLE``, ``ENVIRONMENT`` or ``FILE``."""
    origin: str
    """Where that is, for people: ``--url``, ``AAICLICK_CH_URL``, ``aaiclick.toml [env.prod]``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run."""

    given: Mapping[str, str | None]
    """Flags, by key."""
    variables: Mapping[str, str]
    """The environment's variables."""
    file: ConfigurationFile | None = None
    """The project's configuration; None where there is none."""
    environment: Value | None = None
    """The environment that was asked for; None: none was."""
    chosen: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values for variables of the schema, as flags say them, by their names."""

    def value(self, key: str) -> Value | None:
        """What counts most for the key, ``${NAME}`` replaced; None where nothing says it. Raises ``UsageError`` where a
        variable is not set."""
        said = self.given_value(key)
        if said is None or said.level < ENVIRONMENT:
            return said
        text = with_variables(said.text, self.variables, f"{key} in {said.origin}", key == "url")
        if not text.strip():
            raise UsageError(f"{key} in {said.origin} is empty: {' and '.join(names(said.text, ''))} is set to nothing")
        return replace(said, text=text)

    def as_written(self, key: str, text: str) -> str:
        """A text about the key with ``${NAME}`` in place of what the variable holds: that may be a secret."""
        said = self.given_value(key)
        if said is None or said.level < ENVIRONMENT:
            return text
        with suppress(UsageError):  # what is not written as ${NAME} holds no value
            for name in names(said.text, ""):
                if value := self.variables.get(name):
                    text = text.replace(value, f"${{{name}}}")
        return text

    def given_value(self, key: str) -> Value | None:
        """The same as it is written."""
        return next(iter(self.all_given(key)), None)

    def all_given(self, key: str) -> tuple[Value, ...]:
        """Everything that is said about the key, what counts most first."""
        flag, variable = self.given.get(key), self.variables.get(VARIABLES.get(key, ""))
        found = [Value(flag, FLAG, f"--{key}")] if flag else []
        found += [Value(variable, VARIABLE, VARIABLES[key])] if variable else []
        if self.file is not None and self.environment is not None:
            text = self.file.environments[self.environment.text].get(key)
            found += [Value(text, ENVIRONMENT, self.file.origin(self.environment.text))] if text else []
        if self.file is not None and (text := self.file.top.get(key)):
            found.append(Value(text, FILE, self.file.origin(None)))
        return tuple(found)

    def values(self) -> dict[str, Value]:
        """What is said of the schema's variables, by their names, ``${NAME}`` replaced: a flag before an environment
        variable before the file. Raises ``UsageError`` where one that is to be put in is not set."""
        found = {name: Value(text, FLAG, VALUE_FLAG) for name, text in self.chosen.items()}
        if self.file is None:
            return found
        said = self.file.environments[self.environment.text] if self.environment is not None else {}
        keys = [key for key in {**self.file.top, **said} if key.startswith(f"{VALUES}.")]
        for key in keys:
            name = key.partition(".")[2]
            if name in found:
                continue
            given = VALUE_PREFIX + name.upper()
            if self.variables.get(given):
                found[name] = Value(self.variables[given], VARIABLE, given)
            elif (value := self.value(key)) is not None:
                found[name] = value
        return found

    def url(self) -> Value | None:
        """The URL; a relative directory in the file is seen from the file's folder. Raises ``UsageError``."""
        found = self.value("url")
        if found is None or found.level < ENVIRONMENT or self.file is None:
            return found
        from aaiclick.clients.url import mask, parse_url

        found = replace(found, text=_placed(found.text, self.file.folder))
        try:
            parse_url(found.text)
        except UsageError as error:
            said = self.given_value("url")
            written = said.text if said is not None else ""
            # What a variable held is not shown: where a URL is wrong, nothing tells which part of it is the password.
            told = str(error)
            for shown in (repr(mask(found.text)), repr(found.text)):
                told = told.replace(shown, repr(mask(written)))
            told = told.replace(f"://{found.text}", f"://{mask(written)}")  # what it may have been meant for
            # A value of few letters may be a part of any word.
            for name in names(written, ""):
                value = self.variables[name]
                told = told.replace(value, f"${{{name}}}") if len(value) > 3 else told
            raise UsageError(f"url in {found.origin}: {told}") from None
        return found

    def database(self) -> Value | None:
        """The database to work in; None: the one that the URL names, or the connection's own.

        What was said nearer counts: a URL from a flag that names a database is not overruled by a database of the
        file.
        """
        found, url = self.value("database"), self.url()
        if found is None or url is None or url.level >= found.level:
            return found
        from aaiclick.clients.url import parse_url

        return None if parse_url(url.text).database is not None else found

    def hook(self, event: str) -> Hook | None:
        """The hook for an event: of the environment, else of the file; None where neither has one."""
        return next((table.hooks[event] for table in self._hook_tables() if event in table.hooks), None)

    def hook_timeout(self) -> float | None:
        """Seconds that a hook may take; None where nothing says it."""
        return next((table.timeout for table in self._hook_tables() if table.timeout is not None), None)

    def _hook_tables(self) -> list[HookTable]:
        if self.file is None:
            return []
        chosen = self.file.hooks.get(self.environment.text) if self.environment is not None else None
        return [table for table in (chosen, self.file.hooks.get(None)) if table is not None]

    def overruled(self) -> str:
        """A sentence where an environment was asked for, and another URL than its own counts; '' where not."""
        said = self.all_given("url")
        if (
            self.environment is None
            or not said
            or said[0].level != VARIABLE
            or len(said) == 1
            or said[0].text == said[1].text
        ):
            return ""
        return (
            f"{said[0].origin} is set, and counts more than the url in {said[1].origin}: "
            f"unset it to use environment {self.environment.text}"
        )


def load(
    given: Mapping[str, str | None],
    environment: str | None,
    variables: Mapping[str, str],
    start: Path,
    values: Sequence[str] = (),
) -> Settings:
    """The settings of a run in the directory ``start`` (absolute). ``environment`` is ``--env``, ``values`` is each
    ``--var``. Raises ``UsageError``."""
    unknown = set(given) - set(KEYS)
    assert not unknown, unknown
    file = find(start)
    chosen = (
        Value(environment, FLAG, ENV_FLAG)
        if environment
        else Value(variables[ENV_VARIABLE], VARIABLE, ENV_VARIABLE)
        if variables.get(ENV_VARIABLE)
        else None
    )
    if chosen is not None:
        _require(chosen, file, start)
    return Settings(given, variables, file, chosen, _chosen(values))


def _chosen(values: Sequence[str]) -> dict[str, str]:
    """``ttl_days=90`` by its name. Raises ``UsageError`` for what is no such pair, and for two values of one name."""
    found: dict[str, str] = {}
    for each in values:
        name, equals, text = each.partition("=")
        name = name.strip()
        if not name or not equals:
            raise UsageError(f"{VALUE_FLAG} {each!r}: write the name of a variable, = and its value: ttl_days=90")
        if found.setdefault(name, text) != text:
            raise UsageError(f"{VALUE_FLAG} gives {name} twice: {found[name]!r} and {text!r}")
    return found


def _require(chosen: Value, file: ConfigurationFile | None, start: Path) -> None:
    name = chosen.text
    if file is None:
        raise UsageError(
            f"{chosen.origin} asks for the environment {name}, and neither {start} nor a folder above it has an "
            f"aaiclick.toml, or a pyproject.toml with [tool.aaiclick.env.{name}]"
        )
    if name in file.environments:
        return
    there = ", ".join(file.environments)
    meant = near(name, tuple(file.environments))
    raise UsageError(
        f"{chosen.origin} asks for the environment {name}: {file.path} has "
        f"{f'{there} only' if there else 'no environments'}{f'. Did you mean {meant}?' if meant else ''}"
    )


def _placed(url: str, folder: Path) -> str:
    """A relative directory seen from ``folder``; everything else as it is."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "chdb" or rest.startswith(("/", "~")):
        return url
    from aaiclick.clients.url import EmbeddedUrl, parse_url

    try:
        parsed = parse_url(url)
    except UsageError:
        return url
    if isinstance(parsed, EmbeddedUrl) and parsed.in_memory:
        return url
    if "?" in str(folder):
        raise UsageError(f"{folder}: a URL cannot name a directory with a question mark. Write an absolute path")
    return f"chdb://{folder}/{rest}"
