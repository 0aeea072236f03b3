"""Plans one table: compares it, then chooses the cheapest strategy that the engine accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from aaiclick.catalog.declared_tables import create_or_load_clone
from aaiclick.catalog.forms import Catalog, LiveObject, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.features import too_old_to_change
from aaiclick.clickhouse.shared.fetched import behind, until_fetched
from aaiclick.diff.changes.column_type import RetypeColumn, not_converted, through_alone
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.compare import Differing, diff_table
from aaiclick.diff.target import Target, make_target
from aaiclick.plan import steps
from aaiclick.plan.combining.groups import combining_hazards
from aaiclick.plan.combining.looks import Combined
from aaiclick.plan.data_checks.checks import CheckFindings, count_violations
from aaiclick.plan.data_checks.counting import countable, counted_rows
from aaiclick.plan.data_checks.defaults import failing_defaults
from aaiclick.plan.data_checks.expressions import ExpressionFindings, check_expressions
from aaiclick.plan.data_checks.nested_sizes import unequal_sizes
from aaiclick.plan.declaration.expressions import require_conditions
from aaiclick.plan.dependents.select_check import blocking_dependents
from aaiclick.plan.guards.conditions import RowsSeen, TableGuards, of_counts, of_expressions
from aaiclick.plan.materialize import merged_apart, offered
from aaiclick.plan.model import Step
from aaiclick.plan.other_engines import can_be_cloned, plan_other_engine, stand_in
from aaiclick.plan.proof.constraints import new_constraints
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.in_place import InPlaceProof, beside_fills, prove
from aaiclick.plan.proof.row_policies import held_to_policies
from aaiclick.plan.rehearsal.cache import RehearsalCache
from aaiclick.plan.rehearsal.empty_clone import Clone
from aaiclick.plan.rehearsal.fills import fills_that_run
from aaiclick.plan.scripted.steps import scripted_steps
from aaiclick.plan.strategies.cheapest import cheapest, one_sentence, with_hazards
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.plan.strategies.hidden_defaults import hidden_change, may_change, unhidden, without_hidden_defaults
from aaiclick.plan.strategies.refusals import read_only
from aaiclick.plan.undeclared_columns import drop_column_steps, nulls_refused, unholdable
from aaiclick.routine import Routine
from aaiclick.specs.migrations import Rebuild
from aaiclick.specs.tables import Table
from aaiclick.sql.column_names import mentioned
from aaiclick.versions.jumps.compose import compose, says_anything
from aaiclick.versions.upgrade_path import UpgradePath


def plan_differing(
    differing: Differing,
    again: TableForm,
    catalog: Catalog,
    scratch: Scratch,
    path: UpgradePath,
    cache: RehearsalCache,
    notes: list[str],
    targets: dict[str, TableForm],
) -> Routine[Sequence[Step]]:
    """The steps of a table that differs. ``again`` is its live form as this server writes it."""
    table, live, data_name = differing.table, differing.live, differing.data_name
    changes = path.changes_of(table.name)
    # From what is there now, not from the version that is recorded: a killed run may have made some of these changes
    # already.
    composed = compose(again, changes, differing.declared, path.reached.get(live.uuid))
    said = {old: new for change in changes for old, new in change.renames.items()}
    target = make_target(table, differing.declared, again, dict(composed.renames), said)
    targets[table.name] = target.form
    cache.renamed_columns[table.name] = frozenset(old for old, _ in target.renames)
    # Without a copy that versions between ask for, their expressions are done already or there are none.
    rebuild = (
        Rebuild(columns=dict(composed.columns), where=composed.where or None, back=dict(composed.back))
        if composed.fills
        else None
    )
    behind = path.waits_for((table.name, live.name, data_name, *path.former_names.get(table.name, ())))
    diff = replace(
        make_table_diff(catalog, scratch, live, again, target, rebuild, table, composed.through),
        cache=cache,
        replaced_views=path.replaced_views,
        droppable_views=path.droppable_views,
        rewritten_views=path.rewritten_views,
        try_on_parts=path.try_on_parts,
        on_replicas=path.on_replicas,
        topology=path.topology,
        # A script that runs first may change these rows: a count of now would be about other ones.
        max_read_bytes=0 if behind or data_name in path.unread else path.max_read_bytes,
    )
    planned = yield from _planned(diff, data_name, path.unread.get(data_name, ""))
    # A note on something that a required step removes would contradict the plan.
    going = {words for step in planned if not step.optional for words in step.differences}
    notes.extend(
        words for note in target.notes if (words := f"{table.name}: {note}").removesuffix(" (left alone)") not in going
    )
    planned = tuple(replace(step, behind=behind) if behind and step.unlooked else step for step in planned)
    if says_anything(target.form, changes, differing.declared):
        reaches = changes[-1].version
        planned = tuple(step if step.optional else replace(step, reaches=reaches) for step in planned)
    return scripted_steps(planned, composed, path.oldest_code, replace(live, form=again), dict(target.renames))


def _planned(diff: TableDiff, data_name: str, unread: str) -> Routine[tuple[Step, ...]]:
    """The steps, for rows of which the hosts that are asked lack none; without such rows, blocked where they decide
    something. ``unread``: why no row may be read; '' where they may be."""
    replicated = diff.as_spelled.engine.startswith("Replicated") and diff.hosts.reached
    if replicated and diff.live.rows and not diff.reads_no_rows:
        lacked = yield from behind(diff.hosts, diff.database, data_name)
        if lacked.entries:
            # Whether it depends on rows shows without any.
            blindly = yield from plan_table(replace(diff.labelled("unread"), max_read_bytes=0), data_name)
            if any(step.unlooked for step in blindly):
                unread = yield from until_fetched(diff.hosts, diff.database, data_name, lacked)
            if unread:
                return tuple(_blind(step, unread) for step in blindly)
    planned = yield from plan_table(diff, data_name)
    # A count over rows of which this host lacks some would prove nothing: a step that rests on one is blocked, and not
    # guessed.
    return tuple(_blind(step, unread) for step in planned)


def make_table_diff(
    catalog: Catalog,
    scratch: Scratch,
    live: LiveObject,
    form: TableForm,
    target: Target,
    rebuild: Rebuild | None,
    declared: Table | None = None,
    through: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> TableDiff:
    """What the strategies need about one table. ``through``: the types of versions between, through which columns are
    converted."""
    form, target, hidden = without_hidden_defaults(form, target)
    if hidden:
        live = replace(live, form=form)
    changes = diff_table(form, target)
    changes = (*changes, *through_alone(form.name, target.form, changes, through))
    changes = not_converted(changes, rebuild.columns if rebuild else (), through)

    def make_clone(wanted: TableForm, label: str) -> Routine[Clone]:
        name, refusal = yield from create_or_load_clone(scratch, wanted, f"{live.name}~{label}")
        return Clone(scratch.database, name, dict(scratch.settings), refusal)

    return TableDiff(
        database=catalog.database,
        live=live,
        form=normal(form),
        target=target,
        changes=changes,
        server=catalog.server,
        make_clone=make_clone,
        column_expressions=dict(rebuild.columns) if rebuild else {},
        where=(rebuild.where or "") if rebuild else "",
        back=dict(rebuild.back) if rebuild else {},
        must_copy=rebuild is not None,
        hidden_defaults=hidden,
        declared=declared,
        database_engine=catalog.database_engine,
    )


def plan_table(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    """The steps of one table: required ones first, then optional ones.

    ``data_name`` is where the rows are now: another name where an earlier step renames the table.
    """
    found: list[Step] = []
    too_old = too_old_to_change(diff.server.version, diff.server.version_text)
    if too_old:
        return (steps.impossible_step(diff, diff.changes, too_old),) if diff.changes or diff.must_copy else ()
    if diff.changes or diff.must_copy:
        required = yield from _required(diff, data_name)
        # Only for a step that is blocked: it takes a clone for each column to find out which ones are in the way.
        if required[-1].blocked and (fewer := (yield from unholdable(diff))) is not None:
            diff = fewer
            required = yield from _required(diff, data_name)
        found.extend(unhidden(diff, step) for step in required)
        # The last of the required steps is the one that adds indexes and the like.
        found[-1] = merged_apart(diff, found[-1])
        found.extend((yield from fills_that_run(diff, offered(diff, found[-1]))))
    # Last: what a required step reads, or writes down, of such a column is still there.
    found.extend((yield from drop_column_steps(diff, data_name)))
    return tuple(found)


def _required(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    if not can_be_cloned(diff):
        # No empty copy of such a table can be made: its views are tried over a plain one with the same columns.
        standing_in = replace(diff, form=stand_in(diff.form))
        found = yield from blocking_dependents(standing_in, stand_in(diff.target.form))
        return (with_hazards((yield from plan_other_engine(diff, found.blocked)), found.hazards),)
    # An operator has closed the table. A fence that is not ours is never lifted.
    held = read_only(diff)
    if held:
        return (steps.impossible_step(diff, diff.changes, held, whole=True),)
    unknown = hidden_change(diff) or (yield from may_change(diff, data_name))
    if unknown:
        return (steps.impossible_step(diff, diff.changes, unknown, whole=True),)
    # Before any count: whatever the rows are, such a constraint is a mistake in the declaration.
    yield from require_conditions(diff.live.name, diff.target.form, new_constraints(diff))
    # Views before rows: their queries are tried over empty clones, and what blocks the step saves the counts.
    found = yield from blocking_dependents(diff, diff.target.form)
    cost = Cost()
    seen = RowsSeen(diff, data_name)
    # Also for an empty table: rows may be inserted at any moment, and the checks become guards against them.
    if not found.blocked and (diff.live.rows or not (diff.reads_no_rows or diff.live.predicted)):
        counted, cost = yield from seen.before(_counted(diff, data_name))
        found = CheckFindings(counted.blocked, (*found.hazards, *counted.hazards), counted.clear, counted.filled)
        # The counts of an empty table are made for their guards alone, and read nothing.
        cost = cost if diff.live.rows else Cost()
    # A default that fails on the rows it is computed for would end a copy in the middle, after hours.
    if not found.blocked:
        failing, read = yield from seen.before(failing_defaults(diff, data_name))
        found, cost = replace(found, blocked=failing), cost.plus(read)
        unequal, read = yield from seen.before(unequal_sizes(diff, data_name))
        cost = cost.plus(read)
        if unequal:
            found = replace(found, blocked=one_sentence(found.blocked, unequal))
        form = diff.target.form
        plain = form.engine in KEEPS_EVERY_ROW
        if not plain or form.indexes or form.projections or form.ttl or any(column.ttl for column in form.columns):
            from aaiclick.plan.data_checks.kept_expressions import failing_kept

            failing, read = yield from seen.before(failing_kept(diff, data_name))
            found, cost = replace(found, blocked=one_sentence(found.blocked, failing)), cost.plus(read)
    proof = yield from seen.before(_proof(diff, data_name, found.blocked))
    combined = Combined() if found.blocked else (yield from seen.before(combining_hazards(diff, data_name)))
    combines = combined.hazards
    if diff.reads_no_rows and combines:  # without reading rows it is not known whether any are combined
        combines, cost = (), cost.plus(Cost(open=("which rows merges combine",)))
    of_rows = (*of_counts(diff, found.clear), *of_expressions(diff, found.filled))
    table_guards = TableGuards(of_rows, proof.guards, seen.block, combined.looks, proof.looks)
    made = yield from cheapest(diff, data_name, proof, table_guards, one_sentence(found.blocked, proof.blocked))
    cost = cost.plus(proof.cost)
    hazards = (*found.hazards, *proof.hazards, *combines, *(yield from nulls_refused(diff)))
    # Last, when it is known whether rows were read: those that a policy hides from this user were not among them.
    held_to = yield from held_to_policies(diff, data_name, with_hazards(made[-1], hazards), cost)
    return (*made[:-1], _costing(held_to, cost))


def _counted(diff: TableDiff, data_name: str) -> Routine[tuple[CheckFindings, Cost]]:
    """What the rows do not allow, and what it cost to find out."""
    checked = [change for change in countable(diff) if change.checks]
    expressions = [*diff.column_expressions.values(), *([diff.where] if diff.where else [])] if diff.must_copy else []
    if not checked and not expressions:
        return CheckFindings(""), Cost()
    old_names = {new: old for old, new in diff.target.renames}
    live = [column.name for column in diff.form.columns]
    read = {old_names.get(change.new.name, change.new.name) for change in checked if isinstance(change, RetypeColumn)}
    read |= {name for expression in expressions for name in mentioned(expression, live)}
    cost = yield from cost_of(diff, data_name, read, (*(change.words for change in checked), *expressions))
    if cost.open:
        return CheckFindings(""), cost
    evaluated = (yield from check_expressions(diff, data_name)) if diff.must_copy else ExpressionFindings()
    if evaluated.blocked:
        return CheckFindings(evaluated.blocked), cost  # a filter that fails would only make the other counts fail, too
    counted = yield from count_violations(diff.shards, counted_rows(diff, data_name), checked)
    return replace(counted, filled=evaluated.clear), cost


def _costing(step: Step, cost: Cost) -> Step:
    """The step with what is read before it."""
    if not cost.columns and not cost.open:
        return step
    return replace(step, reads=cost.words, read_bytes=cost.bytes, unlooked=(*step.unlooked, *dict.fromkeys(cost.open)))


def _proof(diff: TableDiff, data_name: str, blocked: str) -> Routine[InPlaceProof]:
    """Whether the rows allow a change in place. Where they block the change anyway, that is left for later."""
    both = diff.form.merge_tree and diff.target.form.merge_tree
    if blocked or not both:
        return InPlaceProof(not (diff.must_copy and both))
    # The migration says what the new rows are. No change in place gives that, so there is none to prove.
    return (yield from (beside_fills if diff.must_copy else prove)(diff, data_name))


def _blind(step: Step, lacks: str) -> Step:
    """The step, blocked where it depends on rows that the host that is connected to has not."""
    if not lacks or not step.unlooked or step.blocked:
        return step
    looks = "; ".join(step.unlooked)
    return replace(step, blocked=f"{step.object}: what becomes of its rows depends on them ({looks}), and {lacks}")


def renamed(live: LiveObject, name: str) -> LiveObject:
    """The object as it is after its rename."""
    assert isinstance(live.form, TableForm)
    return replace(live, name=name, form=replace(live.form, name=name))
