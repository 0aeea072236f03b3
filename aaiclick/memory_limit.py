"""Settings for a query that met the memory limit: one thread, and smaller and smaller blocks, as rows may be large."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.error_codes import MEMORY_LIMIT_EXCEEDED
from aaiclick.errors import StatementError

_ROWS = (8192, 64, 8, 1)


def smaller_blocks(settings: Mapping[str, str | int], error: StatementError) -> dict[str, str | int]:
    """Settings for the next attempt. Raises the error where it is another one, or the blocks were the smallest."""
    asked = settings.get("max_block_size")
    # Each attempt has smaller blocks than the one before. A size that the caller had set counts as none of them.
    left = [rows for rows in _ROWS if asked not in _ROWS or rows < int(asked)]
    if error.code != MEMORY_LIMIT_EXCEEDED or not left:
        raise error
    return {**settings, "max_threads": 1, "max_block_size": left[0], "preferred_block_size_bytes": left[0] << 8}
