"""The expression that a copy uses to convert a value: the engine's CAST, except where that would change the value."""

from __future__ import annotations

from aaiclick.diff.conversion.labels import labels_of, moved, quote_label, relabelled
from aaiclick.diff.conversion.shapes import Arrays, Maps, Tuples, Variants, inner_type, shape, text_of
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.types import TypeText


def conversion(source: str, old: str, new: str) -> str:
    """``source`` (an expression of type ``old``) as ``new``."""
    return source if old == new else cast(prepared(source, old, new) or source, new)


def in_place(old: str, new: str) -> bool:
    """True where the engine's own conversion in an ALTER gives the same as ``conversion``."""
    return not prepared("x", old, new) and not other_parameters(old, new)


def other_parameters(old: str, new: str) -> bool:
    """True where states of an AggregateFunction get other parameters: a part says which ones its states answer by until
    it is written anew, and a copy takes the new ones at once."""
    before, after = inner_type(old)[0], inner_type(new)[0]
    if before.name == after.name == "AggregateFunction":
        one, other = before.arguments[0], after.arguments[0]
        return one != other and one.partition("(")[0] == other.partition("(")[0]
    match shape(before, after):
        case Arrays(item, wanted):
            return other_parameters(item, wanted)
        case Maps(key, wanted_key, item, wanted):
            return other_parameters(key, wanted_key) or other_parameters(item, wanted)
        case Tuples(elements):
            return any(other_parameters(each.old, each.new) for each in elements if each.old and each.new)
        case Variants(members):
            return any(other_parameters(*pair) for pair in members if pair[1])
        case None:
            return False


def cast(source: str, type_text: str) -> str:
    """A plain CAST."""
    return f"CAST({source}, {quote_string(type_text)})"


def prepared(source: str, old: str, new: str, depth: int = 1) -> str:
    """What has to be cast to ``new`` in place of ``source``; '' where ``source`` itself can be.

    Inside composite types, and where a label is gone, the engine converts one Enum to another by number. Where
    numbers moved it refuses. It does not cut a FixedString, not even its padding.
    """
    if old == new:
        return ""
    before, after = inner_type(old)[0], inner_type(new)[0]
    name = f"part{depth}"
    match shape(before, after):
        case Arrays(item, wanted):
            # Each element by itself: over the whole array the engine would convert Enums by number.
            inside = prepared(name, item, wanted, depth + 1)
            return f"arrayMap({name} -> {cast(inside, wanted)}, {source})" if inside else ""
        case Maps(key, wanted_key, item, wanted):
            keys, items = prepared(name, key, wanted_key, depth + 1), prepared(name, item, wanted, depth + 1)
            return _map(source, name, wanted_key, keys, wanted, items) if keys or items else ""
        case Tuples(elements):
            pairs = [(element.place, element.old, element.new) for element in elements if element.new]
            if not (inner_type(old)[1] and inner_type(new)[1]):
                return _tuple(source, pairs, depth)
            # One that may be NULL as a whole has no elements then. As an array without items it has none to convert:
            # what stands in their place (an Enum's 0) may be no value of its type.
            inside, items = _tuple(name, pairs, depth), f"if(isNull({source}), [], [assumeNotNull({source})])"
            made = f"arrayMap({name} -> {cast(inside, text_of(after))}, {items})[1]"
            return f"if(isNull({source}), NULL, {made})" if inside else ""
        case Variants(members):
            return _variant(source, members, text_of(after), depth)
        case None:
            return _leaf(source, before, after)


def _leaf(source: str, old: TypeText, new: TypeText) -> str:
    before, after = labels_of(old), labels_of(new)
    if before is not None and after is not None:
        given = relabelled(before, after)
        if not moved(before, after):  # the numbers say the same as the labels, also for what is relabelled
            return ""
        if not given:
            # By the text of the label: the engine goes by number, and refuses where numbers moved.
            return f"toString({source})"
        chosen = ", ".join(
            f"toString({source}) = {quote_label(gone)}, {quote_label(label)}" for gone, label in given.items()
        )
        return f"multiIf({chosen}, toString({source}))"
    if old.name == "FixedString" and after is not None:
        return f"toString({source})"  # without the zero bytes at its end, which no label has
    if (old.name, new.name) == ("Time64", "Time"):
        # The engine knows no conversion of its own (70). A NULL stays NULL in this function; CAST to Int64 throws.
        return f"toInt64({source})"
    # By way of a String, which drops the zero bytes: the engine refuses to cut even those (131).
    if old.name == new.name == "FixedString" and int(new.arguments[0]) < int(old.arguments[0]):
        return f"toString({source})"
    return ""


def of_member(source: str, member: str, inside: str, name: str) -> str:
    """An array of what ``inside`` makes of ``name``, the value of a Variant as that member; empty where it is another
    one."""
    value = f"assumeNotNull(variantElement({source}, {quote_string(member)}))"
    return f"arrayMap({name} -> {inside}, if(variantType({source}) = {quote_string(member)}, [{value}], []))"


def _variant(source: str, members: tuple[tuple[str, str], ...], wanted: str, depth: int) -> str:
    name = f"part{depth}"
    cases: list[str] = []
    for member, new in members:
        if not new:
            continue
        inside = cast(prepared(name, member, new, depth + 1) or name, new)
        # Through a Variant of this one member: of a text alone the engine would guess which of several it is.
        made = cast(cast(f"{of_member(source, member, inside, name)}[1]", f"Variant({new})"), wanted)
        cases.append(f"variantType({source}) = {quote_string(member)}, {made}")
    # One without cases holds nothing that the new type could.
    return f"multiIf({', '.join(cases)}, {cast('NULL', wanted)})" if cases else cast("NULL", wanted)


def _map(source: str, name: str, key: str, keys: str, item: str, items: str) -> str:
    new_keys = f"arrayMap({name} -> {cast(keys, key)}, mapKeys({source}))" if keys else f"mapKeys({source})"
    new_items = f"arrayMap({name} -> {cast(items, item)}, mapValues({source}))" if items else f"mapValues({source})"
    return f"mapFromArrays({new_keys}, {new_items})"


def _tuple(source: str, elements_of: list[tuple[int, str, str]], depth: int) -> str:
    """All elements in the order of the new type. One that only the new type has gets its type's default, as in the
    engine's CAST."""
    found: list[str] = []
    special = False
    for place, old, new in elements_of:
        if not place:
            found.append(f"defaultValueOfTypeName({quote_string(new)})")
            continue
        element = f"tupleElement({source}, {place})"
        inside = prepared(element, old, new, depth + 1)
        special = special or bool(inside)
        found.append(cast(inside or element, new))
    return f"tuple({', '.join(found)})" if special else ""
