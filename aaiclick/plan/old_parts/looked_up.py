"""Tables whose expressions ask a dictionary, a Join or a Set table that the plan gives other values.

Rows of parts that lack a column read its default at every query, so a default such as ``dictGet('d.rates', 'rate', k)``
would give them other values behind the change. A copy made before it has the values that they read now: these are
written into the parts first. A projection holds what it computed when its part was written, so it is made anew behind
the change. The server takes such functions in no key and no skip index, and writes SQL functions out in the definition
of a table: a table that gets another body of a function is a table that differs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, ColumnForm, ProjectionForm, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.clickhouse.names import PREFIX as OURS
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.diff.alters import batches
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.materialize_columns import ColumnToWrite, MaterializeColumns
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.declaration.dictionaries import loads
from aaiclick.plan.dependents.dependent_steps import DependentSteps
from aaiclick.plan.dependents.dependents import Place, places_named
from aaiclick.plan.model import Step
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.old_parts.writable import OldParts, unfit
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.proof.remade_indexes import RemakeProjection
from aaiclick.plan.steps import blocked_step, statements_step
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import Dictionary
from aaiclick.sql.clauses import materialize
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.ddl import alter_table, optimize_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.versions.upgrade_path import UpgradePath

_READERS = (
    "SELECT database, name, engine, create_table_query, toInt64(ifNull(total_rows, 0)) FROM system.tables WHERE engine "
    "LIKE '%MergeTree' AND NOT startsWith(database, {prefix:String}) AND NOT startsWith(name, {ours:String}) AND "
    "arrayExists((d, n) -> has(splitByChar(',', {places:String}), concat(hex(d), '.', hex(n))), "
    "loading_dependencies_database, loading_dependencies_table) ORDER BY database, name"
)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What is done for tables that look something up."""

    before: tuple[Step, ...] = ()
    """Steps before anything else."""
    behind: tuple[Step, ...] = ()
    """Steps behind everything that changes values."""
    notes: tuple[str, ...] = ()
    """What reads other values from then on, as everywhere."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """A table with an expression that asks what gets other values."""

    database: str
    """Its database."""
    form: TableForm
    """Its form now."""
    future: TableForm
    """Its form behind the plan."""
    rows: int
    """Number of its rows."""
    hosts: Topology
    """The hosts that have its parts."""
    shards: Topology
    """Those whose rows are looked at, shard by shard."""
    places: frozenset[Place]
    """What it asks, of what gets other values."""

    @property
    def name(self) -> str:
        return self.form.name

    @property
    def table(self) -> str:
        return qualified(self.database, self.name)

    def reads(self, expression: str) -> bool:
        return bool(places_named(expression) & self.places)

    @property
    def said(self) -> str:
        return ", ".join(
            sorted({name if database == self.database else f"{database}.{name}" for database, name in self.places})
        )


def looked_up(
    catalog: Catalog,
    around: DependentSteps,
    targets: Mapping[str, TableForm],
    renamed: Mapping[str, str],
    topology: Topology,
    *,
    reads_no_rows: bool,
) -> Routine[LookedUp]:
    """``around``: what the plan gives other values. ``targets``: the new forms of tables, ``renamed``: their new names
    by the old ones."""
    places = ",".join(sorted(f"{hexed(database)}.{hexed(name)}" for database, name in around.lookups))
    rows = yield Query(_READERS, {"prefix": PREFIX, "ours": OURS, "places": places})
    before: list[Step] = []
    behind: list[Step] = []
    notes: list[str] = []
    for row in rows:
        database, name, engine, definition = (text(value) for value in row[:4])
        form = split_create(definition, database)
        if not isinstance(form, TableForm):
            continue
        future = targets.get(renamed.get(name, name), form) if database == catalog.database else form
        hosts = topology.of_table(engine) if topology.reached else SINGLE
        # On one shard every host has the same rows, so the one that is connected to speaks for all.
        shards = hosts if topology.shards > 1 else SINGLE
        # The catalogue has the rows of all shards.
        live = catalog.get(name) if database == catalog.database else None
        count = live.rows if live is not None and topology.shards > 1 else number(row[4])
        reader = _Reader(database, form, future, count, hosts, shards, _among(form, around.lookups))
        found = yield from _of_table(reader, catalog, renamed, reads_no_rows=reads_no_rows)
        before += found.before
        behind += found.behind
        notes += found.notes
    return LookedUp(tuple(before), tuple(behind), tuple(notes))


def without_written(steps: Sequence[Step], before: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, without those that would write once more what was written ``before``."""
    written = {sql for step in before for sql in step.sql}
    return tuple(step for step in steps if not (step.id.endswith(":pin") and written.issuperset(step.sql)))


def reloaded(
    schema: Schema, database: str, around: DependentSteps, path: UpgradePath, steps: Sequence[Step]
) -> tuple[Step, ...]:
    """Steps that load declared dictionaries anew where a migration fills or filters what they read: with LIFETIME(0)
    they would go on with what they have until the server restarts."""
    filled = any(change.rebuild for table in schema.tables for change in path.changes_of(table.name))
    anew = {step.object for step in steps}
    return tuple(
        statements_step(f"{item.name}:reload", item.name, "is loaded anew: a migration changes what it reads", (load,))
        for item in schema.objects
        if isinstance(item, Dictionary) and (database, item.name) in around.lookups and item.name not in anew
        if filled and (load := loads(item, database))
    )


def _among(form: TableForm, asked: frozenset[Place]) -> frozenset[Place]:
    texts = (
        *(column.expression for column in form.columns),
        *(each.body for each in form.projections),
        *(each.expression for each in form.constraints),
        form.ttl,
    )
    return frozenset(place for one in texts for place in places_named(one)) & asked


def _of_table(
    reader: _Reader, catalog: Catalog, renamed: Mapping[str, str], *, reads_no_rows: bool
) -> Routine[LookedUp]:
    columns = reader.form.columns
    aliases = through_aliases(
        reader.form, [each.name for each in columns if each.kind == "ALIAS" and reader.reads(each.expression)]
    )

    def asks(expression: str) -> bool:
        return reader.reads(expression) or bool(mentioned(expression, aliases))

    stored = [each for each in columns if each.kind in ("DEFAULT", "MATERIALIZED") and asks(each.expression)]
    before: tuple[Step, ...] = ()
    if stored and reader.rows:
        before = yield from _written(reader, stored, catalog, reads_no_rows=reads_no_rows)
    held = [each for each in reader.future.projections if asks(each.body)]
    home = reader.database == catalog.database
    named = renamed.get(reader.name, reader.name)
    # A projection is filled behind everything that changes values, else it would hold those of before.
    behind = (_made_anew(reader, held, named),) if held and reader.rows and home else ()
    others = [
        *(f"ALIAS {each.name}" for each in columns if each.name in aliases),
        *(f"constraint {each.name}" for each in reader.form.constraints if asks(each.expression)),
        *(["its TTL"] if asks(reader.form.ttl) else []),
        *([] if home else [f"projection {each.name}" for each in held]),
    ]
    notes = [_note(reader, others, catalog, "rows that are there, too")] if others else []
    # Neither an ALTER nor a copy works out anew what a row holds.
    kept = {each.name: each.expression for each in reader.future.columns if each.kind == "MATERIALIZED"}
    computed = [f"MATERIALIZED {each.name}" for each in stored if kept.get(each.name) == each.expression]
    notes += [_note(reader, computed, catalog, "new rows")] if computed else []
    return LookedUp(before, behind, tuple(notes))


def _note(reader: _Reader, others: Collection[str], catalog: Catalog, rows: str) -> str:
    where = reader.name if reader.database == catalog.database else f"{reader.database}.{reader.name}"
    return f"{where}: {', '.join(others)} asks {reader.said}, which gets other values, for {rows}"


def _written(
    reader: _Reader, columns: Collection[ColumnForm], catalog: Catalog, *, reads_no_rows: bool
) -> Routine[tuple[Step, ...]]:
    """The step that writes what rows of old parts read now."""
    held = yield from held_columns(reader.database, reader.name, reader.hosts)
    # Only parts without the column compute it at every read; stored values do not follow the dictionary.
    lacking = [each for each in columns if held.lacking(each.name)]
    if not lacking:
        return ()
    names = ", ".join(each.name for each in lacking)
    key, change = f"{reader.name}:looked-up", f"values of {names} are kept while {reader.said} gets other ones"
    # Of another database: nobody has said that this schema may change its tables.
    if reader.database != catalog.database:
        writing = alter_table(reader.table, *(materialize("COLUMN", quote_name(each.name)) for each in lacking))
        why = f"rows of parts that do not hold {names} read {reader.said}, which gets other values. Write them first: "
        return (blocked_step(f"{reader.database}.{key}", reader.table, change, why + writing),)
    parts = OldParts(reader.database, reader.form, held, reader.table, shards=reader.shards)
    refusals: list[str] = []
    for each in () if reads_no_rows else lacking:
        if refusal := (yield from unfit(parts, each)):
            refusals.append(refusal)
    if refusals:
        # A merge writes what rows read of a column that their part lacks, and leaves stored values as they are.
        way = f"{optimize_table(reader.table)} FINAL writes what they read now"
        return (blocked_step(key, reader.name, change, f"{'; '.join(refusals)}. {way}", "mutate"),)
    writes = MaterializeColumns(tuple(ColumnToWrite(each, held.lacking(each.name)) for each in lacking), held.patched)
    step = _step(reader, key, reader.name, change, (writes,), f"the server writes {names} of {reader.name}")
    return (replace(step, unlooked=tuple(f"old parts without {each.name}" for each in lacking if reads_no_rows)),)


def _made_anew(reader: _Reader, held: Collection[ProjectionForm], name: str) -> Step:
    """The step that makes projections anew, of the table as it is then called."""
    why = f"{reader.said} gives other values"
    changes = tuple(RemakeProjection(name, each, why) for each in held)
    words = "; ".join(change.words for change in changes)
    return _step(reader, f"{name}:projections", name, words, changes, f"the server computes projections of {name}")


def _step(reader: _Reader, key: str, name: str, words: str, changes: tuple[Change, ...], done: str) -> Step:
    table = qualified(reader.database, name)
    alters = tuple(Alter(batch.sql(table, parenthesise=True), mutates=True) for batch in batches(changes))
    return Step(
        key,
        name,
        words,
        "mutate",
        [alter.sql for alter in alters],
        AlterWork(name, alters),
        (Hazard("rewrites-data", f"{done} in the background"),),
        reader.rows,
        0,
    )
