"""Adds ON CLUSTER and a storage's UUID to a statement, and divides an ALTER into those that a cluster can carry out.
Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aaiclick.sql.ddl import ALTER_TABLE
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens, grouped, identifier

Group: TypeAlias = Literal["log", "rows", "settings", "comments"]
"""How a command of an ALTER reaches the replicas of a table. ``log``: by the table's own log, sent once for each shard.
``rows``: so, too, but as a mutation, which may only name what every replica shows by then. ``settings``,
``comments``: they are each replica's own, and are sent to all."""

_KINDS = ("MATERIALIZED VIEW", "TABLE", "TABLES", "VIEW", "DICTIONARY", "FUNCTION", "DATABASE", "NAMED COLLECTION")
_VERBS = frozenset({"CREATE", "ATTACH", "DROP", "ALTER", "TRUNCATE", "OPTIMIZE", "RENAME", "EXCHANGE"})
_BETWEEN = (("OR", "REPLACE"), ("IF", "NOT", "EXISTS"), ("IF", "EXISTS"))
_COMMANDS = frozenset(
    {"ADD", "APPLY", "ATTACH", "CLEAR", "COMMENT", "DELETE", "DROP", "MATERIALIZE", "MODIFY", "MOVE", "REMOVE"}
) | {"RENAME", "RESET", "UPDATE"}
_GROUPS: tuple[tuple[Group, tuple[str, ...]], ...] = (
    ("settings", ("MODIFY", "SETTING")),
    ("settings", ("RESET", "SETTING")),
    ("comments", ("MODIFY", "COMMENT")),
    ("comments", ("COMMENT", "COLUMN")),
    *(("rows", (verb,)) for verb in ("APPLY", "DELETE", "MATERIALIZE", "UPDATE")),
)


@dataclass(frozen=True, slots=True)
class Head:
    """How a statement of ``ddl.py`` begins."""

    verb: str
    """Its first word: CREATE, ALTER, DROP, SYSTEM, KILL ..."""
    kind: str
    """What it is about: TABLE, VIEW, MATERIALIZED VIEW, DICTIONARY, FUNCTION, DATABASE or NAMED COLLECTION; of SYSTEM
    its action."""
    names: tuple[tuple[str, ...], ...]
    """What is named, each as (database, name) or (name,): two for RENAME and EXCHANGE, none for KILL."""
    end: int
    """The offset behind the names; of SYSTEM and KILL the one before which a cluster is named."""
    rest: int
    """The token behind the names."""


def head_of(sql: str) -> Head | None:
    """The beginning of a statement of ``ddl.py``; None for any other text."""
    try:
        return _head(Tokens(sql))
    except TokenError:
        return None


def on_cluster(sql: str, cluster: str) -> str:
    """The statement for all hosts of the cluster. A text that is no statement of ``ddl.py`` comes back as it was."""
    head = head_of(sql)
    if head is None:
        return sql
    return f"{sql[: head.end]} ON CLUSTER {quote_name(cluster)}{sql[head.end :]}"


def with_uuid(sql: str, uuid: str) -> str:
    """A CREATE TABLE that says which storage it makes; a text that is no statement of ``ddl.py`` as it was."""
    head = head_of(sql)
    return sql if head is None else f"{sql[: head.end]} UUID '{uuid}'{sql[head.end :]}"


def by_group(sql: str) -> tuple[str, ...]:
    """An ALTER TABLE as one for each group, in the order of its commands; any other statement as it is.

    A mixed one reaches every replica with its columns and one of them with its settings; one that adds a column and
    writes it fails on a replica that does not show the column yet, with the column added (16). A Replicated database
    refuses both (392).
    """
    tokens, head = _altering(sql)
    if head is None:
        return (sql,)
    found: list[tuple[Group, list[str]]] = []
    for command in _commands(tokens, head.rest):
        group = _group(command)
        # Only neighbours are joined, so the commands keep their order.
        if not found or found[-1][0] != group:
            found.append((group, []))
        found[-1][1].append(command)
    if len(found) < 2:
        return (sql,)
    return tuple(
        f"{sql[: head.end]} {_bare(commands[0]) if len(commands) == 1 else ', '.join(commands)}"
        for _, commands in found
    )


def _altering(sql: str) -> tuple[Tokens, Head | None]:
    tokens = Tokens(sql if sql.startswith(f"{ALTER_TABLE} ") else "")
    return tokens, _head(tokens)


def _head(tokens: Tokens) -> Head | None:
    if not tokens.is_kind(0, "word"):
        return None
    verb = tokens.items[0].text.upper()
    if verb == "SYSTEM":
        return _system(tokens)
    # KILL QUERY ON CLUSTER c WHERE ...: there is no name, and the cluster stands right behind the second word.
    if verb == "KILL":
        return Head(verb, tokens.items[1].text.upper(), (), tokens.items[1].end, 2)
    if verb not in _VERBS:
        return None
    position = _over(tokens, 1)
    kind = next((each for each in _KINDS if tokens.is_word(position, *each.split())), "")
    if not kind:
        return None
    position = _over(tokens, position + len(kind.split()))
    first, position = identifier(tokens, position)
    if not first:
        return None
    names = [first]
    if tokens.is_word(position, "TO" if verb == "RENAME" else "AND") and verb in ("RENAME", "EXCHANGE"):
        second, position = identifier(tokens, position + 1)
        names.append(second)
    # ON CLUSTER stands behind the UUID.
    if tokens.is_word(position, "UUID") and tokens.is_kind(position + 1, "string"):
        position += 2
    return Head(verb, "TABLE" if kind == "TABLES" else kind, tuple(names), tokens.items[position - 1].end, position)


def _system(tokens: Tokens) -> Head:
    """The action is words; the name stands in backticks."""
    place = next((place for place, token in enumerate(tokens.items) if token.kind == "name"), len(tokens))
    names, rest = identifier(tokens, place)
    return Head("SYSTEM", tokens.slice(1, place), (names,) if names else (), tokens.items[place - 1].end, rest)


def _over(tokens: Tokens, position: int) -> int:
    for words in _BETWEEN:
        if tokens.is_word(position, *words):
            position += len(words)
    return position


def _commands(tokens: Tokens, start: int) -> list[str]:
    """The commands of an ALTER one by one. A comma inside of ``MODIFY SETTING a = 1, b = 2`` divides nothing."""
    found: list[tuple[int, int]] = []
    for first, end in tokens.split(start, len(tokens)):
        begins = tokens.is_op(first, "(") or (
            tokens.items[first].text in _COMMANDS and tokens.is_kind(first + 1, "word", "name") and end > first + 1
        )
        found = [*found, (first, end)] if begins or not found else [*found[:-1], (found[-1][0], end)]
    return [tokens.slice(*piece) for piece in found]


def _group(command: str) -> Group:
    tokens = Tokens(command)
    place = 1 if grouped(tokens) else 0
    for group, words in _GROUPS:
        if tokens.is_word(place, *words):
            return group
    return "log"


def _bare(command: str) -> str:
    tokens = Tokens(command)
    return tokens.slice(1, len(tokens) - 1) if grouped(tokens) else command
