"""What CHANGELOG.md says of a version."""

from __future__ import annotations

import re
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def notes(text: str, version: str, dated: bool = True) -> str:
    """Raises ``SystemExit`` where the version is not there, or (``dated``) has no date yet."""
    headings = list(HEADING.finditer(text))
    for place, heading in enumerate(headings):
        if heading["version"] == version:
            if dated and heading["date"] is None:
                raise SystemExit(f"{version} has no date in CHANGELOG.md: ## [{version}] - YYYY-MM-DD")
            end = headings[place + 1].start() if place + 1 < len(headings) else len(text)
            return text[heading.end() : end].strip() + "\n"
    raise SystemExit(f"CHANGELOG.md says nothing of {version}")
