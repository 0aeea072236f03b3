"""What a test kills: ``python -m tests.migrations.moving_child <directory> <rows> <batches>`` moves rows on disk in
batches with bookmarks.

Says ``held <rows> <distinct> <batches>`` of what is there when it begins, ``call <attempt> <bookmark>`` when the
function is called, ``batch <n>`` behind each bookmark, and ``done <rows> <distinct> <sum>`` at the end.
"""

from __future__ import annotations

import sys
from typing import cast

from chdb.session import Session

from aaiclick import Column, MergeTree, Migration, Schema, Table, ensure_schema
from aaiclick.specs.moves import MoveContext

SOURCE = Table("source", [Column("id", "UInt64"), Column("what", "String")], engine=MergeTree(order_by=["id"]))
TARGET = Table(
    "target",
    [Column("id", "UInt64"), Column("what", "String"), Column("batch", "UInt32")],
    engine=MergeTree(order_by=["id"]),
)


def say(line: str) -> None:
    """At once: whoever reads it may be about to kill this process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def mover(count: int, batches: int) -> Migration:
    """Moves ``count`` rows in batches. A repeated call does not trust the batch behind its bookmark."""
    size = count // batches

    def move(context: MoveContext) -> None:
        first = cast("int", context.bookmark or 0)
        say(f"call {context.attempt} {first}")
        target, source = context.table("target"), context.table("source")
        for batch in range(first, batches):
            if (
                context.attempt > 1
                and batch == first
                and context.client.query(f"SELECT count() FROM {target} WHERE batch = {batch}").result_rows[0][0]
            ):
                context.set_bookmark(batch + 1)  # one INSERT of one part is there as a whole or not at all
                continue
            sql = (
                f"INSERT INTO {target} SELECT id, upper(what), {batch} FROM {source} WHERE id >= {batch * size} AND "
                f"id < {(batch + 1) * size}"
            )
            context.client.command(sql)
            context.set_bookmark(batch + 1)
            say(f"batch {batch}")

    return Migration(2, move=move)


def main() -> int:
    """Make version 1 where there is nothing, tell what is there, and bring it to version 2."""
    path, count, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    session = Session(path)

    def line(sql: str) -> str:
        return str(session.query(sql, "TabSeparated").bytes().decode()).strip()

    if not line("SHOW DATABASES LIKE 'd'"):
        session.query("CREATE DATABASE d")
        ensure_schema(session, Schema("moving", version=1, objects=[SOURCE]), database="d")
        session.query(f"INSERT INTO d.source SELECT number, concat('w', toString(number)) FROM numbers({count})")
    if line("SELECT count() FROM system.tables WHERE database = 'd' AND name = 'target'") == "1":
        say("held " + line("SELECT count(), uniqExact(id), uniqExact(batch) FROM d.target").replace("\t", " "))
    report = ensure_schema(
        session, Schema("moving", version=2, objects=[SOURCE, TARGET], migrations=[mover(count, batches)]), database="d"
    )
    wrong = line(
        "SELECT count() FROM d.source AS s FULL JOIN d.target AS t ON s.id = t.id WHERE upper(s.what) != t.what "
        "SETTINGS join_use_nulls = 0"
    )
    say(
        "done "
        + line("SELECT count(), uniqExact(id), sum(id) FROM d.target").replace("\t", " ")
        + f" {wrong} {len(report.steps)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
