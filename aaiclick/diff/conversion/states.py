"""Expressions of a migration for aggregate states that the engine does not convert. Pure.

The engine converts no state of a function over one type into one over another. Where the result of the function says
all that its state knows, a new state can be made of it.
"""

from __future__ import annotations

from aaiclick.diff.conversion.convert import cast, conversion
from aaiclick.diff.conversion.shapes import inner_type
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.types import TypeText

_ONE_VALUE = ("min", "max", "any", "anyLast", "any_respect_nulls", "anyLast_respect_nulls")
_ARRAYS = ("groupArray", "groupUniqArray")


def is_state(type_text: str) -> bool:
    """True for an AggregateFunction."""
    return inner_type(type_text)[0].name == "AggregateFunction"


def remade(source: str, old: str, new: str) -> str:
    """An expression of the new type over ``source``, which may still be refused; '' where there is none."""
    before, after = inner_type(old)[0], inner_type(new)[0]
    if before.name == "AggregateFunction" and after.name == "AggregateFunction":
        return _of_state(source, before, after)
    if before.name == "AggregateFunction":
        return f"finalizeAggregation({source})"
    if after.name == "AggregateFunction":
        function, types = _cut(after)
        name, _, parameters = function.partition("(")
        state = quote_string(f"{name}State({parameters}" if parameters else f"{name}State")
        return f"initializeAggregation({state}, {conversion(source, old, types[0])})" if len(types) == 1 else ""
    return ""


def _cut(state: TypeText) -> tuple[str, tuple[str, ...]]:
    """The function with its parameters, and the types of its arguments, without the version that stands before some."""
    arguments = state.arguments[1:] if state.arguments[0].isdigit() else state.arguments
    return arguments[0], tuple(arguments[1:])


def _of_state(source: str, old: TypeText, new: TypeText) -> str:
    function, types = _cut(old)
    wanted, new_types = _cut(new)
    name, _, parameters = function.partition("(")
    if function != wanted or len(types) != 1 or len(new_types) != 1:
        return ""
    state = quote_string(f"{name}State({parameters}" if parameters else f"{name}State")
    value = f"finalizeAggregation({source})"
    if name == "sum":
        # A sum is of a wider type than what was added up: one that does not fit has to fail.
        inside = inner_type(new_types[0])[0]
        return f"arrayReduce({state}, [{cast(f'accurateCast({value}, {quote_string(inside.name)})', new_types[0])}])"
    if name in _ARRAYS:
        return f"arrayReduce({state}, {conversion(value, f'Array({types[0]})', f'Array({new_types[0]})')})"
    if name in _ONE_VALUE:
        # The state of no row at all has no value: its result is only the type's default.
        none = f"arrayReduce({state}, {cast('[]', f'Array({types[0]})')})"
        filled = f"[{conversion(value, types[0], new_types[0])}]"
        empty = cast("[]", f"Array({new_types[0]})")
        return f"arrayReduce({state}, if(toString({source}) = toString({none}), {empty}, {filled}))"
    return ""
