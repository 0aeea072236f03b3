"""Variables of a declaration, without a database."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.errors import AaiclickError, SpecError, UsageError
from aaiclick.variables import Variable

DAYS = Variable("ttl_days", default=60)
PLACE = Variable("storage_policy", default="default")
LEVEL = Variable("level", default=1, choices=[1, 3])


def table(**changes: str) -> Table:
    column = Column("at", "DateTime", ttl=f"at + INTERVAL {DAYS} DAY", codec=f"ZSTD({LEVEL})")
    engine = MergeTree(
        order_by=["at"],
        ttl=f"at + INTERVAL {DAYS} DAY",
        settings={"storage_policy": PLACE, "merge_with_ttl_timeout": DAYS},
    )
    return Table("t", columns=[column], engine=engine, **changes)  # type: ignore[arg-type]


SCHEMA = Schema("app", version=1, objects=[table()], variables=[DAYS, PLACE, LEVEL])


def engine(schema: Schema) -> MergeTree:
    found = schema.tables[0].engine
    assert isinstance(found, MergeTree)
    return found


def test_what_was_given_counts_more_than_the_environment_and_that_more_than_the_default() -> None:
    environment = {"AAICLICK_VAR_TTL_DAYS": "90"}
    assert engine(SCHEMA.resolved({})).ttl == "at + INTERVAL 60 DAY"
    assert engine(SCHEMA.resolved(environment)).ttl == "at + INTERVAL 90 DAY"
    assert engine(SCHEMA.given(ttl_days=30).resolved(environment)).ttl == "at + INTERVAL 30 DAY"
    assert engine(SCHEMA.given(ttl_days=30).with_defaults()).ttl == "at + INTERVAL 60 DAY"
    assert engine(SCHEMA).ttl == "at + INTERVAL {ttl_days} DAY"  # the declaration itself stays


def test_a_whole_number_stays_one_and_is_put_everywhere() -> None:
    made = SCHEMA.given(ttl_days="7", level=3, storage_policy="hot").resolved({})
    assert engine(made).settings == {"storage_policy": "hot", "merge_with_ttl_timeout": 7}
    assert (made.tables[0].columns[0].ttl, made.tables[0].columns[0].codec) == ("at + INTERVAL 7 DAY", "ZSTD(3)")


def test_values_that_are_the_same_declare_the_same() -> None:
    plain = Schema("app", version=1, objects=SCHEMA.resolved({}).objects)
    assert SCHEMA.resolved({}).fingerprint == plain.fingerprint != SCHEMA.given(ttl_days=1).resolved({}).fingerprint
    assert plain.resolved({"AAICLICK_VAR_TTL_DAYS": "90"}) is plain


def test_a_variable_is_copied_as_a_whole() -> None:
    for copied in (pickle.loads(pickle.dumps(LEVEL)), copy.deepcopy(LEVEL)):
        assert (copied, copied.name, copied.default, copied.choices) == ("{level}", "level", 1, (1, 3))


def test_which_clauses_hold_a_variable() -> None:
    clauses = {"ttl", "at.ttl", "at.codec", "settings.storage_policy", "settings.merge_with_ttl_timeout"}
    assert SCHEMA.varying("t") == SCHEMA.resolved({}).varying("t") == clauses
    assert SCHEMA.varying("other") == frozenset()
    sql = Table.from_sql("CREATE TABLE t (at DateTime) ENGINE = MergeTree ORDER BY at TTL at + INTERVAL {ttl_days} DAY")
    declared = Schema("app", objects=[sql], variables=[DAYS])
    assert declared.varying("t") == {"*"}
    (made,) = declared.given(ttl_days=9).resolved({}).declared_as_sql
    assert made.sql.endswith("INTERVAL 9 DAY")


@pytest.mark.parametrize(
    ("wrong", "kind", "sentence"),
    [
        (
            lambda: SCHEMA.given(days=1),
            UsageError,
            "app has no variable days: its variables are ttl_days, storage_policy",
        ),
        (lambda: SCHEMA.given(ttl_days="9" * 5000), UsageError, "variable ttl_days is '9999"),
        (lambda: SCHEMA.given(ttl_days="x"), UsageError, "variable ttl_days is 'x' (given): write a whole number"),
        (lambda: SCHEMA.given(level=2), UsageError, "variable level is 2 (given): it is one of 1, 3"),
        (
            lambda: SCHEMA.resolved({"AAICLICK_VAR_STORAGE_POLICY": "a'; DROP"}),
            UsageError,
            'variable storage_policy is "a\'; DROP" (AAICLICK_VAR_STORAGE_POLICY): it may hold letters',
        ),
        (lambda: Variable("Days", 1), SpecError, "variable Days: a variable's name is a word in small letters"),
        (lambda: Variable("days", True), SpecError, "variable days: its default is a whole number or a text, not True"),
        (lambda: Variable("days", 1, [2]), SpecError, "variable days: its default 1 is none of its choices"),
        (
            lambda: Schema("app", objects=[table()], variables=[DAYS, DAYS]),
            SpecError,
            "app: variable ttl_days: declared",
        ),
        (
            lambda: Schema("app", objects=[table()], variables=[PLACE, LEVEL]),
            SpecError,
            "table t: columns.at.ttl uses {ttl_days}: list it in the schema, variables=[Variable('ttl_days', ...)]",
        ),
        (
            lambda: Schema("app", objects=[table()], variables=[DAYS, LEVEL]),
            SpecError,
            "table t: engine.settings.storage_policy uses {storage_policy}: list it in the schema",
        ),
        (
            lambda: Schema(
                "app",
                objects=[Table("t", [Column("id", "String", default=f"'{PLACE}'")], engine=MergeTree(order_by=["id"]))],
                variables=[PLACE],
            ),
            SpecError,
            "table t: columns.id.default uses the variable storage_policy: one may stand in a TTL",
        ),
    ],
)
def test_what_is_wrong_is_said(wrong: Callable[[], object], kind: type[AaiclickError], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        wrong()
    assert str(caught.value).startswith(sentence)
