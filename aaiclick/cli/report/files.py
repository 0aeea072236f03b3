"""Reports in files."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from aaiclick.cli.report.page import GENERATOR
from aaiclick.cli.whole_files import require_place, write_whole

_HEAD = 2048


def require_report_path(path: Path) -> None:
    """Raises ``UsageError`` where the report could not be written, or another file would be lost."""
    require_place(path, "a report", _is_report)


def write_report(path: Path, text: str) -> None:
    """Write it as a whole, or not at all. Raises ``UsageError``."""
    # A name that is no text at all (a lone surrogate) is written out, too.
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def now_text() -> str:
    """When a report is made, for people."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return f'content="{GENERATOR}"'.encode() in file.read(_HEAD)
    except OSError:
        return False
