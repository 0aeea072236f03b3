"""Tables outside of the MergeTree family: altered where the engine can, replaced where nothing is lost by that, else
refused.

They have no parts, so they cannot be copied safely. Many hold no rows at all, because they read or write elsewhere;
those are created anew under the same name in one statement.
"""

from __future__ import annotations

from aaiclick.catalog.forms import HOLDS_NOTHING, ColumnForm, TableForm
from aaiclick.catalog.reflect_engine import setting_values
from aaiclick.catalog.render import form_sql, has_hidden, local_family
from aaiclick.catalog.scratch_objects import instantiable
from aaiclick.diff.alters import batches
from aaiclick.diff.changes.column_attributes import ChangeColumnComment
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn, RenameColumn
from aaiclick.diff.changes.settings import ChangeComment
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import UnsupportedObjectError
from aaiclick.plan import steps
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AlterWork, ReplaceWork
from aaiclick.plan.strategies.alter import propose_alter
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_settings, create_table_sql
from aaiclick.specs.tables import Table
from aaiclick.sql.ddl import replacing
from aaiclick.sql.secrets import HIDDEN
from aaiclick.sql.types import unwrapped

# Their definitions hold no secret.
_TELLS_ALL = frozenset(
    {"Alias", "Buffer", "Dictionary", "Distributed", "GenerateRandom", "Log", "Memory", "Merge", "MergeTree", "Null"}
)
# What may be lost in the moment between the old table and the new one.
_CONSUMES = "the consumers of {name} stop and start again: messages that are being read may be read twice"
_HOLDS_A_LITTLE = {
    "Kafka": _CONSUMES,
    "RabbitMQ": _CONSUMES,
    "NATS": _CONSUMES,
    "Buffer": "rows that {name} still holds are written to its target when it goes, and are lost where that fails",
    "Distributed": "inserts into {name} that wait on disk to be sent are lost",
}
# What would be lost with such a table, and is written down nowhere else: it is left to its owner.
_REFUSED = {
    "S3Queue": "it remembers which files were read",
    "AzureQueue": "it remembers which files were read",
    "FileLog": "it remembers how far files were read",
    "KeeperMap": "its rows go with the last table over its path",
    "MaterializedPostgreSQL": "its rows are a copy that is made only once",
}


def plan_other_engine(diff: TableDiff, blocked: str) -> Routine[Step]:
    """The step for a table that is, or should become, of another engine family."""
    if forgotten := _forgotten(diff):
        return steps.impossible_step(diff, diff.changes, forgotten)
    # An ALTER first: it leaves what the table holds where it is.
    work, refusal = yield from _alter(diff)
    if work is not None:
        return steps.alter_step(diff, work, diff.changes, blocked, 0)
    return _replace(diff, blocked) or steps.impossible_step(diff, diff.changes, refusal)


def _forgotten(diff: TableDiff) -> str:
    """What rows of a Memory table would no longer be read, though its ALTER takes the changes; '' for nothing.

    Its blocks stay as they were inserted. A block without the column of that name gives the default of the type: 0 for
    what was renamed, and for each DEFAULT.
    """
    if diff.form.engine != diff.target.form.engine or diff.form.engine != "Memory" or not diff.live.rows:
        return ""
    lost: list[str] = []
    for change in diff.changes:
        match change:
            case RenameColumn(old=old, new=new):
                lost.append(f"what they hold in {old} as {new}")
            case AddColumn(column=column) if column.kind in ("DEFAULT", "MATERIALIZED") and not _of_type(column):
                lost.append(f"{column.expression} as {column.name}")
            case ChangeDefault(old=was, new=column) | RetypeColumn(old=was, new=column) if (
                column.stored and was.kind == "ALIAS"
            ):
                lost.append(f"{was.expression} as {column.name}")
            case _:
                pass
    return f"rows that are in a Memory table would not read {', nor '.join(dict.fromkeys(lost))}" if lost else ""


def _of_type(column: ColumnForm) -> bool:
    """True for a DEFAULT that is the default of the column's type, which is what such rows read."""
    kind, nullable = unwrapped(column.type)
    if nullable or column.expression == "NULL":
        return nullable and column.expression == "NULL"
    if column.expression in ("0", "false"):
        return kind.name.startswith(("Int", "UInt", "Float", "Decimal")) or kind.name == "Bool"
    return (kind.name, column.expression) in {("String", "''"), ("Array", "[]")}


def can_be_cloned(diff: TableDiff) -> bool:
    """True where an empty copy of the table has no effect elsewhere, as it is and as it should be."""
    forms = (local_family(diff.form), local_family(diff.target.form))
    return all(instantiable(form.engine, form.arguments) for form in forms)


def stand_in(form: TableForm) -> TableForm:
    """A plain table with the same columns, over which a view's query can be analysed."""
    return TableForm(form.name, "MergeTree", form.columns, order_by="tuple()")


def _alter(diff: TableDiff) -> Routine[tuple[AlterWork | None, str]]:
    """ALTERs, tried on a clone where there can be one. Elsewhere only comments are altered, which every engine
    allows."""
    if can_be_cloned(diff):
        proposal = yield from propose_alter(diff)
        return proposal.work, _sentence(diff, proposal.refusal)
    only = all(isinstance(change, ChangeComment | ChangeColumnComment) for change in diff.changes)
    # An ALTER of a Distributed table changes its definition alone: blocks that wait on disk to be sent stay.
    columns = diff.on_replicas and diff.form.engine == diff.target.form.engine == "Distributed"
    columns = columns and all(change.commands for change in diff.changes)
    if diff.changes and (only or columns):
        alters = tuple(Alter(batch.sql(diff.name, diff.parenthesise)) for batch in batches(diff.changes))
        return AlterWork(diff.live.name, alters), ""
    return None, _sentence(diff, "")


def _sentence(diff: TableDiff, refusal: str) -> str:
    engine = diff.form.engine
    lake = (
        "its rows are kept under its path"
        if engine.startswith(("DeltaLake", "Hudi", "Iceberg", "Paimon"))
        else "a copy would lose rows written meanwhile"
    )
    why = _REFUSED.get(engine, lake)
    said = f"{refusal}; " if refusal else ""
    if engine in HOLDS_NOTHING or engine in _HOLDS_A_LITTLE:
        return (
            f"{said}it cannot be created anew from a definition that hides a secret, and columns or settings that are "
            "not declared"
        )
    return (
        f"{said}a table of engine {engine} is not created anew, because {why}: do it by hand, or declare another name"
    )


def _keeping(declared: Table, form: TableForm) -> Table | None:
    """The declaration with the comments and settings of ``form`` that nobody declared; None where the server hides one
    of them, too."""
    more = tuple(pair for pair in form.settings if pair[0] not in declared.engine.settings)
    if any(HIDDEN in value for _, value in more):
        return None
    try:
        values = setting_values(declared.name, more)
    except UnsupportedObjectError:
        return None
    comments = {column.name: column.comment for column in form.columns}
    columns = [
        column if column.declares("comment") else column.model_copy(update={"comment": comments.get(column.name)})
        for column in declared.columns
    ]
    engine = declared.engine.model_copy(update={"settings": {**declared.engine.settings, **values}})
    kept: dict[str, object] = {"columns": columns, "engine": engine}
    if not declared.declares("comment"):
        kept["comment"] = form.comment
    return declared.model_copy(update=kept)


def _replace(diff: TableDiff, blocked: str) -> Step | None:
    """One statement that creates the new table in place of the old one; None where that would lose something."""
    engine, name = diff.form.engine, diff.live.name
    if engine not in HOLDS_NOTHING and engine not in _HOLDS_A_LITTLE:
        return None
    form, declared = diff.target.form, diff.declared
    # With 1, the default, the server would take a Nested apart that the form has as one column.
    settings: dict[str, str | int] = {"flatten_nested": 0}
    sql = form_sql(form, diff.database, name) if not (diff.hidden_defaults or has_hidden(form)) else ""
    if form.engine == "Alias" and declared is not None:
        sql = create_table_sql(declared, diff.database, name)  # its columns are those of its table, and none are said
    if not sql:
        # The server hides the secret, so only the declaration has it.
        # It has no columns that nobody declared: they would be gone with their values.
        whole = _keeping(declared, form) if declared is not None and not diff.target.undeclared else None
        if whole is None:
            return None
        sql, settings = create_table_sql(whole, diff.database, name), create_settings(whole)
    # In an Atomic database CREATE OR REPLACE makes the new table under another name and exchanges the two: the name is
    # never missing, and a refused definition leaves the old table.
    sql = replacing(sql)
    shown = engine in _TELLS_ALL and form.engine in _TELLS_ALL
    work = ReplaceWork((sql,), tuple((key, str(value)) for key, value in settings.items()), secret=not shown)
    lost = _HOLDS_A_LITTLE.get(engine)
    hazards = (Hazard("loses-rows", lost.format(name=name), f"replace-table {name}"),) if lost else ()
    return Step(
        id=f"{name}:replace",
        object=name,
        change=steps.words(diff.changes),
        strategy="replace",
        sql=[sql]
        if shown
        else [f"-- CREATE OR REPLACE TABLE {diff.name}, as declared (its definition may hold a secret)"],
        work=work,
        hazards=(*steps.change_hazards(diff.changes), *hazards),
        blocked=blocked,
        changes=steps.each(diff.changes),
    )
