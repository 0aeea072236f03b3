"""What counts as the same plan. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from aaiclick import Plan
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import UsageError
from aaiclick.plan.approval.compare import changed_since
from aaiclick.plan.model import Step, Strategy
from aaiclick.plan.operations import AlterWork, CallableWork, CreateWork

LOST = Hazard("loses-rows", "all 1,000 rows of t are gone", "drop-table t")
COPIED = Hazard("rewrites-data", "all 1,000 rows of t are copied")


def step(name: str = "t", strategy: Strategy = "rebuild", *hazards: Hazard, rows: int = 1000) -> Step:
    return Step(
        f"{name}:{strategy}", name, "differs", strategy, [f"ALTER {name}"], AlterWork(name, ()), hazards, rows, 5000
    )


def plan(*steps: Step) -> Plan:
    return Plan("s", "db", 1, 2, steps, "b", "f", library="1.0")


def by_host(host: str) -> Plan:
    """As the plan of a copy on a cluster names the host that copies."""
    copied = Hazard(
        "rewrites-data", f"shard 1: host {host} copies 1,000 rows (1 KiB), and each of 2 replicas stores the copy"
    )
    sql = [f"-- on hosts {host}, c, in chunks, into MergeTree tables:", f"-- on host {host}; the other hosts link:"]
    return plan(replace(step("t", "rebuild", copied), sql=sql))


def test_which_host_of_a_shard_copies_is_no_part_of_it() -> None:
    assert changed_since(by_host("a"), by_host("b.example:9001")) == ()


ONE = plan(step("t", "rebuild", COPIED), step("u", "alter"))
FIRST, SECOND = ONE.steps


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (ONE, []),
        (replace(ONE, basis="other", fingerprint="other", notes=("a note",), library="2.0"), []),
        (plan(replace(FIRST, rows=10_900, bytes=9 << 20), SECOND), []),
        (plan(replace(FIRST, rows=11_001), SECOND), ["t: 11,001 rows, approved were 1,000"]),
        (plan(replace(FIRST, bytes=17 << 20), SECOND), ["t: 17.0 MiB, approved were 4.9 KiB"]),
        (plan(replace(FIRST, seconds=3.0), SECOND), []),
        (plan(FIRST), ["u: differs (alter) is no longer needed"]),
        (plan(FIRST, SECOND, step("v")), ["v: differs (rebuild) is not in the approved plan"]),
        (plan(SECOND, FIRST), ["the steps come in another order"]),
        (plan(replace(FIRST, sql=["ALTER x"]), SECOND), ["t: other SQL is sent: ALTER x; approved was: ALTER t"]),
        (plan(replace(FIRST, sql=["ALTER t", "DROP x"]), SECOND), ["t: other SQL is sent: DROP x"]),
        (plan(replace(FIRST, sql=[]), SECOND), ["t: other SQL is sent than was approved"]),
        (plan(replace(FIRST, strategy="attach"), SECOND), ["t: attach instead of rebuild: differs"]),
        (plan(replace(FIRST, blocked="3 NULLs"), SECOND), ["t: blocked now: 3 NULLs"]),
        (
            plan(replace(FIRST, hazards=(COPIED, LOST)), SECOND),
            ["t: not approved: loses-rows: all 1,000 rows of t are gone [drop-table t]"],
        ),
        (
            plan(replace(FIRST, hazards=()), SECOND),
            ["t: approved, but no longer planned: rewrites-data: all 1,000 rows of t are copied"],
        ),
        (plan(FIRST, replace(SECOND, optional=True)), ["u: differs: it is a clean-up now"]),
        (
            plan(
                replace(FIRST, rows=20_000, hazards=(replace(COPIED, message="all 20,000 rows of t are copied"),)),
                SECOND,
            ),
            ["t: rewrites-data: all 20,000 rows of t are copied; approved was: all 1,000 rows of t are copied"],
        ),
        (
            plan(FIRST, replace(SECOND, work=AlterWork("u", (), settings=(("a", "1"),)))),
            ["u: differs: it is carried out in another way than was approved"],
        ),
        (plan(FIRST, replace(SECOND, work=AlterWork("u", (), seen=7))), []),
        (replace(ONE, to_version=3), ["the code declares v3, the approved plan leads to v2"]),
        (replace(ONE, from_version=0), ["the database is at an empty database, the approved plan begins at v1"]),
        (
            replace(ONE, to_version=3, library="2.0"),
            [
                "the code declares v3, the approved plan leads to v2",
                "the plan was made by aaiclick 1.0, this is 2.0",
            ],
        ),
    ],
)
def test_what_is_different(now: Plan, said: list[str]) -> None:
    assert list(changed_since(ONE, now)) == said


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ((0, ""), (2_000_000, ""), "t: 2,000,000 rows are past the new TTL, approved were 0"),
        ((0, ""), (1, ""), "t: 1 row is past the new TTL, approved were 0"),
        ((1_000, ""), (749, ""), "t: 749 rows are past the new TTL, approved were 1,000"),
        ((1_000, ""), (1_250, ""), ""),
        # Not known then, or not known now: that is no tolerance.
        ((None, ""), (5, ""), "t: 5 rows are past the new TTL, and the approved plan does not say how many"),
        ((None, "no row was read"), (0, ""), ""),
        ((7, ""), (None, "x"), "t: rows that are past the new TTL are not counted now: x; approved were 7"),
        (
            (None, ""),
            (None, "x"),
            "t: rows past the new TTL are not counted (x), and the approved plan does not say so",
        ),
        ((None, "x"), (None, "x"), ""),
    ],
)
def test_rows_that_a_ttl_deletes_may_move_by_a_quarter(
    before: tuple[int | None, str], now: tuple[int | None, str], said: str
) -> None:
    made = [plan(replace(step("t", "alter", LOST), expiring=rows, uncounted=why)) for rows, why in (before, now)]
    assert changed_since(made[0], made[1]) == ((said,) if said else ())


def test_a_run_that_was_begun_may_have_deleted_some_of_them() -> None:
    made = [plan(replace(step("t", "alter", LOST), expiring=rows)) for rows in (1000, 10, 2000)]
    assert changed_since(made[0], made[1], begun=True) == ()
    assert changed_since(made[0], made[2], begun=True) != ()


@pytest.mark.parametrize(
    ("kind", "before", "now", "same"),
    [
        ("loses-rows", 1_000, 1_250, True),
        ("loses-rows", 1_000, 1_251, False),
        ("loses-rows", 1_000, 749, False),
        ("loses-rows", 3, 4, False),
        ("rewrites-data", 3, 9_000, True),
        ("rewrites-data", 100_000, 125_000, True),
        ("rewrites-data", 100_000, 125_001, False),
    ],
)
def test_counts_in_a_hazard_may_move_a_little(kind: str, before: int, now: int, same: bool) -> None:
    def told(rows: int) -> Plan:
        return plan(step("t", "rebuild", Hazard(kind, f"{rows:,} rows of t2", "drop-rows t"), rows=rows))  # type: ignore[arg-type]

    assert (changed_since(told(before), told(now)) == ()) is same


def test_another_name_with_a_digit_is_no_count() -> None:
    before, now = (plan(step("t", "alter", Hazard("changes-values", f"c{n} is lost", "x"))) for n in (10, 11))
    assert changed_since(before, now) == (
        "t: not approved: changes-values: c11 is lost [x]",
        "t: approved, but no longer planned: changes-values: c10 is lost",
    )


def test_what_is_left_of_a_plan_that_was_begun() -> None:
    approved = plan(step("a", "create"), replace(step("t", "alter"), sql=["ALTER 1", "ALTER 2"]))
    rest = replace(plan(replace(approved.steps[1], sql=["ALTER 2"], work=AlterWork("t", ()))), from_version=None)
    assert changed_since(approved, rest, begun=True) == ()
    assert len(changed_since(approved, rest)) == 3
    more = replace(rest, steps=(*rest.steps, step("v")))
    assert changed_since(approved, more, begun=True) == ("v: differs (rebuild) is not in the approved plan",)
    other = replace(rest, steps=(replace(rest.steps[0], sql=["ALTER 3"]),))
    assert changed_since(approved, other, begun=True) == ("t: other SQL is sent: ALTER 3",)


def test_what_a_narrow_policy_did_not_look_at_is_left_to_the_policy() -> None:
    looked = plan(step("t", "alter", LOST))
    unlooked = plan(replace(step("t", "alter"), unlooked=("column a",)))
    assert changed_since(looked, unlooked) == ()
    assert changed_since(unlooked, looked) != ()


def test_rows_that_a_script_writes_are_not_counted_before() -> None:
    waiting = plan(replace(step("t", "rebuild", rows=0), behind="0002_change", unlooked=("a",)))
    assert changed_since(waiting, plan(step("t", "rebuild", rows=1_000_000))) == ()


def test_a_plan_that_has_a_step_twice_is_another_one() -> None:
    assert changed_since(plan(FIRST, FIRST, SECOND), plan(FIRST, SECOND)) == ("the approved plan has a step twice",)


@pytest.mark.parametrize(
    "path",
    ["change", "changes", "blocked", "room", "seconds", "expiring", "rows", "took", "hazards"],
)
def test_a_file_that_was_edited_is_no_plan(path: str) -> None:
    text = ONE.to_json()
    assert Plan.from_json(json.dumps(json.loads(text))) == ONE  # laid out anew
    edited = json.loads(text)
    value: object = {
        "change": "nothing",
        "changes": ["a", "b"],
        "blocked": "no",
        "seconds": math.nan,
        "hazards": [],
    }.get(path, 7)
    if path == "room":
        value = {"disk": "d", "bytes": 1, "free": 1, "kept_bytes": 0, "kept_seconds": 0}
    edited["steps"][0][path] = value
    with pytest.raises(UsageError, match="the plan was edited after it was made"):
        Plan.from_json(json.dumps(edited))


@pytest.mark.parametrize("name", ["notes", "basis", "fingerprint", "library", "to_version"])
def test_no_part_of_a_plan_is_left_out_of_its_seal(name: str) -> None:
    edited = json.loads(ONE.to_json())
    edited[name] = ["x"] if name == "notes" else 3 if name == "to_version" else "x"
    with pytest.raises(UsageError, match="the plan was edited after it was made"):
        Plan.from_json(json.dumps(edited))
    del edited["seal"]  # of an earlier release
    assert Plan.from_json(json.dumps(edited)).seal == ""


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"change": "is harmless"}, {}, "t: differs: approved was is harmless"),
        ({"changes": ("a", "b")}, {"changes": ("a", "c")}, "t: differs: approved was differs"),
        ({"blocked": "3 NULLs"}, {}, "t: differs: it was blocked when it was approved, and is not now"),
        ({"change": "12,000 rows of x"}, {"change": "12,100 rows of x"}, ""),
    ],
)
def test_what_is_read_is_what_is_carried_out(before: dict[str, Any], now: dict[str, Any], said: str) -> None:
    made = [plan(replace(FIRST, **fields), SECOND) for fields in (before, now)]
    assert changed_since(made[0], made[1]) == ((said,) if said else ())


def test_a_function_that_was_edited_is_another_one() -> None:
    made = [
        plan(replace(step("m", "callable"), work=CallableWork(2, checksum=checksum))) for checksum in ("one", "two")
    ]
    for begun in (False, True):
        assert changed_since(made[0], made[1], begun) == (
            "m: differs: it is carried out in another way than was approved",
        )


def test_a_plan_that_was_saved_is_the_same_also_where_it_holds_a_secret() -> None:
    made = plan(replace(step("d", "create"), work=CreateWork("CREATE ... PASSWORD 'x'", secret=True)))
    assert "PASSWORD" not in made.to_json()
    assert changed_since(Plan.from_json(made.to_json()), made) == ()
