"""The one query of a start with nothing to do, where the schema is a large one."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.read import MOST_NAMES
from aaiclick.commands.inspection.warm import warm
from aaiclick.routine import Query


def schema(count: int) -> Schema:
    return Schema(
        "s",
        version=1,
        objects=[Table(f"t{place}", [Column("a", "UInt8")], engine=MergeTree(order_by="a")) for place in range(count)],
    )


@pytest.mark.parametrize("count", [3, MOST_NAMES - 1, MOST_NAMES])
def test_a_long_list_of_names_is_not_sent_and_other_tables_do_not_count(count: int) -> None:
    routine = warm(schema(count), "d")
    effect = next(routine)
    assert isinstance(effect, Query)
    assert ("n0" in effect.parameters) == (count < MOST_NAMES)
    texts = {f"t{place}": f"CREATE {place}" for place in range(count)}
    rows = (*((name, text, "", "d", 0) for name, text in texts.items()), ("stranger", "CREATE stranger", "{}", "d", 0))
    with pytest.raises(StopIteration) as end:
        routine.send(rows)
    assert (end.value.value.digest, end.value.value.in_sync) == (text_digest(texts), False)
