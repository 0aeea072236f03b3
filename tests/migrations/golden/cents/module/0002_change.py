"""Prices in cents."""

from __future__ import annotations

from aaiclick import Migration, Rebuild
from aaiclick.specs.moves import MoveContext


def move(context: MoveContext) -> None:
    log = context.table("log")
    if not context.client.query(f"SELECT count() FROM {log} WHERE id = 2").result_rows[0][0]:
        context.client.command(f"INSERT INTO {log} VALUES (2, 'function')")
    context.set_bookmark(1)


migration = Migration(
    version=2,
    rebuild={name: Rebuild(columns={"price": "price * 100"}) for name in ("t", "u")},
    sql=["INSERT INTO log VALUES (1, 'statement')"],
    move=move,
)
