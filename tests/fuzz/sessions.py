"""Settings of the session that the library is given: whatever they are, what becomes of the tables is the same."""

from __future__ import annotations

from random import Random

SHARE = 0.25
"""Of all batches of cases."""
BATCH = 32
"""So many neighbours have one session: they are played together."""
HOSTILE = (
    "additional_result_filter = '1 = 0'",
    "aggregate_functions_null_for_empty = 1",
    "apply_deleted_mask = 0",
    "apply_mutations_on_fly = 1",
    "apply_patch_parts = 0",
    "async_insert = 1",
    "cast_keep_nullable = 1",
    "cast_string_to_dynamic_use_inference = 1",
    "cast_string_to_variant_use_inference = 0",
    "check_conversion_from_numbers_to_enum = 1",
    "data_type_default_nullable = 1",
    "date_time_input_format = 'best_effort'",
    "date_time_output_format = 'iso'",
    "date_time_overflow_behavior = 'saturate'",
    "decimal_check_overflow = 0",
    "default_table_engine = 'Memory'",
    "empty_result_for_aggregation_by_empty_set = 1",
    "enable_extended_results_for_datetime_functions = 1",
    "extremes = 1",
    "final = 1",
    "flatten_nested = 0",
    "group_by_use_nulls = 1",
    "input_format_null_as_default = 0",
    "insert_null_as_default = 0",
    "join_default_strictness = 'ANY'",
    "join_use_nulls = 1",
    "limit = 1",
    "materialize_skip_indexes_on_insert = 0",
    "max_insert_block_size = 1",
    "max_result_rows = 1, result_overflow_mode = 'break'",
    "max_rows_to_group_by = 1, group_by_overflow_mode = 'any'",
    "max_rows_to_read = 1, read_overflow_mode = 'break'",
    "max_rows_in_set = 1, set_overflow_mode = 'break'",
    "max_rows_in_join = 1, join_overflow_mode = 'break'",
    "max_rows_in_distinct = 1, distinct_overflow_mode = 'break'",
    "max_rows_to_sort = 1, sort_overflow_mode = 'break'",
    "mutations_sync = 0",
    "alter_sync = 0",
    "offset = 1",
    "optimize_on_insert = 1",
    "optimize_throw_if_noop = 1",
    "output_format_json_quote_64bit_integers = 1",
    "prefer_column_name_to_alias = 1",
    "session_timezone = 'Asia/Kolkata'",
    "short_circuit_function_evaluation = 'disable'",
    "transform_null_in = 1",
    "union_default_mode = 'DISTINCT'",
    "use_query_cache = 1",
    "validate_polygons = 1",
)


def session_of(seed: int) -> tuple[str, ...]:
    """The same for all neighbours of a seed; mostly nothing."""
    rng = Random(f"session {seed // BATCH}")
    drawn = tuple(rng.sample(HOSTILE, rng.choice((1, 2, 4, 8)))) if rng.random() < SHARE else ()
    # The server refuses every query of a session that has both.
    breaks = any("overflow_mode" in each for each in drawn)
    return tuple(each for each in drawn if not (breaks and each.startswith("use_query_cache")))
