"""A table in the chain of those that replaced one another: its parts, and which of its rows came while it was live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.statements import READ, ask_permissively, merged
from aaiclick.clickhouse.tables import require_table
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.quoting import qualified, quote_string
from aaiclick.state.kept_tables import KeptComment

NO_PREWHERE: Settings = (("optimize_move_to_prewhere", "0"),)
"""For conditions on ``_block_number``: moved to PREWHERE, the server does not find that column where rows of the part
are changed by a patch part (code 10)."""


@dataclass(frozen=True, slots=True)
class ChainTable:
    """A table that replaced a kept one: ``name`` as it is called now, ``kept`` where it was replaced itself."""

    name: str
    form: TableForm
    kept: KeptComment | None

    def present(self, listed: Sequence[Part]) -> list[Part]:
        """Its parts without those that the next table got after the exchange: their rows count as later ones there."""
        return came_before(self.kept, listed)


def came_before(kept: KeptComment | None, listed: Sequence[Part]) -> list[Part]:
    """The parts of a kept table whose rows its copy had. A patch part has no rows of its own: what it changes is read
    with the rows."""
    return [part for part in listed if not part.patch and (kept is None or part.last <= kept.copied)]


def kept_parts(database: str, name: str, present: Sequence[Part]) -> Routine[int]:
    """The rows in these parts, without those that a lightweight delete has hidden."""
    # Without hidden rows the catalogue has the number, and nothing is read.
    if not any(part.masked for part in present):
        return sum(part.rows for part in present)
    names = ", ".join(quote_string(part.name) for part in present)
    return (yield from count(qualified(database, name), f"_part IN ({names})"))


def count_own_rows(database: str, table: ChainTable) -> Routine[int]:
    """Its rows, without those that the next table got late."""
    assert table.kept is not None
    return (
        yield from kept_parts(
            database,
            table.name,
            table.present((yield from parts((yield from require_table(database, table.name, table.kept.uuid))))),
        )
    )


def came_while_live(database: str, table: ChainTable) -> Routine[str]:
    """What leaves out the parts that the next table got late."""
    if table.kept is None:
        return ""
    listed = yield from parts((yield from require_table(database, table.name, table.kept.uuid)))
    # The names last until the count: merges of a kept table are stopped.
    late = [part.name for part in listed if part.last > table.kept.copied and not part.patch]
    return f" AND _part NOT IN ({', '.join(quote_string(name) for name in late)})" if late else ""


def count(source: str, where: str) -> Routine[int]:
    """How many rows of a table, given by its quoted name, meet a condition."""
    rows = yield from ask_permissively(
        Query(f"SELECT count() FROM {source} WHERE {where}", {}, merged(READ, dict(NO_PREWHERE)), long=True)
    )
    return number(rows[0][0])
