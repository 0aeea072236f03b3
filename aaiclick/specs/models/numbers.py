"""Types of whole numbers, and of enums, by the values that they have to hold."""

from __future__ import annotations

import enum
from typing import cast

from aaiclick.errors import SpecError
from aaiclick.sql.quoting import quote_string

_WIDTHS = (8, 16, 32, 64, 128, 256)
_EXACT_IN_FLOAT = 2**53


def whole_type(low: int, high: int, where: str, widths: tuple[int, ...] = _WIDTHS) -> str:
    """The narrowest of these types that holds all numbers from ``low`` to ``high``: without a sign where none is below
    0. Raises ``SpecError`` where there is none."""
    for width in widths:
        if low >= 0 and high < 2**width:
            return f"UInt{width}"
        if low < 0 and low >= -(2 ** (width - 1)) and high < 2 ** (width - 1):
            return f"Int{width}"
    raise SpecError(where, "ClickHouse has no whole numbers that large: say a type with types=")


def enum_type(annotation: type[enum.Enum], where: str) -> str:
    """An Enum for members with numbers, of which a wide one is an integer. Members with texts become
    LowCardinality(String): an Enum of them would be renumbered whenever a member is inserted.

    Raises ``SpecError`` for members of which no one type holds the values.
    """
    values = [cast("object", member.value) for member in annotation]
    if values and all(isinstance(value, str) for value in values):
        return "LowCardinality(String)"
    # True and False are whole numbers as well, but no number of an Enum.
    if values and all(isinstance(value, bool) for value in values):
        return "Bool"
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if not values or len(numbers) < len(values):
        kinds = ", ".join(sorted({type(value).__name__ for value in values})) or "none"
        raise SpecError(where, f"values of {annotation.__name__} are of no one type ({kinds}): say one with types=")
    whole = [value for value in numbers if isinstance(value, int)]
    if len(whole) < len(numbers):
        if any(abs(value) > _EXACT_IN_FLOAT for value in whole):
            raise SpecError(where, f"Float64 does not hold all values of {annotation.__name__}: say a type with types=")
        return "Float64"
    if issubclass(annotation, enum.Flag):
        # Any sum of them is a value, too, and most of these have no name.
        return _wide(0, sum(whole), where)
    low, high = min(whole), max(whole)
    if low < -(2**15) or high >= 2**15:
        return _wide(low, high, where)
    members = sorted(((member.name, cast("int", member.value)) for member in annotation), key=lambda pair: pair[1])
    listed = ", ".join(f"{quote_string(name)} = {value:d}" for name, value in members)
    return f"Enum{8 if low >= -128 and high < 128 else 16}({listed})"


def _wide(low: int, high: int, where: str) -> str:
    return "Int64" if low >= -(2**63) and high < 2**63 else whole_type(low, high, where, _WIDTHS[3:])
