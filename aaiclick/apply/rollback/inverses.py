"""What undoes an expression that adds to a whole number or multiplies it: a migration need not say that."""

from __future__ import annotations

import re

from aaiclick.diff.conversion.convert import cast
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_WHOLE = re.compile(r"U?Int(8|16|32|64|128|256)")
_FACTOR = re.compile(r"[1-9][0-9]{0,17}")
_UNDONE = {"*": "intDiv({name}, {number})", "+": "{name} - {number}", "-": "{name} + {number}"}


def undone(expression: str, name: str, before: str, after: str) -> str:
    """The column ``name`` as it was, over what the expression made of it, which has its name; '' where this is no
    single ``name * 100``, ``name + 1`` or ``name - 1``. ``before`` and ``after``: the types of the two.

    Whether a row comes out of it as it was is for the server to say: it converts each one forward again.
    """
    if not (_WHOLE.fullmatch(before) and _WHOLE.fullmatch(after)):
        return ""
    try:
        tokens = Tokens(_without_cast(expression))
    except TokenError:
        return ""
    if len(tokens) != 3 or tokens.items[1].text not in _UNDONE:
        return ""
    left, sign, right = (token.text for token in tokens.items)
    # 100 - price is no price - 100.
    if sign in "*+" and _FACTOR.fullmatch(left):
        left, right = right, left
    if not (_FACTOR.fullmatch(right) and re.match(r"[A-Za-z_`\"]", left) and unquote(left) == name):
        return ""
    return cast(_UNDONE[sign].format(name=quote_name(name), number=right), before)


def _without_cast(expression: str) -> str:
    """A copy writes the type of its column around an expression."""
    tokens = Tokens(expression)
    whole = (
        len(tokens) > 2 and tokens.is_word(0, "CAST") and tokens.is_op(1, "(") and tokens.match[1] == len(tokens) - 1
    )
    pieces = tokens.split(2, len(tokens) - 1) if whole else []
    return tokens.slice(*pieces[0]) if len(pieces) == 2 else expression
