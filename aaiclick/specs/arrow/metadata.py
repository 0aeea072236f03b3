"""What the metadata of an Arrow schema says about a table: types, defaults, codecs, TTLs and keys.

A field's metadata is about its column, the schema's about the table. All values are texts (UTF-8). A key that begins
with ``clickhouse.`` and is not one of these is an error: nothing that somebody wrote down for the table is dropped.
All but the comments and the place in the sort key are SQL, and checked to be that and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

from aaiclick.errors import SpecError
from aaiclick.specs.arrow.checks import WORDS, codecs, expressions, one_type, table_ttl
from aaiclick.specs.columns import Column, ColumnFields
from aaiclick.specs.engines import MergeTree
from aaiclick.sql.expressions import one_expression
from aaiclick.sql.quoting import quoted_where_needed
from aaiclick.sql.tokens import Tokens, split_top, unquote
from aaiclick.sql.types import unwrapped

if TYPE_CHECKING:
    from aaiclick.specs.engine_fields import KeyFields

Metadata: TypeAlias = "Mapping[bytes, bytes] | None"
PREFIX = "clickhouse."
COMMENT = "comment"
TYPE, DEFAULT, CODEC, TTL = "clickhouse.type", "clickhouse.default", "clickhouse.codec", "clickhouse.ttl"
ORDER_BY, PARTITION_BY, PRIMARY_KEY = "clickhouse.order_by", "clickhouse.partition_by", "clickhouse.primary_key"
COLUMN_KEYS = (TYPE, DEFAULT, CODEC, TTL, ORDER_BY, PARTITION_BY)
"""What a field's metadata may say, beside ``comment``."""
TABLE_KEYS = (ORDER_BY, PARTITION_BY, PRIMARY_KEY, TTL)
"""What the schema's metadata may say, beside ``comment``."""
_CHECKS: Mapping[str, Callable[[str], bool]] = {
    TYPE: one_type,
    DEFAULT: one_expression,
    CODEC: codecs,
    TTL: one_expression,
    PARTITION_BY: expressions,
}
_TABLE_CHECKS: Mapping[str, Callable[[str], bool]] = {
    ORDER_BY: expressions,
    PARTITION_BY: expressions,
    PRIMARY_KEY: expressions,
    TTL: table_ttl,
}
_NO_KEY = "tuple()"
_PLACE = re.compile(r"[1-9][0-9]{0,5}\Z")


class TableWords(TypedDict, total=False):
    """Keywords of the table that the metadata give."""

    engine: MergeTree
    comment: str


def read_keys(metadata: object) -> frozenset[str] | None:
    """The keys that are read, of ``from_arrow``'s ``metadata``; None: all. Raises ``SpecError`` where there is no such
    key."""
    if metadata is None:
        return None
    there = {COMMENT, *COLUMN_KEYS, *TABLE_KEYS}
    if not isinstance(metadata, Collection) or isinstance(metadata, str | bytes):
        raise SpecError("metadata", f"{metadata!r} is no list of keys (there are {', '.join(sorted(there))})")
    given = set(cast("Collection[object]", metadata))
    wrong = [key for key in given if not isinstance(key, str) or key not in there]
    if wrong:
        raise SpecError("metadata", f"{wrong[0]!r} is no key that is read (there are {', '.join(sorted(there))})")
    return frozenset(str(key) for key in given)


def said(metadata: Metadata, of_table: bool, where: str, read: frozenset[str] | None = None) -> dict[str, str]:
    """What metadata says, by its keys. ``of_table``: they are the schema's, else a field's. ``read``: only these keys
    count; None: all.

    Raises ``SpecError`` for a key of ours that is not known, a value that is no text, and SQL that is anything else or
    anything more than its key says."""
    keys = TABLE_KEYS if of_table else COLUMN_KEYS
    checks = _TABLE_CHECKS if of_table else _CHECKS
    found: dict[str, str] = {}
    for raw, value in (metadata or {}).items():
        key = raw.decode("utf-8", "replace")
        if (key != COMMENT and not key.startswith(PREFIX)) or (read is not None and key not in read):
            continue
        if key not in (*keys, COMMENT):
            raise SpecError(where, f"unknown metadata {key} (there are {', '.join((*keys, COMMENT))})")
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            raise SpecError(where, f"the metadata {key} is no UTF-8 text") from None
        if key == COMMENT:
            if text.strip():
                found[key] = text
            continue
        if not text.strip():
            raise SpecError(where, f"the metadata {key} is empty: leave it out")
        check = checks.get(key)
        if check is not None and not check(text):
            raise SpecError(where, f"the metadata {key} is {text!r}: {WORDS[check]} is wanted, and nothing behind")
        found[key] = text.strip()
    return found


def column_fields(told: Mapping[str, str]) -> ColumnFields:
    """Keywords of the column."""
    fields: ColumnFields = {}
    if COMMENT in told:
        fields["comment"] = told[COMMENT]
    if DEFAULT in told:
        fields["default"] = told[DEFAULT]
    if CODEC in told:
        fields["codec"] = told[CODEC]
    if TTL in told:
        fields["ttl"] = told[TTL]
    return fields


def engine_in_metadata(
    schema: Mapping[str, str], fields: Mapping[str, Mapping[str, str]], columns: list[Column]
) -> MergeTree | None:
    """The engine that the metadata describe; None where they name no sort key. ``schema``: what that of the schema
    says, ``fields``: that of each field.

    Raises ``SpecError`` where they contradict each other, or a column of the sort key may hold NULL.
    """
    places = _places(fields)
    names = {column.name: column for column in columns}
    if places and ORDER_BY in schema:
        raise SpecError(f"metadata {ORDER_BY}", "the schema and its fields both say a sort key: keep one of them")
    order_by = places or (_parts(schema[ORDER_BY], names) if ORDER_BY in schema else None)
    partitions = {name: told[PARTITION_BY] for name, told in fields.items() if PARTITION_BY in told}
    if len(partitions) > 1 or (partitions and PARTITION_BY in schema):
        listed = ", ".join([*partitions, *(["the schema"] if PARTITION_BY in schema else [])])
        raise SpecError(f"metadata {PARTITION_BY}", f"is said more than once ({listed}): keep one of them")
    if order_by is None:
        lost = [key for key in (PARTITION_BY, PRIMARY_KEY, TTL) if key in schema] + [PARTITION_BY for _ in partitions]
        if lost:
            raise SpecError(f"metadata {lost[0]}", f"needs a sort key: say {ORDER_BY} too, or give engine=")
        return None
    for part in order_by:
        if part in names and unwrapped(names[part].type)[1]:
            raise SpecError(
                f"field {part}",
                "is in the sort key and may hold NULL, which ClickHouse does not take there: make the field "
                "nullable=False, or give its type with types=",
            )
    keys: KeyFields = {"order_by": order_by}
    partition_by = schema.get(PARTITION_BY) or next(iter(partitions.values()), None)
    if partition_by is not None:
        parts = _parts(partition_by, names)
        keys["partition_by"] = parts[0] if len(parts) == 1 else parts
    if PRIMARY_KEY in schema:
        keys["primary_key"] = _parts(schema[PRIMARY_KEY], names)
    if TTL in schema:
        keys["ttl"] = schema[TTL]
    return MergeTree(**keys)


def _places(fields: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The fields of the sort key, in its order."""
    found: dict[int, str] = {}
    for name, told in fields.items():
        if ORDER_BY not in told:
            continue
        text = told[ORDER_BY]
        if not _PLACE.match(text):
            problem = f"the metadata {ORDER_BY} is {text!r}: it is the field's place in the sort key, from 1"
            raise SpecError(f"field {name}", problem)
        other = found.setdefault(int(text), name)
        if other != name:
            raise SpecError(f"field {name}", f"has the place {text} in the sort key, and so has {other}")
    return [found[place] for place in sorted(found)]


def _parts(text: str, columns: Collection[str]) -> list[str]:
    """The elements of a key, which can be cut: it was checked. A column without its quotes, as declarations have it."""
    parts = split_top(text)
    return [] if parts == [_NO_KEY] else [_column(part, columns) for part in parts]


def _column(part: str, columns: Collection[str]) -> str:
    tokens = Tokens(part)
    plain = unquote(part) if len(tokens) == 1 and tokens.is_kind(0, "name") else part
    return plain if plain in columns else part


def column_metadata(column: Column) -> dict[bytes, bytes]:
    """What a field says of its column."""
    told = {TYPE: column.type, DEFAULT: column.default, CODEC: column.codec, TTL: column.ttl, COMMENT: column.comment}
    return {key.encode(): value.encode() for key, value in told.items() if value}


def table_metadata(engine: object, columns: Collection[str] = ()) -> dict[bytes, bytes]:
    """What a schema says of the keys of a table with these columns; nothing for any other engine than a plain
    MergeTree."""
    if type(engine) is not MergeTree or engine.replicated is not None:
        return {}
    told = {
        # The sort key is the primary key where only that is given.
        ORDER_BY: _joined(engine.order_by or engine.primary_key, columns) or _NO_KEY,
        PARTITION_BY: _joined(engine.partition_by, columns),
        PRIMARY_KEY: _joined(engine.primary_key, columns),
        TTL: engine.ttl or "",
    }
    return {key.encode(): value.encode() for key, value in told.items() if value}


def _joined(key: str | list[str] | None, columns: Collection[str]) -> str:
    """A key as SQL. A list, or a whole key, may name a column as it is called, without quotes."""
    parts = [key] if isinstance(key, str) else key or []
    return ", ".join(quoted_where_needed(part) if part in columns else part for part in parts)
