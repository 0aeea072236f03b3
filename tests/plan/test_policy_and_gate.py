"""What each policy lets through. Pure."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

import aaiclick
from aaiclick import Plan, Policy, allow
from aaiclick.allow import GROUPS, WORDS, word_of
from aaiclick.diff.hazards import ALLOWABLE, MEANING, Hazard, HazardKind
from aaiclick.errors import UsageError
from aaiclick.plan.gate import judge, refuse
from aaiclick.plan.model import Step, Strategy
from aaiclick.plan.operations import AlterWork
from aaiclick.plan.policy import EMBEDDED_MAX_BYTES, KEEP_ENVIRONMENT, KEEP_OLD, parse_bytes, parse_duration
from tests.plan.policy_page import PAGE, page

TTL = Hazard("loses-rows", "rows are deleted", "change-ttl t")
DROP = Hazard("changes-values", "the values are gone", "drop-column t.c")
BREAKS = Hazard("old-code-breaks", "old code fails")


def step(strategy: Strategy = "alter", *hazards: Hazard, size: int = 0, optional: bool = False) -> Step:
    return Step("t:x", "t", "differs", strategy, ["ALTER"], AlterWork("t", ()), hazards, 10, size, optional=optional)


@pytest.mark.parametrize(
    ("policy", "given", "runs"),
    [
        (Policy.check(), step(), False),
        (Policy.safe(), step(), True),
        (Policy.safe(), step("create"), True),
        (Policy.safe(), step("alter", BREAKS), True),
        (Policy.safe(), step("alter", TTL), False),
        (Policy.safe().allow("change-ttl t"), step("alter", TTL), True),
        (Policy.safe().allow("change-ttl other"), step("alter", TTL), False),
        (Policy.safe(), step("mutate"), False),
        (Policy.safe(), step("attach"), False),
        (Policy.safe(), step("rebuild"), False),
        (Policy.lossless(), step("mutate"), True),
        (Policy.lossless(), step("rebuild", size=1 << 50), True),
        (Policy.lossless(max_bytes="1GiB"), step("rebuild", size=1 << 30), True),
        (Policy.lossless(max_bytes="1GiB"), step("rebuild", size=(1 << 30) + 1), False),
        (Policy.lossless(), step("rebuild", TTL), False),
        (Policy.lossless().allow("change-ttl t"), step("rebuild", TTL, DROP), False),
        (Policy.lossless().allow("change-ttl t", "drop-column t.c"), step("rebuild", TTL, DROP), True),
        (Policy.lossless(), step("alter", DROP, optional=True), False),
        (Policy.lossless().allow("drop-column t.c"), step("alter", DROP, optional=True), True),
        (Policy.everything(), step("alter", DROP, optional=True), True),
        (Policy.everything(), step("drop", DROP, optional=True), False),
        (Policy.everything().allow("drop-column t.c"), step("drop", DROP, optional=True), True),
        (Policy.everything(), step("rebuild", TTL), True),
    ],
)
def test_what_a_policy_lets_through(policy: Policy, given: Step, runs: bool) -> None:
    assert (refuse(given, policy) is None) is runs


def test_refusals_of_optional_steps_are_pending_and_of_required_ones_refused() -> None:
    plan = Plan("s", "db", 1, 2, (step("alter"), step("rebuild"), step("alter", DROP, optional=True)), "b", "f")
    verdict = judge(plan, Policy.safe())
    assert [one.strategy for one in verdict.run] == ["alter"]
    assert [(one.step.strategy, one.allow) for one in verdict.refused] == [("rebuild", ())]
    assert [one.allow for one in verdict.pending] == [("drop-column t.c",)]


def test_defaults_differ_by_engine_and_the_environment_replaces_them() -> None:
    assert Policy.default(True, {}) == Policy.lossless(EMBEDDED_MAX_BYTES)
    assert Policy.default(False, {}) == Policy.safe()
    assert Policy.default(True, {"AAICLICK_SCHEMA_POLICY": "check"}) == Policy.check()
    assert Policy.default(False, {"AAICLICK_SCHEMA_POLICY": "lossless(2GiB)"}) == Policy.lossless(2 << 30)
    assert Policy.default(False, {"AAICLICK_SCHEMA_POLICY": "lossless"}).max_bytes is None
    with pytest.raises(UsageError, match="no policy"):
        Policy.default(False, {"AAICLICK_SCHEMA_POLICY": "yolo"})


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("1GB", 10**9), ("500 MB", 5 * 10**8), ("1.5k", 1536), ("12", 12), (7, 7)]
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "1 furlong", "-1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["9" * 400, "16384PiB", "99999999999999P"])
def test_a_size_that_nothing_can_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is more than the server can count"):
        parse_bytes(text)


def test_a_hazard_is_allowed_by_the_name_the_plan_gives_it() -> None:
    with pytest.raises(UsageError, match="names no hazard"):
        Policy.safe().allow("everything")
    with pytest.raises(
        UsageError, match=r"there is no 'drop'; did you mean .*'drop-column' or .*'drop-table' or 'drop-view'"
    ):
        Policy.safe().allow("drop orders")
    assert Policy.safe().allow("drop-column a.b c").allowed == frozenset({"drop-column a.b c"})


@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0), ("90s", 90), ("30min", 1800), ("30m", 1800), ("12h", 43200), (" 1.5 d ", 129600), ("2W", 1209600)],
)
def test_lengths_of_time(text: str, length: float) -> None:
    assert parse_duration(text) == timedelta(seconds=length)


@pytest.mark.parametrize("text", ["", "1", "-1d", "1y", "soon", "1d 2h"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="is no length of time"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9999999999999d", f"{'9' * 400}s", "36501d"])
def test_old_tables_are_kept_for_a_hundred_years_at_most(text: str) -> None:
    with pytest.raises(UsageError, match="is more than a hundred years: write 36500d or less"):
        parse_duration(text)
    assert parse_duration("36500d") == timedelta(days=36500)
    with pytest.raises(UsageError, match="it cannot be more than 36500 days"):
        Policy.lossless(keep_old=timedelta.max)


def test_how_long_old_tables_are_kept() -> None:
    assert Policy.default(True, {}).keep_old == KEEP_OLD
    assert Policy.default(False, {KEEP_ENVIRONMENT: "12h"}) == Policy("safe", keep_old=timedelta(hours=12))
    assert Policy.default(True, {KEEP_ENVIRONMENT: "0", "AAICLICK_SCHEMA_POLICY": "lossless"}) == Policy.lossless(
        keep_old=timedelta(0)
    )
    with pytest.raises(UsageError, match=KEEP_ENVIRONMENT):
        Policy.default(True, {KEEP_ENVIRONMENT: "long"})
    with pytest.raises(UsageError, match="cannot be less than 0"):
        Policy.lossless(keep_old=timedelta(days=-1))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("drop-colum t.c", "there is no 'drop-colum'; did you mean 'drop-column'?"),
        ("whatever t", "there is no 'whatever'; write it as the plan does"),
    ],
)
def test_a_slip_of_the_pen_allows_nothing(key: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        Policy.lossless().allow(key)
    with pytest.raises(UsageError, match="max_bytes is -1"):
        Policy.lossless(max_bytes=-1)


def test_every_key_that_the_library_gives_can_be_allowed() -> None:
    given: set[str] = set()
    for path in Path(aaiclick.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            first = node.values[0] if isinstance(node, ast.JoinedStr) and len(node.values) > 1 else None
            if isinstance(first, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)+ ", str(first.value)):
                given.add(str(first.value).strip())
    assert {"drop-column", "change-ttl", "relabel-enum"} <= given <= ALLOWABLE


def test_every_word_of_the_list_is_one_that_the_library_asks_for() -> None:
    """A word that nothing asks for any more would be documented, and allow nothing."""
    package = Path(aaiclick.__file__).parent
    asked = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "allow.py")
    unused = {word for word in WORDS if not re.search(rf'"{word}"|\b{word}:? (?:{{|<)|"{word} |KEY = "{word}"', asked)}
    assert unused == set()


def test_the_functions_give_the_keys() -> None:
    assert {word for _, functions in GROUPS for word in map(word_of, functions)} == WORDS
    public = {
        name
        for name, value in vars(allow).items()
        if callable(value) and not isinstance(value, type) and getattr(value, "__module__", "") == allow.__name__
    }
    assert public - {"word_of"} == {function.__name__ for _, functions in GROUPS for function in functions}
    given = Policy.safe().allow(
        allow.drop_column("a", "b c"), allow.one_node(), "drop-table t", allow.change_ttl("t", "c")
    )
    assert given.allowed == {"drop-column a.b c", "one-node", "drop-table t", "change-ttl t.c"}
    with pytest.raises(UsageError, match="names no hazard"):
        Policy.safe().allow(allow.drop_table(""))


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.plan.policy_page"
    assert set(MEANING) == set(get_args(HazardKind))


def test_a_policy_says_where_it_comes_from() -> None:
    assert Policy.safe().words == "policy safe (argument)"
    assert Policy.default(False, {}).words == "policy safe (default for a server)"
    assert Policy.default(True, {}).words == (
        "policy lossless, up to 1.0 GiB for each step (default for an embedded engine)"
    )
    assert Policy.default(True, {"AAICLICK_SCHEMA_POLICY": "check"}).words == "policy check (AAICLICK_SCHEMA_POLICY)"
    assert Policy.parse("safe", "aaiclick.toml [env.prod]").allow("drop-table t").origin == "aaiclick.toml [env.prod]"


def test_what_is_no_time_and_no_plan_is_told_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="keep_old is '1 week': a timedelta is wanted"):
        Policy.lossless(keep_old="1 week")  # type: ignore[arg-type]
    for text in ("", "[]", '{"a": 1}', "{", "[" * 100_000):
        with pytest.raises(UsageError, match="this is no plan: "):
            Plan.from_json(text)
