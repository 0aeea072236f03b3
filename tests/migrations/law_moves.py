"""Functions of the migrations that the law draws: importable, so that a module can name them."""

from __future__ import annotations

from collections.abc import Callable

from aaiclick.specs.moves import MoveContext


def copying(table: str, column: str, version: int) -> Callable[[MoveContext], None]:
    """Copies a column of a table, as its version has it, to ``sink``; and changes it in a few rows."""

    def move(context: MoveContext) -> None:
        if context.bookmark is None:
            context.client.command(
                f"INSERT INTO sink SELECT id + {version} * 1000, toString({column}) FROM {context.table(table)}"
            )
            context.set_bookmark(1)
        context.client.command(
            f"ALTER TABLE {context.table(table)} DELETE WHERE id = 300 + {version}", settings={"mutations_sync": 2}
        )

    return move
