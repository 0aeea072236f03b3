"""The versions that a database came through, newest first, and what each migration did. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rollback.columns import Link
from aaiclick.errors import UsageError
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import AlterWork, AttachWork, RebuildWork
from aaiclick.sql.secrets import HIDDEN
from aaiclick.state.kept_tables import KeptRow
from aaiclick.state.record import Record, opens_generation
from aaiclick.state.transition import Attempt

_RENAMED = re.compile(r"RENAME COLUMN (`(?:[^`\\]|\\.)+`) TO (`(?:[^`\\]|\\.)+`)")


@dataclass(frozen=True, slots=True)
class Transition:
    """A record with the plan that was carried out (None where it holds none)."""

    record: Record
    plan: Plan | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the plan."""
        return self.plan.steps if self.plan is not None else ()


@dataclass(frozen=True, slots=True)
class VersionStep:
    """One step of a rollback, from a version to the one before it."""

    version: int
    """Version that is rolled back."""
    before: int
    """Version that is rolled back to."""
    done: tuple[Transition, ...]
    """What was done between the two, the oldest first."""
    earlier: Record | None
    """Last record of the version that is rolled back to; None where there is none."""
    begun: int | None = None
    """When the first run that led away from it began, Unix milliseconds; None: it is not in the journal."""

    @property
    def since(self) -> int:
        """Unix milliseconds: what was replaced later is of this step or a newer one. Older code may have recorded its
        version again meanwhile."""
        known = [at for at in (self.earlier.at if self.earlier is not None else -1, self.begun) if at is not None]
        return min(known)


def version_steps(records: Iterable[Record], live: int, attempts: Sequence[Attempt] = ()) -> tuple[VersionStep, ...]:
    """The steps back from version ``live``, newest first, without transitions that a rollback has undone already.

    ``attempts``: what runs entered in the journal, also those that did not finish a transition.
    """
    listed = [record for record in records if record.state != "failed"]
    found: list[VersionStep] = []
    version = live
    while True:
        came = next(
            (
                each
                for each in reversed(listed)
                if each.version == version and each.from_version != version and _forward(each)
            ),
            None,
        )
        # The first version, or one that was adopted without one before it: there is nothing to go back to.
        if came is None or not came.from_version:
            return tuple(found)
        later = [
            each
            for each in listed
            if each.seq > came.seq
            and (each.version is None or each.version == each.from_version == version)
            and _forward(each)
        ]
        listed = [each for each in listed if each.seq < came.seq]
        version, to = came.from_version, came.version or 0
        earlier = next((each for each in reversed(listed) if each.version == version), None)
        # What code without a version did on the way is undone with the version that came of it.
        since = earlier.seq if earlier is not None else 0
        developed = [each for each in listed if each.seq > since and each.version is None and _forward(each)]
        # Attempts of another generation lie on the other side of a rollback, or of an adoption. Within one, versions
        # only grow: so those to a version up to this record's came before it, whatever the clocks said.
        generation = max((each.seq for each in listed if opens_generation(each)), default=0)
        own = [each for each in attempts if each.run == f"generation {generation}" and version < each.version <= to]
        before, behind = ([Transition(each, _plan(each.plan)) for each in them] for them in (developed, (came, *later)))
        done = (*before, *attempted(own, came), *behind)
        found.append(VersionStep(to, version, done, earlier, own[0].at if own else None))


def attempted(attempts: Sequence[Attempt], record: Record) -> tuple[Transition, ...]:
    """Each attempt as a transition that ended when the next one began, and the last with ``record``. A step that a
    later attempt planned again was not carried out by the earlier one, which was stopped before its end."""
    ends = [*(each.at for each in attempts[1:]), record.at]
    again: set[tuple[str, str, str]] = set()
    found: list[Transition] = []
    for each, end in reversed(list(zip(attempts, ends, strict=False))):
        plan = _plan(each.steps)
        if plan is not None:
            carried = tuple(step for step in plan.steps if _named(step) not in again)
            again |= {_named(step) for step in plan.steps}
            plan = replace(plan, steps=carried)
        found.append(Transition(replace(record, at=end, plan=""), plan))
    return tuple(reversed(found))


def _named(step: Step) -> tuple[str, str, str]:
    return step.object, step.strategy, step.change


def earlier_of(records: Iterable[Record], version: int) -> Record | None:
    """The last record of a version."""
    found = [record for record in records if record.version == version and record.state != "failed"]
    return found[-1] if found else None


def _forward(record: Record) -> bool:
    return record.state in ("applied", "adopted")


def _plan(text: str) -> Plan | None:
    try:
        return Plan.from_json(text) if text else None
    except UsageError:
        return None


def transitions(covered: Sequence[VersionStep]) -> tuple[Transition, ...]:
    """What was done in these steps, oldest first."""
    return tuple(each for step in reversed(covered) for each in step.done)


def replacing_transition(row: KeptRow, listed: Sequence[Transition]) -> Transition | None:
    """The transition that replaced a kept table: it was recorded at its end."""
    return next((each for each in listed if each.record.at >= row.kept.earliest), None)


def linked(rows: Sequence[KeptRow], listed: Sequence[Transition]) -> tuple[Link, ...]:
    """Kept tables of one table, the oldest first, with what the plans say of the columns."""
    found: list[Link] = []
    for place, row in enumerate(rows):
        made = replacing_transition(row, listed)
        # A table may be altered and rebuilt by one plan: the copy says how its columns were filled.
        own = [step.work for step in made.steps if step.object == row.kept.table] if made is not None else []
        # Records hold no secrets. An expression that lacks its key would give other values.
        own = [each for each in own if not (isinstance(each, RebuildWork) and _lacks_a_secret(each))]
        work = next((each for each in own if isinstance(each, RebuildWork)), None)
        known = any(isinstance(each, RebuildWork | AttachWork) for each in own)
        # The table that took its place was live until then; later renames are of that one's successor.
        until = rows[place + 1].kept.earliest if place + 1 < len(rows) else None
        later = [
            each
            for each in listed
            if made is not None and each.record.at > made.record.at and (until is None or each.record.at < until)
        ]
        found.append(
            Link(
                row,
                work.columns if work else (),
                bool(work and work.where),
                _renames(row.kept.table, later),
                work.back if work else (),
                known,
            )
        )
    return tuple(found)


def _lacks_a_secret(work: RebuildWork) -> bool:
    return HIDDEN in " ".join([work.where, *(column.expression for column in (*work.columns, *work.back))])


def _renames(table: str, later: Sequence[Transition]) -> tuple[tuple[str, str], ...]:
    """Columns that ALTERs renamed, from the first name to the last."""
    now: dict[str, str] = {}
    for step in (
        step for each in later for step in each.steps if step.object == table and isinstance(step.work, AlterWork)
    ):
        assert isinstance(step.work, AlterWork)
        for old, new in _RENAMED.findall(" ".join(alter.sql for alter in step.work.alters)):
            first = next((name for name, last in now.items() if last == old), old)
            now[first] = new
    return tuple((_unquoted(old), _unquoted(new)) for old, new in sorted(now.items()))


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])
