"""Adds ``--schema`` to the command lines in errors, so that they work for this schema when they are typed as printed.

The oplog (whatever is recorded by that name) is what the commands work on by default; the place of any other schema is
found among the loaded modules, by identity.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from aaiclick.errors import AaiclickError
from aaiclick.specs.schema import Schema

UNKNOWN = "MODULE:NAME"
_OPLOG = "oplog"
_COMMAND = re.compile(r"\baaiclick (migrate|rollback|adopt|plan)\b(?! --schema)")


def reference_of(schema: Schema) -> str:
    """``shop:SHOP``; '' for the oplog, ``MODULE:NAME`` where no module holds the object."""
    if schema.name == _OPLOG:
        return ""
    # A copy, because other threads may import something meanwhile.
    modules: list[tuple[str, object]] = list(sys.modules.items())  # programs put other objects there, too
    found = [
        place for name, module in modules if isinstance(module, ModuleType) for place in _held(name, module, schema)
    ]
    # Of several places the one that makes it is named, and never a program that only imports it; then a public one with
    # few dots: what begins with an underscore is private.
    return min(
        found,
        key=lambda each: (each[0], ":_" in each[1] or "._" in each[1], each[1].count("."), each[1]),
        default=(0, UNKNOWN),
    )[1]


def _held(name: str, module: ModuleType, schema: Schema) -> list[tuple[int, str]]:
    attributes = [key for key, value in list(vars(module).items()) if value is schema and key.isidentifier()]
    return [(_distance(name, module, key), f"{_importable(name, module)}:{key}") for key in attributes]


def _distance(name: str, module: ModuleType, key: str) -> int:
    """0 where the module's own text gives the name its value, 1 where it does not, or cannot be read; 2 for the program
    itself, unless it does."""
    try:
        text = Path(str(getattr(module, "__file__", None) or "")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""
    if re.search(rf"^\s*{key}\s*(?::[^=\n]+)?=(?!=)", text, re.MULTILINE):
        return 0
    return 2 if name == "__main__" else 1


def _importable(name: str, module: ModuleType) -> str:
    """A program that was started has another name than its file."""
    if name != "__main__":
        return name
    spec = module.__spec__
    file = str(getattr(module, "__file__", "") or "")
    stem = re.split(r"[/\\]", file)[-1].removesuffix(".py")
    return spec.name.removesuffix(".__main__") if spec is not None else stem if stem.isidentifier() else name


def name_schema(error: AaiclickError, schema: Schema | None) -> None:
    """Put ``--schema`` into each command line that the error names."""
    if schema is None or not any(_COMMAND.search(str(each)) for each in error.args):
        return
    place = reference_of(schema)
    if not place:
        return

    def completed(text: object) -> object:
        return _COMMAND.sub(rf"aaiclick \1 --schema {place}", text) if isinstance(text, str) else text

    error.args = tuple(completed(each) for each in error.args)
    for field in ("next_command", "command"):
        if hasattr(error, field):
            setattr(error, field, completed(getattr(error, field)))
