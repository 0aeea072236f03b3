"""Labels of Enum types. A conversion keeps the label, never the number, unless relabelling is allowed by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aaiclick.diff.conversion.shapes import Arrays, Maps, Tuples, Variants, inner_type, shape
from aaiclick.sql.types import TypeText

_LABEL = re.compile(r"'((?:[^'\\]|\\.)*)' = (-?\d+)")


def labels_of(found: TypeText) -> dict[str, int] | None:
    """Labels (escaped, as in the engine's text) and numbers of an Enum; None for any other type."""
    if found.name not in ("Enum8", "Enum16"):
        return None
    return {label: int(value) for argument in found.arguments for label, value in _LABEL.findall(argument)}


def enum_labels(type_text: str) -> dict[str, int] | None:
    """The same for the text of an Enum, or of a Nullable of one."""
    return labels_of(inner_type(type_text)[0])


def quote_label(escaped: str) -> str:
    """A label that is escaped already, in quotes."""
    return f"'{escaped}'"


def relabelled(old: dict[str, int], new: dict[str, int]) -> dict[str, str]:
    """Labels that are gone and whose number another label has now: a stored ``old`` then reads as ``new``."""
    taken = {value: label for label, value in new.items()}
    return {label: taken[value] for label, value in sorted(old.items()) if label not in new and value in taken}


def missing(old: dict[str, int], new: dict[str, int]) -> tuple[str, ...]:
    """Labels that are gone, and whose number no other label has."""
    given = relabelled(old, new)
    return tuple(label for label in sorted(old) if label not in new and label not in given)


def moved(old: dict[str, int], new: dict[str, int]) -> bool:
    """True where a label has another number: converted by number, a value would read as another label."""
    # A label that is gone says nothing here: which one takes its number is asked for by name.
    return any(label in new and new[label] != value for label, value in old.items())


def enum_pairs(old: str, new: str) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """The labels of every Enum in ``old`` that becomes an Enum in ``new``, at any depth."""
    before, after = inner_type(old)[0], inner_type(new)[0]
    one, two = labels_of(before), labels_of(after)
    if one is not None and two is not None:
        yield one, two
    match shape(before, after):
        case Arrays(item, wanted):
            yield from enum_pairs(item, wanted)
        case Maps(key, wanted_key, item, wanted):
            yield from enum_pairs(key, wanted_key)
            yield from enum_pairs(item, wanted)
        case Tuples(elements):
            for element in elements:
                if element.old and element.new:
                    yield from enum_pairs(element.old, element.new)
        case Variants(members):
            for member, wanted in (pair for pair in members if pair[1]):
                yield from enum_pairs(member, wanted)
        case None:
            pass
