"""A table gets another name and its views follow it, while writers are refused: killed anywhere, or refused, no row that
is taken afterwards passes them by."""

from __future__ import annotations

import pytest

from aaiclick.apply.backfill.backfill import finish_backfills
from aaiclick.apply.executor import apply_steps
from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import BackfillWork
from aaiclick.state.owned import read_owned
from tests.apply.applying import Killed, Lab, step


def work(lab: Lab, query: str = "SELECT id AS x FROM t2 AS t") -> BackfillWork:
    renamed = f"RENAME TABLE IF EXISTS `{lab.database}`.t TO `{lab.database}`.t2"
    altered = [f"ALTER TABLE `{lab.database}`.{view} MODIFY QUERY {query}" for view in ("mv", "mv2")]
    return BackfillWork("mv", (renamed, *altered), ("t",))


def prepared(lab: Lab) -> None:
    lab.sql(
        "DROP TABLE IF EXISTS mv SYNC",
        "DROP TABLE IF EXISTS mv2 SYNC",
        *(f"DROP TABLE IF EXISTS {name} SYNC" for name in ("t", "t2", "g", "h")),
        "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id",
        "CREATE TABLE g (x UInt64) ENGINE = MergeTree ORDER BY x",
        "CREATE TABLE h (x UInt64) ENGINE = MergeTree ORDER BY x",
        f"CREATE MATERIALIZED VIEW mv TO `{lab.database}`.g AS SELECT id AS x FROM t",
        f"CREATE MATERIALIZED VIEW mv2 TO `{lab.database}`.h AS SELECT id AS x FROM t",
    )


def takes_rows(lab: Lab, name: str) -> None:
    lab.sql(f"INSERT INTO {name} VALUES (7)")
    assert lab.rows("SELECT x FROM {db}.g") == lab.rows("SELECT x FROM {db}.h") == ((7,),)
    assert not lab.ours()


def test_killed_anywhere(lab: Lab) -> None:
    prepared(lab)
    effects = len(lab.effects(apply_steps([step(work(lab))], lab.database, lab.nonce())))
    takes_rows(lab, "t2")
    names: set[str] = set()
    for stop in range(effects - 1):
        prepared(lab)
        with pytest.raises(Killed):
            lab.run(apply_steps([step(work(lab))], lab.database, lab.nonce()), stop=stop)
        lab.run(finish_backfills(lab.run(read_owned(lab.database)), ApplyOptions()))
        name = "t2" if lab.uuid("t2") else "t"
        names.add(name)
        takes_rows(lab, name)
    assert names == {"t", "t2"}


def test_what_is_refused_leaves_the_table_its_name(lab: Lab) -> None:
    prepared(lab)
    with pytest.raises(ApplyError, match="nowhere"):
        lab.apply(work(lab, "SELECT id AS x FROM nowhere"))
    takes_rows(lab, "t")
