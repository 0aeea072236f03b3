"""The parts of ``make proof``: the tests of each, what one of them takes, what it means that they pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """``tests`` are beginnings of test ids, ``seconds`` about what one of them takes on a core of its own: long ones
    are begun first. The counts under ``title`` are noted by the tests themselves; ``result`` is said where all of them
    passed."""

    title: str
    tests: tuple[str, ...]
    result: str
    seconds: float = 5


_R = "tests/reliability/"
_LOST = "no row lost or doubled, the next start went to the end"
PARTS: tuple[Part, ...] = (
    Part(
        "golden cases, killed at every point, in process",
        (f"{_R}test_crash_sweep.py::test_every_case",),
        _LOST,
        20,
    ),
    Part(
        "rebuild and attach killed at every point, old table kept",
        (f"{_R}test_crash_sweep.py::test_killed_everywhere_where",),
        f"{_LOST}, one kept table each",
        40,
    ),
    Part(
        "first start killed at every point", (f"{_R}test_fresh_sweep.py",), "the next start made what was missing", 30
    ),
    Part(
        "rebuild and attach in small chunks, killed after every statement, late rows too",
        ("tests/apply/test_rebuild_kill.py",),
        _LOST,
        40,
    ),
    Part("`kill -9` of a child on disk, at random moments", (f"{_R}test_kill9.py",), _LOST, 30),
    Part(
        "a rollback killed after every command", (f"{_R}test_rollback",), "the same command brought it to its end", 100
    ),
    Part(
        "a migration killed at every point, ended by another start, and rolled back",
        (f"{_R}test_rollback_after_kills.py",),
        "every row once, and nothing that is kept was said to be gone",
        100,
    ),
    Part(
        "answers lost (the statement happened, or not)", (f"{_R}test_failures.py::test_every_answer_lost",), _LOST, 60
    ),
    Part("server killed or restarted under a run", (f"{_R}test_failures.py::test_the_server_dies",), _LOST, 40),
    Part(
        "stampede of 32 processes over HTTP, holders killed",
        (f"{_R}test_stampede.py",),
        "one did the work at a time, rows exact",
        60,
    ),
    Part(
        "threads that want the lease, holders that vanish",
        ("tests/lease/test_lease_sweep.py",),
        "never two at a time",
        30,
    ),
    Part(
        "writers through a rebuild without a fence",
        (f"{_R}test_writers.py::test_writers_go_on_for_long[rebuild-alone]",),
        "every acknowledged row once",
        120,
    ),
    Part(
        "writers through a rebuild behind a fence",
        (f"{_R}test_writers.py::test_writers_go_on_for_long[rebuild-view]",),
        "every acknowledged row once, in the view's target too",
        120,
    ),
    Part(
        "writers through an attach",
        (f"{_R}test_writers.py::test_writers_go_on_for_long[attach",),
        "every acknowledged row once",
        120,
    ),
    Part("views put in place, killed at every point", (f"{_R}test_feeds.py::test_killed",), _LOST, 60),
    Part(
        "writers while a view is put in place", (f"{_R}test_feeds.py::test_writers",), "every acknowledged row once", 90
    ),
    Part(
        "an operator before every statement: rename, drop, exchange, make anew",
        (f"{_R}test_operators.py",),
        "nothing stayed held or half done, nobody's rows went but by a drop",
        150,
    ),
    Part(
        "a Buffer that is flushed at any moment of a rebuild",
        ("tests/clickhouse/test_background_inserts.py",),
        "every row once",
        10,
    ),
    Part(
        "deletes during a rebuild",
        (f"{_R}test_writers.py::test_deletes", f"{_R}test_writers.py::test_keeping"),
        "none came back unsaid",
        120,
    ),
    Part("sweep over a jump with statements and a function", ("tests/migrations/test_killed.py",), _LOST, 150),
    Part(
        "rolling deployments: kills x code versions",
        ("tests/migrations/test_rolling.py::test_every_migration", "tests/migrations/test_rolling_releases.py"),
        "each expression, statement and function once; older code changed nothing",
        400,
    ),
    Part(
        "forward, back, forward, killed at every point",
        ("tests/migrations/test_rolling.py::test_forward_back_forward_killed_everywhere",),
        "converted once each time that the way was gone",
        400,
    ),
    Part("`kill -9` in a function that moves rows", ("tests/migrations/test_kill9.py",), _LOST, 30),
    Part("a jump is its chain", ("tests/migrations/test_law.py",), "same tables, same rows", 60),
    Part(
        "pairs of real schemas, forwards and backwards",
        ("tests/cases/test_corpus_pairs.py", "tests/coverage/test_coverage.py::test_pair"),
        "the five checks held",
        1,
    ),
    Part(
        "clauses of ClickHouse, one by one",
        ("tests/coverage/test_coverage.py::test_clause",),
        "carried out, or reported",
        1,
    ),
    Part(
        "a family of 10,000 tables", ("tests/coverage/test_families.py",), "one plan, one progress, a way to go on", 100
    ),
    Part("hostile names over HTTP", (f"{_R}test_hostile.py",), "every stage ran", 5),
    Part(
        "simulation: schedules of several runs, writers and operators on a model of the server",
        ("tests/simulation/test_schedules.py::test_many_schedules",),
        "every acknowledged row and every expression once, nothing held or left, a second start is one question",
        150,
    ),
    Part(
        "simulation: the same schedules on the engine",
        ("tests/simulation/test_mirror.py::test_many_schedules",),
        "every answer as the model gave it, the same rows in the end",
        150,
    ),
    Part(
        "simulation: a late statement at each moment of the successor",
        ("tests/simulation/test_belated_sweep.py::test_swept",),
        "nothing lost, doubled, held or left",
        40,
    ),
    Part(
        "simulation: precautions taken away one at a time",
        ("tests/simulation/test_mutants.py::test_every_mutant",),
        "each was found",
        60,
    ),
    Part(
        "copies and rollbacks on clusters, tables that become replicated, killed at every point or every few",
        (
            "tests/cluster/test_copies_on_shards.py::test_what_was_killed",
            "tests/cluster/test_rollbacks.py::test_one_that_was_killed",
            "tests/cluster/test_becoming_replicated.py::test_one_that_was_killed",
        ),
        "every row once on every replica of its shard, the next start, through another host, went to the end",
        600,
    ),
    *(
        Part(
            f"golden cases on {place}",
            (f"tests/cluster/test_golden.py::test_every_case[{shape}-",),
            "the rows of one host, once on every replica; the same ways and definitions; nothing to do for another host",
            8,
        )
        for shape, place in (
            ("1x2-queue", "1 shard x 2 replicas, ON CLUSTER"),
            ("1x2-database", "1 shard x 2 replicas, in a Replicated database"),
            ("2x2-queue", "2 shards x 2 replicas, ON CLUSTER"),
        )
    ),
    Part(
        "views that are put in place and filled on clusters, killed at every point or every few",
        ("tests/cluster/test_fills.py::test_what_was_killed",),
        "on every host what the view makes of each row, once; the next start, through another host, went to the end",
        600,
    ),
    Part(
        "model of a copy on a cluster: all orders within bounds",
        ("tests/cluster/test_model.py::test_no_longer_order",),
        "none ended wrongly",
        120,
    ),
    Part(
        "copies on two shards, one host after the other killed (`kill -9`) before every few commands",
        ("tests/cluster/test_hosts_killed.py",),
        "every row once on every replica of its shard, the next start went to the end",
        600,
    ),
    Part(
        "copies on clusters, Keeper away for ten seconds or forty before every few commands",
        ("tests/cluster/test_keeper_away.py::test_keeper_is_away_at_",),
        "every acknowledged row once on every replica; the run waited, or said what to do, and the next start went to "
        "the end",
        600,
    ),
)
OTHERS = Part("other proofs", (), "passed")


def part_of(test: str) -> Part:
    """The part that a test belongs to: the one with the longest beginning of its id."""
    found = [(len(start), place) for place, part in enumerate(PARTS) for start in part.tests if test.startswith(start)]
    return PARTS[max(found)[1]] if found else OTHERS
