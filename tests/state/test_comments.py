"""What stands in the comments of tables stays as it is, byte for byte: what an earlier release has left in the middle
of something is gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.plan.operations import AttachWork, BackfillWork, CopyColumn, Fill, Guard, RebuildWork
from aaiclick.state.backfill_mark import COMMENT as BACKFILL
from aaiclick.state.backfill_mark import BackfillMark, parse_backfill_mark
from aaiclick.state.comments import CommentFormat
from aaiclick.state.kept_tables import COMMENT as KEPT
from aaiclick.state.kept_tables import KeptComment, parse_kept
from aaiclick.state.rebuild_mark import COMMENT as REBUILD_MARK
from aaiclick.state.rebuild_mark import Mark, parse_mark
from aaiclick.state.staged_chunks import COMMENT as STAGED
from aaiclick.state.staged_chunks import StagedChunk, parse_staged_chunk

RECORDED: dict[str, str] = json.loads((Path(__file__).parent / "recorded_comments.json").read_text(encoding="utf-8"))
"""As an earlier release wrote them, of the values below."""
MARK_NAME, NONCE, STAGED_NAME = "_aaiclick_mark_0123456789ab_t", "0123456789ab", "_aaiclick_stage_0123456789ab_7_t"
FEED_NAME, SHADOW_NAME = "_aaiclick_feed_0123456789ab_v", "_aaiclick_new_0123456789ab_t"
OLD, NEW = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
FORM = TableForm(
    "t",
    "ReplacingMergeTree",
    (
        ColumnForm("id", "UInt64"),
        ColumnForm("größe", "Nullable(Decimal(9, 2))", "DEFAULT", "id * 2", "CODEC(ZSTD(1))", 'it\'s \\ "big"'),
    ),
    arguments="id",
    order_by="id",
    ttl="toDateTime(id) + toIntervalDay(1)",
    settings=(("index_granularity", "8192"),),
)
COLUMNS = (CopyColumn("id", "id"), CopyColumn("größe", "CAST(price, 'Nullable(Decimal(9, 2))')", False))
REBUILD = RebuildWork("t", FORM, COLUMNS, "id > 0", True, True, guards=(Guard("id = 7", "are 7", "id"),), seen=12)
FEED = BackfillWork(
    "v",
    ("DROP VIEW v", "CREATE MATERIALIZED VIEW v TO s AS SELECT id FROM t"),
    ("t",),
    Fill("t", "s", (("id", "id"),), ("id",), "id > 1"),
    "CREATE ...",
)
MARK = Mark(
    name=MARK_NAME,
    nonce=NONCE,
    table="t",
    source=OLD,
    work=REBUILD,
    saved=(("old_parts_lifetime", "1"),),
    shadow_name=SHADOW_NAME,
    keep_old_seconds=86400,
    phase="swap",
    shadow=NEW,
    high=9,
    rows=4,
    filled=STAGED_NAME,
    filled_high=11,
    filled_rows=3,
    known=("mutation_3.txt",),
    counts=True,
    numbered=True,
    copied=9,
    base=2,
    top=2,
    since=1_700_000_000,
    stopped=("d.r",),
    closing=True,
    format=2,
)
ATTACH_MARK = Mark(MARK_NAME, NONCE, "t", OLD, AttachWork("t", FORM), (), SHADOW_NAME)
BACKFILL_MARK = BackfillMark(
    FEED_NAME, NONCE, FEED, (OLD,), True, (("x", "1"),), "open", 2, 8, 5, "_aaiclick_fed_0123456789ab_1_v", 7
)
KEPT_TABLE = KeptComment(
    "t", OLD, NEW, 1_700_000_000, 1_700_086_400, (), "", 9, 2, True, "it's theirs", False, None, 1_700_000_000_123, 11
)
FILLED = StagedChunk(STAGED_NAME, OLD, "0f" * 16, (("all", 1, 3, "c0ffee"), ("202401", 4, 4, "")), 12)


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("rebuild mark", REBUILD_MARK.dump(MARK), parse_mark(MARK_NAME, RECORDED["rebuild mark"]) == MARK),
        ("attach mark", REBUILD_MARK.dump(ATTACH_MARK), parse_mark(MARK_NAME, RECORDED["attach mark"]) == ATTACH_MARK),
        (
            "backfill mark",
            BACKFILL.dump(BACKFILL_MARK),
            parse_backfill_mark(FEED_NAME, RECORDED["backfill mark"]) == BACKFILL_MARK,
        ),
        ("kept table", KEPT.dump(KEPT_TABLE), parse_kept(RECORDED["kept table"]) == KEPT_TABLE),
        (
            "filled staging table",
            STAGED.dump(FILLED),
            parse_staged_chunk(STAGED_NAME, RECORDED["filled staging table"]) == FILLED,
        ),
    ],
)
def test_a_comment_is_written_as_ever_and_read_back(kind: str, written: str, read: bool) -> None:
    assert written == RECORDED[kind]
    assert read


def test_comments_of_the_first_release_are_read() -> None:
    mark = parse_mark(MARK_NAME, RECORDED["rebuild mark of the first release"])
    assert isinstance(mark, Mark)
    assert (mark.source, mark.phase, mark.high, mark.known, mark.counts, mark.stopped) == (
        OLD,
        "swap",
        9,
        ("mutation_3.txt",),
        False,
        (),
    )
    assert parse_kept(RECORDED["kept table of the first release"]) == KeptComment(
        "t", OLD, NEW, 1_700_000_000, 1_700_086_400
    )


@pytest.mark.parametrize("comment", ["", "our own notes", "{}", '{"format": 99}', "[1, 2]", "null"])
def test_what_somebody_else_wrote_says_nothing(comment: str) -> None:
    assert parse_mark(MARK_NAME, comment) == MARK_NAME
    assert parse_backfill_mark(FEED_NAME, comment) == FEED_NAME
    assert parse_kept(comment) is None
    assert parse_staged_chunk(STAGED_NAME, comment) is None


def test_a_mark_of_a_later_release_is_its_name_alone() -> None:
    assert parse_mark(MARK_NAME, RECORDED["rebuild mark"].replace('"format":2', '"format":4')) == MARK_NAME
    assert parse_backfill_mark(FEED_NAME, RECORDED["backfill mark"].replace('"format":1', '"format":4')) == FEED_NAME
    assert parse_staged_chunk(STAGED_NAME, RECORDED["filled staging table"].replace('"format":1', '"format":2')) is None


def test_no_format_is_worked_out_before_it_is_needed() -> None:
    """A start with nothing to do reads none."""

    class Never:
        def __init__(self) -> None:
            raise AssertionError

    assert CommentFormat(Never).load("") is None
