"""``python -m tests.fuzz.mutants``: faults put back into the library, one at a time; the adversary has to find each.

Each takes one proof or one precaution away. The cases are the same as ever, in order, and only those are played that
could show it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from aaiclick.plan.data_checks.checks import CheckFindings
from aaiclick.plan.dependents.dependent_steps import DependentSteps
from aaiclick.plan.old_parts.absent_columns import AbsentColumns
from aaiclick.plan.proof.in_place import InPlaceProof
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.combined import COMBINING
from tests.fuzz.compare import Failure
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground
from tests.fuzz.play import play
from tests.fuzz.reference import copied
from tests.fuzz.schema import Column, Table, World
from tests.fuzz.types import inside, quoted
from tests.fuzz.worlds import world

WITHIN = 5000
"""Seeds within which each has to be found."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """``where`` (module.attribute, several with spaces between) is replaced. ``shows``: whether a case could show it.
    ``seed``: one that does."""

    name: str
    where: str
    instead: Callable[..., object]
    shows: Callable[[World], bool]
    seed: int = -1


@contextmanager
def put_back(mutant: Mutant) -> Iterator[None]:
    """The fault is in the library for as long as this lasts."""
    places = [
        (import_module(module), attribute)
        for module, _, attribute in (each.rpartition(".") for each in mutant.where.split())
    ]
    right = [getattr(module, attribute) for module, attribute in places]
    for module, attribute in places:
        setattr(module, attribute, mutant.instead)
    try:
        yield
    finally:
        for (module, attribute), was in zip(places, right, strict=True):
            setattr(module, attribute, was)


def _always_in_place(case: TableDiff, data_name: str) -> Routine[InPlaceProof]:
    yield from ()
    return InPlaceProof(True)


def _nothing_absent(case: TableDiff, data_name: str) -> Routine[AbsentColumns]:
    yield from ()
    return AbsentColumns(case.changes)


def _nothing_counted(*_: object) -> Routine[CheckFindings]:
    yield from ()
    return CheckFindings("")


def _nobody_around(*_: object) -> Routine[DependentSteps]:
    yield from ()
    return DependentSteps()


def _nothing_combined(*_: object) -> Routine[tuple[()]]:
    yield from ()
    return ()


def _no_words(*_: object) -> Routine[str]:
    yield from ()
    return ""


def _nothing(*_: object) -> None: ...


def _cast(source: str, old: str, new: str) -> str:
    return (
        source
        if old == new
        else f"CAST({source}, '{new.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}')"
    )


def _copied(case: World) -> list[tuple[Table, Column, Column]]:
    """Stored columns, with what they were, in tables with rows."""
    found: list[tuple[Table, Column, Column]] = []
    for new in case.after.tables:
        old = case.before.table(new.old_name)
        if old is not None and any(batch.table == old.name for batch in case.batches):
            found += [(old, was, column) for was, column in copied(old, new)]
    return found


def _pairs(case: World) -> list[tuple[Table, Column, Column]]:
    """Those that get another type."""
    return [(table, was, column) for table, was, column in _copied(case) if was.type != column.type]


def _retyped(case: World) -> bool:
    return bool(_pairs(case))


SAME_BYTES = (
    {"DateTime", "UInt32"},
    {"DateTime64", "Int64"},
    {"Enum8", "Int8"},
    {"Enum16", "Int16"},
    {"Bool", "UInt8"},
)


def _computed(case: World, of: Callable[[Table], Iterable[str]]) -> bool:
    """Something is computed from a column whose bytes stay: the server changes that as metadata."""
    return any(
        quoted(was.name) in expression
        and expression != quoted(was.name)
        and not _moved(was, column)
        and any({was.type.name, column.type.name} <= names for names in SAME_BYTES)
        for table, was, column in _pairs(case)
        for expression in of(table)
    )


def _read_by_keys(case: World) -> bool:
    return _computed(case, lambda table: (*table.order_by, table.partition_by))


def _read_by_indexes(case: World) -> bool:
    """A projection reads a column of which the bytes stay, or an index an ALIAS that is computed otherwise."""
    aliased = any(
        quoted(column.name) in item.expr
        and column.kind == "ALIAS"
        and (was := table.column(column.old_name)) is not None
        and was.expr != column.expr
        for new in case.after.tables
        if (table := case.before.table(new.old_name)) is not None
        for column in new.columns
        for item in table.indexes
    )
    return aliased or _computed(case, lambda table: [item.query for item in table.projections])


def _moved(was: Column, column: Column) -> bool:
    before, after = ([dict(part.labels) for part in inside(kind) if part.labels] for kind in (was.type, column.type))
    return any(
        one[label] != other[label] for one, other in zip(before, after, strict=False) for label in one if label in other
    )


def _labels_inside(case: World) -> bool:
    return any(_moved(was, column) and was.type.name in {"Array", "Map", "Tuple"} for _, was, column in _pairs(case))


def _late(case: World) -> bool:
    """Old parts lack a column that gets another default."""
    return any(
        was.late
        and not batch.late
        and batch.table == table.name
        and was.kind != "EPHEMERAL"
        and (was.kind, was.expr) != (column.kind, column.expr)
        for batch in case.batches
        for table, was, column in _copied(case)
    )


def _keyed_again(case: World) -> bool:
    combines = all(table.engine.name in COMBINING for state in (case.before, case.after) for table in state.tables)
    return combines and bool({"sort key", "partition key", "retype", "same bytes"} & set(case.changes))


def _by_order(case: World) -> bool:
    """Rows of one key are copied in another order."""
    return (
        all(table.engine.name in COMBINING for state in (case.before, case.after) for table in state.tables)
        and "sort key" in case.changes
    )


def _viewed(case: World) -> bool:
    return any(not view.materialized for view in case.before.views) and "retype" in case.changes


def _checked(case: World) -> bool:
    return any(table.constraints for table in case.after.tables) and not all(
        table.constraints for table in case.before.tables
    )


TABLES, PROOF = "aaiclick.plan.table", "aaiclick.plan.proof.in_place"
LOOKS = "aaiclick.plan.proof.column_comparisons"
IN_PLACE = f"{LOOKS}.in_place {LOOKS}.keeps_bytes aaiclick.diff.changes.column_type.in_place"
MUTANTS = (
    Mutant("in place, whatever reads what changes", f"{TABLES}.prove", _always_in_place, _read_by_keys, seed=608),
    Mutant(
        "an index or projection stays over what it was made of",
        f"{PROOF}._remake",
        _nothing,
        _read_by_indexes,
        seed=4877,
    ),
    Mutant("what old parts lack reads the new default", f"{TABLES}.absent_columns", _nothing_absent, _late, seed=4390),
    Mutant("values are not counted", f"{TABLES}.count_violations", _nothing_counted, _retyped, seed=34),
    Mutant(
        "labels go by their numbers in a copy",
        "aaiclick.plan.strategies.rebuild.conversion",
        _cast,
        _labels_inside,
        seed=421,
    ),
    Mutant("labels go by their numbers in place", IN_PLACE, lambda *_: True, _labels_inside, seed=495),
    Mutant(
        "merges combine other rows and nobody asks", f"{TABLES}.combined", _nothing_combined, _keyed_again, seed=153
    ),
    Mutant(
        "a copy does not keep the order of rows",
        "aaiclick.plan.strategies.rebuild.ties_matter",
        lambda *_: False,
        _by_order,
        seed=153,
    ),
    Mutant(
        "views keep the types that they had",
        "aaiclick.plan.comparison.in_scratch.plan_dependents",
        _nobody_around,
        _viewed,
        seed=27,
    ),
    Mutant(
        "constraints are not held against the rows",
        f"{TABLES}.violated {PROOF}.violated {PROOF}.newly_violated",
        _no_words,
        _checked,
        seed=90,
    ),
    Mutant(
        "a jump keeps what a version on the way drops",
        "aaiclick.versions.jumps.compose._again",
        lambda *_: False,
        lambda case: bool(case.anew and case.batches),
        seed=88,
    ),
    Mutant(
        "settings of the session apply",
        "aaiclick.clients.embedded.only_kept aaiclick.clients.opening.only_kept",
        dict,
        lambda case: bool(case.session and case.batches),
        seed=1767,
    ),
)


def found_by(ground: Ground, mutant: Mutant, seeds: Iterable[int]) -> int | None:
    """The first case that fails with the fault and holds without it."""
    return next((seed for seed in seeds if mutant.shows(world(seed)) and shown_by(ground, mutant, seed)), None)


def shown_by(ground: Ground, mutant: Mutant, seed: int) -> list[Failure]:
    """What is wrong in a case with the fault; nothing where it is wrong without it, too."""
    case = world(seed)
    with put_back(mutant):
        failures = play(ground, case).failures
    return [] if failures and play(ground, case).failures else failures


def main(arguments: list[str]) -> int:
    """Look for each of them, or for those whose name holds a word: in the case that is kept, or anew among all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--word", default="")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--within", type=int, default=WITHIN)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    missed = 0
    with EmbeddedEngine(":memory:") as engine:
        embedded = Embedded(engine)
        ground = Ground(embedded, embedded.client())
        for mutant in MUTANTS:
            if chosen.word in mutant.name:
                seed = found_by(ground, mutant, range(chosen.within) if chosen.anew else (mutant.seed,))
                missed += seed is None
                sys.stdout.write(f"{mutant.name}: {'not found' if seed is None else f'seed {seed}'}\n")
                sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
