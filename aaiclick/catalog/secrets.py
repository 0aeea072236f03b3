"""Secrets in definitions: hidden where a text is shown, and equal to what the server shows of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from aaiclick.catalog.forms import DictionaryForm, Form, Settings, TableForm
from aaiclick.catalog.render import HIDDEN
from aaiclick.sql.tokens import Tokens, split_top

_SECRET = re.compile(
    r"(?i)(\b(?:password|secret\w*|\w*token|access_key\w*|credentials?|api_key|value)\b\s*\(?\s*)'(?:[^'\\]|\\.|'')*'"
)
_IN_URL = re.compile(r"(://[^:/@'\s]*:)[^@'\s]*@")


def without_secrets(sql: str) -> str:
    """A dictionary's CREATE with ``[HIDDEN]`` for what may be a secret. The engine masks only tables, so this hides
    more than it would."""
    return _IN_URL.sub(r"\1[HIDDEN]@", _SECRET.sub(r"\1'[HIDDEN]'", sql))


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
