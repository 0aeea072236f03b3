"""The small cache in the comment of ``schema_version``, for the warm start; on a cluster in a note of that name.

One query reads comments and definitions together, so a process that finds its fingerprint here needs no second one.
It is only a cache: the rows are the truth, and whatever cannot be read counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import cast

from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import StatementError
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.clauses import modify_comment
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.notes import read_notes, write_note


@dataclass(frozen=True, slots=True)
class RunningTransition:
    """A transition that was begun and is not recorded yet: on the way to version ``to``. ``oldest_code``: the oldest
    code that runs on what it makes (None: only that of ``to``). ``back``: it is a rollback."""

    to: int
    oldest_code: int | None = None
    back: bool = False

    def bears(self, version: int | None) -> bool:
        """Whether code of that version may run meanwhile."""
        return not self.back and version is not None and self.oldest_code is not None and self.oldest_code <= version


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The last transition of one schema, as far as a start that has nothing to do needs it."""

    version: int | None
    """After it; None: developed without versions."""
    spec: str
    """Fingerprint of the declaration."""
    objects: str
    """Digest of the live objects."""
    oldest_code: int | None = None
    """The oldest version of the code that can run on them."""
    due: int | None = None
    """When a start has something to take away, such as a kept table that expires (Unix seconds); None: nothing."""
    migrations: str = ""
    """Digest of the migrations of the code; '' for none, and where an earlier release wrote the entry."""
    running: RunningTransition | None = None
    """The transition that is under way. The journal is what counts."""
    whole: bool = True
    """False where an earlier release wrote the entry: it knows of no transition that is under way, and leaves out what
    stood there of one."""


def parse_cache(comment: str) -> dict[str, CacheEntry]:
    """The entries by schema name. Anything that is no such cache, or no such entry, is left out."""
    try:
        raw: object = json.loads(comment)
    # Somebody may have put any text into the comment of the table. A start then finds nothing to believe, and compares.
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
    # The key ``passing`` stands in databases, so it stays as it is.
    fields = {
        name: {
            "version": entry.version,
            "spec": entry.spec,
            "objects": entry.objects,
            "oldest_code": entry.oldest_code,
            "due": entry.due,
        }
        | ({"migrations": entry.migrations} if entry.migrations else {})
        | ({"passing": asdict(entry.running)} if entry.running is not None else {})
        | ({"whole": True} if entry.whole else {})
        for name, entry in cache.items()
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def write_cache(database: str, cache: Mapping[str, CacheEntry]) -> Routine[None]:
    """Replace the whole cache. Only under the lease: the comment is written by name."""
    books = yield from read_bookkeeping(database)
    if books.shared:
        yield from write_note(books, RECORDS, cache_comment(cache))
        return
    yield Command(alter_table(qualified(database, RECORDS), modify_comment(cache_comment(cache))))


def update_cache(database: str, schema: str, entry: CacheEntry | None) -> Routine[None]:
    """Replace the entry of one schema (None: remove it) and keep those of the others. Only under the lease."""
    # The comment holds the entries of all schemas and is replaced as a whole: those of the others are read first.
    cache = yield from _read(database)
    cache.pop(schema, None)
    if entry is not None:
        cache[schema] = entry
    yield from write_cache(database, cache)


def look_next_time(database: str) -> Routine[None]:
    """See to it that the next start of each schema looks for what has to be taken away: this run may be killed while it
    does so. Only under the lease."""
    cache = yield from _read(database)
    try:
        if cache:
            yield from write_cache(database, {name: replace(entry, due=1) for name, entry in cache.items()})
    except StatementError as error:
        # Who may not write it takes the long look each time.
        if error.code != ACCESS_DENIED:
            raise


def mark_transition(database: str, schema: str, running: RunningTransition | None) -> Routine[None]:
    """Note in the entry of one schema what is under way (None: nothing is any more); the rest of it stays. Only under
    the lease."""
    cache = yield from _read(database)
    # An entry without digests fits nothing that is there, so a start looks at everything.
    entry = cache.get(schema, CacheEntry(None, "", ""))
    if entry.running != running:
        cache[schema] = replace(entry, running=running)
        yield from write_cache(database, cache)


def _read(database: str) -> Routine[dict[str, CacheEntry]]:
    books = yield from read_bookkeeping(database)
    if books.shared:
        return parse_cache((yield from read_notes(books)).get(RECORDS, ""))
    rows = yield Query(
        "SELECT comment FROM system.tables WHERE database = unhex({database:String}) AND name = {name:String}",
        {"database": hexed(database), "name": RECORDS},
    )
    return parse_cache(text(rows[0][0])) if rows else {}


def _entry(fields: dict[str, object]) -> CacheEntry | None:
    spec, objects = fields.get("spec"), fields.get("objects")
    numbers = (fields.get("version"), fields.get("oldest_code"), fields.get("due"))
    if not isinstance(spec, str) or not isinstance(objects, str) or not all(_whole(value) for value in numbers):
        return None
    version, oldest_code, due = cast("tuple[int | None, int | None, int | None]", numbers)
    migrations = fields.get("migrations")
    written = migrations if isinstance(migrations, str) else ""
    running, whole = _passing(fields.get("passing")), fields.get("whole") is True
    return CacheEntry(version, spec, objects, oldest_code, due, written, running, whole)


def _passing(value: object) -> RunningTransition | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    to, oldest_code = fields.get("to"), fields.get("oldest_code")
    if not isinstance(to, int) or not _whole(oldest_code):
        return None
    return RunningTransition(to, cast("int | None", oldest_code), fields.get("back") is True)


def _whole(value: object) -> bool:
    # For Python a JSON ``true`` is an int.
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
