"""Plans in files."""

from __future__ import annotations

from pathlib import Path

from aaiclick.cli.whole_files import read_at_most, require_place, write_whole
from aaiclick.errors import UsageError
from aaiclick.plan.model import PLAN_FORMAT, Plan
from aaiclick.plan.seal import without_seal

_LARGEST = 256 << 20
"""A file with more bytes than that is no plan, whatever it is."""


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises ``UsageError`` where there is none."""
    text = _text(path)
    try:
        plan = Plan.from_json(text)
    except UsageError as error:
        why = str(error).removeprefix("this is no plan: ")
        said = f"{path} is no plan: {why}" if why != str(error) else f"{path}: {why}"
        raise UsageError(f"{said}. Make it anew: aaiclick plan --out {path}") from None
    if plan.format != PLAN_FORMAT:
        raise UsageError(
            f"{path} has format {plan.format}, and this release reads format {PLAN_FORMAT}. Make it anew: aaiclick "
            f"plan --out {path}"
        )
    return plan


def require_writable(path: Path) -> None:
    """Raises ``UsageError`` where the plan could not be written, or another file would be lost."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # /dev/stdout, a pipe
    require_place(path, "a plan", _is_plan)


def write_plan(path: Path, plan: Plan) -> None:
    """Write it as a whole, or not at all. Raises ``UsageError``."""
    write_whole(path, f"{plan.to_json()}\n".encode())


def _text(path: Path) -> str:
    # Also of a pipe, as in --plan <(curl ...).
    content = read_at_most(path, _LARGEST, "is no plan: it is too large")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no plan: it is no UTF-8 text") from None


def _is_plan(path: Path) -> bool:
    """Whether a file holds a plan, which may be replaced; also one that was edited."""
    try:
        return Plan.from_json(without_seal(_text(path))).format == PLAN_FORMAT
    except UsageError:
        return False
