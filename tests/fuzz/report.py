"""What a run counted, as text and for docs/coverage.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

COUNTS = Path(__file__).parent / "counts.json"


def summary(seeds: int, ends: Counter[str], failures: int) -> str:
    """One line."""
    played = seeds - ends["no case"]
    through = ends["applied"] + ends["by name"] + ends["nothing to do"]
    share = f", {100 * through // played} % carried out" if played else ""
    return f"{seeds} seeds{share}: {', '.join(f'{count} {end}' for end, count in ends.most_common())}; {failures} failures"


def write_counts(first: int, seeds: int, ends: Counter[str], strategies: Counter[str], features: dict[str, Counter[str]], failures: int) -> None:
    """Keep the counts beside the code: the page is made of them."""
    found = {
        "first": first,
        "seeds": seeds,
        "failures": failures,
        "ends": dict(sorted(ends.items())),
        "strategies": dict(sorted(strategies.items())),
        "features": {name: dict(sorted(counted.items())) for name, counted in sorted(features.items())},
    }
    COUNTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
