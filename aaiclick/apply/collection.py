"""CREATE and ALTER of a named collection: the only place where its values stand in a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from aaiclick.apply.run import Done
from aaiclick.catalog.server_objects.collections import read_collections
from aaiclick.clickhouse.statements import DDL, send
from aaiclick.error_codes import NAMED_COLLECTION_ALREADY_EXISTS
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import CollectionWork
from aaiclick.routine import Command, Emit, Routine
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.sql.ddl import alter_named_collection, create_named_collection
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.secrets import HIDDEN, without_secrets
from aaiclick.sql.tokens import unquote

Told: TypeAlias = StatementError | ApplyError
_BETWEEN = re.compile(r"[\s/:?#@&=;,'\"]+")
_LONG = 8
"""Characters of a part of a value that is hidden by itself, such as the host, the password or a key of a URL."""


def apply_collection(work: CollectionWork, declared: Mapping[str, NamedCollection]) -> Routine[Done]:
    """Send it with the values of the declaration. Raises ``ApplyError`` where one is not known any more."""
    # The plan has no values, and may be older than the declaration: they are taken from that when they are sent.
    item = declared.get(work.name)
    unknown = item.unknown(key for key, _ in work.pairs) if item is not None else ("it is not declared",)
    if item is None or unknown:
        raise ApplyError(f"{work.name}: {'; '.join(unknown)}")
    pairs = tuple(f"{quote_name(key)} = {item.values[key]} {flag}".rstrip() for key, flag in work.pairs)
    # An ALTER leaves keys alone that it does not name; a CREATE beside one that is there would be refused.
    make = alter_named_collection if work.there else create_named_collection
    try:
        yield from send(Command(make(quote_name(work.name), pairs), settings=dict(DDL)))
    except StatementError as error:
        # A collection is the server's, and a lease that of one database: another database's run may have made it.
        if error.code != NAMED_COLLECTION_ALREADY_EXISTS:
            raise
        made = (yield from read_collections([work.name])).get(work.name)
        if made is None or not made.fits(work.pairs):
            raise
        words = f"{work.name} was made by another run in this moment, with the same keys; nobody shows its values"
        yield Emit(Note(words))
    return Done()


def without_values(error: Told, declared: Mapping[str, NamedCollection]) -> Told:
    """The error, and what it comes from, without values of named collections, and without longer parts of them: the
    server tells some, as in what it says of a URL. The very same where there are none."""
    literals = {literal for item in declared.values() for literal in item.values.values()}
    # As it is quoted and as it is: the server quotes both. Values of three characters would be found in ordinary words.
    texts = {text for literal in literals for text in (literal, unquote(literal)) if len(text) > 3}
    texts |= {part for text in texts for part in _BETWEEN.split(text) if len(part) >= _LONG}
    # The longest first: replaced after a part of itself, a value would leave the rest of it to be read.
    return _without(error, sorted(texts, key=len, reverse=True)) if texts else error


def _without(error: Told, texts: Sequence[str]) -> Told:
    def hidden(message: str) -> str:
        for text in texts:
            message = message.replace(text, HIDDEN)
        return without_secrets(message)

    made: Told
    if isinstance(error, StatementError):
        made = type(error)(hidden(error.message), error.code, error.name, hidden(error.sql))
    else:
        made = type(error)(hidden(str(error)))
    cause = error.__cause__
    made.__cause__ = _without(cause, texts) if isinstance(cause, StatementError | ApplyError) else None
    return made
