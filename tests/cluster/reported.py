"""Twenty failures of clusters that others have reported, of this kind of tool or of none, and the test of each.

``docs/reliability.md`` has the same list; ``test_reported.py`` holds the two together.
"""

from __future__ import annotations

from typing import NamedTuple


class Reported(NamedTuple):
    """``what`` happened to others, ``here`` what happens, ``test`` where that is shown."""

    what: str
    here: str
    test: str


_COPIES, _HOSTS = "tests/cluster/test_reported_copies.py::test_", "tests/cluster/test_reported_hosts.py::test_"
REPORTED = (
    Reported(
        "parts were attached ON CLUSTER from tables that one host had: a shard was empty, and nothing said so",
        "the host that has them attaches them; both replicas show all rows before the exchange",
        f"{_COPIES}parts_are_attached_by_the_host_that_has_them_and_are_on_all_before_the_exchange",
    ),
    Reported(
        "equal parts were taken for one",
        "every row is there, in a copy and in parts that are taken over",
        f"{_COPIES}equal_rows_in_equal_parts_are_all_there",
    ),
    Reported(
        "an exchange reached one host only, and hosts had different tables for weeks",
        "all hosts refuse writers until the next start has let the others follow",
        "tests/cluster/test_copies_and_hosts.py::test_between_two_exchanges_all_hosts_refuse_writers_and_none_goes_back",
    ),
    Reported(
        "a host carried an exchange out twice",
        "it is found by the UUIDs of that host, which refuses writers; the next start goes on",
        f"{_COPIES}an_exchange_that_a_host_carries_out_twice_is_found_there",
    ),
    Reported(
        "a view was missing on a host that lagged, and rows that it took are not in the target",
        "the step ends when every host has the view; what a host takes before that is not in the target, and a view "
        "that would have to be filled is blocked",
        f"{_HOSTS}a_step_is_done_when_the_view_is_on_the_host_that_lags",
    ),
    Reported(
        "a MergeTree in a Replicated database, with other rows on each replica",
        "blocked in the plan; status has the rows of each host",
        f"{_HOSTS}a_table_of_which_each_replica_has_other_rows_is_refused_and_told",
    ),
    Reported(
        "the table of versions was on one node",
        "what one host has recorded every other one reads",
        "tests/cluster/test_books.py::test_every_host_reads_what_another_one_has_written",
    ),
    Reported(
        "error 517 again and again, where a replica was two ALTERs behind",
        "hosts are waited for, and each ALTER is sent once",
        f"{_HOSTS}alters_are_sent_once_whatever_a_replica_lacks",
    ),
    Reported(
        "error 159, or half a reply, where a replica was read-only or slow",
        "a read-only host is named before anything is sent; after a lost answer the hosts are looked at, and nothing "
        "is sent again",
        f"{_HOSTS}a_read_only_replica_is_named_and_a_lost_answer_is_looked_up",
    ),
    Reported(
        "the head of the DDL queue stood still, and everything waited behind it",
        "named with entry, host and age, before anything is sent",
        f"{_HOSTS}a_queue_that_stands_still_is_named_with_its_entry",
    ),
    Reported(
        "files of a Distributed table for a column that was gone",
        "the Distributed table loses it first, and what waits is sent",
        "tests/cluster/test_copies_on_shards.py::test_a_column_that_goes_leaves_no_insert_behind",
    ),
    Reported(
        "a column of the sharding key was dropped, and servers did not start again",
        "blocked in the plan",
        "tests/plan/test_copies_on_clusters.py::test_rows_never_leave_their_shard",
    ),
    Reported(
        "error 253, or 342, for a path in Keeper that was still there",
        "every new table has a path of its own, also right behind a run that was killed",
        f"{_COPIES}a_path_of_a_run_that_was_killed_is_never_used_again",
    ),
    Reported(
        "tables were moved into a database of broken ones",
        "status names it, and no table is copied as long as it is there",
        f"{_COPIES}tables_that_a_host_has_set_aside_are_looked_at_first",
    ),
    Reported(
        "each replica was a shard in remote_servers",
        "no copy where the cluster and Keeper disagree",
        f"{_COPIES}a_cluster_and_a_keeper_that_disagree_about_shards",
    ),
    Reported(
        "a replica was offline during CREATE and ALTER, and stuck",
        "named first; without it by its name, and it follows when it is back",
        f"{_HOSTS}what_is_made_and_altered_without_a_host_is_there_when_it_is_back",
    ),
    Reported(
        "a new replica came without its views",
        "named, and made whole by a start through it",
        "tests/cluster/test_starts.py::test_a_host_that_lacks_something_is_named_and_made_whole_through_it",
    ),
    Reported(
        "a Distributed pair was rebuilt through the Distributed table",
        "the copy stays in each shard, and the Distributed table is not touched",
        f"{_COPIES}a_pair_is_rebuilt_shard_by_shard_below_its_distributed_table",
    ),
    Reported(
        "the only copy of a part was on a dead host",
        "no copy while a replica is away, whatever is allowed",
        f"{_COPIES}rows_that_only_a_dead_host_has_are_waited_for",
    ),
    Reported(
        "CREATE VIEW came before its table had reached the host",
        "each step ends when every host shows it, before the next one begins",
        f"{_HOSTS}a_view_comes_when_every_host_has_its_table",
    ),
)


def page_lines() -> list[str]:
    """The rows of the table in the page."""
    return [f"| {number} | {each.what} | {each.here} |" for number, each in enumerate(REPORTED, 1)]
