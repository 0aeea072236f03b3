"""Metrics in a file, as the textfile collector of node_exporter reads them. Needs no other package."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aaiclick.commands.report import Status
from aaiclick.errors import UsageError
from aaiclick.metrics.catalogue import BUILD_IN_FILE, IN_FILE, UP, Metric
from aaiclick.metrics.status import figures
from aaiclick.version import VERSION

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(schema: str, found: Mapping[str, Status | None], now: float) -> str:
    """The text of the file. ``found``: what each database answered, None where it could not be asked. ``now``: Unix
    seconds."""
    lines: dict[Metric, list[str]] = {metric: [] for metric in IN_FILE}
    for database, status in found.items():
        values: dict[Metric, float | None] = {UP: float(status is not None), BUILD_IN_FILE: 1.0}
        if status is not None:
            values |= figures(status, now)
        for metric, value in values.items():
            if value is not None:
                lines[metric].append(_line(metric, {"schema": schema, "database": database, "version": VERSION}, value))
    return "".join(f"{_head(metric)}{''.join(of_metric)}" for metric, of_metric in lines.items() if of_metric)


def is_exposition(head: bytes) -> bool:
    """Whether a file that begins so holds what ``exposition`` wrote."""
    return head.startswith(b"# HELP aaiclick_")


def _head(metric: Metric) -> str:
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


def _line(metric: Metric, labels: Mapping[str, str], value: float) -> str:
    named = ",".join(f'{name}="{labels[name].translate(_ESCAPES)}"' for name in metric.labels)
    number = str(int(value)) if value.is_integer() else repr(value)
    return f"{metric.name}{{{named}}} {number}\n"


def write(path: Path, text: str) -> None:
    """Put the text in place of the file at once: whoever reads it sees the old one or the new one, never a half.

    Everybody may read it: node_exporter runs as another user. Raises ``UsageError`` where it cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        if target.exists() and not target.is_file():
            raise OSError(22, "it is no regular file")  # a device or a pipe would be replaced, not written to
        handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(scratch).chmod(0o644)
            Path(scratch).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(scratch).unlink()
            raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"the metrics file {path} cannot be written: {why}") from error
