"""Which renames apply to the columns that are there, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def applicable(renames: Mapping[str, str], present: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The renames (old -> new) that apply, the end of a chain first: ``b -> c`` frees the name for ``a -> b``.

    One whose new name is there already (and stays) has been made before. Columns that take each other's names are not renamed at all: nobody
    could tell whether that has happened.
    """
    found: list[tuple[str, str]] = []
    for old in sorted(renames):
        _follow(old, renames, present, (), found)
    return tuple(found)


def with_leaves(renames: Mapping[str, str], present: Collection[str]) -> dict[str, str]:
    """A Nested that is kept as its parts has no column of its own: with ``n`` renamed to ``m`` each ``n.x`` becomes ``m.x``."""
    whole = {old for old in renames if old not in present and any(name.startswith(f"{old}.") for name in present)}
    leaves = {name: f"{renames[old]}{name.removeprefix(old)}" for old in whole for name in present if name.startswith(f"{old}.")}
    return {**leaves, **{old: new for old, new in renames.items() if old not in whole}}


def _follow(old: str, renames: Mapping[str, str], present: Collection[str], behind: tuple[str, ...], found: list[tuple[str, str]]) -> bool:
    if any(done == old for done, _ in found):
        return True
    if old not in present or old not in renames or old in behind:
        return False
    new = renames[old]
    if new in present and not _follow(new, renames, present, (*behind, old), found):
        return False
    found.append((old, new))
    return True


def circle(renames: Mapping[str, str]) -> tuple[str, ...]:
    """Names that take each other's place, () where there are none."""
    for start in sorted(renames):
        way, name = [start], renames[start]
        while name in renames and name not in way:
            way.append(name)
            name = renames[name]
        if name == start:
            return tuple(way)
    return ()


def is_new_name(old: str, new: str) -> bool:
    """Whether ``new`` can be a name. Only a part of a Nested has a dot in it; elsewhere it is its table that stands there by mistake."""
    table, _, column = old.partition(".")
    return bool(new) and ("." not in new or ("." in column and not new.startswith(f"{table}.") and not new.endswith(".")))
