"""Lightweight UPDATEs of a kept table that are in patch parts still.

Its copy was read with them, so they came before it was replaced (one that came in that very moment leaves the table
without a way back). Hard links would leave them behind: a patch part belongs to the rows of its own table.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import require_settled
from aaiclick.clickhouse.parts import Part, parts, unapplied
from aaiclick.clickhouse.statements import ddl, system_merges
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine
from aaiclick.sql.clauses import APPLY_PATCHES
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified


def with_updates(old: Physical, options: ApplyOptions) -> Routine[tuple[Part, ...]]:
    """The parts that have the rows of a kept table, once all updates are written into them. Nothing that can be read
    is another value then, so the table is as good as it was when anything fails later. It must not be fenced.

    Raises ApplyError where the mutation is stuck.
    """
    present = yield from parts(old)
    if unapplied(present):
        # Its settings keep merges out. A mutation waits for SYSTEM STOP MERGES alone, which may hold for this storage
        # since it was copied.
        yield from system_merges(old.database, old.name, "START MERGES")
        yield from ddl(alter_table(qualified(old.database, old.name), APPLY_PATCHES))
        yield from require_settled(
            old.database, old.name, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds
        )
        present = yield from parts(old)
        # The patch parts themselves stay for a while: the server takes them away when it likes.
        if left := unapplied(present):
            raise ApplyError(
                f"{old.name} has updates that the server did not write into its rows ({_names(left)}), and without "
                "them older values would come back. Nothing was changed: run again"
            )
    return tuple(part for part in present if not part.patch)


def _names(listed: Sequence[Part]) -> str:
    return ", ".join(part.name for part in listed[:3])
