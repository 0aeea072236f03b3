"""Keeps writers out during the exchange of a table that materialized views read: in that moment neither table has
views.

While the server carries out ``EXCHANGE TABLES`` it takes the views of both tables out of its register and enters them
again under the new storages. An INSERT that builds its way through the views in between finds none, and its rows reach
the table alone (seen: 68 of 738 rows beside 1,890 exchanges). So both tables refuse writers meanwhile: the old one has
its fence already, the new one gets its own before the exchange, and keeps it until every INSERT that may have looked at
the register too early has been refused.
"""

from __future__ import annotations

from aaiclick.clickhouse.inserts import drain_unbegun
from aaiclick.clickhouse.merges import lift_copied_fences
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.storages import storage
from aaiclick.clickhouse.tables import require_table
from aaiclick.clickhouse.write_fence import lift_fence, refuse_writers
from aaiclick.routine import Routine, number
from aaiclick.sql.hex_text import hexed
from aaiclick.state.rebuild_mark import Mark


def read_by_views(database: str, table: str) -> Routine[bool]:
    """Whether INSERTs into the table are passed on to materialized views, of any database."""
    rows = yield from ask(
        "SELECT length(dependencies_table) FROM system.tables WHERE database = unhex({db:String}) AND name = "
        "unhex({name:String})",
        {"db": hexed(database), "name": hexed(table)},
    )
    return bool(rows) and number(rows[0][0]) > 0


def close_shadow(database: str, mark: Mark) -> Routine[None]:
    """Refuse writers of the new table. The mark says that already, so that whoever comes after a crash lets them in
    again."""
    shadow = yield from require_table(database, mark.shadow_name, mark.shadow)
    yield from refuse_writers(shadow)


def open_shadow(database: str, mark: Mark, seconds: float) -> Routine[bool]:
    """Let writers into the new table, whatever it is called now, once no INSERT can be left that found no views; False
    where it is not there."""
    if not mark.closing:
        return True
    table = yield from storage(database, mark.shadow)
    if table is None:
        return False
    # INSERTs that looked up the views during the exchange are refused by this fence; those that begin now find the
    # views. So once none is left that has not come to either, it can go.
    if table.fenced:
        yield from drain_unbegun(table.name, seconds)
        yield from lift_fence(table)
    # Also where this fence is down already: a run that was killed in between has not come to the copies.
    yield from lift_copied_fences(table, mark.since)
    return True
