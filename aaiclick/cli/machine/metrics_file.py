"""``aaiclick status --metrics-file``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aaiclick.cli.whole_files import require_place
from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.commands.report import Status

_HEAD = 64


class MetricsFile:
    """The file that the status of one database or of many is written to. Where it is not asked for, nothing is written.

    ``database``: what was asked for, a name or a pattern. Raises ``UsageError`` where the file could not be written, or
    another one would be lost.
    """

    def __init__(self, path: Path | None, schema: str, database: str) -> None:
        self._path = path
        self._schema = schema
        self._database = database
        if path is not None:
            require_place(path, "metrics of aaiclick", _is_ours)

    def found(self, found: Mapping[str, Status | None]) -> None:
        """What each database answered. Raises ``UsageError`` where the file cannot be written."""
        if self._path is not None:
            self._write(self._path, found)

    def failed(self) -> None:
        """Nothing could be asked: nothing old may be taken for new. The command says why, also where this fails."""
        if self._path is not None:
            with suppress(UsageError):
                self._write(self._path, {self._database: None})

    def _write(self, path: Path, found: Mapping[str, Status | None]) -> None:
        from aaiclick.metrics.textfile import exposition, replace_file

        replace_file(path, exposition(self._schema, found, time.time()))


def _is_ours(path: Path) -> bool:
    from aaiclick.metrics.textfile import is_exposition

    try:
        with path.open("rb") as file:
            return is_exposition(file.read(_HEAD))
    except OSError:
        return False
