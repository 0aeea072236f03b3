"""What a run counted: as one line, kept beside the code, and as a part of docs/coverage.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TypedDict

COUNTS = Path(__file__).parent / "counts.json"
HEAD = """
## Random changes

`make fuzz` makes tables, views and rows at random, changes them at random (one to five changes at once), and compares what became of them with a
table that is created directly and filled by `INSERT ... SELECT`, which `tests/fuzz/` writes itself: every value to the last bit, the answers to
conditions with and without indexes, projections and partitions, the order within parts, FINAL, the rows of a later INSERT, the state after a merge,
and every view. Where rows that FINAL or a merge combines are others than before the change, the plan has to ask. *By name*: the plan asked, and was
carried out with what it asked for. *Blocked* and *refused* changed nothing; either is a failure where the copy keeps every value. *No case*: the
engine takes one of the two tables, or a row, not at all. A run goes on while what it finds is mended: a case that failed counts as it ended when it was
played again on the mended code, every other one as it ended on the code that it met.

A quarter of the batches give the library a client with settings of the session that change answers or definitions (`final`, `limit`, `apply_deleted_mask`,
`join_use_nulls` ...); some cases have a view that joins the table with another one, views that are refreshed and were stopped, or a column that a version in
between drops and the next one declares again. Row policies and profiles of users are not drawn: the embedded engine takes them from its users file only
(`tests/plan/test_row_policies.py` has an engine with one).

The table counts the seeds that were played last. Of the 20,000 on 26.9 fourteen ended wrongly at first, and a batch of 32 could not be declared. Four
of them were faults of the library, of three kinds: a projection that is made anew beside a guard was not filled, a default over a new array of a Nested
was refused without need, and a migration that fills one column hid what its version changes beside it. The others were mistakes of the adversary. Each was
played again when it was mended. Of the 2,000 on 25.8, all played on one state, two ended
wrongly, both by mistakes of the adversary (a view over an EPHEMERAL column, a column that nobody could read before the change). About 47,000 earlier seeds
on 26.9, and 4,900 on 25.8, were played over many states of the code in the same way.
"""


class Run(TypedDict):
    """What is kept of a run on one release."""

    first: int
    seeds: int
    failures: int
    ends: dict[str, int]
    strategies: dict[str, int]
    features: dict[str, dict[str, int]]


def summary(seeds: int, ends: Counter[str], failures: int) -> str:
    """One line."""
    return (
        f"{seeds} seeds, {share(dict(ends))} carried out: "
        f"{', '.join(f'{count} {end}' for end, count in ends.most_common())}; {failures} failures"
    )


def share(ends: dict[str, int]) -> str:
    """How many of the cases were carried out."""
    played = sum(ends.values()) - ends.get("no case", 0)
    through = sum(ends.get(end, 0) for end in ("applied", "by name", "nothing to do"))
    return f"{100 * through // played} %" if played else "none"


def kept() -> dict[str, Run]:
    """The last run on each release."""
    found: dict[str, Run] = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {}
    return found


def keep(release: str, run: Run, *, add: bool = False) -> None:
    """Put a run beside the code: the page is made of it. ``add``: to what is kept of other seeds of that release."""
    before = kept()
    found = {**before, release: added(before[release], run) if add and release in before else run}
    COUNTS.write_text(
        json.dumps(dict(sorted(found.items())), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def added(one: Run, other: Run) -> Run:
    """Both together: they played different seeds."""
    names = sorted({*one["features"], *other["features"]})
    return {
        "first": min(one["first"], other["first"]),
        "seeds": one["seeds"] + other["seeds"],
        "failures": one["failures"] + other["failures"],
        "ends": dict(Counter(one["ends"]) + Counter(other["ends"])),
        "strategies": dict(Counter(one["strategies"]) + Counter(other["strategies"])),
        "features": {
            name: dict(Counter(one["features"].get(name, {})) + Counter(other["features"].get(name, {})))
            for name in names
        },
    }


def section(runs: dict[str, Run]) -> str:
    """The part of the page; '' where nothing was counted yet."""
    if not runs:
        return ""
    lines = [
        HEAD,
        "| ClickHouse | seeds | carried out | of them by name | blocked | refused | no case | failures |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for release, run in sorted(runs.items(), reverse=True):
        ends = run["ends"]
        cells = [
            release,
            run["seeds"],
            share(ends),
            *(ends.get(end, 0) for end in ("by name", "blocked", "refused", "no case")),
            run["failures"],
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    newest = runs[max(runs)]
    lines += [
        "",
        "How often a strategy was in a plan: "
        + ", ".join(f"`{name}` {count}" for name, count in sorted(newest["strategies"].items()))
        + ".",
        "",
    ]
    lines += ["| what | cases | applied | by name | blocked or refused |", "|---|---|---|---|---|"]
    for name, ends in sorted(newest["features"].items()):
        told = [
            sum(ends.values()),
            ends.get("applied", 0) + ends.get("nothing to do", 0),
            ends.get("by name", 0),
            ends.get("blocked", 0) + ends.get("refused", 0),
        ]
        lines.append(f"| {name} | {' | '.join(map(str, told))} |")
    return "\n".join(lines) + "\n"
