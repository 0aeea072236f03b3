"""Digests that a warm start compares: of the declared objects as they are in the database, and of the migrations that
the code brings along."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.server_objects.stamps import server_stamps
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping
from aaiclick.plan.families import family_stamp
from aaiclick.routine import Routine
from aaiclick.specs.migrations import Migration
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily

_MIGRATION = re.compile(r"(\d+).*\.(?:sql|py)\Z")
_UNREADABLE = "unreadable"
"""Equals no digest, so a start reads the migrations as a whole and says what is wrong with them."""


def migrations_digest(schema: Schema, upto: int | None = None) -> str:
    """Of the migrations of the code (up to a version), as they are written: it tells that something was changed, and
    whether that counts is found out by who reads them. '' where there are none."""
    last = schema.until if upto is None else upto
    try:
        found = _contents(schema.migrations, last)
    except (ImportError, OSError, ValueError):
        return _UNREADABLE
    if not found:
        return ""
    encoded = json.dumps(found, separators=(",", ":")).encode()
    return hashlib.sha256(encoded).hexdigest()[:32]


def _contents(source: str | list[Migration] | None, last: int | None) -> list[tuple[str, str]]:
    """What each migration is called and holds, in the order of their names."""
    if source is None:
        return []
    if not isinstance(source, str):
        return sorted((f"{each.version}", _content(each)) for each in source if last is None or each.version <= last)
    found: list[tuple[str, str]] = []
    for entry in files(source).iterdir():
        named = _MIGRATION.match(entry.name)
        if named is None or (last is not None and int(named[1]) > last):
            continue
        # A checkout may have other line ends than another one.
        written = hashlib.sha256(entry.read_bytes().replace(b"\r\n", b"\n"))
        found.append((entry.name, written.hexdigest()))
    return sorted(found)


def _content(migration: Migration) -> str:
    fields = migration.model_dump(mode="json", exclude={"title"})
    # Without its module, which is called __main__ in a program and by its name elsewhere.
    move = migration.move
    fields["move"] = getattr(move, "__qualname__", type(move).__qualname__) if move is not None else None
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def live_digest(schema: Schema, catalog: Catalog) -> Routine[str]:
    """``digest_of``, with the state of the tables of its families, of its functions and of the database."""
    families = yield from family_stamp(families_of(schema), catalog.database)
    shared = (yield from read_bookkeeping(catalog.database)).shared
    stamps = yield from server_stamps(schema, catalog.database)
    return stamped(digest_of(schema, catalog, replicas=shared), families, *stamps)


def stamped(digest: str, *stamps: str) -> str:
    """The digest of definitions, with those of what is no definition."""
    return "+".join([digest, *(stamp for stamp in stamps if stamp)])


def families_of(schema: Schema) -> list[TableFamily]:
    """The families that a schema declares."""
    return [item for item in schema.objects if isinstance(item, TableFamily)]


def digest_of(schema: Schema, catalog: Catalog, *, replicas: bool = False) -> str:
    """The digest that ``warm`` will see for the objects of this schema. ``replicas``: on any host of a cluster."""
    texts = {item.name: catalog.objects[item.name].text for item in schema.objects if item.name in catalog.objects}
    return text_digest(texts, replicas=replicas)
