"""What a statement of somebody else does, as far as its beginning tells: whether it is carried out on every host, or
once. Pure."""

from __future__ import annotations

from typing import Literal

from aaiclick.sql.cluster import Head, head_of
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_ROWS = frozenset({"INSERT", "WITH", "DELETE", "UPDATE"})
_WRITES = {
    "INSERT": ("INSERT", "INTO"),
    "DELETE": ("DELETE", "FROM"),
    "UPDATE": ("UPDATE",),
    "ALTER": ("ALTER", "TABLE"),
}
_CHANGES_ROWS = frozenset({"UPDATE", "DELETE"})
_COLUMNS = frozenset({"ADD", "CLEAR", "COMMENT", "DROP", "MATERIALIZE", "MODIFY", "REMOVE", "RENAME", "RESET", "ALTER"})
_PARTS = frozenset({"PARTITION", "PART", "DETACHED"})
_MADE = frozenset({"TABLE", "VIEW", "DICTIONARY", "FUNCTION"})


def statement_kind(sql: str) -> Literal["rows", "definition", ""]:
    """``rows``: it changes rows, and is sent once. ``definition``: it goes to all hosts. '': neither is certain."""
    try:
        tokens = Tokens(sql)
    except TokenError:
        return ""
    # One that names its cluster goes to all hosts itself: sent to each of them, it would be carried out once for each.
    if not len(tokens) or _names_cluster(tokens):
        return ""
    if tokens.items[0].text.upper() in _ROWS:
        return "rows"
    head = head_of(sql)
    if head is None:
        return ""
    if head.verb == "ALTER" and head.kind == "TABLE":
        return _altering(tokens, head)
    if head.verb == "DROP" and head.kind in {*_MADE, "MATERIALIZED VIEW"}:
        return "definition"
    if head.verb == "RENAME" and head.kind == "TABLE":
        # Of several pairs only the first would be looked at on the hosts.
        return "definition" if head.rest >= len(tokens) else ""
    if head.verb == "CREATE" and head.kind in _MADE:
        return "" if head.kind == "TABLE" and _fills(tokens, head) else "definition"
    return ""


def filled_table(sql: str) -> tuple[str, ...]:
    """The table that a statement makes and fills (``CREATE TABLE ... AS SELECT``), as (database, name) or (name,); none
    where it does neither, or puts it in place when it is full (``CREATE OR REPLACE``)."""
    try:
        tokens = Tokens(sql)
    except TokenError:
        return ()
    head = head_of(sql)
    if head is None or (head.verb, head.kind) != ("CREATE", "TABLE") or tokens.is_word(1, "OR", "REPLACE"):
        return ()
    return head.names[0] if _fills(tokens, head) and not tokens.is_word(head.rest, "EMPTY") else ()


def names_its_storage(sql: str) -> bool:
    """Whether a CREATE says which UUID its table gets, or goes to a cluster."""
    head = head_of(sql)
    # Only the literal of a UUID stands in single quotes there.
    return head is not None and (sql[: head.end].endswith("'") or Tokens(sql).is_word(head.rest, "ON", "CLUSTER"))


def target_of(sql: str, database: str) -> str:
    """The table of this database whose rows a statement changes; '' for any other."""
    tokens = Tokens(sql)
    at = next((place for place in range(len(tokens)) if tokens.items[place].text.upper() in _WRITES), len(tokens))
    words = _WRITES.get(tokens.items[at].text.upper(), ()) if at < len(tokens) else ()
    if not words or not tokens.is_word(at, *words):
        return ""
    at += len(words)
    if tokens.is_word(at, "TABLE"):
        at += 1
    parts, _ = identifier(tokens, at)
    if len(parts) == 1:
        return parts[0]
    return parts[-1] if parts and parts[0] == database else ""


def _names_cluster(tokens: Tokens) -> bool:
    return any(tokens.is_word(place, "ON", "CLUSTER") for place in range(len(tokens)))


def _altering(tokens: Tokens, head: Head) -> Literal["rows", "definition", ""]:
    """Commands about parts of a table are each host's own, or double rows where they are carried out twice."""
    begins = [
        [tokens.items[place].text.upper() for place in range(first, min(first + 2, end))]
        for first, end in tokens.split(head.rest, len(tokens))
    ]
    if all(words and words[0] in _CHANGES_ROWS for words in begins):
        return "rows" if len(begins) == 1 else ""
    columns = all(words and words[0] in _COLUMNS and not _PARTS.intersection(words[1:]) for words in begins)
    settings = [words for words in begins if words[1:] in (["SETTING"], ["COMMENT"])]
    # The log of a table carries columns, and neither settings nor its comment.
    return "definition" if columns and len(settings) in (0, len(begins)) else ""


def _fills(tokens: Tokens, head: Head) -> bool:
    """A table that is filled or replaced by the statement that makes it: each host would do that."""
    words = [token.text.upper() for token in tokens.items]
    return "REPLACE" in words[:3] or any(word in ("SELECT", "WITH", "POPULATE", "CLONE") for word in words[head.rest :])
