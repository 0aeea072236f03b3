"""Digests of the declared objects as they are in the database: a warm start compares these."""

from __future__ import annotations

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog
from aaiclick.catalog.server_objects.stamps import server_stamps
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping
from aaiclick.plan.families import family_stamp
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily


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
