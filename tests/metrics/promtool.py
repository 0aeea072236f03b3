"""Prometheus' own parser of metrics, queries and rules (Debian's package ``prometheus``), where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence


def promtool(arguments: Sequence[str], text: str = "") -> str:
    """What it says; '' where it is not installed. Raises AssertionError where it finds fault."""
    program = shutil.which("promtool")
    if program is None:
        return ""
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
