"""Where a project's configuration stands: ``aaiclick.toml``, or a table of ``pyproject.toml``, found from the working
directory upwards."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aaiclick.cli.configuration.keys import checked, section
from aaiclick.cli.hooks.declared import HookTable, Tables, split_hooks
from aaiclick.errors import UsageError

OWN = "aaiclick.toml"
SHARED = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """A file that configures the command line."""

    path: Path
    """Where it is: absolute."""
    within: str
    """What its keys are nested in: ``tool.aaiclick``, or ''."""
    top: dict[str, str]
    """What holds in every environment, by key."""
    environments: dict[str, dict[str, str]]
    """What an environment says otherwise, by its name and key."""
    hooks: Tables = field(default_factory=dict["str | None", HookTable])
    """The hooks of each environment; of None: those at the top."""

    @property
    def folder(self) -> Path:
        """Where the project is: relative paths in the file and its modules are looked for there."""
        return self.path.parent

    def origin(self, environment: str | None) -> str:
        """Where a value of this file stands, for people: ``pyproject.toml [tool.aaiclick.env.prod]``."""
        return f"{self.path.name} {section(self.within, environment)}".rstrip()


def find(start: Path) -> ConfigurationFile | None:
    """The nearest file, from ``start`` (absolute) upwards; None where there is none.

    A ``pyproject.toml`` without a table ``tool.aaiclick`` is passed over. Raises ``UsageError`` for one that cannot be
    read, holds what is no key, or stands beside another that configures the same.
    """
    for folder in (start, *start.parents):
        own, shared = _load(folder / OWN), _load(folder / SHARED)
        tool = shared.get("tool") if shared is not None else None
        nested = cast("dict[str, object]", tool).get("aaiclick") if isinstance(tool, dict) else None
        if own is not None and nested is not None:
            raise UsageError(
                f"{folder / OWN} and [tool.aaiclick] in {folder / SHARED} both configure this project: keep one of them"
            )
        if nested is not None:
            if not isinstance(nested, dict):
                raise UsageError(f"{folder / SHARED}: tool.aaiclick is no table: write [tool.aaiclick]")
            return _file(folder / SHARED, "tool.aaiclick", cast("dict[str, object]", nested))
        if own is not None:
            return _file(folder / OWN, "", _unnested(own, folder / OWN))
    return None


def _file(path: Path, within: str, table: dict[str, object]) -> ConfigurationFile:
    rest, hooks = split_hooks(table, str(path), within)
    top, environments = checked(rest, str(path), within)
    return ConfigurationFile(path, within, top, environments, hooks)


def _unnested(table: dict[str, object], path: Path) -> dict[str, object]:
    if "tool" in table:
        raise UsageError(
            f"{path}: in this file the keys stand at the top, without [tool.aaiclick]; [env.prod] is an environment"
        )
    return table


def _load(path: Path) -> dict[str, object] | None:
    """The file's content; None where it is not there, or says nothing of this program."""
    try:
        # A byte order mark, as some editors write it, is no part of the text.
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UsageError(f"{path} is a link to {os.readlink(path)}, which is not there") from None
        return None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory, not a file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    if path.name == SHARED and "aaiclick" not in text:
        # Whatever else is in it, even what is no TOML, is for others.
        return None
    # In the standard library from Python 3.11 on.
    library = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    loads: Callable[[str], dict[str, object]] = library.loads
    try:
        return loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from None
