"""Remembers which databases this process has found in sync, so that a second call sends no query. Failures are never
remembered."""

from __future__ import annotations

import os
from dataclasses import replace
from weakref import WeakKeyDictionary

from aaiclick.commands.report import Report
from aaiclick.specs.schema import Schema

# Held weakly by the client object itself: an id() is used again after its object is gone, and a lazy wrapper is another
# object than the client it wraps. URLs have no identity and are kept as they are.
_Key = tuple[int, str | None, str, int | None, str]
_clients: WeakKeyDictionary[object, dict[_Key, Report]] = WeakKeyDictionary()
_urls: dict[str, dict[_Key, Report]] = {}


def _key(schema: Schema, database: str | None) -> _Key:
    # The process as well: what a parent has found does not count for a forked child.
    return (os.getpid(), database, schema.name, schema.version, schema.fingerprint)


def recall(client: object, schema: Schema, database: str | None) -> Report | None:
    """The report of an earlier call with the same client, database and declaration in this process, without its
    steps."""
    try:
        known = _urls.get(client) if isinstance(client, str) else _clients.get(client)
    except TypeError:  # not hashable, or not to be held weakly: never remembered
        return None
    return None if known is None else known.get(_key(schema, database))


def remember(client: object, schema: Schema, database: str | None, report: Report) -> None:
    """Keep a success."""
    kept = replace(report, from_version=report.to_version, steps=(), duration=0.0)
    try:
        known = _urls.setdefault(client, {}) if isinstance(client, str) else _clients.setdefault(client, {})
    except TypeError:
        return
    known[_key(schema, database)] = kept


def forget() -> None:
    """Forget everything that ``once=True`` remembered, in this process."""
    _clients.clear()
    _urls.clear()
