"""What is right: the target created directly, and every row copied into it by name. Written here from the fuzzer's own
model."""

from __future__ import annotations

from tests.fuzz.ground import Ground, Refused
from tests.fuzz.schema import Column, Table
from tests.fuzz.types import FLOATS, INTEGERS, Type, bits, inside, quoted, text


def convert(expr: str, old: Type, new: Type) -> str:
    """The value in the new type; labels of an Enum go by their text at every depth."""
    if old == new:
        return expr
    return f"CAST({_by_label(expr, old, new)} AS {new.sql})" if _relabels(old, new) else f"CAST({expr} AS {new.sql})"


def _relabels(old: Type, new: Type) -> bool:
    return old != new and any(part.is_enum for part in inside(old)) and any(part.is_enum for part in inside(new))


def _by_label(expr: str, old: Type, new: Type, depth: int = 0) -> str:
    """An expression with text wherever a label stands on both sides."""
    before, after = old.bare, new.bare
    if before.is_enum and after.is_enum:
        return f"CAST({expr} AS {'Nullable(String)' if old.nullable else 'String'})"
    if not _relabels(before, after):
        return expr
    one = f"x{depth}"
    if before.name == after.name == "Array":
        return f"arrayMap({one} -> {_by_label(one, before.args[0], after.args[0], depth + 1)}, {expr})"
    if before.name == after.name == "Map":
        keys = f"arrayMap({one} -> {_by_label(one, before.args[0], after.args[0], depth + 1)}, mapKeys({expr}))"
        values = f"arrayMap({one} -> {_by_label(one, before.args[1], after.args[1], depth + 1)}, mapValues({expr}))"
        return f"mapFromArrays({keys}, {values})"
    if before.name == after.name == "Tuple":
        return _tuple_by_label(expr, before, after, depth)
    if before.name == after.name == "Nested":  # one that is not taken apart is an array of tuples
        return f"arrayMap({one} -> {_tuple_by_label(one, before, after, depth + 1)}, {expr})"
    return expr


def _tuple_by_label(expr: str, before: Type, after: Type, depth: int) -> str:
    """Named elements belong together by name, others by place."""
    named = bool(before.names and after.names)
    parts: list[str] = []
    for place, arg in enumerate(after.args):
        where = (
            before.names.index(after.names[place])
            if named and after.names[place] in before.names
            else place
            if not named
            else -1
        )
        if not 0 <= where < len(before.args):
            parts.append(f"defaultValueOfTypeName({text(arg.sql)})")
        else:
            parts.append(_by_label(f"tupleElement({expr}, {where + 1})", before.args[where], arg, depth + 1))
    return f"tuple({', '.join(parts)})"


def copied(before: Table, after: Table) -> list[tuple[Column, Column]]:
    """The columns that a copy fills, with those they come from."""
    pairs: list[tuple[Column, Column]] = []
    for column in after.columns:
        old = before.column(column.old_name)
        if column.stored and old is not None and old.kind != "EPHEMERAL":
            pairs.append((old, column))
    return pairs


def parts_of(ground: Ground, table: Table) -> list[str]:
    """The parts of the live table with rows, in the order in which they came."""
    chosen = f"active AND database = '{ground.live}' AND table = {text(table.name)} AND rows > 0"
    return [
        part for (part,) in ground.rows(f"SELECT name FROM system.parts WHERE {chosen} ORDER BY min_block_number, name")
    ]


def fill(
    before: Table,
    after: Table,
    live: str,
    want: str,
    part: str,
    rebuilt: tuple[tuple[str, str], ...] = (),
    where: str = "",
) -> str:
    """The INSERT that copies one part; ``rebuilt`` are expressions that a migration gives, ``where`` its filter."""
    given = dict(rebuilt)
    pairs = [(old, new) for old, new in copied(before, after) if new.name not in given]
    names = ", ".join(quoted(name) for name in (*(new.name for _, new in pairs), *given))
    exprs = [*(convert(quoted(old.name), old.type, new.type) for old, new in pairs), *given.values()]
    values = ", ".join(f"{expr} AS {quoted(f'_c{place}')}" for place, expr in enumerate(exprs))
    source = f"{live}.{quoted(before.name)} WHERE _part = {text(part)}{f' AND ({where})' if where else ''}"
    return f"INSERT INTO {want}.{quoted(after.name)} ({names}) SELECT {values} FROM {source} ORDER BY _part_offset"


def copy_part(
    ground: Ground,
    before: Table,
    after: Table,
    live: str,
    want: str,
    part: str,
    rebuilt: tuple[tuple[str, str], ...] = (),
    where: str = "",
) -> None:
    """Copy one part. Where no column comes from the old table, its rows are so many defaults."""
    if rebuilt or copied(before, after):
        ground.run(fill(before, after, live, want, part, rebuilt, where))
        return
    named = [column.name for column in after.columns if column.kind in ("", "DEFAULT", "EPHEMERAL")]
    chosen = f"_part = {text(part)}{f' AND ({where})' if where else ''}"
    count = int(ground.rows(f"SELECT count() FROM {live}.{quoted(before.name)} WHERE {chosen}")[0][0])
    if named and count:
        rows = ", ".join(["(DEFAULT)"] * count)
        ground.run(f"INSERT INTO {want}.{quoted(after.name)} ({quoted(named[0])}) VALUES {rows}")


def uneven(ground: Ground, source: str, old: Table, new: Table) -> bool:
    """Whether arrays that are parts of one Nested, and stay that, have different sizes in a row already."""
    leaves: dict[str, list[str]] = {}
    for was, column in copied(old, new):
        first = was.name.partition(".")[0]
        if "." in was.name and was.type.name == "Array" and column.name.partition(".")[0] == first:
            leaves.setdefault(first, []).append(quoted(was.name))
    unequal = [f"length({names[0]}) != length({name})" for names in leaves.values() for name in names[1:]]
    return (
        bool(unequal)
        and ground.rows(
            f"SELECT countIf({' OR '.join(unequal)}) FROM {source} SETTINGS optimize_functions_to_subcolumns = 0"
        )[0][0]
        != "0"
    )


def bytes_of(expr: str, kind: Type) -> str:
    """A value to the last bit. Which of the paths of a JSON comes first in its bytes depends on the rows beside it."""
    if kind.name == "JSON":
        types = f"JSONAllPathsWithTypes({expr})"
        return f"concat(toString({expr}), toString(arraySort(arrayZip(mapKeys({types}), mapValues({types})))))"
    if any(part.name == "JSON" for part in inside(kind)):
        return f"toString({expr})"
    return f"hex(formatRow('RowBinary', {finished(expr, kind)}))"


def finished(expr: str, kind: Type) -> str:
    """A state is compared by what it comes to."""
    return f"finalizeAggregation({expr})" if kind.name == "AggregateFunction" else expr


def lengthened(old: Type, new: Type) -> bool:
    """The same type with longer FixedStrings, which are filled up with zero bytes: there is no cast back, and none is
    needed."""
    if old.name == "LowCardinality" or new.name == "LowCardinality":
        shells = [kind.args[0] if kind.name == "LowCardinality" else kind for kind in (old, new)]
        return lengthened(shells[0], shells[1])
    if new.name == "Nullable" != old.name:
        return lengthened(old, new.args[0])
    if old.name == "Nullable" != new.name:  # NULL converts to none of these: there is no copy of it at all
        return lengthened(old.args[0], new)
    if old.name == new.name == "FixedString":
        return int(old.params[0]) <= int(new.params[0])
    same = (old.name, old.params, old.names, len(old.args)) == (new.name, new.params, new.names, len(new.args))
    return same and all(lengthened(*pair) for pair in zip(old.args, new.args, strict=True))


def returned(expr: str, new: Type, old: Type, depth: int = 0) -> str:
    """The way back. A float becomes a whole number of more than 64 bits by its own bits: the engine multiplies its way
    there, and 2 to the power of 127 comes back as another number."""
    after, before = new.bare, old.bare
    if after.name == before.name == "Array":
        one = f"b{depth}"
        return (
            f"CAST(arrayMap({one} -> {returned(one, after.args[0], before.args[0], depth + 1)}, {expr}) AS {old.sql})"
        )
    if after.name not in FLOATS or before.name not in INTEGERS or bits(before.name) <= 64:
        return convert(expr, new, old)
    pattern = f"reinterpretAsUInt64(CAST(assumeNotNull({expr}) AS Float64))"
    power = f"toInt32(bitAnd(bitShiftRight({pattern}, 52), 2047)) - 1075"
    digits = f"CAST(bitOr(bitAnd({pattern}, {2**52 - 1}), {2**52}) AS UInt256)"
    size = (
        f"if({power} >= 0, bitShiftLeft({digits}, toUInt16(greatest({power}, 0))), "
        f"bitShiftRight({digits}, toUInt16(least(greatest(-({power}), 0), 255))))"
    )
    whole = f"if({expr} < 0, -CAST({size} AS Int256), CAST({size} AS Int256))"
    return f"CAST(if(isNull({expr}), NULL, CAST({whole} AS {before.name})) AS {old.sql})"


def kept(old: Column, new: Column) -> str:
    """2 where the value comes back and reads the same, 1 where it comes back, 0 where it does not."""
    name = quoted(old.name)
    if lengthened(old.type, new.type):
        return "2"
    there = convert(name, old.type, new.type)
    if old.type.name in {"Variant", "Dynamic"}:
        # Which type each value has is what the declaration gives up: there is no way back to it, and the text is what
        # is compared.
        return f"if(isNull({name}) = isNull({there}) AND ifNull(toString({name}) = toString({there}), 1), 2, 0)"
    back = returned(there, new.type, old.type)
    same = f"{bytes_of(back, old.type)} = {bytes_of(name, old.type)}"
    reads = f"formatRow('TSV', {finished(name, old.type)}) = formatRow('TSV', {finished(there, new.type)})"
    return f"if({same}, if({reads}, 2, 1), 0)"


def taken(ground: Ground, new: Table) -> bool:
    """Whether a second table takes what the target holds in an ordinary INSERT. That computes what is MATERIALIZED,
    which the copy takes from an ALIAS, and refuses rows that the engine cannot merge, which the copy does not."""
    source, again = f"{ground.want}.{quoted(new.name)}", f"{ground.want}.{quoted(f'{new.name}~again')}"
    try:
        ground.run(f"CREATE TABLE {again} AS {source}")
        ground.run(
            f"INSERT INTO {again} SELECT * FROM {source} SETTINGS optimize_on_insert = 1, "
            "insert_allow_materialized_columns = 0"
        )
    except Refused:
        return False
    finally:
        ground.run(f"DROP TABLE IF EXISTS {again} SYNC")
    return True
