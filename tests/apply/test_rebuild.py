"""Rebuilds without writers: every row comes out as it went in, for every kind of key and column."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aaiclick.apply.rebuild import chunks
from aaiclick.apply.rebuild.exchange import require_exchange
from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Progress
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.routine import Command
from aaiclick.sql.quoting import quote_name
from aaiclick.state.kept_tables import drop_expired
from aaiclick.state.owned import read_owned
from tests.apply.applying import Lab, forms, rebuild

COLUMNS = (
    "k UInt32, day Date, name LowCardinality(String), maybe Nullable(Int64), tags Array(Nullable(String)), props "
    "Map(String, UInt64),"
    " made DateTime64(3) MATERIALIZED now64(3), shout String ALIAS upper(name), note String DEFAULT concat('n', "
    "name) CODEC(ZSTD(3)),"
    " only UInt8 EPHEMERAL"
)
FILL = (
    "INSERT INTO t (k, day, name, maybe, tags, props, note) SELECT number % 500, toDate('2024-01-01') + number % 90, "
    "toString(number % 7),"
    " if(number % 3 = 0, NULL, number), if(number % 5 = 0, [NULL], [toString(number)]), map('a', number), "
    "toString(number) FROM numbers({rows})"
)
ALL = "k, day, name, maybe, tags, props, made, shout, note"


def make(lab: Lab, rows: int = 3000, tail: str = "PARTITION BY toYYYYMM(day) ORDER BY k") -> None:
    lab.sql(f"CREATE TABLE t ({COLUMNS}) ENGINE = MergeTree {tail}")
    for part in range(3):
        lab.sql(FILL.format(rows=rows // 3 + part))


@pytest.mark.parametrize(
    ("columns", "tail", "expressions"),
    [
        (COLUMNS, "PARTITION BY toYYYYMM(day) ORDER BY (name, k)", {}),
        (COLUMNS, "PARTITION BY day ORDER BY k", {}),
        (COLUMNS, "ORDER BY (day, k) SETTINGS index_granularity = 1024", {}),
        (COLUMNS.replace("k UInt32", "k UInt64"), "PARTITION BY toYYYYMM(day) ORDER BY k", {}),
        (COLUMNS.replace("k UInt32", "k String"), "PARTITION BY toYYYYMM(day) PRIMARY KEY k ORDER BY (k, name)", {}),
    ],
    ids=["sort-key", "partition-key", "unpartitioned", "key-type", "key-to-string"],
)
def test_rebuild_keeps_every_row(lab: Lab, columns: str, tail: str, expressions: dict[str, str]) -> None:
    make(lab)
    before, old = lab.bag("t", ALL), lab.uuid("t")
    work = rebuild(lab, "t", f"CREATE TABLE wanted ({columns}) ENGINE = MergeTree {tail}", expressions=expressions)
    outcome = lab.apply(work)
    after = lab.bag("t", ALL.replace("k,", "toUInt32(k),", 1))
    assert after == before
    assert sum(before.values()) == outcome[0].rows == 3003
    assert lab.uuid("t") != old
    assert not lab.ours()
    assert lab.merging("t")
    lab.sql(f"CREATE TABLE wanted ({columns}) ENGINE = MergeTree {tail}")
    assert lab.definition("t") == lab.definition("wanted").replace("CREATE TABLE wanted", "CREATE TABLE t")


def test_filter_and_expressions(lab: Lab) -> None:
    make(lab)
    everything = "k + 1, day, name, maybe, tags, props, made, shout, upper(note)"
    expected = lab.bag("t", everything)
    kept = Counter(lab.rows(f"SELECT toString(tuple({everything})) FROM {{db}}.t WHERE k >= 100"))
    wanted = f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)"
    lab.apply(rebuild(lab, "t", wanted, expressions={"k": "k + 1", "note": "upper(note)"}, where="k >= 100"))
    assert lab.bag("t", ALL.replace("k,", "toUInt64(k),", 1)) == kept
    assert sum(kept.values()) < sum(expected.values())


def test_old_storage_with_every_kind_of_part(lab: Lab) -> None:
    """Lightweight deletes, parts that lack a column, merged and wide parts."""
    make(lab)
    lab.sql(
        "ALTER TABLE t ADD COLUMN added String DEFAULT concat('x', toString(k))",
        "DELETE FROM t WHERE k % 10 = 3",
        "OPTIMIZE TABLE t PARTITION 202401 FINAL",
    )
    lab.sql("ALTER TABLE t MODIFY SETTING min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0")
    lab.sql(FILL.format(rows=50), "DELETE FROM t WHERE k = 4")
    before = lab.bag("t", f"{ALL}, added")
    lab.apply(
        rebuild(
            lab,
            "t",
            f"CREATE TABLE wanted ({COLUMNS}, added String) ENGINE = MergeTree PARTITION BY day ORDER BY (name, k)",
        )
    )
    assert lab.bag("t", f"{ALL}, added") == before


def test_volatile_default_is_left_out_of_the_checksum_and_named(lab: Lab) -> None:
    make(lab)
    lab.sql("ALTER TABLE t ADD COLUMN id UInt64 DEFAULT generateSnowflakeID()")
    before = lab.bag("t", ALL)
    wanted = (
        f"CREATE TABLE wanted ({COLUMNS}, id UInt64 DEFAULT generateSnowflakeID()) ENGINE = MergeTree ORDER BY "
        "(name, k)"
    )
    outcome = lab.apply(rebuild(lab, "t", wanted))
    assert lab.bag("t", ALL) == before
    assert [note for note in outcome[0].notes if "id" in note and "default" in note]
    assert lab.value("SELECT uniqExact(id) FROM {db}.t") == 3003
    outcome = lab.apply(rebuild(lab, "t", wanted.replace("(name, k)", "k")))
    assert not outcome[0].notes  # every part holds it now


def test_engines_keep_rows_until_they_merge(lab: Lab) -> None:
    make(lab)
    before = lab.bag("t", ALL)
    work = rebuild(
        lab,
        "t",
        f"CREATE TABLE wanted ({COLUMNS}) ENGINE = ReplacingMergeTree(made) ORDER BY (name, k) SETTINGS "
        "max_bytes_to_merge_at_max_space_in_pool = 1",
    )
    lab.apply(work)
    assert lab.bag("t", ALL) == before
    assert "max_bytes_to_merge_at_max_space_in_pool = 1" in lab.definition("t")


def test_aggregation_states_survive(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (k UInt32, u AggregateFunction(uniqExact, UInt64), s SimpleAggregateFunction(sum, UInt64)) "
        "ENGINE = AggregatingMergeTree ORDER BY k"
    )
    lab.sql(
        "INSERT INTO t SELECT number % 9, uniqExactState(number), sum(number) FROM numbers(2000) GROUP BY number % 9"
    )
    before = lab.bag("t", "k, finalizeAggregation(u), s")
    columns = "k UInt64, u AggregateFunction(uniqExact, UInt64), s SimpleAggregateFunction(sum, UInt64)"
    wanted = f"CREATE TABLE wanted ({columns}) ENGINE = AggregatingMergeTree ORDER BY k"
    outcome = lab.apply(rebuild(lab, "t", wanted))
    assert lab.bag("t", "toUInt32(k), finalizeAggregation(u), s") == before
    assert "u (the bytes of an aggregation state" in outcome[0].notes[0]


def test_expired_rows_of_an_old_ttl_are_kept(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (k UInt32, at DateTime) ENGINE = MergeTree ORDER BY k TTL at + INTERVAL 1 DAY SETTINGS "
        "merge_with_ttl_timeout = 0"
    )
    lab.sql(
        "SYSTEM STOP TTL MERGES t",
        "INSERT INTO t SELECT number, if(number % 2 = 0, toDateTime(0), now()) FROM numbers(1000)",
    )
    lab.apply(rebuild(lab, "t", "CREATE TABLE wanted (k UInt32, at DateTime) ENGINE = MergeTree ORDER BY (at, k)"))
    lab.sql("OPTIMIZE TABLE t FINAL")
    assert lab.value("SELECT count() FROM {db}.t") == 1000


def test_ordered_engine_keeps_the_last_row(lab: Lab) -> None:
    """Replacing without a version: the row inserted last survives, across partitions as well."""
    lab.sql(
        "CREATE TABLE t (k UInt32, p UInt8, v UInt64) ENGINE = ReplacingMergeTree PARTITION BY p ORDER BY k",
        "SYSTEM STOP MERGES t",
    )
    for version in range(12):
        lab.sql(f"INSERT INTO t SELECT number, {11 - version} % 5, {version} FROM numbers(100)")
    work = rebuild(
        lab,
        "t",
        "CREATE TABLE wanted (k UInt64, p UInt8, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k",
        ordered=True,
        fenced=True,
    )
    lab.apply(work)
    assert lab.rows("SELECT v, count() FROM {db}.t FINAL GROUP BY v") == ((11, 100),)
    lab.sql("OPTIMIZE TABLE t FINAL")
    assert lab.rows("SELECT v, count() FROM {db}.t GROUP BY v") == ((11, 100),)


def test_collapsing_pairs_survive_the_copy(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (k UInt32, v UInt64, sign Int8) ENGINE = CollapsingMergeTree(sign) ORDER BY k",
        "SYSTEM STOP MERGES t",
    )
    lab.sql(
        "INSERT INTO t SELECT number, 1, 1 FROM numbers(50)",
        "INSERT INTO t SELECT number, 1, -1 FROM numbers(50)",
        "INSERT INTO t SELECT number, 2, 1 FROM numbers(50)",
    )
    before = lab.bag("t")
    work = rebuild(
        lab,
        "t",
        "CREATE TABLE wanted (k UInt64, v UInt64, sign Int8) ENGINE = CollapsingMergeTree(sign) ORDER BY k",
        ordered=True,
        fenced=True,
    )
    stopped: list[object] = []
    lab.apply(
        work,
        before=lambda effect: (
            stopped.append(lab.bag("t", "toUInt32(k), v, sign")) if "EXCHANGE" in getattr(effect, "sql", "") else None
        ),
    )
    assert stopped == [before]
    assert lab.rows("SELECT v, count() FROM {db}.t FINAL GROUP BY v") == ((2, 50),)


def test_chunks_are_small_and_many(lab: Lab) -> None:
    make(lab)
    before = lab.bag("t", ALL)
    work = rebuild(
        lab, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree PARTITION BY k % 7 ORDER BY (name, k)"
    )
    lab.apply(work, options=ApplyOptions(chunk_rows=500))
    assert lab.bag("t", ALL) == before
    progress = [event for event in lab.events if isinstance(event, Progress) and event.phase == "copy"]
    assert len(progress) > 4
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == progress[-1].total == 3003


@pytest.mark.parametrize("ordered", [False, True])
def test_a_part_that_is_too_large_for_one_insert_is_read_in_pieces(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    monkeypatch.setattr(chunks, "INSERT_ROWS", 900)
    lab.sql(f"CREATE TABLE t ({COLUMNS}) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 128")
    lab.sql(FILL.format(rows=3000))
    lab.sql("DELETE FROM t WHERE k = 7 SETTINGS lightweight_deletes_sync = 2")
    before = lab.bag("t", ALL)
    sent: list[str] = []
    lab.apply(
        rebuild(lab, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)", ordered=ordered),
        before=lambda effect: sent.append(getattr(effect, "sql", "")),
    )
    assert lab.bag("t", ALL) == before
    assert sum("INSERT INTO" in sql and "_part_offset >=" in sql for sql in sent) == 4
    progress = [event for event in lab.events if isinstance(event, Progress) and event.phase == "copy"]
    assert [event.done for event in progress] == [0, 750, 1500, 2250, 3000]
    assert {event.total for event in progress} == {3000}


def test_empty_table(lab: Lab) -> None:
    lab.sql(f"CREATE TABLE t ({COLUMNS}) ENGINE = MergeTree ORDER BY k")
    outcome = lab.apply(rebuild(lab, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)"))
    assert outcome[0].rows == 0
    assert not lab.ours()


@pytest.mark.parametrize("seconds", [0, 3600])
def test_the_old_table_is_kept_or_dropped(lab: Lab, seconds: int) -> None:
    make(lab)
    before, old = lab.bag("t", ALL), lab.uuid("t")
    work = rebuild(lab, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)")
    nonce = lab.nonce()
    for _ in range(2):  # twice in one run: the kept tables have names of their own
        outcome = lab.apply(work, options=ApplyOptions(keep_old_seconds=seconds), nonce=nonce)
    owned = lab.run(read_owned(lab.database))
    kept = owned.kept()
    assert lab.bag("t", ALL) == before
    if not seconds:
        assert not kept
        assert not lab.ours()
        return
    assert len(kept) == 2
    assert outcome[0].kept in {row.name for row in kept}
    first = next(row for row in kept if row.kept.uuid == old)
    assert first.kept.expires - first.kept.since == 3600
    assert lab.bag(first.name, ALL) == before
    with pytest.raises(StatementError, match="readonly"):
        lab.sql(f"INSERT INTO `{first.name}` (k) VALUES (1)")
    assert lab.run(drop_expired(lab.database, kept, owned.at // 1000, {})) == ()
    assert lab.clean() == ()


def test_default_database_of_the_embedded_engine(lab: Lab) -> None:
    """Its tables have no UUID in system.tables."""
    home = Lab(lab.url, "default")
    try:
        home.sql("DROP TABLE IF EXISTS t SYNC")
        make(home)
        before, old = home.bag("t", ALL), home.uuid("t")
        home.apply(rebuild(home, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)"))
        assert home.bag("t", ALL) == before
        assert home.uuid("t") not in ("", old)
        assert not home.ours()
    finally:
        home.sql("DROP TABLE IF EXISTS t SYNC")
        home.close()


def test_hostile_names(lab: Lab) -> None:
    name = "we`ird \\ 'na\"me. \n ü" + "x" * 40
    quoted = quote_name(name)
    lab.sql(
        f"CREATE TABLE {quoted} (`a``b` UInt32, `c d` String) ENGINE = MergeTree ORDER BY `a``b` COMMENT 'it''s \\\\ "
        "it'"
    )
    lab.sql(f"INSERT INTO {quoted} SELECT number, toString(number) FROM numbers(100)")
    form = forms(lab, name)[name]
    columns = (CopyColumn("a`b", "`a``b`"), CopyColumn("c d", "`c d`"))
    lab.apply(
        RebuildWork(name, replace(form, order_by="(`c d`, `a``b`)", primary_key=""), columns),
        options=ApplyOptions(keep_old_seconds=60),
    )
    assert lab.value(f"SELECT sum(`a``b`) FROM {{db}}.{quoted}") == 4950
    assert forms(lab, name)[name].comment == "it's \\ it"


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ("CREATE TABLE t (k UInt32) ENGINE = Log", "MergeTree family"),
        ("CREATE TABLE t (k UInt32, _part String) ENGINE = MergeTree ORDER BY k", "_part"),
        ("CREATE TABLE t (k UInt32) ENGINE = MergeTree ORDER BY k SETTINGS table_readonly = 1", "read-only"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_before_anything_is_touched(lab: Lab, setup: str, message: str) -> None:
    lab.sql(setup)
    work = rebuild(lab, "t", "CREATE TABLE wanted (k UInt64) ENGINE = MergeTree ORDER BY k")
    before = lab.definition("t")
    with pytest.raises(ApplyError, match=message):
        lab.apply(work)
    assert lab.definition("t") == before
    assert not lab.ours()


def test_no_room_on_disk_is_refused_before_anything_is_touched(lab: Lab) -> None:
    make(lab)
    before = lab.definition("t")
    work = rebuild(lab, "t", f"CREATE TABLE wanted ({COLUMNS}) ENGINE = MergeTree ORDER BY (name, k)")
    with pytest.raises(ApplyError, match=r"needs .* but disk default has .* left"):
        lab.apply(work, options=ApplyOptions(disk_factor=1e12))
    assert lab.definition("t") == before
    assert not lab.ours()


def test_ordinary_databases_cannot_exchange(lab: Lab) -> None:
    lab.connection.command(Command(f"CREATE DATABASE `{lab.database}_o` ENGINE = Memory"))
    other = Lab(lab.url, f"{lab.database}_o")
    try:
        with pytest.raises(ApplyError, match="engine Memory"):
            other.run(require_exchange(other.database))
    finally:
        lab.connection.command(Command(f"DROP DATABASE `{lab.database}_o`"))
        other.close()


def test_what_reads_a_value_that_changes_with_each_read_is_not_compared(lab: Lab) -> None:
    """Also through an ALIAS, and through others: none of these columns is in the part."""
    lab.sql(
        "CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k",
        "INSERT INTO t SELECT number FROM numbers(50)",
        "ALTER TABLE t ADD COLUMN a UInt64 DEFAULT rand64(), ADD COLUMN b UInt64 DEFAULT a, ADD COLUMN c UInt64 ALIAS "
        "rand64(k), ADD COLUMN d UInt64 MATERIALIZED c, ADD COLUMN e UInt64 DEFAULT d + 1, ADD COLUMN f UInt64 DEFAULT k",
    )
    wanted = (
        "CREATE TABLE wanted (k UInt64, a UInt64, b UInt64, c UInt64 ALIAS 1, d UInt64, e UInt64, f UInt64) ENGINE = "
        "MergeTree ORDER BY tuple()"
    )
    (outcome,) = lab.apply(rebuild(lab, "t", wanted))
    assert [note.partition("checksum: ")[2].partition(" (")[0] for note in outcome.notes] == ["a, b, d, e"]
    assert lab.value("SELECT countIf(f = k AND e = d + 1) FROM {db}.t") == 50
