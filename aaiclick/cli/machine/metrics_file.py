"""``aaiclick status --metrics-file``."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.commands.report import Status


class MetricsFile:
    """The file that a status is written to. Where it is not asked for, nothing is written."""

    def __init__(self, path: Path | None, schema: str) -> None:
        self._path = path
        self._schema = schema

    def found(self, status: Status) -> None:
        """Raises ``UsageError`` where the file cannot be written."""
        if self._path is not None:
            self._write(status)

    def failed(self) -> None:
        """The status could not be asked for: nothing old may be taken for new. Why not is what the command says, also
        where the file cannot be written."""
        if self._path is not None:
            with suppress(UsageError):
                self._write(None)

    def _write(self, status: Status | None) -> None:
        from aaiclick.metrics.textfile import exposition, write

        assert self._path is not None
        write(self._path, exposition(self._schema, status, time.time()))
