"""Plans one table: compares it, then chooses the cheapest strategy that the engine accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.declared_tables import create_or_load_clone
from aaiclick.catalog.forms import Catalog, LiveObject, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.catalog.render import has_hidden
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.features import too_old_to_change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.compare import Differing, diff_table
from aaiclick.diff.expanded_aliases import aliases_of, expanded
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.target import Target, make_target
from aaiclick.plan import steps
from aaiclick.plan.combining.groups import combined
from aaiclick.plan.data_checks.checks import CheckFindings, count_violations
from aaiclick.plan.data_checks.counting import countable, counted_rows
from aaiclick.plan.data_checks.defaults import failing_defaults
from aaiclick.plan.data_checks.deleted_rows import mutation_fails
from aaiclick.plan.data_checks.expressions import ExpressionFindings, check_expressions
from aaiclick.plan.declaration.expressions import require_conditions
from aaiclick.plan.dependents.select_check import blocking_dependents
from aaiclick.plan.guards.conditions import TableGuards, highest_block, of_counts, of_expressions
from aaiclick.plan.materialize import offered
from aaiclick.plan.model import Step
from aaiclick.plan.not_inherited import NotInherited, not_inherited
from aaiclick.plan.old_parts.absent_columns import AbsentColumns, absent_columns
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.old_parts.read_by_defaults import written_over_absent
from aaiclick.plan.old_parts.stored_types import stored_otherwise
from aaiclick.plan.operations import Alter
from aaiclick.plan.other_engines import can_be_cloned, plan_other_engine, stand_in
from aaiclick.plan.proof.constraints import new_constraints, violated
from aaiclick.plan.proof.cost import Cost, cost_of, touched_bytes
from aaiclick.plan.proof.in_place import InPlaceProof, prove
from aaiclick.plan.proof.nondeterministic import nondeterministic, written_down
from aaiclick.plan.proof.row_policies import held_to_policies
from aaiclick.plan.rehearsal.cache import RehearsalCache
from aaiclick.plan.rehearsal.empty_clone import Clone
from aaiclick.plan.rehearsal.fills import fills_that_run
from aaiclick.plan.rehearsal.on_parts import alter_refused, attach_refused, copy_refused
from aaiclick.plan.scripted.steps import scripted_steps
from aaiclick.plan.strategies.alter import propose_alter
from aaiclick.plan.strategies.attach import propose_attach
from aaiclick.plan.strategies.context import TableDiff, remembered
from aaiclick.plan.strategies.hidden_defaults import hidden_change, may_change, unhidden, without_hidden_defaults
from aaiclick.plan.strategies.rebuild import propose_rebuild
from aaiclick.plan.strategies.refusals import becomes_replicated, exchange_refusal, read_only
from aaiclick.plan.undeclared_columns import drop_column_steps, nulls_refused, unholdable
from aaiclick.routine import Routine
from aaiclick.specs.migrations import Rebuild
from aaiclick.specs.tables import Table
from aaiclick.sql.clauses import materialize
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import quote_name
from aaiclick.versions.compose import compose
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
    composed = compose(again, changes, differing.declared)
    said = {old: new for change in changes for old, new in change.renames.items()}
    target = make_target(table, differing.declared, again, dict(composed.renames), said)
    targets[table.name] = target.form
    # Without a copy that versions between ask for, their expressions are done already or there are none.
    rebuild = (
        Rebuild(columns=dict(composed.columns), where=composed.where or None, back=dict(composed.back))
        if composed.fills
        else None
    )
    behind = path.waits_for((table.name, live.name, data_name, *path.former_names.get(table.name, ())))
    diff = replace(
        make_table_diff(catalog, scratch, live, again, target, rebuild, table),
        cache=cache,
        replaced_views=path.replaced_views,
        droppable_views=path.droppable_views,
        rewritten_views=path.rewritten_views,
        try_on_parts=path.try_on_parts,
        on_replicas=path.on_replicas,
        topology=path.topology,
        # A script that runs first may change these rows: a count of now would be about other ones.
        max_read_bytes=0 if behind or data_name in path.unread else path.max_read_bytes,
        max_shard_bytes=0 if behind else path.max_shard_bytes,
    )
    planned = yield from plan_table(diff, data_name)
    planned = tuple(_blind(step, path.unread.get(data_name, "")) for step in planned)
    # A note on something that a required step removes would contradict the plan.
    going = {words for step in planned if not step.optional for words in step.differences}
    notes.extend(
        words for note in target.notes if (words := f"{table.name}: {note}").removesuffix(" (left alone)") not in going
    )
    planned = tuple(replace(step, behind=behind) if behind and step.unlooked else step for step in planned)
    return scripted_steps(planned, composed, path.oldest_code, replace(live, form=again))


def make_table_diff(
    catalog: Catalog,
    scratch: Scratch,
    live: LiveObject,
    form: TableForm,
    target: Target,
    rebuild: Rebuild | None,
    declared: Table | None = None,
) -> TableDiff:
    """What the strategies need about one table."""
    form, target, hidden = without_hidden_defaults(form, target)
    if hidden:
        live = replace(live, form=form)
    changes = diff_table(form, target)

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
        found.extend((yield from fills_that_run(diff, offered(diff, found[-1]))))
    found.extend((yield from drop_column_steps(diff, data_name)))
    return tuple(found)


def _required(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    if not can_be_cloned(diff):
        # No empty copy of such a table can be made: its views are tried over a plain one with the same columns.
        standing_in = replace(diff, form=stand_in(diff.form))
        found = yield from blocking_dependents(standing_in, stand_in(diff.target.form))
        return (_with((yield from plan_other_engine(diff, found.blocked)), found.hazards),)
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
    # Before the counts: a row that is inserted in between is then counted twice, and never left out.
    seen = 0 if diff.reads_no_rows else (yield from highest_block(diff, data_name))
    # Also for an empty table: rows may be inserted at any moment, and the checks become guards against them.
    if not found.blocked and (diff.live.rows or not (diff.reads_no_rows or diff.live.predicted)):
        counted, cost = yield from _counted(diff, data_name)
        found = CheckFindings(counted.blocked, (*found.hazards, *counted.hazards), counted.clear, counted.filled)
        # The counts of an empty table are made for their guards alone, and read nothing.
        cost = cost if diff.live.rows else Cost()
    if not found.blocked:
        failing, read = yield from failing_defaults(diff, data_name)
        found, cost = replace(found, blocked=failing), cost.plus(read)
    proof = yield from _proof(diff, data_name, found.blocked)
    combines = () if found.blocked else (yield from combined(diff, data_name))
    if diff.reads_no_rows and combines:  # without reading rows it is not known whether any are combined
        combines, cost = (), cost.plus(Cost(open=("which rows merges combine",)))
    table_guards = TableGuards((*of_counts(diff, found.clear), *of_expressions(diff, found.filled)), proof.guards, seen)
    made = yield from _cheapest(diff, data_name, proof, table_guards, _joined(found.blocked, proof.blocked))
    cost = cost.plus(proof.cost)
    hazards = (*found.hazards, *proof.hazards, *combines, *(yield from nulls_refused(diff)))
    # Last, when it is known whether rows were read: those that a policy hides from this user were not among them.
    held_to = yield from held_to_policies(diff, data_name, _with(made[-1], hazards), cost)
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
    counted = yield from count_violations(counted_rows(diff, data_name), checked)
    return replace(counted, filled=evaluated.clear), cost


def _costing(step: Step, cost: Cost) -> Step:
    """The step with what is read before it."""
    if not cost.columns and not cost.open:
        return step
    return replace(step, reads=cost.words, read_bytes=cost.bytes, unlooked=(*step.unlooked, *dict.fromkeys(cost.open)))


def _proof(diff: TableDiff, data_name: str, blocked: str) -> Routine[InPlaceProof]:
    """Whether the rows allow a change in place. Where they block the change anyway, that is left for later."""
    # The migration says what the new rows are. No change in place gives that, so there is nothing to prove.
    if diff.must_copy and diff.form.merge_tree and diff.target.form.merge_tree:
        return InPlaceProof(False)
    if blocked or not (diff.form.merge_tree and diff.target.form.merge_tree):
        return InPlaceProof(True)
    return (yield from prove(diff, data_name))


def _joined(*sentences: str) -> str:
    return "; ".join(sentence for sentence in sentences if sentence)


def _leaving(step: Step, behind: NotInherited) -> Step:
    return _with(replace(step, blocked=step.blocked or behind.blocked), behind.hazards)


def _blind(step: Step, lacks: str) -> Step:
    """The step, blocked where it depends on rows that the host that is connected to has not."""
    if not lacks or not step.unlooked or step.blocked:
        return step
    looks = "; ".join(step.unlooked)
    return replace(step, blocked=f"{step.object}: what becomes of its rows depends on them ({looks}), and {lacks}")


def _with(step: Step, hazards: tuple[Hazard, ...]) -> Step:
    return replace(step, hazards=(*step.hazards, *hazards))


def _cheapest(
    diff: TableDiff, data_name: str, proof: InPlaceProof, table_guards: TableGuards, blocked: str
) -> Routine[tuple[Step, ...]]:
    """The first strategy that is proven to have the result of a copy, and that the engine accepts."""
    if not (diff.form.merge_tree and diff.target.form.merge_tree):
        return ((yield from plan_other_engine(diff, blocked)),)
    absent = (yield from absent_columns(diff, data_name)) if proof.in_place else AbsentColumns(diff.changes)
    found = yield from _tried(diff, data_name, proof, absent, table_guards, blocked)
    return (*found[:-1], replace(found[-1], unlooked=absent.open)) if absent.open else found


def _tried(
    diff: TableDiff, data_name: str, proof: InPlaceProof, absent: AbsentColumns, table_guards: TableGuards, blocked: str
) -> Routine[tuple[Step, ...]]:
    """``alter``, ``attach`` and ``rebuild``, as far as each is allowed."""
    reason = refusal = _joined(proof.reason, absent.refusal)
    allowed = proof.in_place and not absent.refusal
    changes = yield from written_down(absent.changes, diff.target.form, diff.live.rows)
    # After that: a column that is written anyway needs no second reason.
    changes = yield from written_over_absent(diff, data_name, changes)
    in_place = replace(diff, changes=(*changes, *proof.remade))
    # What an empty clone does not show.
    for unlike in (stored_otherwise, mutation_fails) if not blocked else ():
        if allowed and (found := (yield from unlike(diff, data_name, in_place.changes))):
            allowed, reason, refusal = False, found, found
    if allowed:
        proposal = yield from remembered(in_place, propose_alter)
        refusal = proposal.refusal
        # An empty clone does not show everything: some ALTERs are accepted there and fail inside the mutation once
        # there are rows, when the metadata has changed already.
        if proposal.work is not None and not blocked:
            refusal = yield from alter_refused(in_place, data_name, proposal.sent)
        if proposal.work is not None and not refusal:
            touched = yield from touched_bytes(diff, data_name)
            work = table_guards.alter(proposal.work, proposal.sent)
            return (steps.alter_step(diff, work, in_place.changes, blocked, touched),)
    # The server shows [HIDDEN] for a secret: a table that is created from that text would store the word.
    if diff.hidden_defaults or has_hidden(diff.target.form):
        why = "a new table cannot be made: its definition holds a secret that the server does not show"
        return (steps.impossible_step(diff, diff.changes, _joined(refusal, why)),)
    # Only from here on a new table would have to take the place of the live one: an ALTER needs none of this.
    unfit = exchange_refusal(diff)
    if unfit:
        return (steps.impossible_step(diff, diff.changes, _joined(refusal, unfit), whole=not refusal),)
    if allowed:
        # Before a copy: an attach makes hard links, in milliseconds and without disk space, whatever the size of the
        # table.
        attach = yield from remembered(in_place, propose_attach)
        if attach is not None and (
            blocked or not (yield from attach_refused(in_place, data_name, attach.work, attach.sent))
        ):
            behind = yield from not_inherited(diff, data_name)
            return (
                _leaving(
                    steps.attach_step(diff, table_guards.attach(attach.work, attach.sent), in_place.changes, blocked),
                    behind,
                ),
            )
    if becomes_replicated(diff):
        why = (
            f"{diff.live.name} becomes replicated by a new table that takes over its parts as they are, and its rows "
            "would have to be copied as well: make the two changes in two versions"
        )
        return (steps.impossible_step(diff, diff.changes, _joined(refusal, why)),)
    return (yield from _copied(diff, data_name, table_guards, blocked, reason, refusal))


def _copied(
    diff: TableDiff, data_name: str, table_guards: TableGuards, blocked: str, reason: str, refusal: str
) -> Routine[tuple[Step, ...]]:
    """``rebuild``, or why there is no way at all. ``reason``: what would be different in place; ``refusal``: that, or
    what the engine says about the ALTER."""
    rebuild = yield from remembered(diff, propose_rebuild)
    if rebuild.work is not None:
        if diff.live.rows and not blocked and not diff.reads_no_rows:
            # A copy is an INSERT, so the server checks all constraints of the new table over all rows.
            checks = [constraint for constraint in diff.target.form.constraints if constraint.kind == "CHECK"]
            blocked = yield from violated(diff, data_name, checks)
        if not blocked and (failing := (yield from copy_refused(diff, data_name, rebuild.work))):
            blocked = f"rows of {diff.live.name} cannot be copied ({failing})"
        # As a step in front of the copy, not in it: what the mutation has written is there for both readings of the
        # checksum.
        pinned = yield from _pin(diff, data_name)
        behind = yield from not_inherited(diff, data_name)
        return (
            *pinned,
            _leaving(
                steps.rebuild_step(diff, table_guards.rebuild(rebuild.work), diff.changes, blocked, reason), behind
            ),
        )
    # The copy reports a conversion that fails with the name of its column, so the message of the ALTER is left out.
    return (
        steps.impossible_step(
            diff, diff.changes, _joined("" if refusal in rebuild.refusal else refusal, rebuild.refusal)
        ),
    )


def _pin(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    """A step before a copy that writes defaults such as ``now()`` into parts that do not hold the column.

    Else each read would compute them anew, and the checksum of the copy would never match.
    """
    # Without a call, an expression gives the same value at every read.
    computed = [
        column
        for column in diff.form.columns
        if column.kind == "DEFAULT" and "(" in expanded(column.expression, aliases_of(diff.form))
    ]
    if not computed or not diff.live.rows:
        return ()
    held = yield from held_columns(diff.database, data_name, diff.hosts)
    absent = [
        column
        for column in computed
        if held.lacking(column.name) and not mentioned(f"{diff.form.order_by} {diff.form.partition_by}", [column.name])
    ]
    changing = yield from nondeterministic([column.expression for column in absent], diff.form)
    names = [column.name for column in absent if column.expression in changing]
    # What a lightweight update wrote would be lost: the copy leaves the column out of its checksum.
    if not names or held.patched:
        return ()
    sql = alter_table(diff.name, *(materialize("COLUMN", quote_name(name)) for name in names))
    return (steps.pin_step(diff, Alter(sql, mutates=True), names),)


def renamed(live: LiveObject, name: str) -> LiveObject:
    """The object as it is after its rename."""
    assert isinstance(live.form, TableForm)
    return replace(live, name=name, form=replace(live.form, name=name))
