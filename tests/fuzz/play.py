"""One case from beginning to end, and what went wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema
from aaiclick.errors import AaiclickError
from tests.fuzz import compare
from tests.fuzz.anew import without_anew
from tests.fuzz.catalogue import form, left_behind
from tests.fuzz.combined import merge, otherwise
from tests.fuzz.compare import Failure
from tests.fuzz.declare import declared
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.near import near, sized_by_what_stays
from tests.fuzz.reading import broken, depends, unread
from tests.fuzz.reference import copied, copy_part, kept, parts_of, taken, uneven
from tests.fuzz.schema import Batch, Column, Dictionary, Table, View, World
from tests.fuzz.types import quoted, text

ENDS = ("applied", "by name", "blocked", "refused", "nothing to do", "no case")


@dataclass(slots=True)
class Outcome:
    """How a case ended (one of ``ENDS``), what was wrong, and what is counted."""

    end: str
    failures: list[Failure] = field(default_factory=list)
    strategies: tuple[str, ...] = ()
    said: str = ""


@dataclass(slots=True)
class Before:
    """What is known of a table before the change: whether its reference could be filled, which values come back."""

    old: Table
    new: Table
    undefined: str = ""
    uneven: bool = False
    """The rows read arrays of one Nested in different sizes before any change, by a default that was added to old
    parts: no INSERT takes them, and nothing is lost where a change leaves them as they are."""
    kept: dict[str, int] = field(default_factory=dict)
    """The worst of 2 (comes back and reads the same), 1, 0 (does not come back) by new column; -1 where the engine has
    no answer."""
    left: bool = False
    """Nothing of the table differs, so a merge makes of it what it would have made in any case."""
    apart: frozenset[str] = frozenset()
    """Columns that the engine reads in two ways, before any change, and that no change comes near: the same goes for
    them."""
    unread: frozenset[str] = frozenset()
    """Columns of the table that is created directly which cannot be read over these rows: an ALIAS that does not
    convert."""
    misread: tuple[str, ...] = ()
    """Columns, by their new names, that parts lack and whose value depends on what else is read beside them."""
    combined: str = ""
    """What FINAL, or a merge of everything, makes of the rows otherwise than before."""


def play(ground: Ground, world: World) -> Outcome:
    """The case on fresh databases, which are dropped afterwards."""
    ground.create()
    try:
        with ground.session(world.session):
            return _play(ground, world)
    finally:
        ground.drop()


def prepared(ground: Ground, world: World) -> list[Before]:
    """What is there before, and the target that is made from it directly."""
    history(ground, world)
    return _reference(ground, world)


def _play(ground: Ground, world: World) -> Outcome:
    try:
        looks = prepared(ground, world)
    except Refused as error:
        return Outcome("no case", said=str(error))
    schema = declared(world, ground.live)
    try:
        if schema.migrations:
            ensure_schema(
                ground.client,
                declared(replace(world, after=world.before), ground.live, 1),
                database=ground.live,
                policy=Policy.safe(),
            )
        plan = plan_schema(ground.client, schema, database=ground.live)
    except AaiclickError as error:
        wrong = _refused(looks, f"{type(error).__name__}: {error}", _watched(world))
        return disproved(ground, looks, Outcome("refused", wrong, said=str(error)))
    except Exception as error:
        return Outcome("refused", [Failure("crash", f"plan_schema: {type(error).__name__}: {error}")])
    outcome = disproved(ground, looks, judged(world, looks, plan))
    return (
        outcome if outcome.end == "blocked" else _carry_out(ground, dropping(world, plan), schema, plan, looks, outcome)
    )


def history(ground: Ground, world: World) -> None:
    for function in world.before.functions:
        ground.run(function.create)
    for table in world.before.tables:
        ground.run(table.create(ground.live, late=False))
    for view in world.before.views:
        ground.run(view.create(ground.live))
    for dictionary in world.before.dictionaries:
        ground.run(dictionary.create(ground.live))
    for late in (False, True):
        if late:
            for statement in [one for table in world.before.tables for one in table.added(ground.live)]:
                ground.run(statement)
        for batch in world.batches:
            if batch.late == late:
                insert(ground, ground.live, batch)
    for touch in world.touches:
        ground.run(touch.replace("{db}", ground.live))
    _refresh(ground, world.before.views, ground.live)
    for name in world.stopped_views:
        ground.run(f"SYSTEM STOP VIEW {ground.live}.{quoted(name)}")


def _refresh(ground: Ground, views: Sequence[View], *databases: str) -> None:
    for database in databases:
        for statement in [one for view in views for one in view.refreshing(database)]:
            ground.run(statement)


def insert(ground: Ground, database: str, batch: Batch) -> None:
    """Rows with the same columns go in one statement, the others each in its own."""
    for piece in statements(batch):
        names = tuple(piece.rows[0])
        values = ", ".join(f"({', '.join(row[name] for name in names)})" for row in piece.rows)
        listed = ", ".join(quoted(name) for name in names)
        ground.run(f"INSERT INTO {database}.{quoted(batch.table)} ({listed}) VALUES {values}")


def statements(batch: Batch) -> list[Batch]:
    """One for each set of columns: one of them may be refused where the others are taken."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in batch.rows:
        groups.setdefault(tuple(row), []).append(row)
    return [replace(batch, rows=tuple(rows)) for rows in groups.values()]


def _reference(ground: Ground, world: World) -> list[Before]:
    """Create the target beside, copy every row, and look at the old values."""
    looks: list[Before] = []
    for function in world.after.functions:
        ground.run(function.create)
    for new in world.after.tables:
        ground.run(new.create(ground.want))
        old = world.before.table(new.old_name)
        if old is not None:
            first = new is world.after.tables[0]
            old = without_anew(old, world.anew) if first else old
            looks.append(_fill(ground, old, new, world.rebuilt if first else (), world.where if first else ""))
    for view in world.after.views:
        ground.run(view.create(ground.want))
        if _kept_inside(world, view):
            ground.run(f"INSERT INTO {ground.want}.{quoted(view.name)} SELECT * FROM {ground.live}.{quoted(view.name)}")
    for dictionary in world.after.dictionaries:
        ground.run(dictionary.create(ground.want))
    for function in world.before.functions:
        ground.run(function.create)
    return looks


def _kept_inside(world: World, view: View) -> bool:
    """The view has a table of its own, which the change leaves as it is."""
    return (
        view.materialized
        and not view.to
        and not view.refresh
        and any(other.name == view.name for other in world.before.views)
    )


def _fill(ground: Ground, old: Table, new: Table, rebuilt: tuple[tuple[str, str], ...], where: str) -> Before:
    look = Before(old, new)
    source = f"{ground.live}.{quoted(old.name)}"
    broken(ground, source, [column for column in old.columns if column.late and column.stored])
    try:
        for part in parts_of(ground, old):
            copy_part(ground, old, new, ground.live, ground.want, part, rebuilt, where)
    except Refused as error:
        look.undefined = str(error)
        look.uneven = "SIZES_OF_ARRAYS_DONT_MATCH" in look.undefined and uneven(ground, source, old, new)
        broken(ground, source, [was for was, _ in copied(old, new)])
    for was, column in copied(old, new):
        if was.type != column.type and column.name not in dict(rebuilt):
            try:
                # What a migration's filter leaves out has no value that could change.
                those = f"{source} WHERE {where}" if where else source
                found = ground.rows(f"SELECT min({kept(was, column)}), count() FROM {those}")[0]
                look.kept[column.name] = int(found[0]) if found[1] != "0" else 2
            except Refused:
                look.kept[column.name] = -1
    look.unread = unread(ground, ground.want, new)
    look.misread = tuple(
        column.name for was, column in copied(old, new) if was.late and depends(ground, source, old, was)
    )
    look.apart = (frozenset(look.misread) - near(old, new)) | sized_by_what_stays(old, new)
    if not look.undefined and not where:
        other = {name for name, worst in look.kept.items() if worst < 2} | {name for name, _ in rebuilt}
        # What is read of those goes by what else a statement reads, and by whether it reads that as a whole.
        look.combined = otherwise(ground, old, new, other | set(look.misread), rebuilt)
    return look


def dropping(world: World, plan: Plan) -> World:
    """The case, without dropping what stands in the way of something that nobody declares."""
    return (
        replace(world, drop=False)
        if world.drop and any(step.optional and step.blocked for step in plan.steps)
        else world
    )


def keys_of(plan: Plan, drop: bool) -> tuple[str, ...]:
    """What has to be allowed by name; of optional steps only where undeclared columns are to go."""
    steps = [step for step in plan.steps if drop or not step.optional]
    return tuple(dict.fromkeys(hazard.allow for step in steps for hazard in step.hazards if hazard.allow))


def named(keys: tuple[str, ...], *targets: str) -> bool:
    """A key names one of the targets."""
    return any(key.partition(" ")[2] in targets for key in keys)


def _watched(world: World) -> bool:
    kept = world.after.views
    names = {view.name for view in kept}
    ephemeral = [each.name for table in world.after.tables for each in table.columns if each.kind == "EPHEMERAL"]
    return (
        bool(world.before.dictionaries)
        or any(view.materialized or view.name not in names for view in world.before.views)
        or _before_its_migration(world)
        or any(quoted(name) in view.query for view in kept for name in ephemeral)  # nobody can read it
    )


def _before_its_migration(world: World) -> bool:
    """An expression of a migration reads a column of which a version in between may have changed the type: without a
    form of that version nobody can say which it was written for."""
    table = world.after.tables[0]
    old = world.before.table(table.old_name)
    return (
        world.jumped
        and old is not None
        and any(
            quoted(was.name) in expression and was.type != column.type
            for was, column in copied(old, table)
            for expression in (world.where, *(expression for _, expression in world.rebuilt))
        )
    )


def _refused(looks: list[Before], words: str, watched: bool = False) -> list[Failure]:
    """A refusal is wrong where the copy keeps every value."""
    if watched or any(sized_by_what_stays(look.old, look.new) for look in looks):
        return []  # what writes into a narrower target, or reads elsewhere, may rightly stand in the way
    if all(not look.undefined and all(worst == 2 for worst in look.kept.values()) for look in looks):
        return [Failure("refused", f"the copy keeps every value, but: {words}")]
    return []


def disproved(ground: Ground, looks: list[Before], outcome: Outcome) -> Outcome:
    """The outcome, without a failure for a refusal of rows that an ordinary INSERT refuses as well."""
    wrong = [failure for failure in outcome.failures if failure.kind == "refused"]
    if not wrong or all(taken(ground, look.new) for look in looks):
        return outcome
    return replace(outcome, failures=[failure for failure in outcome.failures if failure not in wrong])


def judged(world: World, looks: list[Before], plan: Plan) -> Outcome:
    """What the plan alone says, and what is wrong with it."""
    blocked = [step.blocked for step in plan.required if step.blocked]
    strategies = tuple(step.strategy for step in plan.steps)
    if blocked:
        return Outcome("blocked", _refused(looks, "; ".join(blocked), _watched(world)), strategies, "; ".join(blocked))
    asked = keys_of(plan, False)
    end = "by name" if asked else "applied" if plan.required else "nothing to do"
    return Outcome(
        end,
        [one for look in looks for one in (*_unasked(look, asked), *_regrouped(look, asked), *_unfounded(look, asked))],
        strategies,
        "; ".join(step.change for step in plan.required),
    )


def _carry_out(
    ground: Ground, world: World, schema: Schema, plan: Plan, looks: list[Before], outcome: Outcome
) -> Outcome:
    keys = keys_of(plan, world.drop)
    changed = {step.object for step in plan.required}
    for look in looks:
        look.left = look.new.name not in changed
    try:
        ensure_schema(
            ground.client, schema, database=ground.live, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys)
        )
        second = plan_schema(ground.client, schema, database=ground.live)
        outcome.failures += [Failure("left behind", name) for name in left_behind(ground)]
        outcome.failures += afterwards(ground, world, looks, keys, second)
    except AaiclickError as error:
        outcome.end = "refused"
        outcome.failures.append(
            Failure("failed", f"the plan said {'/'.join(outcome.strategies)}, but: {type(error).__name__}: {error}")
        )
    except Refused as error:
        outcome.failures.append(Failure("unreadable", str(error)))
    except Exception as error:
        outcome.end = "refused"
        outcome.failures.append(Failure("crash", f"ensure_schema: {type(error).__name__}: {error}"))
    return outcome


def _unasked(look: Before, keys: tuple[str, ...]) -> list[Failure]:
    """Values that do not come back, although nothing was asked."""
    found: list[Failure] = []
    for was, column in copied(look.old, look.new):
        if look.kept.get(column.name, 2) == 0 and not named(keys, *_called(look, was, column)):
            found.append(
                Failure(
                    "unasked",
                    f"{was.type.sql} -> {column.type.sql} changes values of {column.name}, and the plan asks only "
                    f"{list(keys)}",
                )
            )
    return found


def _regrouped(look: Before, keys: tuple[str, ...]) -> list[Failure]:
    """Rows that are combined otherwise, although nothing was asked about this table."""
    names = {column.old_name for column in look.new.columns}
    if not look.combined or _about(look, keys) or any(column.name not in names for column in look.old.columns):
        return []  # a column that is no longer declared stays, and goes by name only
    return [Failure("combined", f"{look.combined}, and the plan asks only {list(keys)}")]


def _unfounded(look: Before, keys: tuple[str, ...]) -> list[Failure]:
    """The table that is created directly takes the rows not at all, and the plan goes on without a word."""
    return (
        [Failure("unfounded", f"the rows cannot be copied: {look.undefined}")]
        if look.undefined and not look.uneven and not _about(look, keys)
        else []
    )


def _about(look: Before, keys: tuple[str, ...]) -> bool:
    """Something was asked about this table, or a column of it."""
    names = (look.old.name, look.new.name)
    return any(
        target == name or target.startswith(f"{name}.")
        for _, _, target in (key.partition(" ") for key in keys)
        for name in names
    )


def _called(look: Before, was: Column, column: Column) -> list[str]:
    return [f"{table}.{name}" for table in (look.old.name, look.new.name) for name in (was.name, column.name)]


def afterwards(ground: Ground, world: World, looks: list[Before], keys: tuple[str, ...], second: Plan) -> list[Failure]:
    """Form, rows, answers, later inserts, merges, views."""
    found = _started(ground, world)
    _refresh(ground, world.after.views, ground.want, ground.live)
    for new in world.after.tables:
        difference = form(ground, ground.live, new.name, ground.want)
        found += [Failure("form", difference)] if difference else []
    if second.required:
        found.append(Failure("second plan", "; ".join(f"{step.strategy}: {step.change}" for step in second.required)))
    # A view that is refreshed fills its target from the other tables: where one of them is unknown, so is the target.
    unknown = _unknown(world, looks)
    for look in looks:
        found += _compared(ground, look, keys, "rows") if look.new.name not in unknown else []
    found += _seen(ground, world, looks, keys, "views")
    if not any(look.undefined for look in looks):
        pieces = [piece for batch in world.later for piece in statements(batch)]
        later = [batch for batch in pieces if not _undeclared(looks, world) and _takes(ground, ground.want, batch)]
        found += [
            Failure("insert", f"the table that was created directly takes {batch.rows}")
            for batch in later
            if not _takes(ground, ground.live, batch)
        ]
        _refresh(ground, world.after.views, ground.want, ground.live)
        for look in looks:
            look.unread |= unread(ground, ground.want, look.new) if later else frozenset()
            found += _compared(ground, look, keys, "later rows") if later else []
            if _sums_undeclared(look, world, keys):
                continue
            try:
                ground.run(f"OPTIMIZE TABLE {ground.want}.{quoted(look.new.name)} FINAL")
            except Refused:
                continue  # this release does not merge the table that was created directly, either
            merge(ground, look.new)
            found += _compared(ground, look, keys, "merged")
        found += _seen(ground, world, looks, keys, "views later") if later else []
    return found


def _started(ground: Ground, world: World) -> list[Failure]:
    """Views that were stopped and are what they were have to be stopped still; they are started for what follows."""
    found: list[Failure] = []
    for view in world.after.views if world.stopped else ():
        if not view.refresh:
            continue
        was = next((one for one in world.before.views if one.name == view.name), None)
        asked = (
            f"SELECT status FROM system.view_refreshes WHERE database = '{ground.live}' AND view = {text(view.name)}"
        )
        status = ground.rows(asked)
        if was is not None and was.refresh == view.refresh and status != [("Disabled",)]:
            found.append(Failure("stopped view", f"{view.name} was stopped, and is {status} now"))
        ground.run(f"SYSTEM START VIEW {ground.live}.{quoted(view.name)}")
    return found


def _undeclared(looks: list[Before], world: World) -> bool:
    """A column that is no longer declared stays, and its default may not take what the new types do."""
    names = {(look.old.name, column.old_name) for look in looks for column in look.new.columns}
    return not world.drop and any(
        (look.old.name, column.name) not in names for look in looks for column in look.old.columns
    )


def _unknown(world: World, looks: list[Before]) -> set[str]:
    """The targets of refreshed views that read a table of which the reference has no rows, also through each other."""
    unknown: set[str] = set()
    read = {look.new.name for look in looks if look.undefined}
    views = [view for view in world.after.views if view.refresh and view.to]
    while found := {view.to for view in views if any(quoted(name) in view.query for name in read | unknown)} - unknown:
        unknown |= found
    return unknown


def _sums_undeclared(look: Before, world: World, keys: tuple[str, ...]) -> bool:
    """A column that stays although it is no longer declared is added up from now on, and that was asked for: merges
    remove rows by it, which the table that was created directly does not have."""
    return (
        look.new.engine.name == "SummingMergeTree"
        and _undeclared([look], world)
        and named(keys, look.old.name, look.new.name)
    )


def _takes(ground: Ground, database: str, batch: Batch) -> bool:
    try:
        insert(ground, database, batch)
    except Refused:
        return False
    return True


def _seen(ground: Ground, world: World, looks: list[Before], keys: tuple[str, ...], when: str) -> list[Failure]:
    """Through every view and dictionary."""
    if any(
        look.undefined
        or look.unread
        or sized_by_what_stays(look.old, look.new)
        or any(_free(look, column, keys) for column in look.new.columns)
        for look in looks
    ):
        return []
    found: list[Failure] = []
    for name in [
        *(view.name for view in world.after.views if not view.to),
        *(one.name for one in world.after.dictionaries),
    ]:
        if named(tuple(key for key in keys if "view" in key or "dictionary" in key), name) or _older(world, name):
            continue
        final = any(view.name == name and view.materialized for view in world.after.views)
        difference = compare.through(ground, name, final, _undeclared(looks, world), _once(ground, world, name))
        found += [Failure(when, f"{name}: {difference}")] if difference else []
    return found


def _once(ground: Ground, world: World, name: str) -> str:
    """A condition for a dictionary: of rows with the same key it holds whichever it is given last. It keeps what it was
    given, so the rows count that were ever written, whatever merges have made of them since."""
    for one in world.after.dictionaries:
        if one.name == name:
            key = quoted(one.columns[0].name)
            written = Counter(
                row.get(was) for was, batches in _sources(world, one) for batch in batches for row in batch.rows
            )
            several = ", ".join(value for value, count in written.items() if value and count > 1)
            return (
                f" WHERE {key} IN (SELECT {key} FROM {ground.want}.{quoted(one.table)} GROUP BY {key} HAVING count() "
                "= 1)"
                f"{f' AND {key} NOT IN ({several})' if several else ''}"
            )
    return ""


def _sources(world: World, one: Dictionary) -> Iterator[tuple[str, list[Batch]]]:
    """What the key was called, and the rows that were written under that name: before the change, and after it."""
    for table in world.after.tables:
        if table.name == one.table:
            was = next((column.old_name for column in table.columns if column.name == one.columns[0].name), "")
            yield was, [batch for batch in world.batches if batch.table == table.old_name]
            yield one.columns[0].name, [batch for batch in world.later if batch.table == table.name]


def _older(world: World, name: str) -> bool:
    """A view of everything that nobody declares, older than a column: it may go on without it."""
    late = any(column.late for table in world.before.tables for column in table.columns)
    return late and any(view.name == name and not view.declared and "*" in view.query for view in world.after.views)


def _compared(ground: Ground, look: Before, keys: tuple[str, ...], when: str) -> list[Failure]:
    """Rows, answers and keys of one table, at one moment."""
    live, want = (f"{database}.{quoted(look.new.name)}" for database in (ground.live, ground.want))
    found: list[Failure] = []
    if look.undefined:  # its rows are not in the reference
        look.unread |= unread(ground, ground.live, look.new)
    else:
        columns = [
            column
            for column in compare.readable(look.new)
            if column.name not in look.unread and not _free(look, column, keys)
            if column.name not in look.apart and not (look.left and column.name in look.misread)
        ]
        finals = (False,) if look.new.engine.name == "MergeTree" else (True,) if when == "merged" else (False, True)
        if when != "merged" and _about(look, keys) and _merged_before(ground, look.new):
            finals = (False,)  # FINAL leaves the rows of a merged part as they are; what goes by name goes at a merge
        for final in finals:
            try:
                right = compare.lines(ground, want, columns, final)
            except Refused:
                continue  # this release does not read the table that was created directly, either
            difference = compare.differ(compare.lines(ground, live, columns, final), right)
            found += [Failure(when + (" FINAL" if final else ""), difference)] if difference else []
    seen = replace(
        look.new,
        columns=tuple(column for column in look.new.columns if column.name not in look.unread),
        indexes=tuple(item for item in look.new.indexes if not any(quoted(name) in item.expr for name in look.unread)),
    )
    answers = compare.answered(ground, live, want, seen)
    return [*found, *(one for one in answers if not any(quoted(name) in one.about for name in look.misread))]


def _merged_before(ground: Ground, table: Table) -> bool:
    """A SummingMergeTree with a part that a merge made, from which the rows were not removed then that are now."""
    asked = (
        f"SELECT max(level) FROM system.parts WHERE active AND database = {text(ground.live)} AND table = "
        f"{text(table.name)}"
    )
    return table.engine.name == "SummingMergeTree" and ground.rows(asked) != [("0",)]


def _free(look: Before, column: Column, keys: tuple[str, ...]) -> bool:
    """What was allowed to be another value."""
    defaults = tuple(key for key in keys if key.startswith("change-default "))
    reached = [column]
    for each in reached:  # what it is computed from, also through others
        reached += [other for other in look.new.columns if other not in reached and quoted(other.name) in each.expr]
    names = [*(each.name for each in reached), column.old_name]
    return any(named(defaults, f"{table}.{name}") for table in (look.old.name, look.new.name) for name in names)
