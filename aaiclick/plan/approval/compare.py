"""Whether two plans are the same: the same steps, with the same SQL and the same hazards. What moves by itself, such as
the number of rows, may have moved by a tolerance. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pydantic import TypeAdapter

from aaiclick.diff.hazards import Hazard
from aaiclick.plan.approval.differing_words import differing_words
from aaiclick.plan.model import Plan, Step, step_without_secrets, version_text
from aaiclick.plan.operations import Work
from aaiclick.printable import in_plural, rows_text, rows_that, size_text

TOLERANCE = 0.25
"""By how much rows, bytes and the counts that a hazard names may have moved, up or down: a quarter."""
FEW_ROWS = 10_000
"""A difference in rows that counts for nothing, unless these rows are lost or changed."""
FEW_BYTES = 16 << 20
"""A difference in bytes that counts for nothing."""
FEW_SECONDS = 60.0
"""A difference in seconds that counts for nothing. Above it, an estimate may double or halve."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_WORKERS = re.compile(r"\bhost \S+ (?=copies |fills )|(?<=^-- on )hosts? .+?(?=, in chunks|; the other hosts)")
"""Which host of a shard of a cluster copies, or fills: the one that whoever carries it out is connected to."""
_MOVES = {"seen", "looks", "rereads"}
"""Fields of a step's work that depend on when it was planned, or on what is allowed."""


def changed_since(approved: Plan, now: Plan, begun: bool = False) -> tuple[str, ...]:
    """What is different now, one sentence each; empty where both plans are the same.

    ``begun``: a run has begun to carry the approved plan out. Then what is done already is missing now, and a step may
    be what is left of the approved one.
    """
    found: list[str] = []
    if now.to_version != approved.to_version:
        found.append(f"the code declares {_declared(now)}, the approved plan leads to {_declared(approved)}")
    if now.from_version != approved.from_version and not begun:
        found.append(
            f"the database is at {version_text(now.from_version)}, the approved plan begins at "
            f"{version_text(approved.from_version)}"
        )
    before = {step.id: step for step in approved.steps}
    after = {step.id: step for step in now.steps}
    for step in now.steps:
        if step.id not in before:
            found.append(f"{_named(step)} is not in the approved plan")
        else:
            found += _step_changes(before[step.id], step, begun)
    if not begun:
        found += [f"{_named(step)} is no longer needed" for step in approved.steps if step.id not in after]
    if len(before) < len(approved.steps):
        found.append("the approved plan has a step twice")
    if [each for each in before if each in after] != [each for each in after if each in before]:
        found.append("the steps come in another order")
    # Another release may say the same in other words.
    if found and approved.library and approved.library != now.library:
        found.append(f"the plan was made by aaiclick {approved.library}, this is {now.library}")
    return tuple(found)


def _declared(plan: Plan) -> str:
    return f"v{plan.to_version}" if plan.to_version is not None else "no version"


def _named(step: Step) -> str:
    return f"{step.object}: {step.change} ({step.strategy})"


def _step_changes(before: Step, now: Step, begun: bool) -> Iterator[str]:
    """What is different about one step. The first reason is enough: the others mostly follow from it."""
    name = now.object
    if now.unlooked and not before.unlooked and not now.optional:
        # A narrower policy has not looked at the rows. It does not carry such a step out either.
        return
    if now.strategy != before.strategy:
        yield f"{name}: {now.strategy} instead of {before.strategy}: {now.change}"
        return
    if now.blocked and not before.blocked:
        yield f"{name}: blocked now: {now.blocked}"
        return
    if before.blocked and not now.blocked:
        yield f"{name}: {now.change}: it was blocked when it was approved, and is not now"
        return
    hazards = list(_hazard_changes(before, now, begun))
    if not _same_sql(before, now, begun):
        yield f"{name}: other SQL is sent{_sql_change(before, now, begun)}"
    elif not hazards and not begun and not _same_words(before, now):
        yield f"{name}: {now.change}: approved was {before.change}"
    elif not hazards and now.optional != before.optional:
        yield f"{name}: {now.change}: it is {'a clean-up' if now.optional else 'required'} now"
    elif not hazards and (now.allowed, now.migrations) != (before.allowed, before.migrations):
        yield f"{name}: {now.change}: the migrations say something else about it"
    # What is left of a step that was begun is less than what was approved. A function is the same one or another.
    elif not hazards and (not begun or now.work.kind == "callable") and _work_text(before) != _work_text(now):
        yield f"{name}: {now.change}: it is carried out in another way than was approved"
    yield from hazards
    for cost in _cost_changes(before, now, begun):
        # A hazard that was said names the rows of the step, mostly.
        if not any(f" {now.rows:,} rows" in in_plural(hazard) for hazard in hazards) or not cost.startswith(
            _rows_text(now)
        ):
            yield cost


def _sql_change(before: Step, now: Step, begun: bool) -> str:
    """The first statement that is another one, beside the approved one in its place."""
    for place, new in enumerate(now.sql):
        if new in before.sql:
            continue
        old = before.sql[place] if place < len(before.sql) else ""
        if begun or not old or old in now.sql:  # what is left of a step has other places
            return f": {new}"
        was, is_now = differing_words(old, new)
        return f": {is_now}; approved was: {was}"
    return " than was approved"


def _same_sql(before: Step, now: Step, begun: bool) -> bool:
    if begun and set(now.sql) <= set(before.sql):
        return True
    return len(before.sql) == len(now.sql) and all(
        old == new or (old.startswith("--") and new.startswith("--") and _alike(old, new, FEW_ROWS))
        for old, new in zip(before.sql, now.sql, strict=True)
    )


def _same_words(before: Step, now: Step) -> bool:
    old, new = (before.change, *before.changes), (now.change, *now.changes)
    return len(old) == len(new) and all(_alike(was, is_now, FEW_ROWS) for was, is_now in zip(old, new, strict=True))


def _hazard_changes(before: Step, now: Step, begun: bool) -> Iterator[str]:
    # Each approved hazard answers for one of now: two equal ones have to have been approved twice.
    left = list(before.hazards)
    for hazard in now.hazards:
        # Of what is lost or changed no number is too small to count.
        few = 0 if hazard.destructive else FEW_ROWS
        match = next(
            (
                old
                for old in left
                if (old.kind, old.allow) == (hazard.kind, hazard.allow) and _alike(old.message, hazard.message, few)
            ),
            None,
        )
        if match is not None:
            left.remove(match)
        else:
            allow = f" [{hazard.allow}]" if hazard.allow else ""
            # The same words with other numbers are one hazard that grew, not two.
            counted = next((old for old in left if _same_but_numbers(old, hazard)), None)
            if counted is None:
                yield f"{now.object}: not approved: {hazard.kind}: {hazard.message}{allow}"
            else:
                left.remove(counted)
                yield f"{now.object}: {hazard.kind}: {hazard.message}{allow}; approved was: {counted.message}"
    if not begun:
        for hazard in left:
            yield f"{now.object}: approved, but no longer planned: {hazard.kind}: {hazard.message}"


def _same_but_numbers(old: Hazard, new: Hazard) -> bool:
    return (old.kind, old.allow, _parts(old.message)) == (new.kind, new.allow, _parts(new.message))


def _rows_text(step: Step) -> str:
    return f"{step.object}: {rows_text(step.rows)}, approved"


def _cost_changes(before: Step, now: Step, begun: bool) -> Iterator[str]:
    if before.behind:
        return  # rows that a script of the same plan writes or takes away were not there yet
    yield from _expiring_changes(before, now, begun)
    if _moved(before.rows, now.rows, FEW_ROWS):
        yield f"{_rows_text(now)} were {before.rows:,}"
    elif _moved(before.bytes, now.bytes, FEW_BYTES):
        yield f"{now.object}: {size_text(now.bytes)}, approved were {size_text(before.bytes)}"
    elif (
        before.seconds is not None
        and now.seconds is not None
        and abs(now.seconds - before.seconds) > FEW_SECONDS
        and not before.seconds / 2 <= now.seconds <= before.seconds * 2
    ):
        yield f"{now.object}: about {now.seconds:,.0f} s, approved were {before.seconds:,.0f} s"


def _expiring_changes(before: Step, now: Step, begun: bool) -> Iterator[str]:
    """Rows that a TTL deletes are lost: no difference in them is small. A number that is not known is approved only as
    that."""
    old, new = before.expiring, now.expiring
    if new is None:
        if old is not None:
            why = f": {now.uncounted}" if now.uncounted else ""
            yield f"{now.object}: rows that are past the new TTL are not counted now{why}; approved were {old:,}"
        elif now.uncounted and not before.uncounted:
            why = f"are not counted ({now.uncounted})"
            yield f"{now.object}: rows past the new TTL {why}, and the approved plan does not say so"
    elif old is None and new:
        yield f"{now.object}: {rows_that(new, 'are')} past the new TTL, and the approved plan does not say how many"
    elif old is not None and _moved(old, new, 0) and not (begun and new < old):
        yield f"{now.object}: {rows_that(new, 'are')} past the new TTL, approved were {old:,}"


def _moved(before: float, now: float, few: float) -> bool:
    return abs(now - before) > max(few, before * TOLERANCE)


def _alike(before: str, now: str, few: int) -> bool:
    """The same words, with the same numbers up to the tolerance."""
    before, now = (in_plural(_WORKERS.sub("", each)) for each in (before, now))
    if before == now:
        return True
    if _parts(before) != _parts(now):
        return False
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(now), strict=True)
    return not any(_moved(_value(old), _value(new), few) for old, new in pairs)


def _parts(text: str) -> list[str]:
    """The words around the numbers."""
    return _NUMBER.split(text)


def _value(digits: str) -> float:
    return float(digits.replace(",", ""))


def _work_text(step: Step) -> bytes:
    """What is carried out, without what depends on the moment. Secrets are in no plan that was saved."""
    return _works().dump_json(step_without_secrets(step).work, exclude=_MOVES)


@cache
def _works() -> TypeAdapter[Work]:
    return TypeAdapter(Work)
