"""Names that another table takes over: ``SELECT b FROM t JOIN u`` reads ``u.b`` until ``t`` gets a column ``b``, and
``t.b`` until that is gone.

The engine resolves the names of a stored query anew whenever it is used. It says nothing where a name means another
column from then on: it takes the one of the first table, or of the innermost query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.plan.dependents.dependents import Place
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.tokens import TokenError, Tokens

Names = Mapping[Place, frozenset[str]]
"""The names of columns that a table or view has only today, or only after the plan."""
_SECONDS = 10
"""For how long a query is analysed at most: the engine runs scalar subqueries for it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the columns of a query come from: how often each name is read from each table, by ``database.name``."""

    reads: Counter[tuple[str, str]]

    def elsewhere(self, column: str, tables: frozenset[str]) -> dict[str, int]:
        """How often a name is read from tables other than these."""
        return {table: count for (name, table), count in self.reads.items() if name == column and table not in tables}


def taken_over(query: str, after: str, changed: Names, moved: Mapping[Place, Place]) -> Routine[tuple[str, ...]]:
    """The names in a query that mean another column after the plan than today.

    ``after``: the query over the tables as they will be, ``moved``: where these are now, by what they will be called.
    """
    names = {name for each in changed.values() for name in each}
    suspects = mentioned(query, names) if not _natural(query) else frozenset(names)
    # A virtual column such as _part is hidden by a stored one of that name, also where the query reads one table.
    if not suspects or not (_several(query) or any(name.startswith("_") for name in suspects)):
        return ()
    old, new = (yield from _sources(query)), (yield from _sources(after))
    if old is None or new is None:
        return ()
    back = {".".join(place): ".".join(name) for name, place in moved.items()}
    # Tables of scratch under the names that they stand for, so that the two can be compared.
    new = Sources(Counter({(name, back.get(table, table)): count for (name, table), count in new.reads.items()}))
    return tuple(
        name
        for name in sorted(suspects)
        if old.elsewhere(name, owners := _owners(changed, name)) != new.elsewhere(name, owners)
        # Only one of the two tables has such a column: in the other one it is a virtual one.
        or any(old.reads[name, owner] and new.reads[name, owner] for owner in owners)
    )


def _owners(changed: Names, name: str) -> frozenset[str]:
    return frozenset(".".join(place) for place, names in changed.items() if name in names)


def _natural(query: str) -> bool:
    # Which columns such a JOIN compares is nowhere in its text.
    return "NATURAL" in query.upper()


def _several(query: str) -> bool:
    """False where the query reads one table, so that no name can come from another."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return True
    read = sum(tokens.is_word(place, "FROM") or tokens.is_word(place, "JOIN") for place in range(len(tokens)))
    return read > 1 or any(tokens.is_op(place, ",") for place in range(_from(tokens), len(tokens)))


def _from(tokens: Tokens) -> int:
    return next((place for place in range(len(tokens)) if tokens.is_word(place, "FROM")), len(tokens))


def _sources(query: str) -> Routine[Sources | None]:
    """What the engine resolves the names to; None where it cannot analyse the query."""
    rows = yield from rows_or_refusal(
        # The first pass resolves the names; later ones would rewrite the query.
        Query(f"EXPLAIN QUERY TREE run_passes = 1, passes = 1 {query}", {}, {"max_execution_time": _SECONDS})
    )
    if rows is None:
        return None
    lines = [text(row[0]).strip() for row in rows]
    tables = {
        line.split("id: ", 1)[1].split(",")[0]: line.split("table_name: ", 1)[1].removesuffix(", final: 1")
        for line in lines
        if line.startswith("TABLE id: ") and "table_name: " in line
    }
    columns: dict[str, tuple[str, str]] = {}
    for line in lines:
        if not line.startswith("COLUMN id: ") or "column_name: " not in line:
            continue
        number = line.split("id: ", 1)[1].split(",")[0]
        name = line.split("column_name: ", 1)[1].rpartition(", result_type: ")[0]
        table = tables.get(line.rpartition("source_id: ")[2])
        if table is not None:
            columns[number] = (name, table)
    return Sources(Counter(columns.values()))
