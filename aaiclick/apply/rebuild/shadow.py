"""Creates the new table of a rebuild, before it takes the name of the old one."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.rebuild.block_numbers import remember_blocks
from aaiclick.apply.rebuild.staging import create_from
from aaiclick.clickhouse.statements import system_merges
from aaiclick.clickhouse.tables import require_table
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Routine
from aaiclick.state.rebuild_mark import Mark, update_mark


def make_shadow(database: str, mark: Mark, work: RebuildWork) -> Routine[Mark]:
    """Make the shadow, empty, instead of one that is there; the mark with its UUID."""
    # Killed behind the CREATE, its UUID is in no mark. In phase 'copy' any table of that name that is not the source is
    # taken for it (``is_shadow``), and dropped.
    yield from create_from(work.form, database, mark.shadow_name, work.settings)
    shadow = yield from require_table(database, mark.shadow_name)
    # Its UUID goes into the mark at once: under the same name another table may stand later, the user's own after an
    # exchange.
    mark = yield from remember_blocks(database, replace(mark, shadow=shadow.uuid), work.form.settings)
    mark = yield from update_mark(database, mark)
    # Rows that the new TTL lets expire are its business once it is live; until then what was counted has to stay.
    yield from system_merges(database, mark.shadow_name, "STOP TTL MERGES")
    # A merge would combine rows of one key before they were counted.
    if work.ordered:
        yield from system_merges(database, mark.shadow_name, "STOP MERGES")
    return mark
