"""CREATE and ALTER of a named collection: the only place where its values stand in a statement."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.apply.run import Done
from aaiclick.clickhouse.statements import DDL, send
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import CollectionWork
from aaiclick.routine import Command, Routine
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.sql.ddl import alter_named_collection, create_named_collection
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.secrets import HIDDEN, without_secrets
from aaiclick.sql.tokens import unquote


def apply_collection(work: CollectionWork, declared: Mapping[str, NamedCollection]) -> Routine[Done]:
    """Send it with the values of the declaration. Raises ``ApplyError`` where one is not known any more, and the
    server's error without the values."""
    item = declared.get(work.name)
    unknown = item.unknown(key for key, _ in work.pairs) if item is not None else ("it is not declared",)
    if item is None or unknown:
        raise ApplyError(f"{work.name}: {'; '.join(unknown)}")
    pairs = tuple(f"{quote_name(key)} = {item.values[key]} {flag}".rstrip() for key, flag in work.pairs)
    make = alter_named_collection if work.there else create_named_collection
    try:
        yield from send(Command(make(quote_name(work.name), pairs), settings=dict(DDL)))
    except StatementError as error:
        raise _hidden(error, item) from None
    return Done()


def _hidden(error: StatementError, item: NamedCollection) -> StatementError:
    message = error.message
    for literal in sorted(item.values.values(), key=len, reverse=True):
        for text in (literal, unquote(literal)):
            message = message.replace(text, HIDDEN) if len(text) > 2 else message
    kind = OutcomeUnknownError if isinstance(error, OutcomeUnknownError) else StatementError
    return kind(without_secrets(message), error.code, error.name, without_secrets(error.sql))
