"""Which settings of a session or profile apply to this library's statements, and which get the engine's default for
them.

A profile may change what a statement means. ``limit`` cuts answers off; ``apply_deleted_mask = 0`` copies rows that
were deleted; ``*_overflow_mode = 'break'`` ends a count half way; ``join_use_nulls`` gives a view other columns. So
only these settings of the profile apply: those that permit something (``allow_*``, types and codecs), and those
about cost (memory, threads, bandwidth, priority), waiting and logging.

Every other setting that is changed is sent with the engine's own default, for the one statement; settings of later
releases, too. Nothing is SET on a session that was given. What a statement sets itself, in its text or with its
settings, has precedence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aaiclick.clients.failures import unknown_setting
from aaiclick.error_codes import READONLY, SETTING_CONSTRAINT_VIOLATION, UNKNOWN_IDENTIFIER
from aaiclick.errors import OutcomeUnknownError, StatementError, UsageError
from aaiclick.routine import Query, Routine, Rows

KEPT = re.compile(
    r"(?:"
    # what permits
    r"allow_(?!experimental_(?:analyzer|parallel_reading_from_replicas|projection_optimization|query_cache|statistics_optimize)$"
    r"|metadata_only_|lossy_|special_|key_condition_|statistics?_optimize|settings_after_|execute_|custom_error_|reorder_|push_|general_join_"
    r"|prefetched_|asynchronous_|preliminary_|calculating_|\w+_independently$)\w+"
    r"|enable_(?!extended_)\w+_(?:type|types|codec|index|table|functions)|enable_(?:lightweight|filesystem|blob|s3|hdfs)_\w+|enable_unique_key"
    # what costs
    r"|max_(?:memory_usage|bytes_before|bytes_ratio_before|network|local|remote|temporary|untracked|concurrent|download|backup)\w*"
    r"|max_(?:threads|insert_threads|final_threads|threads_for_indexes|block_size|insert_block_size\w*|table_size_to_drop|partition_size_to_drop"
    r"|partitions_per_insert_block)"
    r"|min_insert_block_size_\w+|preferred_(?:block_size_bytes|max_column_in_block_size_bytes)|min_free_disk_\w+"
    r"|memory_(?:overcommit|usage)\w*|reserve_memory|workload|priority|read_priority|os_thread\w*|use_(?:uncompressed_cache|page_cache\w*|concurrency_control)"
    # what waits, and where data are
    r"|(?:send|receive|tcp|connect|handshake|poll|queue|idle)_(?!logs)\w+|lock_acquire_timeout|http_(?:(?:connection|receive|send)_timeout|headers_progress_interval_ms)|cancel_http_\w+|distributed_ddl_\w+"
    r"|database_(?:replicated|shared|atomic)_\w+|insert_quorum\w*|replication_wait\w*|(?:s3|azure|hdfs|filesystem|remote_fs|remote_filesystem|backup|cloud)_\w+"
    r"|storage_file_read_method"
    # what logs
    r"|log_\w+|query_profiler_\w+|trace_profile\w*|memory_profiler_\w+|opentelemetry_\w+|metrics_perf\w*|send_logs_\w+|calculate_text_stack_trace"
    # the session itself, and what the embedded engine begins with
    r"|database|readonly|session_id|implicit_select|serialize_query_plan"
    r")"
)

MEANING = frozenset(
    """
    additional_result_filter additional_table_filters aggregate_functions_null_for_empty allow_experimental_analyzer
    apply_deleted_mask apply_mutations_on_fly apply_patch_parts cast_ipv4_ipv6_default_on_conversion_error
    cast_keep_nullable cast_string_to_date_time_mode cast_string_to_dynamic_use_inference
    cast_string_to_variant_use_inference check_conversion_from_numbers_to_enum compatibility
    data_type_default_nullable date_time_input_format date_time_output_format date_time_overflow_behavior
    decimal_check_overflow default_table_engine dialect distinct_overflow_mode
    empty_result_for_aggregation_by_constant_keys_on_empty_set empty_result_for_aggregation_by_empty_set
    enable_analyzer enable_extended_results_for_datetime_functions extremes final flatten_nested
    group_by_overflow_mode group_by_use_nulls ignore_drop_queries_probability implicit_transaction
    insert_null_as_default join_any_take_last_row join_default_strictness join_overflow_mode join_use_nulls limit
    max_parallel_replicas offset parallel_replica_offset parallel_replicas_count partial_result_on_first_cancel
    prefer_column_name_to_alias prefer_warmed_unmerged_parts_seconds read_overflow_mode read_overflow_mode_leaf
    result_overflow_mode session_timezone set_overflow_mode skip_unavailable_shards sort_overflow_mode
    timeout_overflow_mode timeout_overflow_mode_leaf transfer_overflow_mode transform_null_in union_default_mode
    use_legacy_to_time use_query_cache
    """.split()  # noqa: SIM905 - sixty lines otherwise
)
"""Settings that change rows, values or definitions without an error: where a constraint of the user forbids to put one
back, nothing is done."""

READABLE: Mapping[str, str | int] = {
    "limit": 0,
    "offset": 0,
    "additional_table_filters": "{}",
    "additional_result_filter": "",
    "max_result_rows": 0,
    "max_result_bytes": 0,
    "max_rows_to_read": 0,
    "max_bytes_to_read": 0,
    "max_rows_to_read_leaf": 0,
    "max_bytes_to_read_leaf": 0,
    "max_execution_time": 0,
    "use_query_cache": 0,
    "implicit_transaction": 0,
    "extremes": 0,
}
"""What the question for the changed settings itself needs in order to be answered."""

PARSED: Mapping[str, str | int] = {
    "dialect": "clickhouse",
    "implicit_table_at_top_level": "",
    "max_query_size": 262144,
    "max_parser_depth": 1000,
    "max_parser_backtracks": 1_000_000,
    "max_ast_depth": 1000,
    "max_ast_elements": 50_000,
    "max_expanded_ast_elements": 500_000,
    "max_subquery_depth": 100,
    "max_columns_to_read": 0,
    "page": 0,
    "max_os_cpu_wait_time_ratio_to_throw": 0,
}
"""What has to be right before a statement is carried out at all. In the text the first ones come too late."""

CHANGED_SETTINGS = (
    "SELECT name, value, default, toUInt8(readonly) AS fixed FROM system.settings WHERE changed AND name != 'database'"
)
"""Rows for ``changed_of``; put behind ``clause``."""


def clause(without: Collection[str] = (), compatibility: bool = False, parsed: bool = False) -> str:
    """``READABLE`` as a SETTINGS clause, which every client can send.

    ``compatibility``: reset that setting, too. It makes hundreds of settings count as changed, which are back to
    their defaults without it.
    """
    given = {**READABLE, **({"compatibility": ""} if compatibility else {}), **(PARSED if parsed else {})}
    listed = ", ".join(f"{name} = {value!r}" for name, value in given.items() if name not in without)
    return f" SETTINGS {listed}" if listed else ""


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    """A setting that the session or profile has changed. ``fixed``: this user may not change it."""

    name: str
    value: str
    default: str
    fixed: bool = False


def changed_of(rows: Iterable[Iterable[object]]) -> tuple[ChangedSetting, ...]:
    """The answer to ``CHANGED_SETTINGS``."""
    return tuple(
        ChangedSetting(str(name), str(value), str(default), str(fixed) == "1")
        for name, value, default, fixed in (tuple(row) for row in rows)
    )


def is_kept(name: str) -> bool:
    """True where the caller's value applies to this library's statements."""
    return KEPT.fullmatch(name) is not None


def only_kept(settings: Mapping[str, str | int]) -> dict[str, str | int]:
    """Those of the caller's settings that apply to this library's statements."""
    return {name: value for name, value in settings.items() if is_kept(name)}


def engine_defaults(changed: Iterable[ChangedSetting]) -> dict[str, str | int]:
    """The settings that are sent with each statement, at the engine's defaults.

    Settings in the text of the query that lists them are always among them: the answer does not tell whether the
    profile has them.

    Raises ``UsageError`` where one that changes what statements mean may not be changed.
    """
    defaults: dict[str, str | int] = {}
    for each in changed:
        asked = each.name in READABLE or each.name in PARSED or each.name == "compatibility"
        if is_kept(each.name) or (each.value == each.default and (each.fixed or not asked)):
            continue
        if not each.fixed:
            defaults[each.name] = each.default
        elif each.name in MEANING:
            raise fixed_setting_error(each.name, each.value)
    return defaults


def fixed_setting_error(name: str, value: str = "") -> UsageError:
    """The error for a setting that changes what statements mean, and that a constraint of the user fixes."""
    said = f"{name} = {value!r}" if value else f"setting {name}"
    return UsageError(
        f"the profile of this user fixes {said}, which changes what statements mean: nothing was done. Give a user "
        f"that may change {name}"
    )


def read_changed_settings(sql: str = CHANGED_SETTINGS) -> Routine[Rows]:
    """The answer to a query with the rows of ``CHANGED_SETTINGS``. Raises ``UsageError`` where this profile
    allows none."""
    without: set[str] = set()
    compatibility = parsed = False
    while True:
        try:
            rows = yield Query(
                sql + clause(without, compatibility, parsed),
                settings=_only(PARSED, without) if parsed else {},
                bare=True,
            )
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            name = unknown_setting(error) or forbidden(error, {*READABLE, *PARSED, "compatibility"} - without)
            if name in MEANING:
                raise fixed_setting_error(name) from error
            if error.code == UNKNOWN_IDENTIFIER:
                return ()  # a server too old to tell its own defaults
            if name is not None and name not in without:
                # This ends: each turn leaves out one more setting.
                without.add(name)
            elif parsed or not error.code:
                raise _unreadable(error) from error
            else:
                parsed = True
        else:
            if compatibility or not any(row[0] == "compatibility" and row[1] for row in rows):
                return rows
            # It makes hundreds of settings show as changed that nobody has changed: asked once more without it.
            compatibility = True


def _only(settings: Mapping[str, str | int], without: Collection[str]) -> dict[str, str | int]:
    return {name: value for name, value in settings.items() if name not in without}


def _unreadable(error: StatementError) -> UsageError:
    named = ", ".join(sorted(PARSED))
    said = (
        "under the settings of the session or profile that was given, nothing can be read (the server said: "
        f"{error.message})"
    )
    return UsageError(f"{said}: put back what it has set of {named}")


_NAMED = re.compile(r"\b(?:modify|[Ss]etting) '?([a-z_0-9A-Z]+)'?")


def forbidden(error: StatementError, defaults: Collection[str]) -> str | None:
    """The setting that a constraint did not let us change; None for any other error."""
    if error.code not in (SETTING_CONSTRAINT_VIOLATION, READONLY):
        return None
    return next((name for name in _NAMED.findall(error.message) if name in defaults), None)


def without_refused(error: Exception, defaults: dict[str, str | int], own: Collection[str]) -> bool:
    """True where a constraint refused a setting that does not matter. It is removed from ``defaults``, and the
    statement can be sent again: nothing of it has run.

    ``own`` are the statement's own settings. Raises ``UsageError`` for a setting that changes what statements mean.
    """
    name = forbidden(error, defaults.keys() - set(own)) if isinstance(error, StatementError) else None
    if name is None:
        return False
    if name in MEANING:
        raise fixed_setting_error(name) from error
    del defaults[name]
    return True
