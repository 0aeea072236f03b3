"""Plans in files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from aaiclick.errors import UsageError
from aaiclick.plan.model import PLAN_FORMAT, Plan

_LARGEST = 256 << 20
"""A file with more bytes than that is no plan, whatever it is."""


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises ``UsageError`` where there is none."""
    text = _text(path)
    try:
        plan = Plan.from_json(text)
    except (ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is no plan: {_why(error)}. Make it anew: aaiclick plan --out {path}") from None
    if plan.format != PLAN_FORMAT:
        raise UsageError(
            f"{path} has format {plan.format}, and this release reads format {PLAN_FORMAT}. Make it anew: aaiclick "
            f"plan --out {path}"
        )
    return plan


def require_writable(path: Path) -> None:
    """Raises ``UsageError`` where the plan could not be written, or another file would be lost."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it")
    if path.exists() and not path.is_file():
        return  # /dev/stdout, a pipe
    if path.exists() and path.stat().st_size and not _is_plan(path):
        raise UsageError(f"{path} holds something else than a plan: name another file, or remove it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written")


def write_plan(path: Path, plan: Plan) -> None:
    """Write it as a whole, or not at all. Raises ``UsageError``."""
    text = plan.to_json() + "\n"
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        # A link stays one: what it leads to is replaced.
        place = path.resolve()
        part = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(place)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _text(path: Path) -> str:
    try:
        # Also of a pipe, as in --plan <(curl ...), only so much is read.
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise UsageError(f"{path} is no plan: it is too large")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no plan: it is no UTF-8 text") from None


def _is_plan(path: Path) -> bool:
    try:
        read_plan(path)
    except UsageError:
        return False
    return True


def _why(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = found[0]
    where = ".".join(str(part) for part in first["loc"][:4])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{where}: {first['msg']}{more}" if where else f"{first['msg']}{more}"
