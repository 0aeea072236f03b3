"""What in a table's definition reads a column: keys, TTLs, skip indexes, projections, constraints and statistics, also
through ALIAS columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.normalize import key_elements
from aaiclick.catalog.parse.ttl import ttl_elements
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.diff.reached import through_aliases
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.diff.target import Target
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.column_names import mentioned, same_column
from aaiclick.sql.quoting import quote_name

UseKind: TypeAlias = Literal[
    "sort key",
    "partition key",
    "sampling key",
    "TTL",
    "index",
    "projection",
    "constraint",
    "statistics",
    "implicit index",
]
KEYS: frozenset[UseKind] = frozenset({"sort key", "partition key", "sampling key"})
# With these settings the server keeps an index for each such column, which no definition shows.
_IMPLICIT = (
    "add_minmax_index_for_numeric_columns",
    "add_minmax_index_for_string_columns",
    "add_minmax_index_for_temporal_columns",
)
_DIRECTIONS = (" DESC", " ASC")


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A part of the definition that is computed from columns."""

    kind: UseKind
    """What it is."""
    name: str
    """Name of the index, projection, constraint or column; '' for what a table has one of."""
    old: tuple[str, ...]
    """Its expressions over the live columns."""
    new: tuple[str, ...]
    """The same expressions over the target's columns."""
    body: str = ""
    """Its whole text in the target."""

    @property
    def words(self) -> str:
        """What it is, for people: ``sort key toDate(k)``, ``index by_day``."""
        if self.kind in KEYS or (self.kind == "TTL" and not self.name):
            return f"{self.kind} {self.body}"
        return f"TTL of {self.name}" if self.kind == "TTL" else f"{self.kind} {self.name}"


def kept_uses(form: TableForm, target: Target) -> tuple[ColumnUse, ...]:
    """Those that have the same text in both tables, with columns renamed. Others are dropped or made anew by their own
    change."""
    before, wanted = renamed_form(form, target.renames), target.form
    found = [
        _key("sort key", form.order_by, before.order_by, wanted.order_by),
        _key("partition key", form.partition_by, before.partition_by, wanted.partition_by),
        _key("sampling key", form.sample_by, before.sample_by, wanted.sample_by),
    ]
    if before.ttl and before.ttl == wanted.ttl:
        found.append(ColumnUse("TTL", "", ttl_expressions(form.ttl), ttl_expressions(wanted.ttl), wanted.ttl))
    for place, column in enumerate(before.columns):
        found += _of_column(form.columns[place], column, wanted.column(column.name))
    for place, index in enumerate(before.indexes):
        if index in wanted.indexes:
            found.append(
                ColumnUse(
                    "index",
                    index.name,
                    key_elements(form.indexes[place].expression),
                    key_elements(index.expression),
                    index.expression,
                )
            )
    for place, projection in enumerate(before.projections):
        if projection in wanted.projections:
            found.append(
                ColumnUse(
                    "projection", projection.name, (form.projections[place].body,), (projection.body,), projection.body
                )
            )
    for place, constraint in enumerate(before.constraints):
        if constraint in wanted.constraints:
            found.append(
                ColumnUse(
                    "constraint",
                    constraint.name,
                    (form.constraints[place].expression,),
                    (constraint.expression,),
                    constraint.expression,
                )
            )
    if any(dict(wanted.settings).get(name, "0") not in ("0", "false") for name in _IMPLICIT):
        names = dict(target.renames)
        listed = [(column.name, names.get(column.name, column.name)) for column in form.columns if column.stored]
        found += [
            ColumnUse("implicit index", new, (quote_name(old),), (quote_name(new),), quote_name(new))
            for old, new in listed
            if wanted.column(new) is not None
        ]
    return tuple(use for use in found if use.old and use.new)


def _key(kind: UseKind, old: str, before: str, wanted: str) -> ColumnUse:
    """The elements that both keys begin with: a key may grow or shrink at its end in place."""
    shared = 0
    for one, other in zip(key_elements(before), key_elements(wanted), strict=False):
        if one != other:
            break
        shared += 1
    return ColumnUse(
        kind,
        "",
        tuple(map(_plain, key_elements(old)[:shared])),
        tuple(map(_plain, key_elements(wanted)[:shared])),
        wanted,
    )


def _of_column(live: ColumnForm, old: ColumnForm, new: ColumnForm | None) -> list[ColumnUse]:
    if new is None:
        return []
    found: list[ColumnUse] = []
    if old.ttl and old.ttl == new.ttl:
        found.append(ColumnUse("TTL", new.name, ttl_expressions(live.ttl), ttl_expressions(new.ttl), new.ttl))
    if old.statistics and old.statistics == new.statistics:
        found.append(
            ColumnUse("statistics", new.name, (quote_name(live.name),), (quote_name(new.name),), new.statistics)
        )
    return found


def _plain(element: str) -> str:
    for direction in _DIRECTIONS:
        element = element.removesuffix(direction)
    return element


def ttl_expressions(ttl: str) -> tuple[str, ...]:
    """What a TTL computes of a row: for each element the second at which it ends, and whether its WHERE is
    fulfilled."""
    found: list[str] = []
    for element in ttl_elements(ttl):
        found.append(f"toInt64(toDateTime64({element.time}, 0))")
        if element.where:
            # NULL does not meet a WHERE, and counts as 0.
            found.append(f"ifNull(({element.where}) != 0, 0)")
    return tuple(found)


def touched(
    form: TableForm, table: str, uses: Collection[ColumnUse], columns: Collection[str]
) -> Routine[tuple[ColumnUse, ...]]:
    """The uses that read one of these live columns. ``table``: the quoted name of the live table.

    A name in an expression may also be a parameter of a lambda. Then the engine is asked, and no answer counts as
    read.
    """
    affected = through_aliases(form, columns)
    found: list[ColumnUse] = []
    for use in uses:
        suspects = [expression for expression in use.old if mentioned(expression, affected)]
        reads = bool(suspects)
        # A projection's body is no expression that could be asked about.
        if reads and use.kind != "projection" and all("->" in expression for expression in suspects):
            reads = yield from _read(table, suspects, affected)
        if reads:
            found.append(use)
    return tuple(found)


def _read(table: str, expressions: Collection[str], columns: Collection[str]) -> Routine[bool]:
    """True where the engine resolves a name in these expressions to one of the columns."""
    rows = yield from rows_or_refusal(
        # The first pass resolves the names; later ones would rewrite the expressions.
        Query(f"EXPLAIN QUERY TREE run_passes = 1, passes = 1 SELECT {', '.join(expressions)} FROM {table}")
    )
    if rows is None:
        return True
    # A parameter of a lambda is a column node, too: its source is the list of the lambda's arguments, and no table.
    tables = {line.split("id: ")[1].split(",")[0] for row in rows if "TABLE id: " in (line := text(row[0]))}
    for row in rows:
        line = text(row[0]).strip()
        if not line.startswith("COLUMN id: "):
            continue
        name = line.split("column_name: ", 1)[1].rpartition(", result_type: ")[0]
        source = line.rpartition("source_id: ")[2]
        if source in tables and any(same_column(column, name) for column in columns):
            return True
    return False
