"""Several cases in one database, planned and carried out at once: a start costs the same for eight tables as for one.

What fails among the others is played again alone. What fails only among others is a failure of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema
from tests.fuzz.catalogue import left_behind
from tests.fuzz.compare import Failure
from tests.fuzz.declare import declared
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.play import Before, Outcome, afterwards, judged, keys_of, play, prepared
from tests.fuzz.schema import World


@dataclass(slots=True)
class _Case:
    place: int
    world: World
    schema: Schema
    looks: list[Before]


def play_together(ground: Ground, worlds: Sequence[World]) -> list[Outcome]:
    """How each of the cases ended."""
    ended: dict[int, Outcome] = {}
    ground.create()
    try:
        _among_others(ground, worlds, ended)
    finally:
        ground.drop()
    for place, world in enumerate(worlds):
        before = ended.get(place)
        if before is None or before.failures:
            ended[place] = play(ground, world)
            if before is not None and not ended[place].failures:
                told = "; ".join(str(failure) for failure in before.failures)
                ended[place].failures.append(Failure("together", f"only beside the seeds {[other.seed for other in worlds]}: {told}"))
    return [ended[place] for place in range(len(worlds))]


def _among_others(ground: Ground, worlds: Sequence[World], ended: dict[int, Outcome]) -> None:
    """Ends as many as can be ended at once; the others are left out of ``ended``."""
    cases: list[_Case] = []
    for place, world in enumerate(worlds):
        try:
            schema = declared(world, ground.live)
            if not schema.migrations:
                cases.append(_Case(place, world, schema, prepared(ground, world)))
        except Refused as error:
            ended[place] = Outcome("no case", said=str(error))
    plan = None
    while cases and plan is None:
        try:
            plan = plan_schema(ground.client, _all(cases), database=ground.live)
        except Exception as error:
            named = [case for case in cases if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)) for name in _names(case))]
            cases = [case for case in cases if case is not named[0]] if named else []
    if plan is None:
        return
    open_cases: list[_Case] = []
    for case in cases:
        outcome = judged(case.world, case.looks, _own(plan, case))
        if outcome.end == "blocked":
            ended[case.place] = outcome
        else:
            open_cases.append(case)
    _carry_out(ground, plan, open_cases, ended)


def _carry_out(ground: Ground, plan: Plan, cases: list[_Case], ended: dict[int, Outcome]) -> None:
    schema = _all(cases)
    keys = tuple(key for case in cases for key in keys_of(_own(plan, case), case.world.drop))
    try:
        ensure_schema(ground.client, schema, database=ground.live, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys))
        second = plan_schema(ground.client, schema, database=ground.live)
    except Exception:
        return
    if left_behind(ground):
        return
    for case in cases:
        own = _own(plan, case)
        outcome = judged(case.world, case.looks, own)
        try:
            outcome.failures += afterwards(ground, case.world, case.looks, keys_of(own, case.world.drop), _own(second, case))
        except Refused as error:
            outcome.failures.append(Failure("unreadable", str(error)))
        ended[case.place] = outcome


def _all(cases: list[_Case]) -> Schema:
    return Schema("fuzz", objects=[item for case in cases for item in case.schema.objects])


def _names(case: _Case) -> set[str]:
    return {name for state in (case.world.before, case.world.after) for name in state.names}


def _own(plan: Plan, case: _Case) -> Plan:
    """The steps of one case."""
    names = _names(case)
    return replace(plan, steps=tuple(step for step in plan.steps if step.object in names))
