"""What a server writes by itself into the arguments of a table that reads files elsewhere: the format, which it guesses
from the file's name, and other spellings of what was said."""

from __future__ import annotations

import re
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.sql.tokens import Tokens, split_top, unquote

_READS_FILES = re.compile(
    r"(?:AzureBlobStorage|AzureQueue|COSN|DeltaLake\w*|File|GCS|HDFS|Hudi\w*|Iceberg\w*|OSS|Paimon\w*|S3|S3Queue|URL)\Z"
)
_LITERAL = re.compile(r"'(?!NOSIGN')\w+'\Z")
_FORMAT = re.compile(r"format = '\w+'\Z")
_PAIR = re.compile(r"(['`\"]?)(\w+)\1\s*=\s*")


def with_guessed_format(declared: TableForm, live: TableForm) -> TableForm:
    """The declared table with the arguments of the live one, where these are what a server makes of the declared ones.

    What is declared counts: where it names a format, another one is a difference.
    """
    if declared.engine != live.engine or declared.arguments == live.arguments or not _READS_FILES.match(live.engine):
        return declared
    wanted, found = _said(declared.arguments), _said(live.arguments)
    same = wanted == found or any(_is_guess(found, place, wanted) for place in range(len(found)))
    if not same:
        return declared
    return replace(declared, arguments=live.arguments)


def _is_guess(found: list[str], place: int, wanted: list[str]) -> bool:
    """Whether the argument there is a format that was left out, or that the server was to find (``'auto'``)."""
    if not (_FORMAT.match(found[place]) or (place > 0 and _LITERAL.match(found[place]))):
        return False
    rest = [*found[:place], *found[place + 1 :]]
    return wanted == rest or (
        wanted[place : place + 1] == ["'auto'"] and [*wanted[:place], *wanted[place + 1 :]] == rest
    )


def _said(arguments: str) -> list[str]:
    """The arguments in one spelling. A structure says nothing beside columns: the server empties it."""
    found: list[str] = []
    for piece in split_top(arguments):
        tokens = Tokens(piece)
        if len(tokens) == 1 and tokens.is_kind(0, "word", "name"):
            # The first one may be a named collection; another word is a text: ``NOSIGN``.
            found.append(f"'{unquote(piece)}'" if found else piece)
        elif tokens.is_op(1, "(") or tokens.is_op(1, "="):
            found.append(_PAIR.sub(r"\2 = ", piece))
        else:
            found.append(piece)
    return [piece for piece in found if not piece.startswith("structure = ")]
