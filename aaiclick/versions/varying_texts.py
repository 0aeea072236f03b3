"""What the lock file says of clauses that differ between installs: all texts that a released clause may have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from aaiclick.catalog.forms import TableForm
from aaiclick.errors import SpecError
from aaiclick.printable import count_text
from aaiclick.specs.schema import Schema
from aaiclick.variables import Value, Variable
from aaiclick.versions.lockfile import LockedForm, Variables

_TABLE = ("ttl", "arguments", "comment")
_COLUMN = ("ttl", "codec", "comment")
"""Settings may differ between installs anyway (``versions/recognition.py``)."""
_MARK = 59_999
"""Stands for a number that may be any: where it is in the engine's text, that number is."""
_MOST = 64


def varying_texts(
    schema: Schema, forms: Mapping[str, LockedForm], make: Callable[[Schema], Mapping[str, LockedForm]]
) -> Variables:
    """For each table its clauses that hold a variable, with all their texts. ``forms``: with the defaults. ``make``:
    the forms of a declaration, as the engine writes them.

    Raises ``SpecError`` where a variable needs choices: its values cannot be listed otherwise.
    """
    used = [each for each in schema.variables if _outside_settings(schema, each)]
    if not used:
        return {}
    # Each variable has a number of its own, so the engine's text shows which one stands where.
    numbers = {each: _MARK - place for place, each in enumerate(used) if not each.choices}
    for each in numbers:
        if isinstance(each.default, str):
            raise SpecError(
                f"{schema.name}: variable {each.name}", "is a text: outside of SETTINGS it needs choices=[...]"
            )
    listed = [each for each in used if each.choices]
    combinations = list(itertools.product(*(each.choices for each in listed)))
    if len(combinations) > _MOST:
        raise SpecError(
            f"{schema.name}: variables", f"there are {count_text(len(combinations), 'combination')} of their choices"
        )
    found: dict[str, dict[str, set[str]]] = {}
    for chosen in combinations:
        values: dict[str, Value] = {each.name: mark for each, mark in numbers.items()}
        values |= {each.name: value for each, value in zip(listed, chosen, strict=True)}
        try:
            made = make(schema.with_defaults(values))
        except SpecError as error:
            said = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise SpecError(error.path, f"with {said}: {error.problem}. Give the variable choices=[...]") from error
        for name, form in made.items():
            for clause, text in _clauses(form):
                before = dict(_clauses(forms[name])).get(clause, "")
                for each, mark in numbers.items():
                    text = text.replace(str(mark), str(each))  # noqa: PLW2901
                if text != before:
                    found.setdefault(name, {}).setdefault(clause, set()).add(text)
                    if not any(hole in text for hole in map(str, numbers)):
                        found[name][clause].add(before)
    return {
        name: {clause: tuple(sorted(texts)) for clause, texts in sorted(clauses.items())}
        for name, clauses in sorted(found.items())
    }


def _outside_settings(schema: Schema, variable: Variable) -> bool:
    alone = frozenset({variable.name})
    return any(
        not clause.startswith("settings.") and ".settings" not in clause
        for item in schema.objects
        for clause in schema.varying(item.name, alone)
    )


def _clauses(form: LockedForm) -> Iterator[tuple[str, str]]:
    if isinstance(form, TableForm):
        yield from ((clause, getattr(form, clause)) for clause in _TABLE)
        for column in form.columns:
            yield from ((f"{column.name}.{clause}", getattr(column, clause)) for clause in _COLUMN)
