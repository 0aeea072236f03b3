"""The tables of docs/metrics.md: ``python -m tests.metrics.page`` writes them anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aaiclick.metrics.catalogue import IN_FILE, METRICS, Metric

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def table(metrics: Sequence[Metric]) -> str:
    rows = [
        f"| `{metric.name}` | {metric.kind} | {metric.unit or '1'} | {', '.join(metric.labels)} | {metric.help} |"
        for metric in metrics
    ]
    return "\n".join(["| metric | type | unit | labels | what it says |", "|---|---|---|---|---|", *rows])


def written(page: str) -> str:
    """The page with the tables as they have to be."""
    for mark, metrics in (("process", METRICS), ("file", IN_FILE)):
        before, begin, rest = page.partition(f"<!-- {mark} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert begin, mark
        assert end, mark
        page = f"{before}{begin}\n{table(metrics)}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
