"""Which numeric types hold every value of another one exactly, so that no row has to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aaiclick.sql.types import TypeText

_WHOLE = re.compile(r"(U?)Int(8|16|32|64|128|256)\Z")
# Bits with the hidden one: up to two to that power every whole number is a value of its own.
_MANTISSA = {"BFloat16": 8, "Float32": 24, "Float64": 53}


@dataclass(frozen=True, slots=True)
class Whole:
    """A type Int or UInt."""

    bits: int
    signed: bool

    @property
    def magnitude(self) -> int:
        """Bits of the largest absolute value. The smallest Int is a power of two, which a float holds exactly."""
        return self.bits - self.signed


def whole(found: TypeText) -> Whole | None:
    """Int and UInt; None for any other type."""
    match = _WHOLE.match(found.name)
    return Whole(int(match[2]), not match[1]) if match else None


def decimal(found: TypeText) -> tuple[int, int] | None:
    """Digits before and after the point of a Decimal; None for any other type."""
    if found.name != "Decimal" or len(found.arguments) != 2:
        return None
    precision, scale = (int(argument) for argument in found.arguments)
    return precision - scale, scale


def floating(found: TypeText) -> bool:
    """True for Float32, Float64 and BFloat16."""
    return found.name in _MANTISSA


def numeric(found: TypeText) -> bool:
    """True for any number and for Bool."""
    return whole(found) is not None or decimal(found) is not None or floating(found) or found.name == "Bool"


def holds(old: TypeText, new: TypeText) -> bool:
    """True where ``new`` holds every number of ``old`` exactly."""
    if old.name == "Bool":
        return numeric(new)
    if old.name in _MANTISSA:
        return _MANTISSA.get(new.name, 0) >= _MANTISSA[old.name]
    count, places = whole(old), decimal(old)
    if count is not None:
        return _holds_whole(count, new)
    wider = decimal(new)
    return places is not None and wider is not None and wider[0] >= places[0] and wider[1] >= places[1]


def _holds_whole(old: Whole, new: TypeText) -> bool:
    count, places = whole(new), decimal(new)
    if count is not None:
        return count.magnitude >= old.magnitude and (count.signed or not old.signed)
    if places is not None:
        # The digits of the largest absolute value.
        return len(str(1 << old.magnitude)) <= places[0]
    return _MANTISSA.get(new.name, 0) >= old.magnitude
