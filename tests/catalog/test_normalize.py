"""The equalities that are ours, one by one, each with what must not be equal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import (
    ColumnForm,
    ConstraintForm,
    DictionaryForm,
    IndexForm,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.normalize import (
    arguments_beside,
    bare,
    inner_form,
    key_elements,
    normal,
    normal_form,
    normal_key,
    normal_list,
    normal_value,
    replica_literals,
    same_replicas,
)

TABLE = TableForm("t", "MergeTree", (ColumnForm("a", "UInt8"), ColumnForm("b", "UInt8")), order_by="a")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", "a"),
        ("(a)", "a"),
        ("((a))", "a"),
        ("tuple(a)", "a"),
        ("(tuple(a))", "a"),
        ("tuple()", ""),
        ("()", ""),
        ("", ""),
        ("(a, b)", "(a, b)"),
        ("tuple(a, b)", "(a, b)"),
        ("tuple(a DESC, b)", "(a DESC, b)"),
        ("((a), (b))", "(a, b)"),
        ("((a, b), c)", "((a, b), c)"),
        ("toDate(a)", "toDate(a)"),
        ("(toDate(a))", "toDate(a)"),
        ("(a) + (b)", "(a) + (b)"),
        ("(a, b).1", "(a, b).1"),
        ("`a b`", "`a b`"),
        ("tuple(a).1", "tuple(a).1"),
        ("(SELECT 1)", "(SELECT 1)"),
    ],
)
def test_keys(text: str, key: str) -> None:
    assert normal_key(text) == key
    assert normal_key(normal_key(text)) == key


def test_the_elements_of_a_key() -> None:
    assert key_elements("(a, f(b, c), (d, e))") == ("a", "f(b, c)", "(d, e)")
    assert key_elements("f(b, c)") == ("f(b, c)",)
    assert key_elements("tuple()") == ()
    assert key_elements("(select, `ü`)") == ("select", "`ü`")
    assert key_elements("(with % 10, a)") == ("with % 10", "a")
    assert key_elements("(with.1, (WITH 1 AS x SELECT x))") == ("with.1", "(WITH 1 AS x SELECT x)")
    assert key_elements("(WITH 1 AS x, 2 AS y SELECT x)") == ("(WITH 1 AS x, 2 AS y SELECT x)",)
    assert key_elements("(SELECT a, b FROM t)") == ("(SELECT a, b FROM t)",)


def test_order_matters_in_a_key() -> None:
    assert normal_key("(a, b)") != normal_key("(b, a)")


def test_a_primary_key_equal_to_the_sort_key_says_nothing() -> None:
    assert normal(replace(TABLE, primary_key="(a)")) == normal(TABLE)
    assert normal(replace(TABLE, order_by="(a, b)", primary_key="a")) != normal(replace(TABLE, order_by="(a, b)"))


def test_no_partition_key() -> None:
    assert normal(replace(TABLE, partition_by="tuple()")) == normal(TABLE)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("(a > 1)", "a > 1"),
        ("((a))", "a"),
        ("(a) + 1", "(a) + 1"),
        ("(1, 2)", "(1, 2)"),
        ("a", "a"),
        ("(a) AND (b)", "(a) AND (b)"),
    ],
)
def test_parentheses_around_the_whole(text: str, plain: str) -> None:
    assert bare(text) == plain


def test_parentheses_in_every_clause() -> None:
    typed = TableForm(
        "t",
        "MergeTree",
        (ColumnForm("a", "UInt8", "DEFAULT", "(1)", ttl="(toDate(1))", settings=(("y", "1"), ("x", "2"))),),
        indexes=(IndexForm("i", "(a)", "minmax", ""), IndexForm("j", "tuple(a, b)", "minmax", "2")),
        constraints=(ConstraintForm("c", "CHECK", "(a > 1)"),),
        order_by="((a))",
        sample_by="(a)",
        ttl="(toDate(a) + 1), (toDate(a) + 2) TO DISK 'x'",
    )
    assert normal(typed) == TableForm(
        "t",
        "MergeTree",
        (ColumnForm("a", "UInt8", "DEFAULT", "1", ttl="toDate(1)", settings=(("x", "2"), ("y", "1"))),),
        indexes=(IndexForm("i", "a", "minmax", "1"), IndexForm("j", "(a, b)", "minmax", "2")),
        constraints=(ConstraintForm("c", "CHECK", "a > 1"),),
        order_by="a",
        sample_by="a",
        ttl="toDate(a) + 1, (toDate(a) + 2) TO DISK 'x'",
    )
    assert normal_list("d + 1") == "d + 1"


def test_settings_have_no_order_and_one_spelling() -> None:
    first = replace(TABLE, settings=(("b", "true"), ("a", "'10'"), ("c", "1000."), ("d", "'10M'")))
    second = replace(TABLE, settings=(("d", "'10M'"), ("a", "10"), ("c", "1000"), ("b", "1")))
    assert normal(first) == normal(second)
    assert normal(replace(TABLE, settings=(("a", "10"),))) != normal(replace(TABLE, settings=(("a", "11"),)))
    assert normal(replace(TABLE, settings=(("a", "'10M'"),))) != normal(replace(TABLE, settings=(("a", "10"),)))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("false", "0"),
        ("'true'", "1"),
        ("-1", "-1"),
        ("0.50", "0.5"),
        ("1e3", "1000"),
        ("'x'", "'x'"),
        ("disk(type = 'local')", "disk(type = 'local')"),
        ("''", "''"),
    ],
)
def test_values(value: str, plain: str) -> None:
    assert normal_value(value) == plain


def test_a_fence_is_no_part_of_the_definition() -> None:
    assert normal(replace(TABLE, settings=(("index_granularity", "8192"), ("table_readonly", "1")))) == normal(
        replace(TABLE, settings=(("index_granularity", "8192"),))
    )


def test_a_column_with_a_dot_is_one_name() -> None:
    form = TableForm(
        "t", "MergeTree", (ColumnForm("n.x", "UInt8"), ColumnForm("m", "Tuple(x UInt8)")), order_by="(n.x, m.x, f(n.x))"
    )
    assert normal(form).order_by == "(`n.x`, m.x, f(`n.x`))"
    assert normal(normal(form)) == normal(form)
    assert normal(replace(form, order_by="(`n.x`, m.x, f(`n.x`))")) == normal(form)
    index = replace(form, indexes=(IndexForm("i", "n.x", "minmax", "1"),))
    assert normal(index).indexes[0].expression == "`n.x`"


def test_the_order_of_columns_indexes_and_projections_is_kept() -> None:
    assert normal(replace(TABLE, columns=TABLE.columns[::-1])) != normal(TABLE)


def test_other_objects() -> None:
    view = ViewForm(
        "v",
        "SELECT 1",
        (ColumnForm("a", "UInt8"),),
        materialized=True,
        inner="ENGINE = MergeTree ORDER BY (a) SETTINGS b = true, a = 1",
    )
    plain = normal_form(view)
    assert isinstance(plain, ViewForm)
    assert plain.inner == "ENGINE = MergeTree ORDER BY a SETTINGS a = 1, b = 1"
    assert normal_form(plain) == plain
    assert inner_form(view).columns == view.columns
    assert normal_form(ViewForm("v", "SELECT 1")) == ViewForm("v", "SELECT 1")
    assert normal_form(DictionaryForm("d", (), (("SOURCE", "NULL()"), ("LAYOUT", "FLAT()")))) == normal_form(
        DictionaryForm("d", (), (("LAYOUT", "FLAT()"), ("SOURCE", "NULL()")))
    )
    unsupported = UnsupportedForm("x", "no", "text")
    assert normal_form(unsupported) is unsupported


REPLICATED = replace(TABLE, engine="ReplicatedReplacingMergeTree", arguments="b")


@pytest.mark.parametrize(
    ("arguments", "equal"),
    [
        ("'/clickhouse/tables/{uuid}/{shard}', '{replica}', b", True),
        ("'/clickhouse/tables/{uuid}/{shard}','{replica}',b", True),
        ("'/clickhouse/tables/{uuid}/{shard}', '{replica}'", False),
        ("'/clickhouse/tables/x/{shard}', '{replica}', b", False),
    ],
)
def test_path_and_replica_of_the_server_are_left_out(arguments: str, equal: bool) -> None:
    assert (normal(replace(REPLICATED, arguments=arguments)) == normal(REPLICATED)) is equal
    local = replace(REPLICATED, engine="ReplacingMergeTree", arguments=arguments)
    assert normal(local).arguments == arguments


@pytest.mark.parametrize(
    ("declared", "live", "same"),
    [
        ("", "'/a/b', 'r'", True),
        ("'/t/{database}/{table}', '{replica}'", "'/t/shop/events', '{replica}'", True),
        ("'/t/{database}/{table}','{replica}'", "'/t/shop/events', 'h1'", True),
        ("'/t/{uuid}', '{replica}'", "'/t/{uuid}', '{replica}'", True),
        ("'/t/{table}', '{replica}'", "'/t/a/b', '{replica}'", False),
        ("'/t/x', '{replica}'", "'/t/y', '{replica}'", False),
        ("'/t.x', '{replica}'", "'/tax', '{replica}'", False),
        ("'/t/x', '{replica}'", "", False),
        ("'/t/{table}', '{replica}'", "'/t/events_aai_0123456789ab', '{replica}'", True),
        ("'/t/x', '{replica}'", "'/t/x_aai_0123_y', '{replica}'", False),
    ],
)
def test_macros_in_a_path_may_be_expanded(declared: str, live: str, same: bool) -> None:
    assert same_replicas(replica_literals(declared)[0], replica_literals(live)[0]) is same


@pytest.mark.parametrize(
    ("live", "beside"),
    [
        ("", ""),
        ("'/clickhouse/tables/{uuid}/{shard}', '{replica}', v", "v"),
        ("'/own/{uuid}', '{replica}'", "'/own/{uuid}', '{replica}'"),
        ("'/own/{shard}/t', '{replica}', v", "'/own/{shard}/t_aai_2', '{replica}', v"),
        ("'/own/t_aai_1', '{replica}'", "'/own/t_aai_2', '{replica}'"),
    ],
)
def test_a_table_beside_another_one_has_a_path_of_its_own(live: str, beside: str) -> None:
    form = TableForm("t", "ReplicatedReplacingMergeTree", (), arguments=live)
    assert arguments_beside(form, "2") == beside
