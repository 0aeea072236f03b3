"""Block numbers for a rollback: the new table remembers, for each of its rows, whether it came before or after the
exchange.

``_block_number`` is given to a block of rows when it is written, and lost in the first merge unless the table keeps it
in a column of its own. So while an old table is kept, the new one has ``enable_block_number_column``; what is above the
number that it had reached at the exchange has come since.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.rebuild.chunks import highest
from aaiclick.apply.rebuild.views import read_by_views
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.features import NUMBERS, knows_table_setting
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import ask, ddl
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.routine import Routine, number
from aaiclick.sql.clauses import modify_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import CLOSING_FORMAT, Mark


def remember_blocks(database: str, mark: Mark, declared: Settings, source: Physical | None = None) -> Routine[Mark]:
    """Let the shadow keep block numbers, where the old table is to be kept and the server can; the mark then says so.

    ``source``: parts that are taken over as they are may hold numbers of another table; then nothing can be told apart.
    """
    if not mark.keep_old_seconds or (source is not None and (yield from holds_numbers(source))):
        return mark
    if dict(declared).get(NUMBERS, "0") not in ("0", "false"):
        # Where an earlier rebuild set it for the same reason, it is no wish of the user's.
        return replace(mark, counts=True, numbered=(yield from set_by_us(database, mark.source)))
    if not (yield from knows_table_setting(NUMBERS)):
        return mark
    # While the table is empty: parts that were written without the setting lose their numbers in the first merge.
    yield from ddl(alter_table(qualified(database, mark.shadow_name), modify_setting(NUMBERS, 1)))
    return replace(mark, counts=True, numbered=True)


def at_exchange(database: str, mark: Mark) -> Routine[Mark]:
    """The mark with the highest block of both tables: rows of the new one above ``base`` will have come since.

    It also says whether the new table has to refuse writers across the exchange.
    """
    shadow = yield from require_table(database, mark.shadow_name)
    # The copy is attached and nobody writes into it yet: whatever gets a higher number comes after the exchange.
    top = highest((yield from parts(shadow)))
    mark = replace(mark, copied=mark.high, top=top, base=top if mark.counts else None)
    # Into the mark before the fence is up: a kill in between leaves a mark that says more than was done, never less.
    if (yield from read_by_views(database, mark.table)):
        return replace(mark, closing=True, format=max(mark.format, CLOSING_FORMAT))
    return mark


def set_by_us(database: str, uuid: str) -> Routine[bool]:
    """Whether a storage keeps them because of an earlier rebuild, and not because the user wants it."""
    return any(row.kept.numbered and row.kept.replaced_by == uuid for row in (yield from read_owned(database)).kept())


def holds_numbers(source: Physical) -> Routine[bool]:
    """Whether some rows of a table have the number of their block in a column."""
    rows = yield from ask(
        "SELECT count() FROM system.parts_columns WHERE active AND database = unhex({db:String}) AND table = "
        "unhex({name:String}) AND column = '_block_number'",
        {"db": hexed(source.database), "name": hexed(source.name)},
    )
    return number(rows[0][0]) > 0
