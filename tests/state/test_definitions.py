"""Definitions of one table on two hosts, or at two moments, compared as texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.state.definitions import definition_of, given_back, kinds_altered, unlike_kinds

TABLE = (
    "CREATE TABLE d.t (`id` UInt64, `v` String) ENGINE = ReplicatedReplacingMergeTree('/t/{uuid}/{shard}', '{replica}', "
    "id) ORDER BY id SETTINGS index_granularity = 8192"
)
CHANGED = {
    "columns": TABLE.replace("`v` String", "`v` String, `w` String"),
    "indexes": TABLE.replace("`v` String", "`v` String, INDEX i v TYPE minmax GRANULARITY 1"),
    "constraints": TABLE.replace("`v` String", "`v` String, CONSTRAINT c CHECK id > 0"),
    "keys": TABLE.replace("'{replica}', id", "'{replica}', v"),
    "TTL": TABLE.replace(" SETTINGS", " TTL toDate(id) + toIntervalDay(1) SETTINGS"),
}
OF_ONE_HOST = {
    "settings": f"{TABLE}, min_bytes_for_wide_part = 77",
    "comment": f"{TABLE} COMMENT 'here'",
    "keys": TABLE.replace("'/t/{uuid}/{shard}', '{replica}'", "'/t/1/1', 'h1'"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_hosts_with_other_definitions(kind: str) -> None:
    assert unlike_kinds(TABLE, CHANGED[kind], "d") == (kind,)
    assert kinds_altered(definition_of(TABLE, "d"), definition_of(CHANGED[kind], "d")) == (kind,)


@pytest.mark.parametrize("kind", OF_ONE_HOST)
def test_what_each_replica_may_have_otherwise(kind: str) -> None:
    """On one host, at two moments, it is an ALTER all the same."""
    assert unlike_kinds(TABLE, OF_ONE_HOST[kind], "d") == ()
    assert kinds_altered(definition_of(TABLE, "d"), definition_of(OF_ONE_HOST[kind], "d")) == (kind,)


def test_what_a_copy_sets_itself_is_no_difference() -> None:
    fenced = TABLE.replace("`v` String", f"`v` String, CONSTRAINT {FENCE_CONSTRAINT} CHECK 0")
    held = f"{fenced}, max_bytes_to_merge_at_max_space_in_pool = 1"
    assert kinds_altered(definition_of(TABLE, "d"), definition_of(held, "d")) == ()


def test_what_one_host_alone_has_can_be_given_back() -> None:
    form = split_create(TABLE, "d")
    assert isinstance(form, TableForm)
    own = f"{TABLE}, min_bytes_for_wide_part = 77 COMMENT 'here'"
    alters = ("MODIFY SETTING min_bytes_for_wide_part = 77", "MODIFY COMMENT 'here'")
    assert given_back(own, TABLE, form, "d") == alters
    assert given_back(TABLE, own, form, "d") == ("RESET SETTING min_bytes_for_wide_part", "MODIFY COMMENT ''")
    settled = replace(form, settings=(*form.settings, ("min_bytes_for_wide_part", "77")))
    assert given_back(own, TABLE, settled, "d") == alters[1:]
    assert given_back(TABLE, TABLE, form, "d") == ()


def test_a_definition_that_cannot_be_split_says_nothing() -> None:
    assert definition_of("", "d") == ""
    assert kinds_altered("", definition_of(TABLE, "d")) == ()
    assert unlike_kinds(TABLE, "", "d") == ()


def test_an_index_over_an_alias_is_the_same_behind_it() -> None:
    """25.8 shows what stands behind the ALIAS until the first ALTER, which may be the one of a copy."""
    written = "CREATE TABLE d.t (`k` Date, `a` DateTime ALIAS toDate(k), INDEX i toDate({}) TYPE minmax GRANULARITY 2) ENGINE = MergeTree ORDER BY k"
    one, two, other = (definition_of(written.format(each), "d") for each in ("a", "toDate(k)", "k"))
    assert kinds_altered(one, two) == ()
    assert kinds_altered(one, other) == ("indexes",)
