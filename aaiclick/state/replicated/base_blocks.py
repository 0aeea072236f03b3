"""Which rows of a table came after it took the place of another one, where blocks are numbered in each partition anew.

On one host one number says it: what is above it has come since. On a cluster each shard has numbers of its own, and
each partition begins at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from aaiclick.sql.quoting import quote_string

BaseBlock: TypeAlias = tuple[int, str, int]
"""Number of a shard, partition, and the highest block that the new table had there at the exchange."""


def base_sql(base: int | None, bases: Sequence[BaseBlock]) -> str:
    """An expression over the rows of one shard: rows with a higher ``_block_number`` have come since. A partition that
    was not there has come as a whole."""
    if not bases:
        return str(-1 if base is None else base)
    partitions = ", ".join(quote_string(partition) for _, partition, _ in bases)
    blocks = ", ".join(f"toInt64({block})" for _, _, block in bases)
    return f"transform(_partition_id, [{partitions}], [{blocks}], toInt64(-1))"


def base_in(base: int | None, bases: Sequence[BaseBlock], partition: str) -> int:
    """The same for one partition, as a number."""
    if not bases:
        return -1 if base is None else base
    return next((block for _, each, block in bases if each == partition), -1)
