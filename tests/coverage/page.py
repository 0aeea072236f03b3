"""``python -m tests.coverage.page``: runs every case (or only those of the parts that are named) and writes
``expected.json`` and ``docs/coverage.md``.

The page is made of what the runs saw, nothing else; the tests hold both to it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TypedDict

from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from tests.coverage.cases import Case, clause_cases
from tests.coverage.engines import MADE, TOLD
from tests.coverage.others import made, told
from tests.coverage.reverse import backwards, corpus
from tests.coverage.walk import walk
from tests.fuzz.report import kept, section

_IMPOSSIBLE = re.compile(r"^(refused: |)t cannot be changed that way \((.*)\)$")
HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
PAGE = HERE.parents[1] / "docs" / "coverage.md"

HEAD = """# What is covered

Written by `tests/coverage/page.py` from what its runs saw; a test compares the two.

Each clause of ClickHouse's CREATE TABLE was taken round: a table without it, with it, with another form of it, without it again, with rows in the
table. *Reflected and created* means that the live table, printed as a declaration and created in an empty database, is the same table. The other
columns name the strategy that made the change (`docs/design.md`), by the five checks: the plan succeeds, its hazards are named, it is applied, the
table equals one that is created directly with every row equal, and a second plan is empty. *By name only* is carried out where its hazard was allowed
by name. *Refused* changes nothing; the reason is what the plan says.

What `create_table_query` says and this library does not know (a newer server's clause) makes a table unsupported: it is reported with the clause
and never altered (`tests/coverage/test_unknown.py`).
"""
OTHERS = """
## Other engines

Engines that reach outside are never made in scratch: the engine formats their definition, and a plain table gives the types of their columns. What
the server shows as `[HIDDEN]` is compared as such, and appears in no plan, record or difference. A changed secret cannot be seen. Marked with *:
not made by the engine under test (no broker, cluster or keeper there), but compared with the server's text of such a table.

| engine | created | comment | a column more | other arguments |
|---|---|---|---|---|
"""
CORPUS = """
## Corpus

Real tables and real changes from public schema histories.

| what | passed |
|---|---|
"""


class Outcomes(TypedDict):
    """What ``expected.json`` holds."""

    clauses: dict[str, list[str]]
    engines: dict[str, list[str]]
    reversed: dict[str, str]


def expected() -> Outcomes:
    """What was seen when the page was written."""
    found: Outcomes = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found


def page(outcomes: Outcomes) -> str:
    """The page, from the outcomes."""
    lines = [
        HEAD,
        "## Clauses",
        "",
        "| clause | | reflected and created | added | changed | taken away |",
        "|---|---|---|---|---|---|",
    ]
    shown = ""
    for case in clause_cases():
        cells = outcomes["clauses"][case.id]
        lines.append(
            f"| {_code(case.clause) if case.clause != shown else ''} | {case.name} | "
            f"{' | '.join(_cell(cell) for cell in cells)} |"
        )
        shown = case.clause
    text = "\n".join(lines) + "\n" + OTHERS
    marks = {other.name for other in TOLD}
    text += "".join(
        f"| {_code(name)}{'*' if name in marks else ''} | {' | '.join(_cell(cell) for cell in cells)} |\n"
        for name, cells in outcomes["engines"].items()
    )
    pairs, tables, refused = corpus("pairs"), corpus("tables"), outcomes["reversed"]
    text += CORPUS
    text += f"| tables reflected, created and equal | {len(tables)} of {len(tables)} |\n"
    text += f"| pairs forwards | {len(pairs)} of {len(pairs)} |\n"
    text += f"| pairs backwards | {len(pairs) - len(refused)} of {len(pairs)}, {len(refused)} refused |\n"
    text += "".join(f"\n- `{name}` backwards is refused: {_cell(reason)}" for name, reason in sorted(refused.items()))
    return text + "\n" + section(kept())


def _code(text: str) -> str:
    return f"`{text}`"


def _cell(text: str) -> str:
    return _IMPOSSIBLE.sub(r"\1\2", text).replace("|", "\\|")


def outcome_of(engine: EmbeddedEngine, case: Case) -> list[str]:
    """The cells of a clause's row."""
    client = engine.client()
    try:
        seen = walk(engine, client, case)
        return ["yes" if seen.created else "no", *seen.steps]
    finally:
        client.close()


def collect(parts: list[str]) -> Outcomes:
    """Run everything, or only some of ``clauses``, ``engines`` and ``reversed``."""
    found: Outcomes = expected() if EXPECTED.exists() else {"clauses": {}, "engines": {}, "reversed": {}}
    with EmbeddedEngine(":memory:") as engine:
        client, connection = engine.client(), open_url(engine.url)
        if "clauses" in parts:
            found["clauses"] = {case.id: outcome_of(engine, case) for case in clause_cases()}
        if "engines" in parts:
            found["engines"] = {other.name: list(made(engine, client, other).cells) for other in MADE}
            found["engines"].update({other.name: list(told(connection, other).cells) for other in TOLD})
        if "reversed" in parts:
            found["reversed"] = {
                pair["id"]: reason for pair in corpus("pairs") if (reason := backwards(engine, client, pair))
            }
        client.close()
        connection.close()
    return found


if __name__ == "__main__":
    seen = collect(sys.argv[1:] or ["clauses", "engines", "reversed"])
    EXPECTED.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(seen), encoding="utf-8")
