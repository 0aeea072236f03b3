"""Rows of the copy that have later block numbers, because their partition was detached and attached
again, or moved away and back.

What came since an exchange is told by block numbers, and ATTACH gives a part a new one. Counting finds that rows of the
copy are missing; then the rows behind the exchange are compared with those. A block that holds nothing but missing rows
is a part that was attached again, and is left out of what came since. Where such rows share their block with others
(the part was merged before it was detached) nobody can tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.apply.rollback.chain import NO_PREWHERE
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.statements import READ, ask_permissively, merged
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.plan.operations import CopyColumn
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.quoting import qualified, quote_name

BLOCK = "_block_number"
MOST_BLOCKS = 1000
"""Their numbers stand in the condition of the copy."""


@dataclass(frozen=True, slots=True)
class Reattached:
    """Copied rows with a later block number: ``rows`` of them fill ``blocks``, ``mixed`` share blocks with others.

    ``problem``: why this is not known; '' where it is.
    """

    blocks: tuple[int, ...] = ()
    rows: int = 0
    mixed: int = 0
    problem: str = ""

    @property
    def condition(self) -> str:
        """What leaves them out of what came since."""
        return f" AND {BLOCK} NOT IN ({', '.join(str(block) for block in self.blocks)})" if self.blocks else ""


def find_reattached(
    database: str,
    old: tuple[str, TableForm, str],
    new: tuple[str, TableForm, str],
    forward: Sequence[CopyColumn],
    renames: Sequence[tuple[str, str]],
    base: int,
) -> Routine[Reattached]:
    """Compare what came behind block ``base`` with the rows that the copy lacks. ``old`` and ``new``: name, form, and a
    condition on the rows that count."""
    later = dict(renames)
    had = {column.target: column.expression for column in forward if column.verify}
    if not forward:
        had = {column.name: quote_name(column.name) for column in old[1].columns if column.stored}
    pairs = [
        (expression, now)
        for target, expression in sorted(had.items())
        if (now := new[1].column(later.get(target, target))) is not None and now.stored
    ]
    if not forward:
        types = {column.name: column.type for column in old[1].columns}
        pairs = [(expression, now) for expression, now in pairs if types.get(now.name) == now.type]
    if not pairs:
        return Reattached(problem="no column can be compared")
    before = ", ".join(expression for expression, _ in pairs)
    after = ", ".join(quote_name(now.name) for _, now in pairs)
    # As text: a NULL among the arguments of a hash makes the whole of it NULL.
    was, now_is = f"sipHash128(toString(tuple({before})))", f"sipHash128(toString(tuple({after})))"
    source, target = qualified(database, old[0]), qualified(database, new[0])
    # Counted, not only looked up: of several equal rows one may be missing.
    missing = (
        f"SELECT h FROM (SELECT {was} AS h, count() AS c FROM {source} WHERE 1{old[2]} GROUP BY h) AS was LEFT JOIN"
        f" (SELECT {now_is} AS h, count() AS c FROM {target} WHERE {BLOCK} <= {base}{new[2]} GROUP BY h) AS there ON "
        "was.h = there.h WHERE was.c > there.c"
    )
    sql = (
        f"SELECT {BLOCK} AS block, count(), countIf({now_is} IN ({missing})) AS found FROM {target} WHERE {BLOCK} > "
        f"{base}{new[2]}"
        f" GROUP BY block HAVING found > 0 ORDER BY block LIMIT {MOST_BLOCKS + 1}"
    )
    settings = merged(READ, dict(NO_PREWHERE), {"join_use_nulls": 0})
    try:
        rows = yield from ask_permissively(Query(sql, {}, settings, long=True))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        return Reattached(problem=str(error))
    if len(rows) > MOST_BLOCKS:
        return Reattached(problem=f"there are more than {MOST_BLOCKS} blocks of them")
    # A part that was attached again is a block of its own, in which every row is one that the copy lacks.
    whole = [(number(block), number(found)) for block, count, found in rows if number(count) == number(found)]
    mixed = sum(number(found) for _, count, found in rows if number(count) != number(found))
    return Reattached(tuple(block for block, _ in whole), sum(found for _, found in whole), mixed)
