"""Reports in files."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from aaiclick.cli.report.page import GENERATOR
from aaiclick.errors import UsageError

_HEAD = 2048


def require_report_path(path: Path) -> None:
    """Raises ``UsageError`` where the report could not be written, or another file would be lost."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it")
    if path.is_file() and path.stat().st_size and not _is_report(path):
        raise UsageError(f"{path} holds something else than a report: name another file, or remove it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written")


def write_report(path: Path, text: str) -> None:
    """Write it as a whole, or not at all. Raises ``UsageError``."""
    # A name that is no text at all (a lone surrogate) is written out, too.
    content = text.encode("utf-8", "backslashreplace")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # /dev/stdout, a pipe
            return
        place = path.resolve()
        part = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            part.write_bytes(content)
            part.replace(place)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def now_text() -> str:
    """When a report is made, for people."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return f'content="{GENERATOR}"'.encode() in file.read(_HEAD)
    except OSError:
        return False
