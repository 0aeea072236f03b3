"""Rows go across two at a time; the bookmark says how far they are."""

from __future__ import annotations

from typing import cast

from aaiclick import Migration
from aaiclick.specs.moves import MoveContext


def move(context: MoveContext) -> None:
    source, target = context.table("t"), context.table("copies")
    total = cast("int", context.client.query(f"SELECT count() FROM {source}").result_rows[0][0])
    for first in range(cast("int", context.bookmark or 0), total, 2):
        context.client.command(
            f"INSERT INTO {target} SELECT id, n FROM {source} WHERE id >= {{first:UInt64}} AND id < {{first:UInt64}} "
            "+ 2",
            parameters={"first": first},
        )
        context.set_bookmark(first + 2)
        context.progress(min(first + 2, total), total)


migration = Migration(version=2, move=move)
