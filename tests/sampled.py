"""Which long tables of cases are sampled: of each of these tests every n-th case runs in the normal suite, and all of
them in ``make proof``.

What stands here shows the same promise over many cases. A case of its own kind (a fault that somebody had) is no member
of such a table, or has a test beside it that always runs. Where tests are asked for by name (``-k``, or an id on the
command line) nothing is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

EVERY: dict[str, int] = {
    "tests/acceptance/test_clients.py::test_every_kind_of_embedded_client": 2,
    "tests/acceptance/test_clients.py::test_every_release_comes_to_version_5_on_a_server": 8,
    "tests/apply/test_concurrent_mutations.py::test_a_delete_costs_the_chunks_it_touched": 3,
    "tests/apply/test_concurrent_mutations.py::test_every_kind_of_change_shows": 2,
    "tests/apply/test_fat_rows.py::test_fat_rows_are_copied_under_a_memory_limit": 2,
    "tests/apply/test_rebuild.py::test_rebuild_keeps_every_row": 2,
    "tests/apply/test_rebuild_failures.py::test_any_failing_statement": 3,
    "tests/apply/test_rebuild_kill.py::test_killed_after_every_seventh_statement": 2,
    "tests/apply/test_rebuild_kill.py::test_killed_with_late_rows": 2,
    "tests/apply/test_resume.py::test_filled_chunks_are_not_copied_again": 3,
    "tests/apply/test_resume.py::test_only_what_was_changed_in_between_is_copied_again": 2,
    "tests/apply/test_suspicious.py::test_what_is_refused_by_default_is_sent_as_it_was_rehearsed": 2,
    "tests/apply/test_writers.py::test_attach_under_writers": 2,
    "tests/cases/test_corpus_pairs.py::test_pair": 25,
    "tests/cases/test_golden.py::test_golden_case": 12,
    "tests/cli/test_interrupts.py::test_the_first_is_answered_at_once_and_ends_the_run_after_the_statement": 2,
    "tests/cli/test_interrupts.py::test_the_second_ends_the_process": 2,
    "tests/clients/test_every_client.py::test_bound_strings_arrive_letter_by_letter": 3,
    "tests/clients/test_every_client.py::test_large_answers_are_complete": 7,
    "tests/clients/test_processes.py::test_a_forked_child_is_refused_instead_of_hanging": 2,
    "tests/commands/test_one_node.py::test_nothing_is_changed": 3,
    "tests/commands/test_one_node.py::test_who_knows_better_says_so": 3,
    "tests/commands/test_versions.py::test_what_the_data_would_lose_is_counted_and_blocks": 2,
    "tests/coverage/test_conversions.py::test_a_few_types_to_a_few_others": 3,
    "tests/coverage/test_coverage.py::test_clause": 9,
    "tests/coverage/test_coverage.py::test_engine": 18,
    "tests/coverage/test_precision.py::test_a_copy_makes_the_same_of_it": 3,
    "tests/coverage/test_precision.py::test_fewer_digits_are_asked_for_by_name": 10,
    "tests/coverage/test_retype.py::test_rows_of_parts_that_lack_a_column_read_the_same_after_a_retype": 2,
    "tests/coverage/test_values_kept.py::test_a_text_that_does_not_come_back_is_allowed_by_name_only": 3,
    "tests/coverage/test_values_kept.py::test_a_value_that_becomes_another_is_counted_and_allowed_by_name": 4,
    "tests/coverage/test_values_kept.py::test_a_value_that_would_become_another_blocks": 3,
    "tests/coverage/test_values_kept.py::test_an_alias_that_is_stored_keeps_what_its_rows_read": 3,
    "tests/coverage/test_values_kept.py::test_null_in_a_variant_or_dynamic_blocks_a_type_that_takes_none": 3,
    "tests/coverage/test_values_kept.py::test_what_is_stored_no_longer_or_computed_in_another_way_is_allowed_by_name_only": 3,
    "tests/coverage/test_views_changed.py::test_a_changed_view_is_changed_in_place": 2,
    "tests/coverage/test_views_changed.py::test_what_cannot_be_done_in_place_is_done_by_name_only": 2,
    "tests/engine_server/test_clickhouse_connect.py::test_many_rows_go_in_and_come_back": 4,
    "tests/fuzz/test_seeds.py::test_every_seed_ends_as_the_copy_would": 2,
    "tests/lease/test_lease_sweep.py::test_after_a_real_kill_the_next_process_need_not_wait": 2,
    "tests/lease/test_lease_sweep.py::test_killed_after_each_effect": 2,
    "tests/matrix/test_matrix.py::test_what_is_not_blocked_runs_to_its_end": 14,
    "tests/migrations/test_cleaned_first.py::test_rows_are_looked_at_behind_the_statement": 2,
    "tests/migrations/test_combined_refilled.py::test_keys_that_meet": 3,
    "tests/migrations/test_dry_run.py::test_what_could_leave_scratch_is_not_rehearsed": 3,
    "tests/migrations/test_evaluated_first.py::test_it_is_told_before_anything_is_done": 2,
    "tests/migrations/test_evaluated_first.py::test_nothing_is_cut_to_size_unasked": 3,
    "tests/migrations/test_evaluated_first.py::test_what_fits_goes_on": 2,
    "tests/migrations/test_golden.py::test_golden_case": 5,
    "tests/migrations/test_history.py::test_older_code_runs_on_a_newer_database_where_every_version_on_the_way_says_so": 2,
    "tests/migrations/test_once_only.py::test_a_statement_that_may_have_happened_is_asked_about": 2,
    "tests/migrations/test_renames.py::test_a_nested_takes_its_parts_with_it": 3,
    "tests/migrations/test_renames.py::test_every_value_goes_where_its_column_goes": 6,
    "tests/migrations/test_rolling.py::test_killed_here_and_there": 3,
    "tests/migrations/test_ttl.py::test_a_merge_during_the_function_takes_nothing_that_the_end_would_keep": 3,
    "tests/migrations/test_views.py::test_a_statement_reads_through_a_view_of_its_version": 3,
    "tests/oplog/test_locked_versions.py::test_upgrade_from_every_released_version": 5,
    "tests/oplog/test_recognise_oplog.py::test_every_state_is_recognised": 3,
    "tests/oplog/test_upgrade.py::test_checking_only_says_what_is_behind_and_changes_nothing": 3,
    "tests/oplog/test_upgrade.py::test_every_release_comes_to_version_5_in_the_default_database": 5,
    "tests/oplog/test_upgrade.py::test_every_state_comes_to_version_5": 5,
    "tests/plan/declaration/test_defaults.py::test_a_default_that_changes_is_written_down": 3,
    "tests/plan/test_answers.py::test_answers": 14,
    "tests/plan/test_backfill.py::test_every_row_is_brought_in_once": 9,
    "tests/plan/test_backfill.py::test_what_cannot_be_exact_is_refused": 2,
    "tests/plan/test_lookups.py::test_a_table_in_front_that_would_cut_values_off_is_named": 2,
    "tests/plan/test_old_parts.py::test_rows_of_older_parts_end_as_a_copy_leaves_them": 2,
    "tests/plan/test_older_tables.py::test_it_stays_where_nothing_changes_and_has_a_way_out": 7,
    "tests/plan/test_plain_views.py::test_a_view_gives_what_the_table_holds": 7,
    "tests/plan/test_plain_views.py::test_a_view_of_everything_goes_on_without_a_dropped_column": 2,
    "tests/plan/test_view_steps.py::test_the_engine_agrees_with_the_types": 2,
    "tests/reliability/test_crash_sweep.py::test_killed_here_and_there": 3,
    "tests/reliability/test_failures.py::test_refusals_that_pass_are_tried_again": 3,
    "tests/reliability/test_feeds.py::test_killed": 2,
    "tests/reliability/test_feeds.py::test_writers_go_on": 3,
    "tests/reliability/test_hostile.py::test_hostile_names_on_the_embedded_engine": 7,
    "tests/reliability/test_operators.py::test_operators_in_between": 4,
    "tests/reliability/test_renewal.py::test_renewed_by_the_async_driver": 2,
    "tests/reliability/test_rollback.py::test_what_was_deleted_or_changed_since_has_to_be_allowed": 3,
    "tests/reliability/test_rollback_values.py::test_values_that_came_since_go_back": 4,
    "tests/reliability/test_rollback_values.py::test_what_would_be_another_value_is_by_name": 3,
    "tests/reliability/test_signals.py::test_the_line_for_an_application": 3,
    "tests/reliability/test_writers.py::test_deletes_that_never_stop_do_not_keep_a_copy_from_its_end": 2,
    "tests/reliability/test_writers.py::test_writers_go_on": 3,
    "tests/test_docs.py::test_the_examples_work": 2,
}
SHOWN_BY: dict[str, str] = {
    "tests/apply/test_resume.py::test_killed_while_it_goes_on": "::test_filled_chunks_are_not_copied_again",
    "tests/apply/test_writers.py::test_rebuild_of_a_view_target_under_writers": "::test_fenced_rebuilds_under_writers_with_a_materialized_view",
    "tests/catalog/test_corpus.py::test_what_is_put_together_is_what_the_engine_wrote": "::test_what_is_reflected_creates_the_same_table",
    "tests/cli/test_end_to_end.py::test_a_fresh_install": "::test_an_old_install_from_status_to_status",
    "tests/cli/test_end_to_end.py::test_on_a_server": "tests/reliability/test_signals.py::test_the_command_line_gives_the_lease_back",
    "tests/cli/test_end_to_end.py::test_the_printed_ddl_makes_the_declared_schema": "tests/cli/test_create.py",
    "tests/cli/test_end_to_end.py::test_what_is_left_alone_goes_where_it_is_allowed": "tests/cli/test_commands.py",
    "tests/cli/test_end_to_end.py::test_what_is_reflected_is_what_is_there": "tests/catalog/test_reflect.py",
    "tests/clients/test_settings.py::test_one_setting_changes_nothing": "::test_a_session_with_every_meaning_changed_leads_the_same_life",
    "tests/migrations/test_law.py::test_a_jump_is_its_chain": "tests/migrations/test_jumps.py",
    "tests/migrations/test_rolling.py::test_forward_back_forward_killed_here_and_there": "::test_a_migration_under_way_is_given_up",
    "tests/migrations/test_ttl.py::test_killed_around_it_the_next_run_goes_on_and_lifts_what_was_held": "tests/migrations/test_killed.py",
    "tests/plan/test_views_generated.py::test_views_give_what_new_ones_would_give": "tests/plan/test_plain_views.py",
    "tests/reliability/test_crash_sweep.py::test_killed_at_every_ninth_point": "::test_killed_here_and_there",
    "tests/reliability/test_full_disk.py::test_a_neighbour_takes_the_last_byte": "tests/reliability/test_rights.py::test_a_disk_that_is_full",
    "tests/reliability/test_kill9.py::test_a_killed_copy_goes_on": "tests/apply/test_resume.py::test_filled_chunks_are_not_copied_again",
    "tests/reliability/test_rollback.py::test_killed_here_and_there_on_the_way_back": "tests/reliability/test_rollback_chain.py",
    "tests/reliability/test_rollback_chain.py::test_a_table_in_between_that_is_gone": "::test_nothing_is_kept",
    "tests/reliability/test_rollback_chain.py::test_by_default_to_the_version_before": "::test_to_a_version_in_between",
    "tests/reliability/test_rollback_chain.py::test_killed_while_what_is_not_needed_any_more_is_dropped": "::test_killed_here_and_there_on_a_long_way_back",
    "tests/reliability/test_rollback_chain.py::test_over_three_versions_in_one_go": "::test_killed_here_and_there_on_a_long_way_back",
    "tests/reliability/test_rollback_values.py::test_over_two_versions_each_goes_back_by_its_own": "::test_values_that_came_since_go_back",
    "tests/reliability/test_stampede.py::test_threads_of_one_process": "tests/lease/test_lease_sweep.py",
    "tests/testing/test_fixtures.py::test_xdist_workers_do_not_meet": "::test_the_path_can_be_chosen",
}
"""Tests that run in ``make proof`` alone, each with a quicker one of the normal suite (``::``: in the same file) that
shows the same at small."""


def left_out(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Those cases that are left to ``make proof``. Cases that belong there anyway do not count."""
    seen: Counter[str] = Counter()
    found: list[pytest.Item] = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        if item.get_closest_marker("proof") is not None:
            continue
        if test in SHOWN_BY or seen[test] % EVERY.get(test, 1):
            found.append(item)
        seen[test] += 1
    return found
