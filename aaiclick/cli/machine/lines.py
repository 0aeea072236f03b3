"""``--progress json``: what happens, one JSON object a line, on stderr."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING

from typing_extensions import NotRequired, TypedDict

if TYPE_CHECKING:
    from aaiclick.events import Event


FORMAT = 1
"""Version of the stream. It is raised where a field goes or changes its meaning, not where one is added."""


class Said(TypedDict):
    """A line for people: what is waited for after Ctrl-C, what is not declared."""

    text: str
    """The line."""


class Trace(TypedDict):
    """A traceback or log record (``--debug``)."""

    text: str
    """Its lines."""


class Failed(TypedDict):
    """The command ends with an error, or refuses to go on."""

    type: str
    """Its class in aaiclick.errors; 'Interrupted' and 'Terminated' for Ctrl-C and SIGTERM."""
    message: str
    """What happened, in one line."""
    next: str | None
    """A command line that helps; null where there is none."""
    details: dict[str, object]
    """The error's own fields."""
    explanation: NotRequired[str | None]
    """What the server's code means, and what to do; null where the server did not refuse anything."""


class TenantDone(TypedDict):
    """One of many databases (``--database 'tenant_*'``) has ended; the events since the line before are about it, where
    one is worked on at a time."""

    database: str
    """Its name."""
    seconds: float
    """How long it took."""
    failure: str
    """Why it failed, in one line; '' where it did not."""


class Ended(TypedDict):
    """The last line."""

    code: int
    """The exit code."""


class JsonLines:
    """Writes the stream. A reader that goes away stops the writing, never the work."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def event(self, event: Event) -> None:
        """One event of a run."""
        self.write(type(event).__name__, dataclasses.asdict(event))

    def write(self, name: str, fields: Mapping[str, object]) -> None:
        """One line. Only ASCII stands in it, so that no encoding and no name can break it."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = json.dumps({"format": FORMAT, "at": now, "event": name, **fields}, default=str)
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # ValueError: the stream was closed
