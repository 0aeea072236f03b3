"""Columns that a killed run added without writing them: written before anything else is done."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.apply.alter import Altered, apply_alters
from aaiclick.apply.everywhere import everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.events import Note
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter
from aaiclick.routine import Emit, Routine
from aaiclick.sql.clauses import materialize
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.state.entries.unwritten import added_and_written, enter_settled


def write_again(found: Inspection, steps: Sequence[Step], options: ApplyOptions) -> Routine[None]:
    """Write the columns that are there. Those that a step of this run adds are left to it.

    Written twice they keep the first values: the server writes into parts that do not hold the column. Raises what an
    ALTER raises.
    """
    database = found.catalog.database
    coming = {step.object for step in steps if added_and_written(step)}
    for table, columns in sorted(found.unwritten.items()):
        live = found.catalog.get(table)
        form = live.form if live is not None else None
        # Without its default nothing is left to be computed: somebody has taken it away since.
        there = {column.name for column in form.columns if column.kind} if isinstance(form, TableForm) else set[str]()
        left = [name for name in columns if name in there]
        if left:
            yield Emit(Note(f"{table}: {', '.join(left)} is written now: a run was killed when it had added it"))
            commands = [materialize("COLUMN", quote_name(name)) for name in left]
            written = Alter(alter_table(qualified(database, table), *commands), mutates=True)
            yield from everywhere(apply_alters(Altered(database, table, (), options), (written,)), options.reach)
        # The entry ends last: a run that is killed in between does this once more.
        if table not in coming:
            yield from enter_settled(found.scope, table)
