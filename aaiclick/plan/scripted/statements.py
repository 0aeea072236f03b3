"""Steps for a migration script: its statements, then its function.

Statements that can be tried in scratch without touching anything live are tried there, and the rest of the plan
starts from what they leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from aaiclick.catalog.declared_tables import create_clone
from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.scratch_objects import names_in_scratch, read_forms, sentence
from aaiclick.clickhouse.messages import first_line
from aaiclick.diff.hazards import Hazard
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import StatementError, UnsupportedObjectError, UsageError
from aaiclick.plan.model import Step
from aaiclick.plan.operations import CallableWork, SqlWork
from aaiclick.plan.rehearsal.empty_clone import REHEARSE
from aaiclick.plan.scripted.explain import StatementEffects, statement_effects
from aaiclick.plan.scripted.steps import old_code_hazards
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote
from aaiclick.versions.upgrade_path import PendingScript, UpgradePath


@dataclass(frozen=True, slots=True)
class ScriptSteps:
    """The steps of a script.

    ``tables`` are the tables as they will be, None for one that is gone; it is empty where the statements could not
    be tried.
    """

    steps: tuple[Step, ...]
    tables: Mapping[str, TableForm | None]
    notes: tuple[str, ...] = ()


def plan_script(script: PendingScript, catalog: Catalog, path: UpgradePath, blocked: str) -> Routine[ScriptSteps]:
    """A step for the statements and a step for the function. ``catalog`` is what the steps before them leave."""
    steps: list[Step] = []
    tables: Mapping[str, TableForm | None] = {}
    notes: tuple[str, ...] = ()
    oldest_code = old_code_hazards((script.version,), path.oldest_code)
    if script.statements:
        step, tables, notes = yield from _sql_step(script, catalog)
        steps.append(
            replace(
                step,
                hazards=(*step.hazards, *oldest_code),
                blocked="; ".join(part for part in (blocked, step.blocked) if part),
            )
        )
    # Behind the statements, whose tables it may need. A function that was killed is called again, with these done.
    if script.move is not None:
        work = CallableWork(script.version, checksum=script.checksum)
        name = script.name or "the function"
        change = f"{name} moves data"
        unknown = Hazard("changes-values", f"what {name} of {script.label} does to rows is not known")
        sql = [f"-- Python: {name}(context), from its bookmark where it has one"]
        steps.append(
            Step(
                f"{script.version:04d}:move",
                script.label,
                change,
                "callable",
                sql,
                work,
                (unknown, *oldest_code),
                blocked=blocked,
                migrations=(script.version,),
            )
        )
        notes = (*notes, f"what follows {script.label} is planned anew when its function has run")
    return ScriptSteps(tuple(steps), tables, notes)


def _sql_step(
    script: PendingScript, catalog: Catalog
) -> Routine[tuple[Step, Mapping[str, TableForm | None], tuple[str, ...]]]:
    # A Merge table shows rows of other tables, and newer servers let it write to one.
    tables = frozenset(
        name
        for name, live in catalog.objects.items()
        if isinstance(live.form, TableForm) and live.form.engine != "Merge"
    )
    # What stands before a dot may be a database or a table: only the list of the server tells.
    rows = yield Query("SELECT name FROM system.databases")
    databases = frozenset(text(row[0]) for row in rows)
    known = set(tables)
    effects: list[StatementEffects] = []
    for sql in script.statements:
        effect = yield from statement_effects(sql, known, databases)
        effects.append(effect)
        # The next statement may name a table that this one makes.
        if effect.rehearsable:
            known |= made_by([sql])
    refused = [
        f"statement {place} of {script.label}: {first_line(effect.refusal)}"
        for place, effect in enumerate(effects, 1)
        if effect.refusal
    ]
    after: Mapping[str, TableForm | None] = {}
    blocked, notes = "; ".join(refused), list[str]()
    # All or none: behind a statement that was not tried nobody knows which tables the next one would meet.
    if not refused and all(effect.rehearsable for effect in effects):
        after, blocked, tried = yield from _rehearse(script, catalog)
    else:
        tried = False
    if not tried and not refused:
        notes.append(
            f"{script.label} is sent as it stands, without a rehearsal; what follows it is planned anew when it has run"
        )
    count = len(script.statements)
    step = Step(
        id=f"{script.version:04d}:sql",
        object=script.label,
        change=f"{count} statement{'s' if count > 1 else ''}",
        strategy="sql",
        sql=list(script.statements) if tried else ["-- not rehearsed: it is sent as it stands", *script.statements],
        work=SqlWork(script.statements, script.version),
        hazards=_hazards(
            script, effects, untried=not tried and not refused and all(effect.rehearsable for effect in effects)
        ),
        migrations=(script.version,),
        blocked=blocked,
    )
    return step, after, tuple(notes)


def _readable(statements: Sequence[str]) -> Iterator[Tokens]:
    """The statements as tokens, without those that have none that this library can read."""
    for sql in statements:
        with suppress(TokenError):
            yield Tokens(sql)


def made_by(statements: Sequence[str]) -> frozenset[str]:
    """Names of tables and columns that the statements create themselves (CREATE TABLE, ADD COLUMN, RENAME ... TO)."""
    found: set[str] = set()
    for tokens in _readable(statements):
        for place in range(len(tokens)):
            if tokens.is_word(place, "ADD", "COLUMN") or tokens.is_word(place, "CREATE", "TABLE"):
                at = place + 2
                at += 3 if tokens.is_word(at, "IF", "NOT", "EXISTS") else 0
            elif tokens.is_word(place, "TO") and (
                tokens.is_word(0, "RENAME") or tokens.is_word(place - 3, "RENAME", "COLUMN")
            ):
                at = place + 1
            else:
                continue
            parts, _ = identifier(tokens, at)
            found |= set(parts[-1:])
    return frozenset(found)


def exchanged_by(statements: Sequence[str]) -> frozenset[str]:
    """Names of tables that the statements exchange (EXCHANGE TABLES a AND b)."""
    found: set[str] = set()
    for tokens in _readable(statements):
        if tokens.is_word(0, "EXCHANGE", "TABLES"):
            one, at = identifier(tokens, 2)
            other, _ = identifier(tokens, at + 1)
            found |= {*one[-1:], *other[-1:]}
    return frozenset(found)


def _hazards(script: PendingScript, effects: list[StatementEffects], *, untried: bool) -> tuple[Hazard, ...]:
    found: list[Hazard] = []
    for place, effect in enumerate(effects, 1):
        if effect.loses:
            found.append(
                Hazard(
                    "loses-rows", f"statement {place} of {script.label} is a {effect.loses}", f"run-sql {script.label}"
                )
            )
        if effect.changes:
            found.append(Hazard("changes-values", f"statement {place} of {script.label} changes values"))
        if untried or not effect.rehearsable:
            found.append(
                Hazard(
                    "cannot-be-undone",
                    f"statement {place} of {script.label} was not rehearsed: what it does is not known",
                )
            )
    if script.doubt is not None:
        doubt = script.doubt
        number = doubt.what.rpartition(":")[2]
        begun = f" ({doubt.times} times by now)" if doubt.times > 1 else ""
        message = (
            f"statement {number} of {script.label} was under way when a run was stopped{begun}: it may have happened "
            f"already. Look, then allow one: '{doubt.again}' sends it again, '{doubt.skipped}' takes it for done"
        )
        found.append(Hazard("changes-values", message, script.rerun or doubt.again))
    return tuple(found)


def _rehearse(script: PendingScript, catalog: Catalog) -> Routine[tuple[Mapping[str, TableForm | None], str, bool]]:
    """Send the statements to empty clones, with scratch as the current database.

    The result is the tables afterwards, a refusal, and whether they could be tried at all.
    """

    def body(scratch: Scratch) -> Routine[tuple[Mapping[str, TableForm | None], str, bool]]:
        if scratch.prefix:
            return {}, "", False  # scratch tables beside live ones: an unqualified name would mean the live table
        cloned: list[str] = []
        for name, live in sorted(catalog.objects.items()):
            # Under another name the statement would not find the clone.
            if not isinstance(live.form, TableForm) or scratch.name(name) != name:
                continue
            try:
                # Without the rows: a statement that fails on a row is not found here, only one that the server would
                # refuse.
                yield from create_clone(scratch, live.form, name)
            except (StatementError, UnsupportedObjectError):
                return {}, "", False
            cloned.append(name)
        # As scratch writes them: only what differs from that afterwards was done by the statements.
        untouched = yield from read_forms(scratch, cloned)
        refusal, tried = yield from _send(script, catalog, scratch)
        if refusal or not tried:
            return {}, refusal, tried
        present = yield from names_in_scratch(scratch)
        # The statements may have created and dropped tables, so all that are there now are read.
        forms = yield from read_forms(scratch, sorted(present))
        after: dict[str, TableForm | None] = {name: None for name in cloned if name not in present}
        for name, form in forms.items():
            if isinstance(form, TableForm) and form != untouched.get(name):
                known = catalog.get(name)
                after[name] = _as_live(form, known.form if known is not None else None)
        return after, "", True

    return (yield from with_scratch(body))


def _send(script: PendingScript, catalog: Catalog, scratch: Scratch) -> Routine[tuple[str, bool]]:
    """The engine's refusal, and whether the statements could be tried."""
    # In one scratch database: each meets what those in front of it have made.
    for place, sql in enumerate(script.statements, 1):
        try:
            # Scratch is the current database, so a name without a database means the clone, and never the live table.
            yield Command(sql, settings={**scratch.settings, **REHEARSE}, database=scratch.database)
        except UsageError:
            return "", False  # this client cannot run a statement in another database
        except StatementError as error:
            if error.code == 0:
                raise
            if error.code == UNKNOWN_TABLE and (yield from _names_live(sql, catalog)):
                return "", False
            return f"statement {place} of {script.label} is refused: {sentence(scratch, error)}", True
    return "", True


def _names_live(sql: str, catalog: Catalog) -> Routine[bool]:
    """True where a statement may name a live table outside of the schema, which has no clone."""
    named = {unquote(token.text) for token in Tokens(sql).items if token.kind in ("word", "name")}
    rows = yield Query(
        "SELECT name FROM system.tables WHERE database = {database:String}", {"database": catalog.database}
    )
    return any(text(row[0]) in named and text(row[0]) not in catalog.objects for row in rows)


def catalog_after(catalog: Catalog, tables: Mapping[str, TableForm | None]) -> Catalog:
    """The catalogue with the tables as they will be."""
    objects = dict(catalog.objects)
    for name, form in tables.items():
        before = objects.pop(name, None)
        if form is not None:
            objects[name] = predicted(catalog, before, form)
    return replace(catalog, objects=objects)


def predicted(catalog: Catalog, before: LiveObject | None, form: TableForm) -> LiveObject:
    """A table as it will be. Its rows can be counted only where name and columns stay: nothing can be asked about
    columns that are not there yet."""
    if before is None:
        return LiveObject(
            catalog.database,
            form.name,
            form,
            f"-- {qualified(catalog.database, form.name)} as it will be",
            form.engine,
            predicted=True,
        )
    same = (
        isinstance(before.form, TableForm)
        and before.name == form.name
        and {(column.name, column.type) for column in before.form.columns}
        <= {(column.name, column.type) for column in form.columns}
    )
    return replace(
        before,
        name=form.name,
        form=form,
        rows=before.rows if same else 0,
        parts=before.parts if same else 0,
        predicted=True,
    )


def _as_live(form: TableForm, live: Form | None) -> TableForm:
    """A form from scratch with the live engine: scratch holds a replicated table with the local one."""
    if (
        isinstance(live, TableForm)
        and live.engine != form.engine
        and live.engine.removeprefix("Replicated").removeprefix("Shared") == form.engine
    ):
        return replace(form, engine=live.engine, arguments=live.arguments)
    return form
