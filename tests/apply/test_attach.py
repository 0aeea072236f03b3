"""Attach: the new table takes over the parts, not the rows."""

from __future__ import annotations

from typing import Any

import pytest

from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import Alter, AttachWork
from aaiclick.routine import Command
from tests.apply.applying import Lab, forms
from tests.apply.test_concurrent_mutations import Changes, endless

OLD = "CREATE TABLE t (k UInt32, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY k"


def make(lab: Lab) -> None:
    lab.sql(OLD, "SYSTEM STOP MERGES t")
    for part in range(3):
        lab.sql(f"INSERT INTO t SELECT number, number % 4, if(number % 2 = 0, NULL, 'v{part}') FROM numbers(100)")


def work(lab: Lab, wanted: str, **more: Any) -> AttachWork:
    lab.sql(wanted)
    form = forms(lab, "wanted")["wanted"]
    lab.sql("DROP TABLE wanted SYNC")
    return AttachWork("t", form, **more)


@pytest.mark.usefixtures("fence")
@pytest.mark.parametrize(
    "wanted",
    [
        "(k UInt32, p UInt8, v Nullable(String)) ENGINE = ReplacingMergeTree PARTITION BY p ORDER BY k",
        (
            "(k UInt32, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY k SETTINGS "
            "index_granularity = 512"
        ),
        (
            "(v Nullable(String), p UInt8, k UInt32, INDEX i v TYPE bloom_filter, PROJECTION q (SELECT p ORDER BY "
            "p)) ENGINE = MergeTree PARTITION BY p ORDER BY k"
        ),
    ],
)
def test_every_row_comes_along(lab: Lab, wanted: str) -> None:
    make(lab)
    before, old = lab.bag("t", "k, p, v"), lab.uuid("t")
    seen: list[str] = []
    outcome = lab.apply(
        work(lab, f"CREATE TABLE wanted {wanted}"),
        before=lambda effect: seen.append(effect.sql) if isinstance(effect, Command) else None,
    )
    if "Replacing" in wanted:
        assert lab.value("SELECT uniqExact(k) FROM {db}.t") == 100
    else:
        assert lab.bag("t", "k, p, v") == before
    assert lab.uuid("t") != old
    assert outcome[0].rows == 300
    assert not [sql for sql in seen if sql.startswith("INSERT")]
    assert not lab.ours()
    lab.sql(f"CREATE TABLE wanted {wanted}")
    assert lab.definition("t") == lab.definition("wanted").replace("TABLE wanted", "TABLE t")


def test_alters_come_first(lab: Lab) -> None:
    make(lab)
    wanted = (
        "CREATE TABLE wanted (k UInt32, p UInt8, v Nullable(String), n UInt8 DEFAULT 7) ENGINE = ReplacingMergeTree "
        "PARTITION BY p ORDER BY k"
    )
    lab.apply(work(lab, wanted, alters=(Alter("ALTER TABLE t ADD COLUMN n UInt8 DEFAULT 7"),)))
    assert lab.value("SELECT groupUniqArray(n)[1] FROM {db}.t") == 7


@pytest.mark.usefixtures("fence")
def test_what_the_server_refuses_leaves_the_table(lab: Lab) -> None:
    make(lab)
    before, uuid, text = lab.bag("t"), lab.uuid("t"), lab.definition("t")
    with pytest.raises(ApplyError, match="Tables have different ordering"):
        lab.apply(work(lab, OLD.replace("TABLE t", "TABLE wanted").replace("ORDER BY k", "ORDER BY (k, p)")))
    assert (lab.bag("t"), lab.uuid("t"), lab.definition("t")) == (before, uuid, text)
    assert not lab.ours()
    lab.sql("INSERT INTO t VALUES (1, 1, 'x')")


def test_an_unfinished_mutation_is_never_attached(lab: Lab) -> None:
    make(lab)
    lab.connection.command(
        Command("ALTER TABLE t UPDATE v = 'new' WHERE 1", settings={"mutations_sync": 0}, database=lab.database)
    )
    attach = work(
        lab,
        OLD.replace("TABLE t", "TABLE wanted")
        .replace("= MergeTree", "= MergeTree")
        .replace("ORDER BY k", "ORDER BY k SETTINGS index_granularity = 512"),
    )
    with pytest.raises(ApplyError, match="is still running"):
        lab.apply(attach, options=ApplyOptions(mutation_seconds=0.2))
    assert not lab.ours()
    lab.sql("SYSTEM START MERGES t")
    lab.apply(attach)
    assert lab.value("SELECT countIf(v = 'new') FROM {db}.t") == 300


def test_the_old_table_is_kept(lab: Lab) -> None:
    make(lab)
    outcome = lab.apply(
        work(lab, OLD.replace("TABLE t", "TABLE wanted").replace("= MergeTree", "= ReplacingMergeTree")),
        options=ApplyOptions(keep_old_seconds=60),
    )
    assert lab.value(f"SELECT count() FROM {{db}}.`{outcome[0].kept}`") == 300
    assert lab.ours() - {"_aaiclick_journal"} == {outcome[0].kept}


@pytest.mark.parametrize("marker", ["STOP MERGES", "table_readonly = 1", "CHECK 0", "ATTACH PARTITION"])
def test_a_delete_that_comes_meanwhile_runs_before_the_parts_are_attached(
    lab: Lab, request: pytest.FixtureRequest, marker: str
) -> None:
    """Neither behind the fence nor while merges are stopped would it ever run: writers are not kept out for it."""
    if marker in ("CHECK 0", "ATTACH PARTITION"):
        request.getfixturevalue("no_readonly_setting")
    make(lab)
    lab.sql("SYSTEM START MERGES t")
    attach = work(lab, OLD.replace("TABLE t", "TABLE wanted").replace("= MergeTree", "= ReplacingMergeTree"))
    changes = Changes(lab, marker, endless)
    outcome = lab.apply(attach, before=changes, options=ApplyOptions(fence_seconds=0.5))
    changes.client.close()
    assert (changes.sent, outcome[0].rows, outcome[0].notes) == (1, 297, ())
    assert lab.rows("SELECT count(), countIf(k = 0) FROM {db}.t") == ((297, 0),)
    assert not lab.ours()


@pytest.mark.usefixtures("no_readonly_setting")
def test_deletes_that_do_not_stop_leave_the_table_and_its_writers_alone(lab: Lab) -> None:
    make(lab)
    lab.sql("SYSTEM START MERGES t")
    attach = work(lab, OLD.replace("TABLE t", "TABLE wanted").replace("= MergeTree", "= ReplacingMergeTree"))
    changes = Changes(lab, "ATTACH PARTITION ID '0'", endless, most=1000)
    with pytest.raises(ApplyError, match="again and again"):
        lab.apply(attach, before=changes, options=ApplyOptions(restarts=1))
    changes.client.close()
    assert (changes.sent, lab.value("SELECT countIf(k > 1) FROM {db}.t")) == (2, 294)
    assert lab.merging("t")
    lab.sql("INSERT INTO t VALUES (1, 1, 'x')")
    assert not lab.ours()
