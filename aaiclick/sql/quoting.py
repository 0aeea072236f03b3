"""Identifiers and string literals that ClickHouse reads back unchanged, and names as it writes them into files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

QUOTES = "'`\""
"""What a text or a quoted identifier begins and ends with."""
_PUNCTUATION = re.compile(r"""'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|[()\[\]{},;'`"]""", re.DOTALL)
_ESCAPED_IN_FILES = re.compile(r"[^A-Za-z0-9_]")
_BYTE = re.compile("[\udc80-\udcff]")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def quote_name(name: str) -> str:
    """An identifier in backticks, escaped as the engine itself does it."""
    return "`" + _escaped(name, "`") + "`"


def quote_string(value: str) -> str:
    """A string literal, for clauses that take no bound parameter, such as COMMENT."""
    return "'" + _escaped(value, "'") + "'"


def _escaped(text: str, quote: str) -> str:
    # The backslash first: else those of the other escapes would be doubled.
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    for plain, code in (("\0", "\\0"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"), ("\b", "\\b"), ("\f", "\\f")):
        escaped = escaped.replace(plain, code)
    return escaped


@lru_cache(maxsize=1024)
def qualified(database: str, name: str) -> str:
    """``database``.``name``, both quoted."""
    return f"{quote_name(database)}.{quote_name(name)}"


def quoted_where_needed(name: str) -> str:
    """The name as it stands, or in backticks where it could not stand so."""
    return name if is_bare(name) else quote_name(name)


def is_bare(name: str) -> bool:
    """True where the name can stand in SQL without quotes."""
    return _BARE.match(name) is not None


def is_utf8(text: str) -> bool:
    """False for text that cannot be sent: with half of a surrogate pair, as of bytes of a file name or of an
    environment variable that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def sendable(sql: str) -> str:
    """A statement in which each byte that is no UTF-8, which is kept as a surrogate, is written by its digits, as in
    SQL: the server shows such bytes of a literal or quoted name as they are, and reads both alike."""
    return sql if sql.isascii() else _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02X}", sql)


def file_name_length(name: str) -> int:
    """Length of the name as a file: ClickHouse writes every byte that is no ASCII word character as ``%XX``."""
    # escapeForFileName works on bytes: a letter of another script has several.
    return len(name) + sum(
        3 * len(found.encode("utf-8", "surrogatepass")) - 1 for found in _ESCAPED_IN_FILES.findall(name)
    )


NOT_IN_KEEPER = "\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\U0010ffff"
"""Characters that cannot be in a path in Keeper, for a regular expression in brackets. ClickHouse Keeper takes more of
them than ZooKeeper."""
_IN_PATH = re.compile(f"[{NOT_IN_KEEPER}]")


def refused_by_keeper(path: str, replica: str) -> str:
    """Why Keeper takes no replicated table under that path, or replica of that name; '' where it does, as far as that
    can be told without the server's macros (``plan/declaration/replica_paths.py`` puts them in).

    ON CLUSTER such a CREATE is tried again and again by every host, and whatever stands behind it in their queue waits
    for ever: it has to be refused before it is sent.
    """
    # A Keeper of its own may be named in front; the server takes the slash at the end away.
    plain = re.sub(r"\A\w+:(?=[/{])", "", path)
    parts = (plain.removesuffix("/") if plain != "/" else plain).removeprefix("/").split("/")
    # A macro in front may hold the slash: the server looks behind its expansion.
    if not plain.startswith(("/", "{")):
        return f"the path {path!r} in Keeper has to begin with '/'"
    if "" in parts:
        return f"a part of the path {path!r} in Keeper is empty"
    for what, part in (*(("the path", part) for part in parts), ("the replica", replica)):
        if part in (".", ".."):
            return f"{what} {(path if what == 'the path' else replica)!r} in Keeper has a part {part!r}"
        if found := _IN_PATH.search(part):
            return f"{found[0]!r} cannot be in {what} {(path if what == 'the path' else replica)!r} in Keeper"
    if not replica or "/" in replica:
        return f"the replica is called {replica!r}: one name without '/' is wanted, such as '{{replica}}'"
    return ""


def punctuation(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Brackets, commas and semicolons that stand outside of quotes, each with its position; and a quote that does not
    end, behind which nothing can be told."""
    for found in _PUNCTUATION.finditer(text, start):
        if len(found[0]) == 1:
            yield found.start(), found[0]
            if found[0] in QUOTES:
                return
