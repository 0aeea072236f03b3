"""Whether a value that is converted through the types of several versions becomes another one than by one conversion.

Each conversion reads a value by one of its sides. An Enum is read by its label as another Enum or as a text, and by its
number as a number; a Bool, a day, a moment or an address is read as a text, or as the number behind it. Where all
types on the way read a value by the same side, a type between can only hold less of it (``DateTime -> Date ->
DateTime``), and one conversion keeps what the chain would lose. Where they do not, the chain gives another value:
``Int8 -> Enum8('a' = 1) -> Enum8('a' = 2)`` gives the label, and one conversion would give what the number stands for
in the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.conversion.convert import conversion
from aaiclick.diff.conversion.labels import labels_of, relabelled
from aaiclick.diff.conversion.shapes import Arrays, Maps, Tuples, inner_type, shape
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.types import TypeText
from aaiclick.versions.jumps.cells import Cell
from aaiclick.versions.version_changes import VersionChange

_NUMBER = re.compile(r"(U?Int\d+|B?Float\d+|Decimal\d*)\Z")
_WHOLE = re.compile(r"-?\d+\Z")
_LABEL, _NUMERIC, _TEXT, _MOMENT, _DAY = "Enum", "number", "String", "DateTime", "Date"


class _UnreadableError(Exception):
    """A text that is no number."""


class _AbsentError(Exception):
    """A type on the way does not hold the value: the chain stops there."""


def another_meaning(types: Sequence[str]) -> bool:
    """True where values get another meaning on the way through all these types than from the first to the last alone.
    At any depth of the types."""
    way = [text for place, text in enumerate(types) if not place or text != types[place - 1]]
    return len(way) > 2 and _differs([inner_type(text)[0] for text in way])


def _differs(way: Sequence[TypeText]) -> bool:
    shapes = [shape(before, after) for before, after in pairwise(way)]
    if all(isinstance(each, Arrays) for each in shapes):
        return another_meaning([each.arguments[0] for each in way])
    if all(isinstance(each, Maps) for each in shapes):
        return any(another_meaning([each.arguments[place] for each in way]) for place in (0, 1))
    if all(isinstance(each, Tuples) for each in shapes):
        return _of_elements(way, [each for each in shapes if isinstance(each, Tuples)])
    return _of_plain([each for place, each in enumerate(way) if not place or each != way[place - 1]])


def _of_elements(way: Sequence[TypeText], shapes: Sequence[Tuples]) -> bool:
    """Elements go by name or by position: another way may end in another element."""
    directly = shape(way[0], way[-1])
    if not isinstance(directly, Tuples):
        return True
    ends: dict[int, list[str]] = {}
    for start, element in ((each.place, each) for each in shapes[0].elements if each.place and each.new):
        types, place = [element.old, element.new], _new_place(shapes[0], start)
        for each in shapes[1:]:
            found = next((one for one in each.elements if one.place == place and one.new), None)
            if found is None:
                break
            types, place = [*types, found.new], _new_place(each, place)
        else:
            if place != _new_place(directly, start):
                return True
            ends[start] = types
    return any(another_meaning(types) for types in ends.values())


def _new_place(found: Tuples, place: int) -> int:
    """The position in the new type of what is at this position in the old one; 0 where it goes."""
    elements = [each for each in found.elements if each.new]
    return next((number for number, each in enumerate(elements, 1) if each.place == place), 0)


def _of_plain(way: Sequence[TypeText]) -> bool:
    kinds = [_kind(each) for each in way]
    if _LABEL in kinds and {*kinds} <= {_LABEL, _NUMERIC, _TEXT}:
        return _relabels(way)
    if way[0] == way[-1]:
        return False  # whatever is between, the value is there as it was
    if _LABEL in kinds:
        return True
    first, last, between = kinds[0], kinds[-1], {*kinds[1:-1]}
    # A moment reads as another text, or day, in another zone.
    zones = {_zone(each) for each, kind in zip(way, kinds, strict=True) if kind == _MOMENT}
    if len(zones) > 1 and ({*kinds} - {_MOMENT, _NUMERIC}):
        return True
    if {*kinds} <= {_MOMENT, _DAY}:
        return False
    if {*kinds} == {"Variant"}:
        return not all({*before.arguments} <= {*after.arguments} for before, after in pairwise(way))
    if first == last in (_NUMERIC, _TEXT, _MOMENT, _DAY):
        return len(between - {first}) > 1
    # One change from one kind to the other, wherever it is made.
    return sum(before != after for before, after in pairwise(kinds)) > 1


def _kind(found: TypeText) -> str:
    if labels_of(found) is not None:
        return _LABEL
    if _NUMBER.match(found.name):
        return _NUMERIC
    alike = {"FixedString": _TEXT, "DateTime64": _MOMENT, "DateTime32": _MOMENT, "Date32": _DAY, "Time64": "Time"}
    return alike.get(found.name, found.name)


def _zone(found: TypeText) -> str:
    return next((each for each in found.arguments if each.startswith("'")), "")


def _relabels(way: Sequence[TypeText]) -> bool:
    """Every label and number of the Enums is sent both ways."""
    enums = [labels for each in way if (labels := labels_of(each)) is not None]
    first = labels_of(way[0])
    if first is not None:
        starts: set[str | int] = {*first}
    elif _kind(way[0]) == _NUMERIC:
        starts = {value for labels in enums for value in labels.values()}
    else:
        starts = {text for labels in enums for label, value in labels.items() for text in (label, str(value))}
    return any(_ends_apart(start, way) for start in starts)


def _ends_apart(start: str | int, way: Sequence[TypeText]) -> bool:
    try:
        value = start
        for before, after in pairwise(way):
            value = _converted(value, before, after)
    except _AbsentError:
        return False  # rows with it would stop the chain, and one conversion keeps them
    except _UnreadableError:
        return True
    try:
        return _converted(start, way[0], way[-1]) != value
    except (_AbsentError, _UnreadableError):
        return True


def _converted(value: str | int, old: TypeText, new: TypeText) -> str | int:
    """A label or text, or a number, as the next type has it."""
    before, after = labels_of(old), labels_of(new)
    if after is None:
        if _kind(new) == _TEXT:
            return str(value)
        if before is not None:
            return before[str(value)]
        if isinstance(value, str) and not _WHOLE.match(value):
            raise _UnreadableError
        return int(value)
    if before is not None:
        value = relabelled(before, after).get(str(value), value)
    elif isinstance(value, int):
        named = [label for label, number in after.items() if number == value]
        if not named:
            raise _AbsentError
        value = named[0]
    if value not in after:
        raise _AbsentError
    return value


def other_meanings(
    live: TableForm, cells: Mapping[str, Cell], declared: TableForm, others: Collection[str]
) -> dict[str, tuple[tuple[int, str], ...]]:
    """Live columns whose values mean something else where they are converted once, and the types of the versions
    between, each with its version. ``others``: columns that are filled otherwise."""
    found: dict[str, tuple[tuple[int, str], ...]] = {}
    for name, cell in cells.items():
        column, old = declared.column(name), live.column(cell.origin)
        if not cell.way or name in others or column is None or not column.stored or old is None or not old.stored:
            continue
        if another_meaning([old.type, *(each for _, each in cell.way), column.type]):
            found[name] = cell.way
    return found


def converted_through(
    live: TableForm,
    cells: Mapping[str, Cell],
    ways: Mapping[str, Sequence[tuple[int, str]]],
    declared: TableForm,
) -> dict[str, str]:
    """Columns converted through the types of the versions between, as expressions over the live ones."""
    found: dict[str, str] = {}
    for name, way in ways.items():
        column, old = declared.column(name), live.column(cells[name].origin)
        assert column is not None
        assert old is not None
        text = quote_name(old.name)
        for before, after in pairwise([old.type, *(each for _, each in way), column.type]):
            text = conversion(text, before, after)
        found[name] = text
    return found


def converting(ways: Mapping[str, Sequence[tuple[int, str]]], changes: Sequence[VersionChange]) -> list[VersionChange]:
    """The versions between with these types: the journal tells a run that goes on whether the values are already those
    of these versions."""
    versions = {version for way in ways.values() for version, _ in way}
    return [change for change in changes if change.version in versions]
