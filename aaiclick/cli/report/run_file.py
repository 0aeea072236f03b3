"""What ``--progress json`` wrote, read again: runs with their events and when these happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from aaiclick.cli.machine.lines import FORMAT
from aaiclick.cli.whole_files import read_at_most
from aaiclick.errors import UsageError

_LARGEST = 256 << 20


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the stream."""

    at: float
    """When, Unix seconds."""
    event: str
    """Which event."""
    fields: Mapping[str, object]
    """Its fields; a later release may have added some."""

    def text(self, name: str) -> str:
        """A field that is a text; '' where there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float:
        """A field that is a number; 0 where there is none."""
        value = self.fields.get(name)
        return float(value) if isinstance(value, int | float) else 0.0


def read_runs(path: Path) -> list[tuple[Happened, ...]]:
    """The runs in a file, each up to its last line. What is no line of the stream (the engine's own messages) is passed
    over. Raises ``UsageError`` where there is none."""
    content = read_at_most(path, _LARGEST, "is too large to be what --progress json wrote")
    runs: list[list[Happened]] = [[]]
    for line in content.decode("utf-8", "replace").splitlines():
        found = _happened(line, path)
        if found is not None:
            runs[-1].append(found)
        if found is not None and found.event == "Ended":
            runs.append([])
    kept = [tuple(run) for run in runs if any(each.event not in ("Said", "Trace", "Ended") for each in run)]
    if not kept:
        raise UsageError(
            f"{path} holds no run: it is what aaiclick migrate --progress json writes to stderr (2> {path.name})"
        )
    return kept


def _happened(line: str, path: Path) -> Happened | None:
    try:
        read: object = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    fields = cast("dict[str, object]", read)
    event, at, kind = fields.pop("event", None), fields.pop("at", None), fields.pop("format", None)
    if not isinstance(event, str) or not isinstance(at, str) or kind is None:
        return None
    if kind != FORMAT:
        raise UsageError(f"{path} has format {kind}, and this release reads format {FORMAT}")
    try:
        # Python 3.10 does not read the Z.
        when = datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    return Happened(when, event, fields)
