"""Settings by which the engine accepts every definition that it once accepted."""

from __future__ import annotations

from aaiclick.error_codes import (
    BAD_ARGUMENTS,
    DATA_TYPE_CANNOT_BE_USED_IN_KEY,
    ILLEGAL_COLUMN,
    SUPPORT_IS_DISABLED,
    SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY,
)
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.routine import Query, Routine, text

# What lets the engine accept every definition that it once accepted. Older servers know only some of them.
PERMISSIVE: tuple[str, ...] = (
    "allow_deprecated_syntax_for_merge_tree",
    "allow_create_index_without_type",
    "allow_experimental_alias_table_engine",
    "allow_experimental_annoy_index",
    "allow_experimental_bfloat16_type",
    "allow_experimental_bigint_types",
    "allow_experimental_codecs",
    "allow_experimental_dynamic_type",
    "allow_experimental_full_text_index",
    "allow_experimental_funnel_functions",
    "allow_experimental_geo_types",
    "allow_experimental_hash_functions",
    "allow_experimental_inverted_index",
    "allow_experimental_json_type",
    "allow_experimental_map_type",
    "allow_experimental_nlp_functions",
    "allow_experimental_nullable_tuple_type",
    "allow_experimental_object_type",
    "allow_experimental_qbit_type",
    "allow_experimental_statistic",
    "allow_experimental_statistics",
    "allow_experimental_time_series_aggregate_functions",
    "allow_experimental_time_series_table",
    "allow_experimental_time_time64_type",
    "allow_experimental_ts_to_grid_aggregate_function",
    "allow_experimental_unique_key",
    "allow_experimental_usearch_index",
    "allow_experimental_variant_type",
    "allow_experimental_vector_similarity_index",
    "allow_minmax_index_for_json",
    "allow_nonconst_timezone_arguments",
    "allow_suspicious_codecs",
    "allow_suspicious_fixed_string_types",
    "allow_suspicious_indices",
    "allow_suspicious_low_cardinality_types",
    "allow_suspicious_primary_key",
    "allow_suspicious_ttl_expressions",
    "allow_suspicious_types_in_group_by",
    "allow_suspicious_types_in_order_by",
    "allow_suspicious_variant_types",
    "enable_alp_codec",
    "enable_deflate_qpl_codec",
    "enable_quantized_codec",
    "enable_sz3_codec",
    "enable_time_time64_type",
    "enable_zstd_qat_codec",
    "enable_zxc_codec",
)


_LISTED = ", ".join(f"'{name}'" for name in PERMISSIVE)
PERMITTING = f"name IN ({_LISTED}) AND value = '0' AND readonly = 0"
"""Of ``system.settings``: those that this server has, that are off, and that the user may change."""
_REFUSALS = frozenset(
    {
        BAD_ARGUMENTS,
        ILLEGAL_COLUMN,
        SUPPORT_IS_DISABLED,
        SUSPICIOUS_TYPE_FOR_LOW_CARDINALITY,
        DATA_TYPE_CANNOT_BE_USED_IN_KEY,
    }
)


def curable(error: StatementError) -> bool:
    """True where a refused definition may be accepted with permissive settings. An unknown outcome is no refusal."""
    return names_permissive(error) or (error.code in _REFUSALS and not isinstance(error, OutcomeUnknownError))


def names_permissive(error: StatementError) -> bool:
    """True where the server refuses a statement and says which permissive setting would let it through."""
    return not isinstance(error, OutcomeUnknownError) and any(name in error.message for name in PERMISSIVE)


def permissive(own: str) -> Routine[dict[str, str | int]]:
    """The permissive settings that this server has, that are off, and that the user may change."""
    # The name of the scratch place is bound so that the question goes to the engine that holds it.
    sql = f"SELECT name FROM system.settings WHERE {PERMITTING} AND {{scratch:String}} != '' ORDER BY name"
    # Asked of the server, not taken from its version: a profile may have set some of them, or forbid to.
    rows = yield Query(sql, {"scratch": own})
    return {text(row[0]): 1 for row in rows}
