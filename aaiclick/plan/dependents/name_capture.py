"""Names that another table takes over: ``SELECT b FROM t JOIN u`` reads ``u.b`` until ``t`` gets a column ``b``, and
``t.b`` until that is gone.

The engine resolves the names of a stored query anew whenever it is used. It says nothing where a name means another
column from then on: it takes the one of the first table, or of the innermost query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

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
    shows: tuple[Mapping[str, tuple[str, str]], ...] = ()
    """For each SELECT the columns that it shows as they are: the name that they get, the column and its table."""

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
    new = Sources(
        Counter({(name, back.get(table, table)): count for (name, table), count in new.reads.items()}),
        tuple({shown: (name, back.get(table, table)) for shown, (name, table) in each.items()} for each in new.shows),
    )
    return tuple(
        name
        for name in sorted(suspects)
        # A column that * or COLUMNS adds takes the plain name, and the other one gets its table in front.
        if _shown_otherwise(old, new, name)
        or old.elsewhere(name, owners := _owners(changed, name)) != new.elsewhere(name, owners)
        # Only one of the two tables has such a column: in the other one it is a virtual one.
        or any(old.reads[name, owner] and new.reads[name, owner] for owner in owners)
    )


def _shown_otherwise(old: Sources, new: Sources, name: str) -> bool:
    pairs = zip(old.shows, new.shows, strict=True) if len(old.shows) == len(new.shows) else ()
    return any(name in before and name in after and before[name] != after[name] for before, after in pairs)


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
    printed = [text(row[0]) for row in rows]
    lines = [line.strip() for line in printed]
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
    return Sources(Counter(columns.values()), tuple(_shown(printed, columns)))


def _shown(printed: Sequence[str], columns: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, tuple[str, str]]]:
    """The names that each SELECT gives to columns of tables."""
    for start, line in enumerate(printed):
        if not line.lstrip().startswith("QUERY id: "):
            continue
        depth = len(line) - len(line.lstrip())
        inside = _deeper(printed[start + 1 :], depth)
        names = [each.strip().partition(" ")[0] for each in _under(inside, "PROJECTION COLUMNS", depth + 2, depth + 4)]
        nodes = _under(inside, "PROJECTION", depth + 2, depth + 6)
        listed = [each.strip() for each in nodes]
        numbers = [
            each.partition("id: ")[2].partition(",")[0] if each.startswith("COLUMN id: ") else "" for each in listed
        ]
        if len(names) == len(numbers):
            yield {name: columns[number] for name, number in zip(names, numbers, strict=True) if number in columns}


def _under(lines: Sequence[str], head: str, depth: int, wanted: int) -> list[str]:
    """The lines at one depth below the first such head."""
    place = next((place for place, line in enumerate(lines) if line == f"{' ' * depth}{head}"), len(lines))
    return [line for line in _deeper(lines[place + 1 :], depth) if len(line) - len(line.lstrip()) == wanted]


def _deeper(lines: Sequence[str], depth: int) -> list[str]:
    return list(takewhile(lambda line: len(line) - len(line.lstrip()) > depth, lines))
