"""Tables that a server creates if it only knows the types of their columns: no trial is needed for them."""

from __future__ import annotations

import re

from aaiclick.specs.engines import MergeTree, ReplacingMergeTree
from aaiclick.specs.tables import Table

_KEY = r"U?Int(?:8|16|32|64|128|256)|String|Bool|Date|Date32|DateTime|UUID"
_STORED = rf"{_KEY}|Float32|Float64|IPv4|IPv6|DateTime64\(\d\)|DateTime\('[\w/+-]+'\)|Decimal\(\d+, ?\d+\)"
_IN_KEY = re.compile(rf"(?:{_KEY})\Z")
_PLAIN = re.compile(
    rf"(?:{_STORED}|Nullable\((?:{_STORED})\)|Array\((?:{_STORED})\)|LowCardinality\((?:String|Nullable\(String\))\))\Z"
)
_BESIDE = (
    "default",
    "materialized",
    "alias",
    "ephemeral",
    "codec",
    "ttl",
    "statistics",
    "settings",
)
"""What a column may have beside name, type and comment."""
_KEEPS_TO_ITSELF = frozenset({"Memory", "Log", "TinyLog", "StripeLog", "Null"})


def is_plain(table: Table) -> bool:
    """True for columns that have a type and nothing else, under a sort key of such columns or under none.

    Everything else (a default, a codec, an index, a projection, a setting, a key that is computed) the server may
    refuse for what stands in it, so that is tried.
    """
    names = [column.name for column in table.columns]
    if (
        table.indexes
        or table.projections
        or table.constraints
        or any(getattr(column, field) for column in table.columns for field in _BESIDE)
        # A part of a Nested, or a name that the server keeps for columns of its own.
        or any("." in name or name.startswith("_") for name in names)
        or not all(_PLAIN.match(column.type) for column in table.columns)
    ):
        return False
    engine = table.engine
    if not isinstance(engine, MergeTree):
        keys = engine.order_by or engine.partition_by or engine.primary_key
        return engine.name in _KEEPS_TO_ITSELF and not (engine.arguments or engine.settings or keys)
    beside = engine.partition_by or engine.sample_by or engine.ttl or engine.settings or engine.own_arguments
    if type(engine) not in (MergeTree, ReplacingMergeTree) or beside:
        return False
    key, first = _listed(engine.order_by), _listed(engine.primary_key or [])
    in_key = {column.name for column in table.columns if _IN_KEY.match(column.type)}
    return set(key) <= in_key and len(set(key)) == len(key) and first == key[: len(first)]


def _listed(key: str | list[str]) -> list[str]:
    return [key] if isinstance(key, str) else list(key)
