"""Which schema a command works on: ``module:attribute``."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

from aaiclick.errors import AaiclickError, UsageError
from aaiclick.specs.schema import Schema

DEFAULT = "aaiclick.oplog:OPLOG"


def load_schema(reference: str) -> Schema:
    """Import the module (the working directory comes first on ``sys.path``) and take the attribute.

    Raises ``UsageError`` in one sentence; what the module prints while it is imported goes to stderr.
    """
    name, separator, attribute = reference.partition(":")
    if not (separator and name.strip() and attribute.strip()):
        raise UsageError(f"--schema takes module:attribute, such as {DEFAULT}, not {reference!r}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is no module's name. --schema takes module:attribute, such as app.tables:SCHEMA")
    if reference != DEFAULT:
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
    value: object = _import(name)
    module, owner = value, name
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise UsageError(f"{owner} has no attribute {part}{_others(module)}") from None
        owner = f"{owner}.{part}"
    if not isinstance(value, Schema):
        raise UsageError(
            f"attribute {attribute} of {name} is {_article(type(value).__name__)}, not a Schema{_others(module)}"
        )
    return value


def _import(name: str) -> ModuleType:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(f"{absent}."):
            raise UsageError(f"no module named {absent}: run from your project's folder or install it") from error
        raise UsageError(f"{name} cannot be imported: it needs the module {absent}, which is not installed") from error
    except AaiclickError as error:
        raise UsageError(f"{name} cannot be imported: {error}") from error
    except SystemExit as error:
        raise UsageError(f"{name} cannot be imported: it ended the program ({error.code!r})") from error
    except Exception as error:
        said = " ".join(str(error).split())
        raise UsageError(f"{name} cannot be imported: {type(error).__name__}{': ' + said if said else ''}") from error


def _others(module: object) -> str:
    names = (
        sorted(key for key, value in vars(module).items() if isinstance(value, Schema))
        if isinstance(module, ModuleType)
        else []
    )
    return f" (it has {', '.join(names)})" if names else ""


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
