"""Digests of definitions, for the warm start: one query, one comparison."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from aaiclick.sql.database_prefix import strip_database
from aaiclick.sql.tokens import TokenError, Tokens, identifier

DIGEST_FORMAT = 1
"""Stands in front of each digest: what another release computed in another way never equals it."""
_TABLE = re.compile(
    r"CREATE TABLE (?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`)\.(?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`)(?: UUID '[0-9a-f-]*')? ",
    re.DOTALL,
)
_REPLICA = re.compile(r"(ENGINE = Replicated\w*MergeTree)\('(?:[^'\\]|\\.)*', '(?:[^'\\]|\\.)*'(?:, )?", re.DOTALL)
_HEAD = re.compile(r"CREATE (?:MATERIALIZED VIEW|VIEW|DICTIONARY|TABLE) ")


def text_digest(texts: Mapping[str, str], *, replicas: bool = False) -> str:
    """Names these definitions (name -> ``create_table_query``) whatever database they are in and whatever their
    order. ``replicas``: and whatever replica of a cluster shows them."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        text = _of_any_replica(texts[name]) if replicas else texts[name]
        # Each part with its length in front: two different lists can then never give the same bytes.
        for part in (name, _portable(text)):
            encoded = part.encode("utf-8", "surrogateescape")
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
    return f"{DIGEST_FORMAT}:{digest.hexdigest()[:32]}"


def _of_any_replica(text: str) -> str:
    """Path and replica may stand there without macros: then they are another text on each host."""
    return _REPLICA.sub(r"\1(", text, count=1)


def _portable(text: str) -> str:
    """A definition without its own database; a text that cannot be read stands for itself."""
    table = _TABLE.match(text)
    if table is not None:
        return text[table.end() :]
    head = _HEAD.match(text)
    if head is None:
        return text
    try:
        parts, behind = identifier(tokens := Tokens(text[head.end() :]), 0)
        rest = tokens.slice(behind, len(tokens))
        return head.group() + (strip_database(_without_target(rest, parts[0]), parts[0]) if len(parts) == 2 else rest)
    except TokenError:
        return text


def _without_target(rest: str, database: str) -> str:
    """``TO db.table`` without the view's own database; the UUID of an inner table differs per database."""
    tokens = Tokens(rest)
    position = next((place for place in range(len(tokens)) if tokens.is_word(place, "TO")), -1)
    if position < 0 or any(tokens.is_word(place, "AS") for place in range(position)):
        return rest
    if tokens.is_word(position + 1, "INNER", "UUID"):
        return tokens.slice(0, position) + " " + tokens.slice(position + 4, len(tokens))
    parts, behind = identifier(tokens, position + 1)
    if len(parts) == 2 and parts[0] == database:
        return f"{tokens.slice(0, behind - 3)} {tokens.slice(behind - 1, len(tokens))}"
    return rest
