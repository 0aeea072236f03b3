"""`docs/benchmarks.md` from the lines of a run."""

from __future__ import annotations

from benchmarks.measure import Results

_HEAD = """# Benchmarks

`make bench` measures these ratios and writes this page. Every ratio is within one run: the cases take turns, one round does not count, medians are
compared. Where a case runs in this process alone, the ratio of CPU times stands beside the ratio of wall times: it depends less on what else the machine does.

Measured on 2 cores, with Python {python} and ClickHouse {engine} (chdb).

| what | against | target | measured | target met |
|---|---|---|---|---|
"""

_TAIL = """
## How to run it

`make bench` takes about ten minutes; `make bench LARGE=1` measures 50 million rows as well, in twice that and with 6 GB of disk. Both write the whole
page. For a part of it, `python -m pytest benchmarks -m bench -n 0 --timeout 0` takes options: `--rows` (of the table that is rebuilt), `--large`, `--tables`
(of the large schema). A file is a group: `benchmarks/test_start.py`, `benchmarks/test_commands.py`, `benchmarks/test_tenants.py`, `benchmarks/test_fresh.py`, `benchmarks/test_rows.py`,
`benchmarks/test_many_tables.py`, `benchmarks/test_versus.py`, `benchmarks/test_versus_commands.py`, `benchmarks/test_versus_copy.py`, `benchmarks/test_clusters.py` (two hosts, as the tests of clusters start them; 20 million rows with `--large`). The three of `test_versus` install each of the
other tools into an environment of its own; `benchmarks/test_versus.py` needs `benchmarks/test_start.py` in the same run.
"""


def write_page(results: Results) -> str:
    """The whole page."""
    import platform

    lines = [
        f"| {line.what} | {line.against} | {line.target} | {line.shown} | "
        f"{'' if line.target == 'none' else 'yes' if line.met else '**no**'} |"
        for line in results.lines
    ]
    first = {line.note: line.what for line in reversed(results.lines) if line.note}
    notes = [f"- {what}: {note}" for note, what in reversed(first.items())]
    below = "\n## Notes\n\n" + "\n".join(notes) + "\n" if notes else ""
    head = _HEAD.format(python=".".join(platform.python_version_tuple()[:2]), engine=results.engine)
    return head + "\n".join(lines) + "\n" + below + _TAIL
