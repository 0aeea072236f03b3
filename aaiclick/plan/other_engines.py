"""Tables outside the MergeTree family: altered where the engine can, replaced where nothing is lost by it, else refused with a sentence.

Such a table has no parts that a copy could move, so there is no rebuild. Many hold no rows at all (they read or write somewhere else);
those are created anew under the same name in one statement.
"""

from __future__ import annotations

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.render import form_sql, has_hidden, local_family
from aaiclick.catalog.scratch_objects import instantiable
from aaiclick.diff.alters import batches
from aaiclick.diff.changes.column_attributes import ChangeColumnComment
from aaiclick.diff.changes.settings import ChangeComment
from aaiclick.diff.hazards import Hazard
from aaiclick.plan import steps
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AlterWork, ReplaceWork
from aaiclick.plan.strategies.alter import propose_alter
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_settings, create_table_sql

# They read, or write through, and hold nothing of their own.
_HOLDS_NOTHING = frozenset(
    {
        *("ArrowFlight", "AzureBlobStorage", "COSN", "Dictionary", "Executable", "ExecutablePool", "GCS", "GenerateRandom"),
        *("HDFS", "Hive", "JDBC", "Loop", "Merge", "MongoDB", "MySQL", "Null", "ODBC", "OSS", "PostgreSQL", "Redis"),
        *("Remote", "RemoteSecure", "S3", "SQLite", "URL", "YTsaurus"),
    }
)
# Their definitions hold no secret.
_TELLS_ALL = frozenset({"Buffer", "Dictionary", "Distributed", "GenerateRandom", "Log", "Memory", "Merge", "MergeTree", "Null"})
# What the moment between the old table and the new one may cost.
_CONSUMES = "the consumers of {name} stop and start again: messages that are being read may be read twice"
_HOLDS_A_LITTLE = {
    "Kafka": _CONSUMES,
    "RabbitMQ": _CONSUMES,
    "NATS": _CONSUMES,
    "Buffer": "rows that {name} still holds are written to its target when it goes, and are lost where that fails",
    "Distributed": "inserts into {name} that wait on disk to be sent are lost",
}
_REFUSED = {
    "S3Queue": "it remembers which files were read",
    "AzureQueue": "it remembers which files were read",
    "FileLog": "it remembers how far files were read",
    "KeeperMap": "its rows go with the last table over its path",
    "MaterializedPostgreSQL": "its rows are a copy that is made only once",
}


def plan_other_engine(case: TableCase, blocked: str) -> Routine[Step]:
    """The step of a table that is, or should become, of another family."""
    work, refusal = yield from _alter(case)
    if work is not None:
        return steps.alter_step(case, work, case.changes, blocked, 0)
    return _replace(case, blocked) or steps.impossible_step(case, case.changes, refusal)


def can_be_staged(case: TableCase) -> bool:
    """True where an empty copy of the table, as it is and as it should be, keeps to itself."""
    forms = (local_family(case.form), local_family(case.target.form))
    return all(instantiable(form.engine, form.arguments) for form in forms)


def stand_in(form: TableForm) -> TableForm:
    """A plain table with the same columns, over which a view's query can be analysed."""
    return TableForm(form.name, "MergeTree", form.columns, order_by="tuple()")


def _alter(case: TableCase) -> Routine[tuple[AlterWork | None, str]]:
    """Rehearsed where a copy can be made. Elsewhere only comments, which every engine takes."""
    if can_be_staged(case):
        proposal = yield from propose_alter(case)
        return proposal.work, _sentence(case, proposal.refusal)
    if case.changes and all(isinstance(change, ChangeComment | ChangeColumnComment) for change in case.changes):
        alters = tuple(Alter(batch.sql(case.name, case.parenthesise)) for batch in batches(case.changes))
        return AlterWork(case.live.name, alters), ""
    return None, _sentence(case, "")


def _sentence(case: TableCase, refusal: str) -> str:
    engine = case.form.engine
    lake = "its rows are kept under its path" if engine.startswith(("DeltaLake", "Hudi", "Iceberg", "Paimon")) else "a copy would lose rows written meanwhile"
    why = _REFUSED.get(engine, lake)
    said = f"{refusal}; " if refusal else ""
    if engine in _HOLDS_NOTHING or engine in _HOLDS_A_LITTLE:
        return f"{said}it cannot be created anew from a definition that hides a secret and columns that are not declared"
    return f"{said}a table of engine {engine} is not created anew, because {why}: do it by hand, or declare another name"


def _replace(case: TableCase, blocked: str) -> Step | None:
    """One statement that creates the new table and exchanges it with the old one; None where that would lose something."""
    engine, name = case.form.engine, case.live.name
    if engine not in _HOLDS_NOTHING and engine not in _HOLDS_A_LITTLE:
        return None
    form, declared = case.target.form, case.declared
    settings: dict[str, str | int] = {"flatten_nested": 0}
    sql = form_sql(form, case.database, name) if not has_hidden(form) else ""
    if not sql:
        # The secret is in the declaration only.
        if declared is None or case.target.surplus:
            return None
        sql, settings = create_table_sql(declared, case.database, name), create_settings(declared)
    sql = sql.replace("CREATE TABLE", "CREATE OR REPLACE TABLE", 1)
    shown = engine in _TELLS_ALL and form.engine in _TELLS_ALL
    work = ReplaceWork((sql,), tuple((key, str(value)) for key, value in settings.items()), secret=not shown)
    lost = _HOLDS_A_LITTLE.get(engine)
    hazards = (Hazard("loses-rows", lost.format(name=name), f"replace-table {name}"),) if lost else ()
    return Step(
        id=f"{name}:replace",
        object=name,
        change=steps.words(case.changes),
        strategy="replace",
        sql=[sql] if shown else [f"-- CREATE OR REPLACE TABLE {case.name}, as declared (its definition may hold a secret)"],
        work=work,
        hazards=(*steps.change_hazards(case.changes), *hazards),
        blocked=blocked,
        changes=steps.each(case.changes),
    )
