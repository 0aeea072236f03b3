"""A value for each setting of an engine that is not its default, and does as much harm as a value can."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.clients.hostile import Raw

WORST: Mapping[str, str] = {
    "additional_table_filters": "{'system.tables': '0', 'orders': 'id < 5', 'log': '0'}",
    "additional_result_filter": "0",
    "compatibility": "22.3",
    "dialect": "kusto",
    "distinct_overflow_mode": "break",
    "group_by_overflow_mode": "any",
    "join_algorithm": "partial_merge",
    "join_default_strictness": "ANY",
    "limit": "1",
    "offset": "1",
    "query_cache_system_table_handling": "save",
    "query_cache_nondeterministic_function_handling": "save",
    "query_cache_ttl": "3600",
    "session_timezone": "Pacific/Apia",
    "date_time_input_format": "basic",
    "date_time_output_format": "unix_timestamp",
    "date_time_overflow_behavior": "saturate",
    "ignore_data_skipping_indices": "by_name",
    "force_data_skipping_indices": "by_name",
    "insert_deduplication_token": "once",
    "bool_true_representation": "yes",
    "default_table_engine": "Log",
    "default_temporary_table_engine": "Log",
    "format_tsv_null_representation": "nil",
    "union_default_mode": "DISTINCT",
    "column_names_for_schema_inference": "a,b",
    "max_execution_time": "0.000001",
}
_MODES = {"OverflowMode": "break", "OverflowModeGroupBy": "any"}


def hostile_values(raw: Raw) -> dict[str, str]:
    """By name; only settings that the engine takes such a value for."""
    listed = raw(
        "SELECT name, type, value, default FROM system.settings WHERE NOT is_obsolete AND name != 'database' ORDER "
        "BY name FORMAT JSONEachRow"
    )
    found: dict[str, str] = {}
    for line in listed.splitlines():
        row = json.loads(line)
        value = WORST.get(row["name"], _value(row["name"], row["type"], row["default"]))
        if value is not None and value != row["default"]:
            found[row["name"]] = value
    return found


def _value(name: str, kind: str, default: str) -> str | None:
    if kind in _MODES:
        return _MODES[kind]
    if kind == "Bool":
        return "0" if default in ("1", "true") else "1"
    if kind.endswith(("Int64", "UInt64Auto", "MaxThreads", "Int32", "Seconds", "Milliseconds")) or kind in (
        "Float",
        "Double",
    ):
        return "1" if default != "1" else "0"
    return None
