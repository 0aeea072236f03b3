"""``MergeTree(date, [sampling,] key, granularity, ...)``: how tables were created before there was ORDER BY.

The server still loads such tables, but creates none unless ``allow_deprecated_syntax_for_merge_tree`` is set.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.sql.tokens import split_top

_WHOLE = re.compile(r"[0-9]+\Z")


def modern(form: TableForm) -> TableForm:
    """The form with its keys in their own fields; ``old_syntax`` keeps what stood between the engine's parentheses."""
    if (
        not form.merge_tree
        or form.engine.startswith(("Replicated", "Shared"))
        or form.order_by
        or form.partition_by
        or form.settings
        or not form.arguments
    ):
        return form
    # MergeTree(date, key, granularity) or MergeTree(date, sampling, key, granularity): the number tells which.
    pieces = split_top(form.arguments)
    place = next((place for place, piece in enumerate(pieces) if place in (2, 3) and _WHOLE.match(piece)), 0)
    if not place:
        return form
    return replace(
        form,
        arguments=", ".join(pieces[place + 1 :]),
        partition_by=f"toYYYYMM({pieces[0]})",
        order_by=pieces[place - 1],
        sample_by=pieces[1] if place == 3 else "",
        settings=(("index_granularity", pieces[place]),),
        old_syntax=form.arguments,
    )
