"""``python -m tests.fuzz.mutants``: faults put back into the library, one at a time; the adversary has to find each.

Each takes one proof or one precaution away. The cases are the same as ever, in order, and only those are played that could show it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from aaiclick.plan.checks import Findings
from aaiclick.plan.outside.around import Around
from aaiclick.plan.proof.absent import Absent
from aaiclick.plan.proof.verdict import Verdict
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Routine
from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground
from tests.fuzz.play import play
from tests.fuzz.reference import copied
from tests.fuzz.schema import Column, Table, World
from tests.fuzz.types import inside, quoted
from tests.fuzz.worlds import world

WITHIN = 4000
"""Seeds within which each has to be found."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """``where`` (module.attribute) is replaced. ``shows``: whether a case could show it. ``seed``: the first one that does."""

    name: str
    where: str
    instead: Callable[..., object]
    shows: Callable[[World], bool]
    seed: int = -1


@contextmanager
def put_back(mutant: Mutant) -> Iterator[None]:
    """The fault is in the library for as long as this lasts."""
    module_name, _, attribute = mutant.where.rpartition(".")
    module = import_module(module_name)
    right = getattr(module, attribute)
    setattr(module, attribute, mutant.instead)
    try:
        yield
    finally:
        setattr(module, attribute, right)


def _always_in_place(case: TableCase, data_name: str) -> Routine[Verdict]:
    yield from ()
    return Verdict(True)


def _nothing_absent(case: TableCase, data_name: str) -> Routine[Absent]:
    yield from ()
    return Absent(case.changes)


def _nothing_counted(*_: object) -> Routine[Findings]:
    yield from ()
    return Findings("")


def _nobody_around(*_: object) -> Routine[Around]:
    yield from ()
    return Around()


def _nothing_combined(*_: object) -> Routine[tuple[()]]:
    yield from ()
    return ()


def _no_words(*_: object) -> Routine[str]:
    yield from ()
    return ""


def _nothing(*_: object) -> None: ...


def _cast(source: str, old: str, new: str) -> str:
    return source if old == new else f"CAST({source}, '{new.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}')"


def _pairs(case: World) -> list[tuple[Table, Column, Column]]:
    """Stored columns that get another type, in tables with rows."""
    found: list[tuple[Table, Column, Column]] = []
    for new in case.after.tables:
        old = case.before.table(new.old_name)
        if old is not None and any(batch.table == old.name for batch in case.batches):
            found += [(old, was, column) for was, column in copied(old, new) if was.type != column.type]
    return found


def _retyped(case: World) -> bool:
    return bool(_pairs(case))


def _read_by_keys(case: World) -> bool:
    """A key computes something from a column whose bytes stay: the server changes that as metadata."""
    same = ({"DateTime", "UInt32"}, {"DateTime64", "Int64"}, {"Enum8", "Int8"}, {"Enum16", "Int16"}, {"Bool", "UInt8"})
    return any(
        quoted(was.name) in key and key not in {quoted(was.name), ""} and any({was.type.name, column.type.name} <= names for names in same)
        for table, was, column in _pairs(case)
        for key in (*table.order_by, table.partition_by)
    )


def _read_by_indexes(case: World) -> bool:
    return any(any(quoted(was.name) in item.expr for item in table.indexes) for table, was, _ in _pairs(case))


def _labels(case: World) -> bool:
    return any(_moved(was, column) for _, was, column in _pairs(case))


def _moved(was: Column, column: Column) -> bool:
    before, after = ([dict(part.labels) for part in inside(kind) if part.labels] for kind in (was.type, column.type))
    return any(one[label] != other[label] for one, other in zip(before, after, strict=False) for label in one if label in other)


def _labels_inside(case: World) -> bool:
    return any(_moved(was, column) and was.type.name in {"Array", "Map"} for _, was, column in _pairs(case))


def _late(case: World) -> bool:
    return any(column.late for table in case.before.tables for column in table.columns) and bool({"default", "retype", "rename column"} & set(case.changes))


def _keyed_again(case: World) -> bool:
    special = any(table.engine.name not in {"MergeTree", "VersionedCollapsingMergeTree"} for table in case.before.tables)
    return special and bool({"sort key", "partition key", "engine"} & set(case.changes))


def _by_order(case: World) -> bool:
    names = {"CollapsingMergeTree", "CoalescingMergeTree", "ReplacingMergeTree"}
    return any(table.engine.name in names and not table.engine.columns for table in case.before.tables) and bool({"retype", "sort key"} & set(case.changes))


def _viewed(case: World) -> bool:
    return any(not view.materialized for view in case.before.views) and "retype" in case.changes


def _checked(case: World) -> bool:
    return any(table.constraints for table in case.after.tables) and not all(table.constraints for table in case.before.tables)


TABLES, PROOF = "aaiclick.plan.tables", "aaiclick.plan.proof.verdict"
MUTANTS = (
    Mutant("in place, whatever reads what changes", f"{TABLES}.prove", _always_in_place, _read_by_keys),
    Mutant("an index stays over what it was made of", f"{PROOF}._remake", _nothing, _read_by_indexes),
    Mutant("what old parts lack reads the new default", f"{TABLES}.absent_columns", _nothing_absent, _late),
    Mutant("values are not counted", f"{TABLES}.count_first", _nothing_counted, _retyped),
    Mutant("labels go by their numbers in a copy", "aaiclick.plan.strategies.rebuild.conversion", _cast, _labels_inside),
    Mutant("labels go by their numbers in place", f"{PROOF}.in_place", lambda *_: True, _labels),
    Mutant("merges combine other rows and nobody asks", f"{TABLES}.combined", _nothing_combined, _keyed_again),
    Mutant("a copy does not keep the order of rows", "aaiclick.plan.strategies.rebuild.order_matters", lambda *_: False, _by_order),
    Mutant("views keep the types that they had", "aaiclick.plan.planner.plan_around", _nobody_around, _viewed),
    Mutant("constraints are not held against the rows", f"{TABLES}.violated", _no_words, _checked),
)


def found_by(ground: Ground, mutant: Mutant, seeds: range) -> int | None:
    """The first case that fails with the fault and holds without it."""
    for seed in seeds:
        case = world(seed)
        if not mutant.shows(case):
            continue
        with put_back(mutant):
            failures = play(ground, case).failures
        if failures and not play(ground, case).failures:
            return seed
    return None


def main(arguments: list[str]) -> int:
    """Look for each of them, or for those whose name holds a word."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--word", default="")
    parser.add_argument("--within", type=int, default=WITHIN)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    missed = 0
    with EmbeddedEngine(":memory:") as engine:
        embedded = Embedded(engine)
        ground = Ground(embedded, embedded.client())
        for mutant in MUTANTS:
            if chosen.word in mutant.name:
                seed = found_by(ground, mutant, range(chosen.within))
                missed += seed is None
                sys.stdout.write(f"{mutant.name}: {'not found' if seed is None else f'seed {seed}'}\n")
                sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
