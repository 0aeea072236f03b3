"""Checks that skip indexes take the rows that are there.

An index may refuse values that its expression gives: an index of vectors wants each one to have its dimension. Then no
part with such a row can be merged any more, nor can an INSERT write one. What is known of the rows that a kind refuses
is counted over all rows; beside that some rows of each shard are written with the index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aaiclick.catalog.forms import IndexForm
from aaiclick.plan.data_checks.unmergeable import refused_rows
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.rehearsal.on_parts import written_refused
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.tokens import split_top, unquote

_ANY_VALUE = frozenset({"minmax", "set", "tokenbf_v1", "ngrambf_v1", "sparse_grams", "hypothesis"})
"""Kinds that take every value of a type which they take."""
_ONE = "_aaiclick_one"


def unbuildable(diff: TableDiff, data_name: str, indexes: Sequence[IndexForm]) -> Routine[tuple[str, Cost]]:
    """A sentence for each index that does not take a row ('' for none), and what it cost to find out."""
    problems: list[str] = []
    cost = Cost()
    for index in indexes:
        kind, _, _ = index.type.partition("(")
        if kind in _ANY_VALUE:
            continue
        problem = ""
        if kind == "vector_similarity":
            problem, read = yield from _vectors(diff, data_name, index)
            cost = cost.plus(read)
        if (
            not problem
            and not diff.reads_no_rows
            and (said := (yield from written_refused(diff, data_name, index.name, [], [index])))
        ):
            problem = f" (the engine: {said.partition(': while executing')[0]})"
        if problem:
            problems.append(
                f"the index {index.name} ({index.expression} TYPE {index.type}) cannot be built for the rows that are "
                f"there, and parts that hold them could not be merged any more{problem}"
            )
    return "; ".join(problems), cost


def preprocessed(index: IndexForm) -> tuple[str, ...]:
    """What an index computes of each text before it takes it apart: its preprocessor reads the expression of the index
    and, where that is an array, one element of it."""
    given = dict(_argument(each) for each in _arguments(index)).get("preprocessor")
    if given is None:
        return ()
    # The expression stands in the preprocessor in the server's own spelling, as it does in the index.
    whole = re.compile(rf"(?<![\w`.]){re.escape(index.expression)}(?![\w`.(])")
    return (f"arrayMap({_ONE} -> ({whole.sub(_ONE, given)}), flatten([{index.expression}]))",)


def _vectors(diff: TableDiff, data_name: str, index: IndexForm) -> Routine[tuple[str, Cost]]:
    refused = _refused_vectors(index)
    rows = future_rows(diff, data_name, [index.expression], {})
    cost = yield from cost_of(diff, data_name, rows.read, (f"the vectors of the index {index.name}",))
    if cost.open:
        return "", cost
    said = yield from refused_rows(diff.shards, rows.source, index.expression, refused)
    return "".join(f": {each}" for each in said[:1]) + "".join(f"; {each}" for each in said[1:]), cost


def _refused_vectors(index: IndexForm) -> list[tuple[str, str]]:
    """Conditions for vectors that the server does not take, each with what is said of such rows."""
    arguments, value = _arguments(index), index.expression
    refused = [
        (f"arrayExists({_ONE} -> NOT isFinite(toFloat64({_ONE})), {value})", "hold a vector with NaN or infinity")
    ]
    if len(arguments) > 2 and arguments[2].isdigit():
        dimension = arguments[2]
        words = f"hold a vector of another length than {dimension}"
        refused = [(f"length({value}) != {dimension}", words), *refused]
    if len(arguments) > 3 and unquote(arguments[3]) == "i8":
        # It divides by the length of the vector.
        zeros = f"notEmpty({value}) AND NOT arrayExists({_ONE} -> {_ONE} != 0, {value})"
        refused.append((zeros, "hold a vector of zeros, which i8 does not take"))
    return refused


def _arguments(index: IndexForm) -> list[str]:
    _, _, arguments = index.type.partition("(")
    return split_top(arguments.removesuffix(")")) if arguments else []


def _argument(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()
