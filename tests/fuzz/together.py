"""Several cases in one database, planned and carried out at once: a start costs hardly more for many tables than for
one.

What fails among the others is played again alone. What fails only among others is a failure of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from aaiclick import Migration, Plan, Policy, Schema, ensure_schema, plan_schema
from tests.fuzz.catalogue import left_behind
from tests.fuzz.compare import Failure
from tests.fuzz.declare import declared, migrated
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.play import Before, Outcome, afterwards, disproved, dropping, judged, keys_of, play, prepared
from tests.fuzz.schema import World

ALONE = 2
"""So few are not tried together again."""


@dataclass(slots=True)
class _Case:
    place: int
    world: World
    schema: Schema
    looks: list[Before]


def play_together(ground: Ground, worlds: Sequence[World]) -> list[Outcome]:
    """How each of the cases ended."""
    ended: dict[int, Outcome] = {}
    groups: dict[tuple[bool, tuple[str, ...]], list[int]] = {}
    for place, world in enumerate(worlds):
        groups.setdefault((bool(declared(world, ground.live).migrations), world.session), []).append(place)
    for (_, session), group in groups.items():
        with ground.session(session):
            _group(ground, worlds, group, ended)
    for place, world in enumerate(worlds):
        before = ended.get(place)
        if before is None or before.failures:
            ended[place] = play(ground, world)
            if before is not None and not ended[place].failures:
                told = "; ".join(str(failure) for failure in before.failures)
                ended[place].failures.append(
                    Failure("together", f"only beside the seeds {[other.seed for other in worlds]}: {told}")
                )
    return [ended[place] for place in range(len(worlds))]


def _group(ground: Ground, worlds: Sequence[World], places: list[int], ended: dict[int, Outcome]) -> None:
    """In halves where they do not go through at once: one of them fails, and the others need not be played one by one
    for it."""
    if len(places) < 2:
        return
    ground.create()
    try:
        through = _among_others(ground, worlds, places, ended)
    finally:
        ground.drop()
    left = [place for place in places if place not in ended]
    if not through and len(left) > ALONE:
        _group(ground, worlds, left[: len(left) // 2], ended)
        _group(ground, worlds, left[len(left) // 2 :], ended)


def _among_others(ground: Ground, worlds: Sequence[World], places: Sequence[int], ended: dict[int, Outcome]) -> bool:
    """Ends as many as can be ended at once; the others are left out of ``ended``. False where the run failed."""
    cases: list[_Case] = []
    for place in places:
        world = worlds[place]
        try:
            cases.append(_Case(place, world, declared(world, ground.live), prepared(ground, world)))
        except Refused as error:
            ended[place] = Outcome("no case", said=str(error))
    if any(case.schema.migrations for case in cases):
        try:
            ensure_schema(ground.client, _before(ground, cases), database=ground.live, policy=Policy.safe())
        except Exception:
            return False
    plan = None
    while cases and plan is None:
        try:
            plan = plan_schema(ground.client, _all(cases), database=ground.live)
        except Exception as error:
            named = [
                case
                for case in cases
                if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)) for name in _names(case))
            ]
            cases = [case for case in cases if case is not named[0]] if named else []
    if plan is None:
        return True
    open_cases: list[_Case] = []
    for case in cases:
        case.world = dropping(case.world, _own(plan, case))
        outcome = disproved(ground, case.looks, judged(case.world, case.looks, _own(plan, case)))
        if outcome.end == "blocked":
            ended[case.place] = outcome
        else:
            open_cases.append(case)
    return _carry_out(ground, plan, open_cases, ended)


def _carry_out(ground: Ground, plan: Plan, cases: list[_Case], ended: dict[int, Outcome]) -> bool:
    schema = _all(cases)
    keys = tuple(key for case in cases for key in keys_of(_own(plan, case), case.world.drop))
    try:
        ensure_schema(
            ground.client, schema, database=ground.live, policy=Policy.lossless(keep_old=timedelta(0)).allow(*keys)
        )
        second = plan_schema(ground.client, schema, database=ground.live)
    except Exception:
        return False
    if left_behind(ground):
        return False
    for case in cases:
        own = _own(plan, case)
        outcome = judged(case.world, case.looks, own)
        try:
            outcome.failures += afterwards(
                ground, case.world, case.looks, keys_of(own, case.world.drop), _own(second, case)
            )
        except Refused as error:
            outcome.failures.append(Failure("unreadable", str(error)))
        ended[case.place] = outcome
    return True


def _all(cases: list[_Case]) -> Schema:
    """One schema of them all. Migrations of the same version are one."""
    migrations = [migration for case in cases for migration in migrated(case.world)]
    versions = sorted({migration.version for migration in migrations})
    together = [
        _one(version, [migration for migration in migrations if migration.version == version]) for version in versions
    ]
    objects = [item for case in cases for item in case.schema.objects]
    return Schema("fuzz", version=versions[-1] if versions else None, objects=objects, migrations=together or None)


def _one(version: int, migrations: list[Migration]) -> Migration:
    renames = {old: new for migration in migrations for old, new in (migration.renames or {}).items()}
    rebuild = {table: how for migration in migrations for table, how in (migration.rebuild or {}).items()}
    allow = [key for migration in migrations for key in migration.allow]
    return Migration(version, title="together", renames=renames, rebuild=rebuild, allow=allow)


def _before(ground: Ground, cases: list[_Case]) -> Schema:
    """What is there, as the first version."""
    objects = [
        item
        for case in cases
        for item in declared(replace(case.world, after=case.world.before), ground.live, 1).objects
    ]
    return Schema("fuzz", version=1, objects=objects)


def _names(case: _Case) -> set[str]:
    return {name for state in (case.world.before, case.world.after) for name in state.names}


def _own(plan: Plan, case: _Case) -> Plan:
    """The steps of one case."""
    names = _names(case)
    return replace(plan, steps=tuple(step for step in plan.steps if step.object in names))
