"""Conditions for rows whose value does not survive a conversion, at any depth of the types.

For Array, Map, Tuple and Nullable the condition is applied to the plain values inside (``leaves``). Types that do
not correspond part by part (String to Array, JSON, Variant, Dynamic) are compared as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

from aaiclick.diff.conversion import leaves
from aaiclick.diff.conversion.convert import cast, conversion, of_member
from aaiclick.diff.conversion.numbers import numeric
from aaiclick.diff.conversion.shapes import Arrays, Maps, Tuples, Variants, inner_type, shape, text_of
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.types import TypeText

_OPEN = ("Variant", "Dynamic", "Geometry")  # a Geometry is a Variant of the shapes
_DOCUMENTS = ("JSON", "Object")
_COMPOSITE = ("Array", "Map", "Tuple")
_WHOLES = (*_OPEN, *_DOCUMENTS, *_COMPOSITE, "AggregateFunction", "QBit")
_BRACKETS = {"Array": "[]", "Tuple": "()", "Point": "()", "Ring": "[]", "LineString": "[]", "Polygon": "[]"}
"""How a text begins and ends that the type is read from."""
Leaf = Callable[[str, TypeText, str], str]


def holds_null(type_text: str) -> bool:
    """True where a value of the type can be NULL."""
    found, nullable = inner_type(type_text)
    return nullable or found.name in _OPEN


def unfit_rows(value: str, old: str, new: str) -> str:
    """True for rows with a value that the new type cannot hold: too large, no such label, a text that does not parse, a
    NULL inside. A value that is NULL as a whole is checked elsewhere."""
    nullable = inner_type(old)[1]
    # NULL as a whole is counted apart: its column gets another hint.
    inside = _inside(f"assumeNotNull({value})" if nullable else value, old, new, _unfit, nulls=True, depth=1)
    return f"isNotNull({value}) AND ({inside})" if nullable and inside else inside


def altered_rows(value: str, old: str, new: str) -> str:
    """True for rows whose value the new type accepts as another value."""
    return _lifted(value, old, new, _differs, nulls=False)


def unproven(old: str, new: str) -> str:
    """The pair of types inside whose values cannot be compared; '' where all can be."""
    before, after = inner_type(old)[0], inner_type(new)[0]
    if before == after:
        return ""
    if before.name == after.name == "AggregateFunction":
        return f"states of {text_of(before)} are read as those of {text_of(after)}"
    paired = shape(before, after)
    if (
        paired is None
        and before.name in _COMPOSITE
        and after.name in _COMPOSITE
        and all("Enum" in text_of(each) for each in (before, after))
    ):
        return f"labels of {text_of(before)} become those of {text_of(after)}"  # the engine goes by number
    match paired:
        case Arrays(item, wanted):
            return unproven(item, wanted)
        case Maps(key, wanted_key, item, wanted):
            return unproven(key, wanted_key) or unproven(item, wanted)
        case Tuples(elements):
            return next(
                (found for each in elements if each.old and each.new and (found := unproven(each.old, each.new))), ""
            )
        case Variants(members):
            pairs = (pair for pair in members if pair[1])
            return next((found for member, wanted in pairs if (found := unproven(member, wanted))), "")
        case None:
            return ""


def _lifted(value: str, old: str, new: str, leaf: Leaf, *, nulls: bool, depth: int = 1) -> str:
    if old == new:
        return ""
    nullable = inner_type(old)[1]
    inside = _inside(f"assumeNotNull({value})" if nullable else value, old, new, leaf, nulls=nulls, depth=depth)
    empty = holds_null(old) and not holds_null(new)
    if nullable and inside:
        inside = f"isNotNull({value}) AND ({inside})"
    if empty and nulls:
        return _any([f"isNull({value})", inside])
    return inside


def _inside(value: str, old: str, new: str, leaf: Leaf, *, nulls: bool, depth: int) -> str:
    """``value`` is not NULL as a whole."""
    before, after = inner_type(old)[0], inner_type(new)[0]
    if before == after:
        return ""
    name = f"part{depth}"
    match shape(before, after):
        case Arrays(item, wanted):
            condition = _lifted(name, item, wanted, leaf, nulls=nulls, depth=depth + 1)
            return f"arrayExists({name} -> {condition}, {value})" if condition else ""
        case Maps(key, wanted_key, item, wanted):
            keys = _lifted(name, key, wanted_key, leaf, nulls=nulls, depth=depth + 1)
            items = _lifted(name, item, wanted, leaf, nulls=nulls, depth=depth + 1)
            return _any(
                [
                    f"arrayExists({name} -> {keys}, mapKeys({value}))" if keys else "",
                    f"arrayExists({name} -> {items}, mapValues({value}))" if items else "",
                ]
            )
        case Tuples(elements):
            found: list[str] = []
            for element in elements:
                part = f"tupleElement({value}, {element.place})"
                if element.old and element.new:
                    found.append(_lifted(part, element.old, element.new, leaf, nulls=nulls, depth=depth + 1))
                elif element.old and not nulls:
                    # The element goes: what it holds is lost, unless it holds nothing.
                    default = f"defaultValueOfTypeName({quote_string(element.old)})"
                    found.append(f"{_bytes(part)} != {_bytes(default)}")
            return _any(found)
        case Variants(members):
            return _of_members(value, members, leaf, nulls=nulls, depth=depth)
        case None:
            return leaf(value, before, new)


def _of_members(value: str, members: tuple[tuple[str, str], ...], leaf: Leaf, *, nulls: bool, depth: int) -> str:
    name = f"part{depth}"
    held: list[str] = []
    for member, wanted in members:
        if not wanted and nulls:
            held.append(f"variantType({value}) = {quote_string(member)}")
        elif wanted:
            condition = _lifted(name, member, wanted, leaf, nulls=nulls, depth=depth + 1)
            if condition:
                held.append(f"arrayExists({name} -> {name}, {of_member(value, member, condition, name)})")
    return _any(held)


def _unfit(value: str, old: TypeText, wanted: str) -> str:
    new = inner_type(wanted)[0]
    if old.name == "String" and new.name == "JSON":
        return f"isNull(accurateCastOrNull({value}, {quote_string(text_of(new))}))"
    if old.name == "String" and new.name in _BRACKETS:
        return _unbracketed(value, new)
    if old.name == "Dynamic" and new.name not in _WHOLES:
        return f"isNotNull({value}) AND isNull(accurateCastOrNull({value}, {quote_string(text_of(new))}))"
    return "" if old.name in _WHOLES or new.name in _WHOLES else leaves.unfit_values(value, old, new)


def _unbracketed(value: str, new: TypeText) -> str:
    """Texts that are no array or tuple at all, and arrays of numbers with something else in them: of others the engine
    says only that it fails."""
    brackets = _BRACKETS[new.name]
    condition = f"NOT (startsWith({value}, '{brackets[0]}') AND endsWith({value}, '{brackets[1]}'))"
    if new.name != "Array":
        return condition
    item, null = inner_type(new.arguments[0])
    if null or not numeric(item) or item.name == "Bool":
        return condition
    number = f"isNull(accurateCastOrNull(item, {quote_string(text_of(item))}))"
    return rf"{condition} OR arrayExists(item -> {number}, extractAll({value}, '[^\\[\\], ]+'))"


def _differs(value: str, old: TypeText, wanted: str) -> str:
    new = inner_type(wanted)[0]
    if old.name not in _WHOLES and new.name not in _WHOLES:
        return leaves.altered_values(value, old, new)
    if old.name == new.name == "AggregateFunction":
        return ""
    there = conversion(value, text_of(old), wanted)
    if old.name in _DOCUMENTS and new.name == "String":
        return ""  # the text of a document is its value
    if new.name in _DOCUMENTS and old.name not in _OPEN:
        read = (
            value
            if old.name == "String"
            else f"toString({value})"
            if old.name in _DOCUMENTS
            else f"toJSONString({value})"
        )
        return f"{_tokens(read)} != {_tokens(f'toString({there})')}"
    if old.name == "FixedString":
        return f"{_shown(value)} != {_shown(there)}"
    if old.name in _OPEN or new.name in _OPEN or old.name == "String":
        return f"isNull({value}) != isNull({there}) OR ifNull(toString({value}) != toString({there}), 0)"
    return f"{_bytes(value)} != {_bytes(cast(there, text_of(old)))}"


def _tokens(document: str) -> str:
    """A JSON text as the sorted list of its tokens: spaces and the order of keys have no meaning."""
    return rf"arraySort(extractAll({document}, '\"(?:[^\"\\\\]|\\\\.)*\"|[^\\s,:{{}}\\[\\]\"]+|[{{}}\\[\\]]'))"


def _shown(value: str) -> str:
    """As text with zero bytes: ``toString`` cuts them off."""
    return f"formatRow('TSV', {value})"


def _bytes(value: str) -> str:
    return f"formatRow('RowBinary', {value})"


def _any(conditions: list[str]) -> str:
    found = [condition for condition in conditions if condition]
    return found[0] if len(found) == 1 else " OR ".join(f"({condition})" for condition in found)
