"""Wait for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], what: str = "", seconds: float = 30, step: float = 0.02) -> float:
    """Wait until ``holds()`` is true, and say how long it took; AssertionError with ``what`` after ``seconds``.

    What it raises is passed on: a question that may fail meanwhile has to catch that itself.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"after {seconds:g} s still not: {what or holds}")
        time.sleep(step)
    return time.monotonic() - began
