"""Reads a migration or a lock file as text."""

from __future__ import annotations

from typing import Protocol

from aaiclick.errors import MigrationError


class Readable(Protocol):
    """A file on disk or in a package."""

    def read_bytes(self) -> bytes:
        """All of it."""
        ...


def read_text_file(file: Readable, where: str) -> str:
    """The text of a file, without a byte order mark. Raises ``MigrationError`` that names ``where`` for a file that
    cannot be read or is no UTF-8."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MigrationError(where, f"cannot be read: {error.strerror or error}") from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MigrationError(
            f"{where}, line {line}", f"byte {content[error.start]:#04x} is no UTF-8: save the file as UTF-8"
        ) from None
