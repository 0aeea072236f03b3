"""Recognition of unversioned databases, on made-up releases. The oplog's own states are in tests/oplog."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import (
    ColumnForm,
    ConstraintForm,
    Form,
    IndexForm,
    ProjectionForm,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.versions.lockfile import Lock, LockedVersion
from aaiclick.versions.recognition import differences, recognise

A, B, C = ColumnForm("a", "UInt8"), ColumnForm("b", "String"), ColumnForm("c", "DateTime")
OLD = TableForm(
    "t", "MergeTree", (A, B), order_by="a", ttl="c + toIntervalDay(7)", settings=(("index_granularity", "8192"),)
)
NEW = replace(OLD, columns=(A, B, C), order_by="(a, b)", ttl="")
SIDE = TableForm("u", "Memory", (A,))
SIDE_2 = replace(SIDE, columns=(A, C))
GONE = TableForm("gone", "Memory", (A,))
LOCK = Lock(
    "app",
    (
        LockedVersion(
            1,
            {"t": OLD, "gone": GONE},
            {"t": {"ttl": ("c + toIntervalDay({days})",), "b.type": ("String", "LowCardinality(String)")}},
        ),
        LockedVersion(2, {"t": NEW, "u": SIDE}),
        LockedVersion(3, {"t": NEW, "u": SIDE_2}),
    ),
)


def at(*forms: Form) -> tuple[int | None, bool]:
    found = recognise({form.name: form for form in forms}, LOCK)
    return found.version, found.mixed


@pytest.mark.parametrize(("forms", "version"), [((), 0), ((OLD, GONE), 1), ((NEW, SIDE), 2), ((NEW, SIDE_2), 3)])
def test_each_release_is_itself(forms: tuple[Form, ...], version: int) -> None:
    assert at(*forms) == (version, False)


@pytest.mark.parametrize(
    "live",
    [
        replace(OLD, ttl="c + toIntervalDay(365)"),
        replace(OLD, columns=(A, replace(B, type="LowCardinality(String)"))),
        replace(OLD, columns=(B, A)),
        replace(OLD, columns=(A, ColumnForm("mine", "UInt8"), B)),
        replace(
            OLD,
            columns=(replace(A, codec="ZSTD(1)", comment="x", statistics="tdigest", kind="DEFAULT", expression="1"), B),
        ),
        replace(OLD, order_by="(a)", primary_key="a"),
        replace(OLD, comment="mine"),
        replace(OLD, settings=(("index_granularity", "8192"), ("min_bytes_for_wide_part", "0"))),
        replace(OLD, indexes=(IndexForm("i", "b", "minmax", "1"),)),
        replace(OLD, projections=(ProjectionForm("p", "(SELECT a)"),)),
        replace(OLD, constraints=(ConstraintForm("k", "CHECK", "a > 0"),)),
        replace(OLD, engine="ReplicatedMergeTree", arguments="'/path', '{replica}'"),
    ],
)
def test_what_installs_of_one_version_may_differ_in(live: TableForm) -> None:
    assert at(live, GONE) == (1, False)


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (replace(OLD, ttl="c + toIntervalMonth(1)"), "TTL c + toIntervalMonth(1) -> c + toIntervalDay(7)"),
        (replace(OLD, ttl="c + toIntervalDay(7) + toIntervalDay(1)"), "TTL"),
        (replace(OLD, columns=(A,)), "column b is missing"),
        (replace(OLD, columns=(A, replace(B, type="FixedString(8)"))), "FixedString(8) -> String"),
        (replace(OLD, columns=(A, replace(B, kind="ALIAS", expression="'x'"))), "b"),
        (replace(OLD, order_by="b"), "sort key b -> a"),
        (replace(OLD, partition_by="a"), "partition key a -> none"),
        (replace(OLD, engine="ReplacingMergeTree"), "engine ReplacingMergeTree -> MergeTree"),
        (UnsupportedForm("t", "a clause nobody knows", "CREATE ..."), "a clause nobody knows"),
        (ViewForm("t", "SELECT 1"), "view differs from the released table"),
    ],
)
def test_what_no_release_ever_was_is_described(live: Form, words: str) -> None:
    found = recognise({"t": live, "gone": GONE}, LOCK)
    assert (found.version, found.nearest, list(found.unmatched)) == (None, 1, ["t"])
    assert words in "; ".join(found.unmatched["t"])


def test_an_exact_match_beats_a_newer_one_with_undeclared_columns() -> None:
    wide = replace(NEW, columns=(A, B, C, ColumnForm("d", "UInt8")))
    lock = Lock("app", (LockedVersion(1, {"t": wide}), LockedVersion(2, {"t": NEW})))
    assert recognise({"t": wide}, lock).version == 1
    assert recognise({"t": replace(wide, comment="mine")}, lock).version == 2


def test_a_mix_is_at_the_lowest_and_never_at_the_newest() -> None:
    assert at(OLD, SIDE_2, GONE) == (1, False)  # u is undeclared in version 1
    assert at(OLD, SIDE_2) == (1, True)
    assert at(SIDE_2) == (2, True)


def test_a_missing_table_places_the_database_before_it_came() -> None:
    assert at(OLD, GONE) == (1, False)
    found = recognise({"t": NEW}, LOCK)
    assert (found.version, found.mixed, found.matches["u"]) == (1, True, (1,))


def test_what_the_newest_version_gave_up_stops_nobody() -> None:
    assert at(NEW, SIDE_2, replace(GONE, columns=(C,))) == (3, False)
    assert at(replace(GONE, columns=(C,))) == (0, False)


def test_nothing_released_recognises_nothing() -> None:
    assert recognise({"t": NEW}, Lock("app", ())).version == 0


def test_views_are_compared_whole() -> None:
    view = ViewForm("v", "SELECT a FROM t")
    assert differences(view, view) == ()
    assert differences(view, replace(view, query="SELECT b FROM t")) == ("view differs from the released view",)
    assert differences(None, view) == ("view is missing",)


def test_a_hole_stands_for_a_number_and_nothing_else() -> None:
    variables = {"ttl": ("c + toIntervalDay({days})",)}
    assert differences(replace(OLD, ttl="c + toIntervalDay(1)"), OLD, variables) == ()
    assert differences(replace(OLD, ttl="c + toIntervalDay(x)"), OLD, variables) != ()
    assert differences(replace(OLD, ttl=""), OLD, variables) != ()
