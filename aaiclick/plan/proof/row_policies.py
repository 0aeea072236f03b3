"""Row policies of a table: rows that they hide from the user who migrates, and what their own conditions read.

What is counted, compared and copied is what a SELECT gives. An ALTER converts every row all the same, so a value in a
hidden row would be cut off without having been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.clickhouse.parts import EVERY_ROW
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.clickhouse.topology import PROOF, Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.model import Step
from aaiclick.plan.proof.changed import changed_columns
from aaiclick.plan.proof.comparisons import Comparison, evaluate
from aaiclick.plan.proof.cost import Cost
from aaiclick.plan.rehearsal.cache import ListedPolicies, RehearsalCache, RowPolicy
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_that
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import qualified, quote_string

_LOOKS = 5
"""How often the rows are counted again while parts come and go."""


def held_to_policies(diff: TableDiff, data_name: str, step: Step, cost: Cost) -> Routine[Step]:
    """The step of a table as its row policies allow it: blocked where it rests on rows that this user cannot see all
    of, and with what has to be allowed by name where a policy reads what changes.

    ``data_name`` is what the table is called now, ``cost`` what was read for the step.
    """
    # An ALTER of metadata for which no row was read rests on none.
    reading = diff.live.rows > 0 and (bool(cost.columns) or step.strategy != "alter")
    if step.blocked or not (reading or _concerned(diff)):
        return step
    known = yield from _listed(diff.cache, diff.database, diff.topology)
    # '' is the table of a policy ON db.*.
    policies = [policy for policy in known.policies if policy.table in ("", data_name)]
    # Without a policy nothing is hidden, and nothing has to be counted. Other shards are not asked where no row may be
    # read: one may be away, and that is said.
    looks = not diff.reads_no_rows or diff.shards.shards < 2
    if reading and looks and (policies or not known.complete):
        hidden = yield from hidden_rows(diff.shards, diff.database, data_name)
        if hidden:
            return replace(step, blocked=hidden)
    # Behind the count: over rows of which some are hidden the condition of the policy proves nothing.
    harmed, unlooked = yield from _harmed(diff, data_name, policies)
    return replace(step, hazards=(*step.hazards, *harmed), unlooked=(*step.unlooked, *unlooked))


def rename_with_policies(
    cache: RehearsalCache, database: str, old: str, step: Step, topology: Topology
) -> Routine[Step]:
    """The step that renames a table, with what has to be allowed by name: a row policy stays behind under ``old``, and
    what it hid is read from then on."""
    known = yield from _listed(cache, database, topology)
    left = tuple(
        Hazard(
            "readers-see-gap",
            f"the row policy {policy.name} stays on the name {old}: nothing hides its rows in {step.object} any more",
            f"leave-row-policy {step.object}.{policy.name}",
        )
        for policy in known.policies
        if policy.table == old
    )
    return replace(step, hazards=(*step.hazards, *left)) if left else step


def read_by_policies(diff: TableDiff, data_name: str, column: str) -> Routine[str]:
    """Why a column cannot be dropped: a row policy reads it; '' where none does."""
    known = yield from _listed(diff.cache, diff.database, diff.topology)
    names = [
        policy.name
        for policy in known.policies
        if policy.table in ("", data_name) and mentioned(policy.condition, [column])
    ]
    return (
        f"the row policy {', '.join(names)} reads {column}: every SELECT that it holds for would fail" if names else ""
    )


def _listed(cache: RehearsalCache, database: str, topology: Topology) -> Routine[ListedPolicies]:
    """Those of all hosts: each keeps its own."""
    # Asked once for all tables of a plan.
    if cache.row_policies is not None:
        return cache.row_policies
    source, settings = "system.row_policies", dict[str, "str | int"]()
    if topology.reached:
        source, settings = topology.everywhere(source), PROOF
    rows = yield from rows_or_refusal(
        Query(
            # DISTINCT: hosts that have the same one would list it several times.
            f"SELECT DISTINCT short_name, table, ifNull(select_filter, '') FROM {source} WHERE database = "
            "{database:String} ORDER BY table, short_name",
            {"database": database},
            settings,
        )
    )
    listed = () if rows is None else tuple(RowPolicy(text(row[0]), text(row[1]), text(row[2])) for row in rows)
    cache.row_policies = ListedPolicies(listed, rows is not None)
    return cache.row_policies


def hidden_rows(hosts: Topology, database: str, name: str) -> Routine[str]:
    """Why this user cannot tell what all rows of a table hold; '' where every row can be read."""
    last: list[tuple[str, int, int]] = []
    held, seen = 0, 0
    # Until two looks agree: rows that are inserted or merged in between change one of the two numbers.
    for _ in range(_LOOKS):
        looks = yield from _parts_and_rows(hosts, database, name)
        # Rows may have come in between the two counts, so more of them are no contradiction.
        short = [(inside, read) for _, inside, read in looks if read < inside]
        if not short:
            return ""
        held, seen = (sum(counts) for counts in zip(*short, strict=True))
        if looks == last:
            break
        last = looks
    return (
        f"{rows_that(held, 'are')} in {name}, and {seen:,} of them can be read: a row policy hides the others "
        "from this "
        "user, so what they hold cannot be looked at. Run it as a user who may read every row"
    )


def _parts_and_rows(hosts: Topology, database: str, name: str) -> Routine[list[tuple[str, int, int]]]:
    """For each shard a digest of the parts of a table, the rows in them, and how many this user reads."""
    # The parts first: rows that come in meanwhile are then only read. Parts count the rows that lightweight deletes
    # have hidden, so these are read, too.
    inside = ["hex(sum(cityHash64(name, hash_of_all_files)))", "sum(rows)"]
    parts = (
        f"FROM system.parts WHERE active AND database = {quote_string(database)} AND table = {quote_string(name)} AND "
        "NOT startsWith(partition_id, 'patch-')"
    )
    rows = f"FROM {qualified(database, name)}"
    if hosts.shards < 2:
        columns = [f"(SELECT ({', '.join(inside)}) {parts}) AS held", "held.1", "held.2", "count()"]
        found = yield from ask_shards(hosts, columns, rows, EVERY_ROW, long=True)
        return [(text(row[1]), number(row[2]), number(row[3])) for row in found]
    # In two questions: the host that is connected to would answer a scalar subquery for all shards.
    held = yield from ask_shards(hosts, inside, parts)
    read = yield from ask_shards(hosts, ["count()"], rows, EVERY_ROW, long=True)
    return [(text(one), number(many), number(count)) for (one, many), (count,) in zip(held, read, strict=True)]


def _concerned(diff: TableDiff) -> bool:
    """True where a live column is renamed, or changes what it gives."""
    return bool(diff.target.renames or changed_columns(diff.form, diff.target))


def _harmed(
    diff: TableDiff, data_name: str, policies: Sequence[RowPolicy]
) -> Routine[tuple[tuple[Hazard, ...], tuple[str, ...]]]:
    """What the policies read that will not be there, or not be the same; and what only rows can tell."""
    renamed = dict(diff.target.renames)
    lost = [name for name in renamed if diff.target.form.column(name) is None]
    changed = [each.old.name for each in changed_columns(diff.form, diff.target) if each.how != "labels"]
    touched = through_aliases(diff.form, changed)
    found: list[Hazard] = []
    unlooked: list[str] = []
    for policy in policies:
        gone = sorted(mentioned(policy.condition, lost))
        names = sorted(mentioned(policy.condition, touched))
        if gone:
            said = ", ".join(f"{name}, which is called {renamed[name]} then" for name in gone)
            found.append(_hazard(diff, policy, f"reads {said}: every SELECT that it holds for fails"))
        elif names and diff.reads_no_rows:
            unlooked.append(f"row policy {policy.name}")
        elif names and (why := (yield from _otherwise(diff, data_name, policy))):
            found.append(_hazard(diff, policy, f"reads {', '.join(names)}, which changes: {why}"))
    return tuple(found), tuple(unlooked)


def _otherwise(diff: TableDiff, data_name: str, policy: RowPolicy) -> Routine[str]:
    """What a policy's condition does otherwise over the rows as they will be; '' for nothing."""
    condition = f"ifNull(({policy.condition}) != 0, 0)"
    seen = (yield from evaluate(diff, data_name, [Comparison((condition,), (condition,))]))[0]
    if seen.failed:
        return f"every SELECT that it holds for may fail ({seen.failed})"
    return f"it hides other rows then, {seen.differs:,} of them" if seen.differs else ""


def _hazard(diff: TableDiff, policy: RowPolicy, words: str) -> Hazard:
    key = f"leave-row-policy {diff.live.name}.{policy.name}"
    return Hazard("old-code-breaks", f"the row policy {policy.name} {words}. No plan changes a policy", key)
