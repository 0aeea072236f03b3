"""A case there, back, and there again: what a rollback brings is what was there before, and the rows that came since.

``python -m tests.fuzz.rollback --first 0 --seeds 200``: each failure in a line, and how the cases ended.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from aaiclick import Plan, Policy, Schema, ensure_schema, plan_schema, rollback_schema
from aaiclick.errors import AaiclickError, BlockedError, HazardNotAllowedError, SchemaError
from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.catalogue import left_behind
from tests.fuzz.compare import Failure, lines, readable
from tests.fuzz.declare import declared
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.play import dropping, history, insert, keys_of, statements
from tests.fuzz.schema import Table, World
from tests.fuzz.types import quoted
from tests.fuzz.worlds import world

KEEP = timedelta(days=1)
Lines = Counter[tuple[str, ...]]


@dataclass(slots=True)
class Ended:
    """How it ended: ``back``, ``refused``, or ``no case``; what was wrong, and what was said."""

    end: str
    said: str = ""
    failures: list[Failure] = field(default_factory=list)


def there_and_back(ground: Ground, case: World) -> Ended:
    """The case on fresh databases, which are dropped afterwards."""
    ground.create()
    try:
        return _played(ground, case)
    finally:
        ground.drop()


def _played(ground: Ground, case: World) -> Ended:
    one = declared(replace(case, after=case.before), ground.live, 1)
    try:
        history(ground, case)
        ensure_schema(ground.client, one, database=ground.live, policy=Policy.safe())
        two = declared(case, ground.live)
        two = two if two.version else Schema("fuzz", version=2, objects=two.objects)
        plan = plan_schema(ground.client, two, database=ground.live)
        keys = keys_of(plan, dropping(case, plan).drop)
        before = _all(ground, case.before.tables)
        _forward(ground, two, keys)
        after = _all(ground, case.after.tables)
    except (AaiclickError, Refused) as error:
        return Ended("no case", str(error))  # whether that is right is asked by the other cases
    if not plan.required:
        return Ended("no case", "nothing to do")
    since = _came_since(ground, case)
    now = _all(ground, case.after.tables)
    found = _dry(ground, one)
    if not found and _all(ground, case.after.tables) != now:
        found.append(Failure("dry run", "rows are other ones than before the dry run"))
    if found:
        return Ended("refused", failures=found)
    allow, refusal, found = _back(ground, one)
    if refusal or found:
        if refusal and _all(ground, case.after.tables) != now:
            found.append(Failure("refused", f"rows are other ones than before: {refusal}"))
        return Ended("refused", refusal, found)
    said = ", ".join(allow)
    if any(key.startswith("partial ") for key in allow):
        return Ended("back", said)
    ended = Ended("back", said, _as_before(ground, case, one, before, since, allow))
    if not ended.failures:
        ended.failures += _again(ground, case, two, keys, after, changed=bool(allow))
    return ended


def _forward(ground: Ground, schema: Schema, keys: tuple[str, ...]) -> Plan:
    ensure_schema(ground.client, schema, database=ground.live, policy=Policy.lossless(keep_old=KEEP).allow(*keys))
    return plan_schema(ground.client, schema, database=ground.live)


def _all(ground: Ground, tables: tuple[Table, ...]) -> dict[str, Lines]:
    """The rows of each table; of one that this release does not read, none."""
    found: dict[str, Lines] = {}
    for table in tables:
        try:
            found[table.name] = Counter(lines(ground, f"{ground.live}.{quoted(table.name)}", readable(table)))
        except Refused:
            continue
    return found


def _came_since(ground: Ground, case: World) -> dict[str, int]:
    """Insert the rows of the case that come later; how many came to each table, by its old name."""
    pairs = [(old, new) for new in case.after.tables if (old := case.before.table(new.old_name)) is not None]
    was = {old.name: _count(ground, new) for old, new in pairs}
    for batch in case.later:
        for piece in statements(batch):
            try:
                insert(ground, ground.live, piece)
            except Refused:
                continue
    return {old.name: _count(ground, new) - was[old.name] for old, new in pairs}


def _count(ground: Ground, table: Table) -> int:
    return int(ground.rows(f"SELECT count() FROM {ground.live}.{quoted(table.name)}")[0][0])


def _dry(ground: Ground, one: Schema) -> list[Failure]:
    try:
        rollback_schema(ground.client, one, to=1, database=ground.live, dry_run=True)
    except (SchemaError, HazardNotAllowedError):
        return []
    except Exception as error:
        return [Failure("crash", f"a dry run: {type(error).__name__}: {error}")]
    return []


def _back(ground: Ground, one: Schema) -> tuple[tuple[str, ...], str, list[Failure]]:
    """Roll back: what had to be allowed, or why it was refused."""
    allow: tuple[str, ...] = ()
    for _ in range(2):
        try:
            rollback_schema(ground.client, one, to=1, database=ground.live, allow=allow)
        except HazardNotAllowedError as error:
            if set(error.allow) <= set(allow):
                return allow, "", [Failure("failed", f"allowed, and refused all the same: {error}")]
            allow = (*allow, *error.allow)
        except SchemaError as error:
            return allow, str(error), []
        except Exception as error:
            return allow, "", [Failure("failed", f"{type(error).__name__}: {error}")]
        else:
            return allow, "", []
    return allow, "", [Failure("failed", f"{allow} were not enough")]


def _as_before(
    ground: Ground, case: World, one: Schema, before: dict[str, Lines], since: dict[str, int], allow: tuple[str, ...]
) -> list[Failure]:
    found = [Failure("left behind", name) for name in left_behind(ground) if "_aaiclick_old_" not in name]
    second = plan_schema(ground.client, one, database=ground.live)
    if second.required:
        found.append(Failure("second plan", "; ".join(step.change for step in second.required)))
    now = _all(ground, case.before.tables)
    asked = {target.partition(".")[0] for key in allow for target in [key.partition(" ")[2]]}
    for table in case.before.tables:
        was, came = before.get(table.name), since.get(table.name, 0)
        if was is None or table.name in asked or table.name not in now:
            continue
        if lost := was - now[table.name]:
            found.append(Failure("rows", f"{table.name}: {sum(lost.values())} are not back: {list(lost)[:2]}"))
        elif now[table.name].total() != was.total() + came:
            found.append(Failure("rows", f"{table.name}: {now[table.name].total()} of {was.total()} and {came} since"))
    return found


def _again(
    ground: Ground, case: World, two: Schema, keys: tuple[str, ...], after: dict[str, Lines], *, changed: bool
) -> list[Failure]:
    """``changed``: what came since was allowed to become something else, which may not go forward."""
    try:
        plan = plan_schema(ground.client, two, database=ground.live)
        second = _forward(ground, two, tuple(dict.fromkeys((*keys, *keys_of(plan, False)))))
    except (BlockedError, HazardNotAllowedError) as error:
        return [] if changed else [Failure("forward again", f"{type(error).__name__}: {error}")]
    except AaiclickError as error:
        return [Failure("forward again", f"{type(error).__name__}: {error}")]
    except Exception as error:
        return [Failure("crash", f"forward again: {type(error).__name__}: {error}")]
    found = [Failure("second plan", step.change) for step in second.required]
    now = _all(ground, case.after.tables)
    for table in case.after.tables:
        if table.name in after and table.name in now and (lost := after[table.name] - now[table.name]):
            found.append(Failure("forward again", f"{table.name}: {sum(lost.values())} are missing: {list(lost)[:2]}"))
    return found


def main(arguments: list[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=200)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    ends: Counter[str] = Counter()
    with EmbeddedEngine(":memory:") as engine:
        own = Embedded(engine)
        ground = Ground(own, own.client())
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            ended = there_and_back(ground, world(seed))
            ends[ended.end] += 1
            for failure in ended.failures[:1]:
                sys.stdout.write(f"FAILED {seed} {failure.kind}: {failure.detail[:700]}\n")
            if ended.end == "refused" and not ended.failures:
                sys.stdout.write(f"refused {seed}: {ended.said[:300]}\n")
            sys.stdout.flush()
        own.close()
    sys.stdout.write(f"{chosen.seeds} seeds: {dict(ends)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
