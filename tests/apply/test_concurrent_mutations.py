"""Deletes and updates during a copy: what they touched is copied again, what was deleted stays so, and each policy ends
as it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick.apply.rebuild.chunks import MOST_CHUNKS, SMALL_BYTES, SMALL_ROWS, bounds, cut_chunks
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.parts import Part
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note
from aaiclick.routine import Command, Effect
from tests.apply.applying import Lab, rebuild

OLD = "CREATE TABLE t (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k"
NEW = "CREATE TABLE wanted (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY (p, v, k)"
PATCHES = " SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1"
PARTS = 4
"""As many as the engine of the tests mutates at once: where there are more, it comes back to the rest after up to a
second."""


def make(lab: Lab, tail: str = "", count: int = PARTS) -> None:
    lab.sql(OLD + tail, "SYSTEM STOP MERGES t")
    lab.sql(*(f"INSERT INTO t SELECT number + {part} * 50, {part} % 2, 'x' FROM numbers(50)" for part in range(count)))
    lab.sql("SYSTEM START MERGES t")


class Changes:
    """Sends the next statement whenever an effect holds ``marker``, as another client would; counts the chunks that are
    filled."""

    def __init__(self, lab: Lab, marker: str, statements: Callable[[int], str], most: int = 1) -> None:
        self.client = lab.other()
        self.marker, self.statements, self.most = marker, statements, most
        self.sent = self.refused = self.filled = 0

    def __call__(self, effect: Effect) -> None:
        if not isinstance(effect, Command):
            return
        self.filled += effect.sql.startswith("INSERT INTO")
        if self.marker in effect.sql and self.sent < self.most:
            settings: dict[str, str | int] = {
                "mutations_sync": 0,
                "lightweight_deletes_sync": 0,
                "enable_lightweight_update": 1,
            }
            try:
                self.client.connection.command(
                    Command(self.statements(self.sent), settings=settings, database=self.client.database)
                )
                self.sent += 1
            except StatementError as error:
                if error.code != 774:
                    raise
                self.refused += 1


def run(lab: Lab, changes: Changes, options: ApplyOptions, **kind: bool) -> None:
    wanted = NEW.replace("MergeTree", "ReplacingMergeTree") if "ordered" in kind else NEW
    try:
        lab.apply(rebuild(lab, "t", wanted, **kind), before=changes, options=options)
    finally:
        changes.client.close()


SMALL = ApplyOptions(chunk_rows=50)


@pytest.mark.parametrize(
    "kind", [{}, {"fenced": True}, {"fenced": True, "ordered": True}], ids=["plain", "fenced", "ordered"]
)
@pytest.mark.parametrize("marker", ["INSERT INTO", "ATTACH PARTITION", "table_readonly = 1"])
def test_a_delete_costs_the_chunks_it_touched(lab: Lab, marker: str, kind: dict[str, bool]) -> None:
    make(lab)
    changes = Changes(lab, marker, lambda _: "ALTER TABLE t DELETE WHERE k IN (7, 8, 157)")
    run(lab, changes, SMALL, **kind)
    if marker == "table_readonly = 1" and not kind:
        assert not changes.sent
        return
    assert changes.sent == 1
    # Sent with the first chunk, it may reach parts before they were copied.
    assert changes.filled - PARTS in ((0, 1, 2) if marker == "INSERT INTO" else (2,))
    assert lab.rows("SELECT count(), uniqExact(k), countIf(k IN (7, 8, 157)) FROM {db}.t") == (
        (PARTS * 50 - 3, PARTS * 50 - 3, 0),
    )
    assert not lab.ours()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("ALTER TABLE t UPDATE v = 'new' WHERE k = 3", "new"),
        ("UPDATE t SET v = 'new' WHERE k = 3", "new"),
        ("DELETE FROM t WHERE k = 3", ""),
        ("DELETE FROM t WHERE k = 3 SETTINGS lightweight_delete_mode = 'lightweight_update'", ""),
    ],
)
@pytest.mark.parametrize("marker", ["INSERT INTO", "ATTACH PARTITION"])
def test_every_kind_of_change_shows(lab: Lab, statement: str, value: str, marker: str) -> None:
    make(lab, PATCHES)
    changes = Changes(lab, marker, lambda _: statement)
    run(lab, changes, SMALL)
    assert changes.sent == 1
    assert lab.rows("SELECT anyIf(v, k = 3), count() FROM {db}.t") == ((value, PARTS * 50 - (not value)),)
    assert not lab.ours()


def test_patches_that_were_there_before_are_copied(lab: Lab) -> None:
    make(lab, PATCHES)
    for statement in (
        "UPDATE t SET v = 'new' WHERE k = 3",
        "DELETE FROM t WHERE k = 4 SETTINGS lightweight_delete_mode = 'lightweight_update'",
    ):
        lab.connection.command(Command(statement, settings={"enable_lightweight_update": 1}, database=lab.database))
    before = lab.bag("t")
    run(lab, Changes(lab, "nothing", str), SMALL)
    assert lab.bag("t") == before


def test_rows_keep_their_order_where_a_chunk_in_the_middle_is_copied_again(lab: Lab) -> None:
    """Replacing without a version: the row inserted last is the one that is read."""
    lab.sql("CREATE TABLE t (k UInt64, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k", "SYSTEM STOP MERGES t")
    lab.sql(*(f"INSERT INTO t SELECT number, {turn} FROM numbers(50)" for turn in range(8)))
    work = rebuild(
        lab,
        "t",
        "CREATE TABLE wanted (k UInt32, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k",
        ordered=True,
        fenced=True,
    )
    changes = Changes(lab, "ATTACH PARTITION", lambda _: "ALTER TABLE t DELETE WHERE v = 3 AND k = 7")
    lab.apply(work, before=changes, options=ApplyOptions(chunk_rows=100))
    changes.client.close()
    assert changes.sent == 1
    assert lab.rows("SELECT v, count() FROM {db}.t FINAL GROUP BY v") == ((7, 50),)
    assert lab.value("SELECT count() FROM {db}.t") in (399, 50)


def endless(number: int) -> str:
    return f"ALTER TABLE t DELETE WHERE k = {number}"


@pytest.mark.parametrize("rows", [50, 1000], ids=["chunks", "one-chunk"])
def test_by_default_deletes_that_do_not_stop_end_the_run(lab: Lab, rows: int) -> None:
    make(lab)
    changes = Changes(lab, "ATTACH PARTITION", endless, most=1000)
    with pytest.raises(
        ApplyError,
        match=r"4 times in a row.*stop deletes and updates.*reapply-deletes t.*wait-for-deletes t.*keep-writers-out t",
    ):
        run(lab, changes, ApplyOptions(chunk_rows=rows))
    assert not lab.ours()
    assert lab.merging("t")
    assert lab.value("SELECT count() FROM {db}.t") == PARTS * 50 - changes.sent


@pytest.mark.parametrize("count", [PARTS, pytest.param(3 * PARTS, marks=pytest.mark.proof)])
def test_wait_for_deletes_goes_on_until_they_stop(lab: Lab, count: int) -> None:
    make(lab, count=count)
    changes = Changes(lab, "ATTACH PARTITION", endless, most=60)
    run(lab, changes, ApplyOptions(chunk_rows=50, wait_for_deletes=frozenset({"t"})))
    assert changes.sent == 60
    assert lab.rows("SELECT count(), countIf(k < 60) FROM {db}.t") == ((count * 50 - 60, 0),)
    assert (
        len([event for event in lab.events if isinstance(event, Note) and "copied again" in event.text])
        > ApplyOptions().restarts
    )
    assert not lab.ours()


@pytest.mark.parametrize("count", [PARTS, pytest.param(3 * PARTS, marks=pytest.mark.proof)])
@pytest.mark.parametrize("way", ["reapply_deletes", "keep_writers_out"])
def test_deletes_that_never_stop_are_applied_too(lab: Lab, way: str, count: int) -> None:
    make(lab, count=count)
    changes = Changes(lab, "ATTACH PARTITION", endless, most=1000)
    run(lab, changes, ApplyOptions(**{"chunk_rows": 50, way: frozenset({"t"})}))  # type: ignore[arg-type]
    assert changes.sent
    assert changes.refused
    assert lab.rows(f"SELECT count(), countIf(k < {changes.sent}) FROM {{db}}.t") == ((count * 50 - changes.sent, 0),)
    lab.sql("INSERT INTO t VALUES (1, 1, 'x')")
    assert not lab.ours()


def test_columns_that_are_changed_during_the_copy_end_it(lab: Lab) -> None:
    make(lab)
    changes = Changes(lab, "ATTACH PARTITION", lambda _: "ALTER TABLE t DROP COLUMN v SETTINGS alter_sync = 0")
    with pytest.raises(ApplyError, match="columns were changed while it was copied"):
        run(lab, changes, SMALL)
    assert not lab.ours()


def part(first: int, rows: int = 10, partition: str = "all") -> Part:
    return Part(partition, first, first, 0, 0, rows, rows, f"{partition}_{first}_{first}_0", content=str(first))


def test_no_chunk_of_an_ordered_table_reaches_over_another() -> None:
    chunks = cut_chunks(
        [part(1), part(5), part(2), part(9)], rows=1000, size=1000, ordered=True, between=[part(3), part(7)]
    )
    assert [[each.first for each in chunk.parts] for chunk in chunks] == [[1, 2], [5], [9]]


def test_where_each_partition_has_its_numbers_a_chunk_reaches_over_those_of_another() -> None:
    missing = [part(number, partition=name) for name in ("a", "b", "c") for number in (4, 6)]
    there = [part(number, partition=name) for name in ("a", "b", "c") for number in (1, 3)]
    whole = cut_chunks(missing, rows=1000, size=1000, ordered=True, between=there, by_partition=True)
    assert [len(chunk.parts) for chunk in whole] == [6]
    cut = cut_chunks(
        missing, rows=1000, size=1000, ordered=True, between=[*there, part(5, partition="b")], by_partition=True
    )
    assert [[(each.partition, each.first) for each in chunk.parts] for chunk in cut] == [
        [("a", 4), ("b", 4), ("c", 4), ("a", 6)],
        [("b", 6), ("c", 6)],
    ]


def test_chunks_grow_with_the_table() -> None:
    parts = [part(number, rows=1_000_000) for number in range(5000)]
    rows, size = bounds(parts, 5_000_000, 1 << 30)
    assert len(cut_chunks(parts, rows=rows, size=size, ordered=False)) <= MOST_CHUNKS * 1.1
    assert bounds(parts[:100], 5_000_000, 1 << 30) == (5_000_000, SMALL_BYTES)


def test_a_table_of_nine_million_rows_has_more_than_two_chunks() -> None:
    parts = [part(number, rows=100_000) for number in range(90)]
    rows, size = bounds(parts, 5_000_000, 1 << 30)
    assert len(cut_chunks(parts, rows=rows, size=size, ordered=False)) == 9
    assert bounds(parts[:5], 5_000_000, 1 << 30) == (SMALL_ROWS, SMALL_BYTES)
    assert bounds(parts[:10], 50_000, 1 << 30)[0] == 50_000  # the caller asks for less
