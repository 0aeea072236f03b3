"""What ALTERs did to a table before it was replaced: the kept table has it, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.apply.rollback.inspect import Restore
from aaiclick.apply.rollback.on_shards import RestoreOnShards
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.secrets import hidden_form
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn, MoveColumn
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import Target
from aaiclick.state.record import Record

_NOTICED = (RetypeColumn, ChangeDefault, AddColumn, MoveColumn)


def altered_before(
    restores: Sequence[Restore | RestoreOnShards], earlier: Record | None, former: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """How the tables that come back differ from the record of the older version, in sentences: what its code notices
    (types, defaults, names and order of columns), and what does it no harm. None where nothing was recorded.
    ``former``: the names that tables had at that version, by those that they have now.

    An attach alters the live table first, and the new one takes its parts over: so the old table that is kept is not
    what it was at the older version.
    """
    recorded = load_forms(earlier.forms) if earlier is not None else {}
    noticed: list[str] = []
    harmless: list[str] = []
    for restore in restores:
        table = restore.kept.table
        before = former.get(table, table)
        wanted, form = recorded.get(before), replace(hidden_form(restore.work.form), name=before)
        if not isinstance(wanted, TableForm):
            continue
        for listed, words in zip((noticed, harmless), compared_with(form, wanted), strict=True):
            if words:
                listed.append(f"{table}: was altered in place before it was replaced ({'; '.join(words)})")
    return noticed, harmless


def compared_with(form: TableForm, recorded: TableForm) -> tuple[list[str], list[str]]:
    """How a table differs from what was recorded of it: what code of that version notices, and what does it no harm."""
    differences = diff_table(form, Target(normal(recorded), (), (), (), free_primary_key=False))
    noticed = [each.words for each in differences if isinstance(each, _NOTICED)]
    return noticed, [each.words for each in differences if not isinstance(each, _NOTICED)]
