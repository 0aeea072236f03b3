"""Files that a command is asked to write or read: written as a whole or not at all, read only so far."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aaiclick.errors import UsageError


def require_place(path: Path, what: str, is_one: Callable[[Path], bool]) -> None:
    """Raises ``UsageError`` where a file could not be written there, or another file would be lost. ``what`` it is to
    hold ("a plan"), ``is_one``: whether a file holds that already."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it")
    if path.is_file() and path.stat().st_size and not is_one(path):
        raise UsageError(f"{path} holds something else than {what}: name another file, or remove it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written")


def write_whole(path: Path, content: bytes) -> None:
    """Write it as a whole, or not at all. Raises ``UsageError``."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # /dev/stdout, a pipe
            return
        # A link stays one: what it leads to is replaced.
        place = path.resolve()
        # In the same folder: from another file system it could not take the place in one step.
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


def read_at_most(path: Path, size: int, too_large: str) -> bytes:
    """What it holds; of a pipe, too, only so much is read. Raises ``UsageError``, with the words ``too_large`` where
    there is more."""
    try:
        with path.open("rb") as file:
            # One byte more than is allowed tells that there is more, without reading it.
            content = file.read(size + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > size:
        raise UsageError(f"{path} {too_large}")
    return content
