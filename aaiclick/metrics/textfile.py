"""Metrics in a file, as the textfile collector of node_exporter reads them. Needs no other package."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aaiclick.commands.report import Status
from aaiclick.errors import UsageError
from aaiclick.metrics.aggregated import one_value
from aaiclick.metrics.catalogue import BUILD_IN_FILE, IN_FILE, UP, Metric
from aaiclick.metrics.labels import LABEL_VALUES, OTHER
from aaiclick.metrics.status import figures
from aaiclick.version import VERSION

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(schema: str, found: Mapping[str, Status | None], now: float, label_values: int = LABEL_VALUES) -> str:
    """The text of the file. ``found``: what each database answered, None where it could not be asked. ``now``: Unix
    seconds. Where there are more than ``label_values`` databases, those that somebody should look at have lines of
    their own first, then others by name; the rest is told together."""
    values = {database: _values(status, now) for database, status in found.items()}
    # One that is called as the rest is told with the rest: of two lines with the same labels a reader takes none.
    ordered = sorted(found, key=lambda database: (database == OTHER, _is_well(found[database]), database))
    own, rest = sorted(ordered[:label_values]), ordered[label_values:]
    text = ""
    for metric in IN_FILE:
        told = [(database, values[database].get(metric)) for database in own]
        if rest:
            told.append((OTHER, one_value(metric, [values[database].get(metric) for database in rest])))
        lines = [_line(metric, _labels(schema, name), value) for name, value in told if value is not None]
        text += _head(metric) + "".join(lines) if lines else ""
    return text


def _values(status: Status | None, now: float) -> Mapping[Metric, float | None]:
    there: dict[Metric, float | None] = {UP: float(status is not None), BUILD_IN_FILE: 1.0}
    return there if status is None else {**there, **figures(status, now)}


def _is_well(status: Status | None) -> bool:
    return status is not None and status.in_sync and not status.unfinished and not status.fenced


def _labels(schema: str, database: str) -> Mapping[str, str]:
    return {"schema": schema, "database": database, "version": VERSION}


def is_exposition(head: bytes) -> bool:
    """Whether a file that begins so holds what ``exposition`` wrote."""
    return head.startswith(b"# HELP aaiclick_")


def _head(metric: Metric) -> str:
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


def _line(metric: Metric, labels: Mapping[str, str], value: float) -> str:
    named = ",".join(f'{name}="{labels[name].translate(_ESCAPES)}"' for name in metric.labels)
    number = str(int(value)) if value.is_integer() else repr(value)
    return f"{metric.name}{{{named}}} {number}\n"


def replace_file(path: Path, text: str) -> None:
    """Put the text in place of the file at once: whoever reads it sees the old one or the new one, never a half.

    Everybody may read it: node_exporter runs as another user. Raises ``UsageError`` where it cannot be written.
    """
    try:
        # A link stays: what it leads to is replaced.
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        if target.exists() and not target.is_file():
            raise OSError(22, "it is no regular file")  # a device or a pipe would be replaced, not written to
        # In the same directory: only within one file system a rename happens at once or not at all.
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
