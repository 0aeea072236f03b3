"""The small cache in the comment of ``schema_version``, for the warm start.

One query reads comments and definitions together, so a process that finds its fingerprint here needs no second one.
It is only a cache: the rows are the truth, and whatever cannot be read counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aaiclick.apply.names import RECORDS
from aaiclick.apply.sqltext import hexed
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.specs.quoting import qualified, quote_string


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The last transition of one schema. ``due``: when the first kept table expires (Unix seconds), None where none is kept."""

    version: int | None
    spec: str
    objects: str
    oldest_code: int | None = None
    due: int | None = None


def parse_cache(comment: str) -> dict[str, CacheEntry]:
    """The entries by schema name. Anything that is no such cache, or no such entry, is left out."""
    try:
        raw: object = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(raw, dict):
        return {}
    entries: dict[str, CacheEntry] = {}
    for name, fields in cast("dict[str, object]", raw).items():
        entry = _entry(cast("dict[str, object]", fields)) if isinstance(fields, dict) else None
        if entry is not None:
            entries[name] = entry
    return entries


def cache_comment(cache: Mapping[str, CacheEntry]) -> str:
    """The comment's text: pure ASCII, sorted."""
    fields = {
        name: {"version": entry.version, "spec": entry.spec, "objects": entry.objects, "oldest_code": entry.oldest_code, "due": entry.due}
        for name, entry in cache.items()
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def write_cache(database: str, cache: Mapping[str, CacheEntry]) -> Routine[None]:
    """Replace the whole cache. Only under the lease: the comment is written by name."""
    yield Command(f"ALTER TABLE {qualified(database, RECORDS)} MODIFY COMMENT {quote_string(cache_comment(cache))}")


def update_cache(database: str, schema: str, entry: CacheEntry | None) -> Routine[None]:
    """Replace the entry of one schema (None: remove it) and keep those of the others. Only under the lease."""
    rows = yield Query(
        "SELECT comment FROM system.tables WHERE database = unhex({database:String}) AND name = {name:String}",
        {"database": hexed(database), "name": RECORDS},
    )
    cache = parse_cache(text(rows[0][0])) if rows else {}
    cache.pop(schema, None)
    if entry is not None:
        cache[schema] = entry
    yield from write_cache(database, cache)


def _entry(fields: dict[str, object]) -> CacheEntry | None:
    spec, objects = fields.get("spec"), fields.get("objects")
    numbers = (fields.get("version"), fields.get("oldest_code"), fields.get("due"))
    if not isinstance(spec, str) or not isinstance(objects, str) or not all(_whole(value) for value in numbers):
        return None
    version, oldest_code, due = cast("tuple[int | None, int | None, int | None]", numbers)
    return CacheEntry(version, spec, objects, oldest_code, due)


def _whole(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
