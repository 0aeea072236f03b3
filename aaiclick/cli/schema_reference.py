"""Which schema a command works on: ``module:attribute``."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from aaiclick.errors import AaiclickError, UsageError

if TYPE_CHECKING:
    from aaiclick.specs.schema import Schema

DEFAULT = "aaiclick.oplog:OPLOG"
_SCHEMAS = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*Schema(?:\.from_sql)?\(", re.MULTILINE)


def load_schema(reference: str, origin: str = "--schema", folders: Sequence[Path] | None = None) -> Schema:
    """Import the module (``folders`` come first on ``sys.path``; None: the working directory) and take the attribute.

    ``origin`` is where the reference was said. Raises ``UsageError`` in one sentence; what the module prints while it
    is imported goes to stderr.
    """
    try:
        return _loaded(reference, origin, [Path.cwd()] if folders is None else folders)
    except UsageError as error:
        # A flag was typed a moment ago; what a file or a variable says is looked for where it stands.
        said = "" if origin == "--schema" or origin in str(error) else f" ({origin} is {reference})"
        raise UsageError(f"{error}{said}") from error


def _loaded(reference: str, origin: str, folders: Sequence[Path]) -> Schema:
    name, separator, attribute = reference.partition(":")
    if not (separator and name.strip() and attribute.strip()):
        raise UsageError(
            f"{origin} takes module:attribute, such as {DEFAULT}, not {reference!r}{_meant(reference, folders)}"
        )
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(
            f"{name!r} is no module's name. {origin} takes module:attribute, such as app.tables:SCHEMA"
            f"{_meant(reference, folders)}"
        )
    if name.endswith(".py") and (meant := _meant(reference, folders)):
        raise UsageError(f"{name} is a file, and {origin} takes module:attribute{meant}")
    # Backwards, so that the first of the folders is the first on sys.path.
    for folder in reversed(folders) if reference != DEFAULT else ():
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    value: object = _import(name, folders)
    module, owner = value, name
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise UsageError(f"{owner} has no attribute {part}{_others(module)}") from None
        owner = f"{owner}.{part}"
    from aaiclick.specs.schema import Schema

    if not isinstance(value, Schema):
        raise UsageError(
            f"attribute {attribute} of {name} is {_article(type(value).__name__)}, not a Schema{_others(module)}"
        )
    return value


def _import(name: str, folders: Sequence[Path]) -> ModuleType:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(f"{absent}."):
            if set(folders) == {Path.cwd()}:
                raise UsageError(f"no module named {absent}: run from your project's folder or install it") from error
            where = " or ".join(dict.fromkeys(map(str, folders)))
            raise UsageError(f"no module named {absent} in {where}, and none is installed") from error
        raise UsageError(f"{name} cannot be imported: it needs the module {absent}, which is not installed") from error
    except AaiclickError as error:
        raise UsageError(f"{name} cannot be imported: {error}") from error
    # A module that ends the program must not decide the exit code of this command.
    except SystemExit as error:
        raise UsageError(f"{name} cannot be imported: it ended the program ({error.code!r})") from error
    except Exception as error:
        said = " ".join(str(error).split())
        raise UsageError(f"{name} cannot be imported: {type(error).__name__}{': ' + said if said else ''}") from error


def _meant(reference: str, folders: Sequence[Path]) -> str:
    """What was meant by a path, or by a module alone; '' where no such file is there. Nothing is imported."""
    name, _, attribute = (part.strip() for part in reference.partition(":"))
    parts = name.removeprefix("./").removesuffix(".py").replace("/", ".").split(".")
    for folder in folders:
        for candidate in (parts, parts[:-1] if not attribute else []):
            if not candidate or not all(part.isidentifier() for part in candidate):
                continue
            base = folder.joinpath(*candidate)
            for file in (base.with_suffix(".py"), base / "__init__.py"):
                if not file.is_file():
                    continue
                there = _SCHEMAS.findall(file.read_text(encoding="utf-8", errors="replace"))
                named = attribute or (parts[-1] if candidate != parts else "") or next(iter(there), "")
                if named:
                    return f". Did you mean {'.'.join(candidate)}:{named}?"
    return ""


def _others(module: object) -> str:
    from aaiclick.specs.schema import Schema

    names = (
        sorted(key for key, value in vars(module).items() if isinstance(value, Schema))
        if isinstance(module, ModuleType)
        else []
    )
    return f" (it has {', '.join(names)})" if names else ""


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
