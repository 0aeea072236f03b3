"""The keywords of engines, for type checkers and editors. Nothing imports it when a program runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypedDict

from aaiclick.specs.columns import SettingValue

KeyText: TypeAlias = str | Sequence[str]
"""A key as it is given: a list of columns or expressions, or one expression."""


class EngineFields(TypedDict, total=False):
    """Keywords of ``Engine``; what each means is said at the field of that name there."""

    settings: Mapping[str, SettingValue]
    """SETTINGS of the table, by name."""
    order_by: KeyText | None
    """ORDER BY; None for none."""
    partition_by: KeyText | None
    """PARTITION BY; None for none."""
    primary_key: KeyText | None
    """PRIMARY KEY; None for none."""


class KeyFields(TypedDict, total=False):
    """Keywords that every MergeTree engine takes; what each means is said at the field of that name in
    ``MergeTree``."""

    order_by: KeyText
    """ORDER BY, the sort key; an empty list is ``tuple()``: no sort key."""
    partition_by: KeyText | None
    """PARTITION BY, the partition key."""
    primary_key: KeyText | None
    """PRIMARY KEY, where it differs from the sort key: a prefix of that."""
    sample_by: str | None
    """SAMPLE BY, the sampling key."""
    ttl: str | None
    """TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``."""
    settings: Mapping[str, SettingValue]
    """SETTINGS of the table, by name; None as a value takes the setting away."""
    replicated: str | None
    """Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's defaults. None:
    the engine is not replicated."""


class ReplacingFields(KeyFields, total=False):
    """Keywords of ``ReplacingMergeTree``."""

    version: str | None
    """Column whose highest value wins; None: the last inserted row does."""
    is_deleted: str | None
    """Column of UInt8 that is 1 in a row that deletes; None: there is none."""


class SummingFields(KeyFields, total=False):
    """Keywords of ``SummingMergeTree`` and ``CoalescingMergeTree``."""

    columns: Sequence[str]
    """Columns that are combined; an empty list: all that can be."""


class CollapsingFields(KeyFields, total=False):
    """Keywords of ``CollapsingMergeTree``."""

    sign: str
    """Column of Int8: 1 in a row that counts, -1 in one that takes it back."""


class VersionedFields(CollapsingFields, total=False):
    """Keywords of ``VersionedCollapsingMergeTree``."""

    version: str
    """Column that says which row of a pair is the older one."""


class GraphiteFields(KeyFields, total=False):
    """Keywords of ``GraphiteMergeTree``."""

    config: str
    """Name of the section in the server's configuration."""
