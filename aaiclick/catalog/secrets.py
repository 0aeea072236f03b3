"""Secrets in definitions: hidden where a text is shown, and equal to what the server shows of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeVar, cast

from aaiclick.catalog.forms import ColumnForm, DictionaryForm, Form, Settings, TableForm
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.secrets import HIDDEN, secret_setting, without_secrets
from aaiclick.sql.tokens import Tokens, split_top

STAND_IN = "a default that the server does not show"
F = TypeVar("F", bound=Form)
T = TypeVar("T")


def hidden_form(form: F) -> F:
    """The form as it stands in files and records: with ``[HIDDEN]`` for what may be a secret, also where the server
    shows it. Forms that differ in nothing else are equal then."""
    hidden = _hidden(form)
    if isinstance(hidden, TableForm):
        settings = tuple((name, _setting(name, value)) for name, value in hidden.settings)
        hidden = dataclasses.replace(hidden, settings=settings)
    elif isinstance(hidden, DictionaryForm):
        clauses = tuple((word, without_secrets(text, source=word == "SOURCE")) for word, text in hidden.clauses)
        hidden = dataclasses.replace(hidden, clauses=clauses)
    return cast("F", hidden)


def hidden_texts(value: T) -> T:
    """The same of any data of a plan: of every text in it."""
    return cast("T", _hidden(value))


def _hidden(value: object) -> object:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        found = tuple(_hidden(part) for part in parts)
        return parts if all(new is old for new, old in zip(found, parts, strict=True)) else found
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed: dict[str, object] = {}
        for entry in dataclasses.fields(value):
            old: object = getattr(value, entry.name)
            new = _hidden(old)
            if new is not old:
                changed[entry.name] = new
        return dataclasses.replace(value, **changed) if changed else value
    return value


def _setting(name: str, value: str) -> str:
    return f"'{HIDDEN}'" if value.startswith("'") and secret_setting(name) else value


def standing_in(column: ColumnForm) -> str:
    """An expression of the column's type, for tables in scratch, in place of one with a secret that is not shown."""
    value = f"defaultValueOfTypeName({quote_string(column.type)})"
    return f"if(empty({quote_string(f'{STAND_IN}: {column.name}')}), {value}, {value})"


def readable(form: TableForm) -> TableForm:
    """The form as an empty table that is only read can have it: with something else for a default that hides a
    secret."""
    columns = tuple(
        dataclasses.replace(column, expression=standing_in(column)) if HIDDEN in column.expression else column
        for column in form.columns
    )
    return dataclasses.replace(form, columns=columns)


def conceal(form: Form, live: Form | None) -> Form:
    """``form`` with ``[HIDDEN]`` wherever the live object shows that and the rest of the text is the same.

    The two then compare equal, and the secret of the declaration appears in no message.
    """
    if isinstance(form, DictionaryForm) and isinstance(live, DictionaryForm):
        return dataclasses.replace(form, clauses=_concealed(form.clauses, dict(live.clauses)))
    if isinstance(form, TableForm) and isinstance(live, TableForm):
        arguments = _hide(form.arguments, live.arguments)
        return dataclasses.replace(form, arguments=arguments, settings=_concealed(form.settings, dict(live.settings)))
    return form


def _concealed(pairs: Settings, live: Mapping[str, str]) -> Settings:
    return tuple((name, _hide(value, live.get(name, ""))) for name, value in pairs)


def _hide(declared: str, live: str) -> str:
    if HIDDEN not in live or HIDDEN in declared:
        return declared
    pattern = ".*".join(re.escape(part) for part in live.split(HIDDEN))
    if re.fullmatch(pattern, declared, re.DOTALL):
        return live
    # Something else differs as well: argument by argument, so that the secret does not show up in the difference.
    pieces, shown = split_top(declared), split_top(live)
    if len(pieces) != len(shown) or len(pieces) < 2:
        return _placed(declared, live)
    return ", ".join(_hide(piece, other) for piece, other in zip(pieces, shown, strict=True))


def _placed(declared: str, live: str) -> str:
    """The text with each literal hidden where the live text shows ``[HIDDEN]``, whatever else differs."""
    mine, theirs = Tokens(declared), Tokens(live)
    if len(mine) != len(theirs):
        return declared
    pieces, copied = list[str](), 0
    for token, other in zip(mine.items, theirs.items, strict=True):
        if token.kind == "string" and HIDDEN in other.text:
            pieces += [declared[copied : token.start], f"'{HIDDEN}'"]
            copied = token.end
    return "".join([*pieces, declared[copied:]])
